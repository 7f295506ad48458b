"""What the `make_*.py` scripts of this folder share: models, images, targets, and how results are
written.

Goldens of `repsim saliency` and `repsim sensitivity`. The scripts, each of which runs by itself,
in any order, with `python`:

    make_maps.py          gradient, gradient x input, integrated gradients, SmoothGrad, occlusion
    make_cams.py          Grad-CAM, HiResCAM, LayerCAM, Grad-CAM++ as pytorch-grad-cam has them
    make_comparison.py    similarity of maps, their summaries, deletion and insertion
    make_probes.py        finite differences, FGSM and PGD, sensitivity of channels
    make_closed_form.py   networks whose maps are known exactly

Made with Python 3.11, torch 2.13.0, torchvision 0.28.0, numpy 2.4.6, scipy 1.17.1, captum 0.9.0,
grad-cam 1.5.7 (with opencv-python-headless 5.0.0.93) and scikit-image 0.26.0; every JSON repeats
its versions.

**Models.** `seed0` is `examples/models/fashion-seed0-scripted.pt`, `seed1` is
`fashion-seed1-traced.pt`: their state dicts are put into the eager `NarrowResNet` of
`examples/models/train.py`, in whose modules captum and pytorch-grad-cam can hook. The logits of
the eager and of the TorchScript network are equal to the bit (asserted).

**Images.** `IMAGES` in this order (every JSON lists them as `images`): the first image of each
class that both models get right, then two that are predicted wrongly, of which the first by both
and the second by `seed0` alone. Input: bytes / 255, then (x - 0.2860) / 0.3530, in float32, the
grey value repeated for three channels: 12x3x32x32.

**Targets**, always logits, never probabilities:

* `predicted`: of each of the 12 images the class the model predicts;
* `class3`: class 3 (dress), the first 4 images;
* `contrast`: logit[0] - logit[6] (t-shirt minus shirt), the first 4 images.

**Rounding.** What is stored is from float32 networks. The same is made a second time with
weights and inputs widened to float64, and `float64_deviation` in a JSON says how far the two are
apart, for each array of the name: the largest |float32 - float64| divided by the largest
|float64|, in a list of one number a row (an image) where the array has more than one axis. Where
this is 1e-6, two float32 implementations agree that well; where it is 1e-3, an activation lies so
near zero that rounding decides whether its ReLU passes the gradient on, and no two
implementations need agree better.

Arrays are float32, `.npz` files deflated. Numbers in JSON are float64 to the last digit. A second
run on the same machine gives the same bytes, but for the `.pt` archives.
"""

import importlib.metadata
import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

FOLDER = Path(__file__).resolve().parent
EXAMPLES = FOLDER.parents[2] / "examples"
sys.path[:0] = [str(EXAMPLES / "models")]
from fashion_mnist import MEAN, STD, to_input  # noqa: E402
from train import NarrowResNet, save_archive  # noqa: E402, F401

PACKAGES = (
    *("torch", "torchvision", "numpy", "scipy", "captum", "grad-cam"),
    *("opencv-python-headless", "scikit-image"),
)
MODELS = {"seed0": "fashion-seed0-scripted.pt", "seed1": "fashion-seed1-traced.pt"}
IMAGES = (
    "0-t-shirt/00019.png",
    "1-trouser/00002.png",
    "2-pullover/00001.png",
    "3-dress/00013.png",
    "4-coat/00006.png",
    "5-sandal/00008.png",
    "6-shirt/00004.png",
    "7-sneaker/00009.png",
    "8-bag/00018.png",
    "9-ankle-boot/00000.png",
    "6-shirt/00147.png",
    "3-dress/00029.png",
)
LABELS = tuple(int(name[0]) for name in IMAGES)
FEW = 4
NAMED_CLASS = 3
CONTRAST = (0, 6)
BLACK = (0 - MEAN) / STD
Array = np.ndarray
Arrays = dict[str, Array]
# The number of threads decides the last digits.
torch.set_num_threads(1)
warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU")


