"""Makes the end-to-end golden: CKA of the example models on the example images.

    python make_cka.py

`cka.json` holds, for pairs of the models in `examples/models`, every layer down to depth two
(in the order in which their calls ended) and the estimates of `../measures/reference.py`. The
activations are what forward hooks of the eager network saw, cloned in the hook, in float32;
from there on everything is float64. Images are taken in the order of their sorted paths, and where they
are fewer than all, as many of each class, its first ones.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

FOLDER = Path(__file__).resolve().parent
EXAMPLES = FOLDER.parents[2] / "examples"
sys.path[:0] = [str(EXAMPLES / "models"), str(FOLDER.parent / "measures")]

from evaluate import load_folder  # noqa: E402
from fashion_mnist import MEAN, STD, to_input  # noqa: E402
from reference import Array, Settings, compare  # noqa: E402
from train import NarrowResNet  # noqa: E402

SEED_0 = "fashion-seed0-scripted.pt"
SEED_1 = "fashion-seed1-traced.pt"
UNTRAINED = "fashion-untrained-scripted.pt"
DEPTH = 2


@dataclass(frozen=True)
class Run:
    """Two models, the number of images, and the estimates to make."""

    model_a: str
    model_b: str
    limit: int
    settings: tuple[Settings, ...]


RUNS = (
    Run(
        SEED_0,
        SEED_1,
        60,
        (
            Settings("unbiased"),
            Settings("biased"),
            Settings("unbiased", batch_size=32),
            Settings("biased", batch_size=32),
            Settings("unbiased", "rbf:0.5"),
            Settings("biased", "rbf:0.5"),
            Settings("unbiased", reduce="gap"),
        ),
    ),
    Run(
        SEED_0,
        SEED_1,
        500,
        (Settings("unbiased"), Settings("biased"), Settings("unbiased", batch_size=32)),
    ),
    Run(SEED_0, UNTRAINED, 500, (Settings("unbiased"),)),
)


def load_eager(name: str) -> nn.Module:
    """The eager network with the weights of an exported model, so that it takes hooks."""
    model = NarrowResNet()
    model.load_state_dict(torch.jit.load(EXAMPLES / "models" / name).state_dict())
    return model.eval().requires_grad_(False)


def capture(model: nn.Module, batch: torch.Tensor) -> dict[str, Array]:
    """Every layer down to `DEPTH` on one batch, each cloned when its call ended."""
    layers: dict[str, Array] = {}

    def hook_for(path: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, result: torch.Tensor) -> None:
            layers[path] = result.clone().numpy().astype(np.float64)

        return hook

    for path, module in model.named_modules():
        if path and path.count(".") < DEPTH:
            module.register_forward_hook(hook_for(path))
    model(batch)
    return layers


def evenly(labels: torch.Tensor, count: int) -> torch.Tensor:
    """Positions of the first samples of each class, `count` in all, in their order."""
    classes = labels.unique()
    each, rest = divmod(count, len(classes))
    assert rest == 0
    firsts = [(labels == label).nonzero().flatten()[:each] for label in classes]
    return torch.cat(firsts).sort().values


def execute(run: Run, images: torch.Tensor, labels: torch.Tensor) -> dict[str, Any]:
    """Captures both models and makes the estimates of one run."""
    batch = to_input(images[evenly(labels, run.limit)])
    layers_a, layers_b = (capture(load_eager(name), batch) for name in (run.model_a, run.model_b))
    values = list(layers_a.values()), list(layers_b.values())
    return {
        "model_a": run.model_a,
        "model_b": run.model_b,
        "n": len(batch),
        "layers_a": list(layers_a),
        "layers_b": list(layers_b),
        "shapes": [list(layer.shape[1:]) for layer in layers_a.values()],
        "results": [compare(settings, *values) for settings in run.settings],
    }


def main() -> None:
    images, labels = load_folder(EXAMPLES / "images")
    preprocessing = {"mean": [MEAN] * 3, "std": [STD] * 3}
    content = {"preprocessing": preprocessing, "runs": [execute(run, images, labels) for run in RUNS]}
    (FOLDER / "cka.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
