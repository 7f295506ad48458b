"""Makes the goldens of measures of what two models say.

    git clone https://github.com/mklabunde/resi && pip install numpy==2.4.6 scipy==1.17.1 torch==2.13.0 \
        einops loguru
    PYTHONPATH=resi python make_outputs.py

Written beside this script:

* `a.npz`, `b.npz`: features (`layer`) and outputs (`logits`) of two imagined networks on the same 80
  samples; `c.npz`: other features, and the softmax of the outputs of `b.npz`;
* `outputs.json`: what ReSi says of the logits of `a.npz` and `b.npz`, and the bounds of the
  disagreement for the labels in it by the formula of Klabunde & Lemmerich (2023).
"""

import json
from pathlib import Path

import numpy as np
from repsim.measures import JSD, AbsoluteAccDiff, Disagreement
from scipy.special import softmax

FOLDER = Path(__file__).resolve().parent
SAMPLES, CLASSES, WIDTH = 80, 5, 6

Array = np.ndarray


def make_logits(random: np.random.Generator, labels: Array, noise: float) -> Array:
    """Outputs that favour the labels, under noise."""
    logits = 2.0 * np.eye(CLASSES)[labels]
    return logits + noise * random.standard_normal(logits.shape)


def measured(labels: Array, a: Array, b: Array) -> dict[str, object]:
    accuracies = [float((logits.argmax(axis=1) == labels).mean()) for logits in (a, b)]
    disagreement = float(Disagreement()(a, b))
    wrong = [1 - accuracy for accuracy in accuracies]
    least, greatest = abs(wrong[0] - wrong[1]), min(sum(wrong), 1.0)
    return {
        "labels": labels.tolist(),
        "accuracies": accuracies,
        "disagreement": disagreement,
        "jensen-shannon": float(JSD()(a, b)),
        "accuracy-difference": float(AbsoluteAccDiff()(*accuracies)),
        "min-max-disagreement": (disagreement - least) / (greatest - least),
    }


def main() -> None:
    random = np.random.default_rng(7)
    labels = random.integers(0, CLASSES, SAMPLES)
    a, b = (make_logits(random, labels, noise) for noise in (1.0, 1.6))
    for name, outputs in (("a", a), ("b", b), ("c", softmax(b, axis=1))):
        layer = random.standard_normal((SAMPLES, WIDTH)) + outputs @ random.standard_normal((CLASSES, WIDTH))
        np.savez(FOLDER / f"{name}.npz", layer=layer, logits=outputs)
    text = json.dumps(measured(labels, a, b), indent=1)
    (FOLDER / "outputs.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