def load_model(name: str, kind: torch.dtype = torch.float32) -> NarrowResNet:
    """The eager network in `kind`, which gives the TorchScript one's logits."""
    scripted = torch.jit.load(EXAMPLES / "models" / MODELS[name]).eval()
    model = NarrowResNet().eval()
    model.load_state_dict(scripted.state_dict())
    with torch.no_grad():
        assert torch.equal(model(load_input()), scripted(load_input()))
    return model.to(kind)


def load_pixels() -> Tensor:
    """The images' bytes (12, 32, 32)."""
    images = [np.asarray(Image.open(EXAMPLES / "images" / name)) for name in IMAGES]
    return torch.from_numpy(np.stack(images))


def load_input(kind: torch.dtype = torch.float32) -> Tensor:
    """The input (12, 3, 32, 32), in float32, then widened where `kind` is wider."""
    return to_input(load_pixels()).to(kind)


class Contrast(nn.Module):
    """The difference of two logits, one number an image."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        logits = self.model(x)
        return logits[:, CONTRAST[0]] - logits[:, CONTRAST[1]]


@dataclass
class Target:
    """What is explained, for the first `rows` images."""

    name: str
    rows: int
    classes: list[int] | None
    """A class an image; none for the contrast."""

    def forward(self, model: nn.Module) -> nn.Module:
        """What captum calls, with `classes` as its target."""
        return Contrast(model) if self.classes is None else model

    def scores(self, logits: Tensor) -> Tensor:
        if self.classes is None:
            return logits[:, CONTRAST[0]] - logits[:, CONTRAST[1]]
        return logits[torch.arange(len(logits)), self.classes]

    def first(self, rows: int) -> "Target":
        """The same for fewer images."""
        classes = None if self.classes is None else self.classes[:rows]
        return Target(self.name, min(rows, self.rows), classes)


def targets(model: nn.Module, x: Tensor) -> list[Target]:
    with torch.no_grad():
        predicted = model(x).argmax(1).tolist()
    return [
        Target("predicted", len(x), predicted),
        Target("class3", FEW, [NAMED_CLASS] * FEW),
        Target("contrast", FEW, None),
    ]


def gradient(model: nn.Module, x: Tensor, target: Target) -> Tensor:
    """The gradient of each image's score by its input, by plain autograd."""
    x = x[: target.rows].detach().clone().requires_grad_()
    return torch.autograd.grad(target.scores(model(x)).sum(), x)[0]


def to_array(tensor: Tensor) -> Array:
    return tensor.detach().numpy()


def in_both(function: Callable[[torch.dtype], Arrays]) -> tuple[Arrays, dict[str, Any]]:
    """The function's arrays in float32, and how far float64's are from them."""
    narrow, wide = function(torch.float32), function(torch.float64)
    assert narrow.keys() == wide.keys()
    return narrow, {key: deviation(narrow[key], wide[key]) for key in narrow}


def deviation(narrow: Array, wide: Array) -> float | list[float]:
    assert narrow.dtype == np.float32 and wide.dtype == np.float64
    if narrow.ndim > 1:
        return [distance(*rows) for rows in zip(narrow, wide, strict=True)]
    return distance(narrow, wide)


def distance(narrow: Array, wide: Array) -> float:
    largest = np.abs(wide).max()
    return float(np.abs(narrow.astype(np.float64) - wide).max() / largest) if largest > 0 else 0.0


def under(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}.{key}": value for key, value in values.items()}


def write_arrays(name: str, arrays: Arrays) -> None:
    narrow = {key: np.ascontiguousarray(array, np.float32) for key, array in arrays.items()}
    np.savez_compressed(FOLDER / f"{name}.npz", **narrow)


def write_json(name: str, content: dict[str, Any]) -> None:
    versions = {package: importlib.metadata.version(package) for package in PACKAGES}
    text = json.dumps({"versions": versions} | plain(content), indent=1, allow_nan=False)
    (FOLDER / f"{name}.json").write_text(text + "\n")


def plain(value: Any) -> Any:
    """The same in Python's own types."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
