"""Makes the goldens of the measures of similarity.

    pip install numpy==2.4.6 scipy==1.17.1 rsatoolbox==0.3.2 dcor==0.7 POT==0.9.7.post1 \
        scikit-dimension==0.5.0
    python make_similarity.py

Written beside this script:

* `layers.npz`: layers of imagined networks on the same 60 samples;
* `svcca.npz`: two layers on 600 samples whose 99 % of the variance takes 63 components;
* `similarity.json`: each measure of each ordered pair of layers (null where it means nothing), of
  each layer alone, and the published values of the pair of `../measures/pair.npz`.
"""

import json
from pathlib import Path

import numpy as np

import reference
from reference import Array

FOLDER = Path(__file__).resolve().parent
SAMPLES = 60
PUBLISHED = {
    "cca-r2": (0.54540, 5e-6),
    "procrustes": (0.527489, 5e-7),
    "procrustes-angle": (0.743276, 5e-7),
    "rsa": (0.472440, 5e-7),
    "mutual-knn": (0.2790, 5e-5),
    "jaccard": (0.1701, 5e-5),
    "hsic": (9.895956, 5e-7),
    "cka": (0.51346, 5e-6),
}


def make_layers(random: np.random.Generator) -> dict[str, Array]:
    """Layers that share a signal: narrow, rectified, wider than the samples, of low rank."""
    signal = random.standard_normal((SAMPLES, 6))

    def layer(width: int, noise: float) -> Array:
        mixed = signal @ random.standard_normal((6, width)) / np.sqrt(6)
        return mixed + noise * random.standard_normal(mixed.shape)

    low = layer(5, 0.5) @ random.standard_normal((5, 12))
    low[:, 3] = 2.5
    return {
        "narrow": layer(8, 0.7),
        "shifted": 10 + 0.05 * layer(13, 0.5),
        "rectified": np.maximum(layer(24, 0.5), 0),
        "wide": 1 + layer(150, 1.0),
        "low": low,
        "noise": random.standard_normal((SAMPLES, 9)),
    }


def pairs_of(layers: dict[str, Array]) -> list[dict]:
    found = []
    for a, x in layers.items():
        for b, y in layers.items():
            values = {
                name: None if reference.trivial(name, x, y) else measure(x, y)
                for name, measure in reference.PAIRWISE.items()
                if a != b
            }
            if a != b:
                found.append({"a": a, "b": b, "values": values})
    return found


def check_published(values: dict[str, float]) -> None:
    for name, (expected, tolerance) in PUBLISHED.items():
        if abs(values[name] - expected) > tolerance:
            raise ValueError(f"{name} is {values[name]}, not {expected}")


def check_weights(layers: dict[str, Array]) -> None:
    """Two programs' formulas of PWCCA agree where both are defined."""
    x, y = layers["narrow"], layers["rectified"]
    if abs(reference.pwcca(x, y) - reference.google_pwcca(x, y)) > 1e-10:
        raise ValueError("the two formulas of PWCCA differ")


def make_svcca(random: np.random.Generator) -> dict[str, Array]:
    x = random.standard_normal((600, 64)) * np.where(np.arange(64) == 0, 1.5, 1)
    y = x @ random.standard_normal((64, 8)) + random.standard_normal((600, 8))
    return {"x": x.astype(np.float32), "y": y.astype(np.float32)}


def svcca_of(layers: dict[str, Array]) -> dict:
    """The components kept, and how many a threshold on the values themselves would keep."""
    x, y = (layers[name].astype(np.float64) for name in "xy")
    s = reference.spectrum(x)[1]
    wrong = int((s >= reference.KEPT * s[0]).sum())
    if (reference.kept(x), wrong) != (63, 1):
        raise ValueError(f"kept {reference.kept(x)}, by a wrong threshold {wrong}")
    return {"kept": [reference.kept(x), reference.kept(y)], "value": reference.svcca(x, y)}


def main() -> None:
    pair = np.load(FOLDER.parent / "measures" / "pair.npz")
    published = {n: measure(pair["x"], pair["y"]) for n, measure in reference.PAIRWISE.items()}
    check_published(published)
    layers = make_layers(np.random.default_rng(11))
    check_weights(layers)
    labels = np.arange(SAMPLES) % 3 + (np.arange(SAMPLES) % 7 == 0)
    np.savez(FOLDER / "layers.npz", **layers)
    trap = make_svcca(np.random.default_rng(4))
    np.savez(FOLDER / "svcca.npz", **trap)
    content = {
        "neighbours": reference.K,
        "alpha": reference.ALPHA,
        "published": published,
        "pairs": pairs_of(layers),
        "labels": labels.tolist(),
        "layers": {
            name: {k: of(x) for k, of in reference.SINGLE.items()}
            | {"class-separation": reference.class_separation(x, labels)}
            for name, x in layers.items()
        },
        "svcca": svcca_of(trap),
    }
    (FOLDER / "similarity.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
