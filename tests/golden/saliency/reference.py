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
the eager and of the TorchScript network are equal to the bit (asserted). Then the weights are
widened to float64, in which everything is computed.

**Images.** `IMAGES` in this order (every JSON lists them as `images`): the first image of each
class that both models get right, then two that are predicted wrongly, of which the first by both
and the second by `seed0` alone. Input: bytes / 255, then (x - 0.2860) / 0.3530, in float64, the
grey value repeated for three channels: 12x3x32x32.

**Targets**, always logits, never probabilities:

* `predicted`: of each of the 12 images the class the model predicts;
* `class3`: class 3 (dress), the first 4 images;
* `contrast`: logit[0] - logit[6] (t-shirt minus shirt), the first 4 images.

**Rounding.** A gradient of these networks jumps where the input of a ReLU passes zero. In float32
the rounding of one processor's kernels puts such an input on the other side than another's, so that
two implementations agree only but for such jumps. In float64 they round to some 1e-14 of the
layer's largest value. `margin` in a JSON is the least distance from zero, as a share of the largest
absolute value of its call, of all inputs of ReLUs in all runs of a model that its script made:
every script asserts that it is at least `MARGIN`, a thousand times the rounding. Then each ReLU is
on the same side whatever the processor, and maps agree to the rounding of what is stored.

Arrays are rounded to float32, `.npz` files deflated. Numbers in JSON are float64 to the last digit.
A second run on the same machine gives the same bytes, but for the `.pt` archives.
"""

import importlib.metadata
import json
import sys
import warnings
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
from fashion_mnist import MEAN, STD, to_input  # noqa: E402, F401
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
BLACK = float(np.float32((0 - MEAN) / STD))
MARGIN = 1e-11
Array = np.ndarray
Arrays = dict[str, Array]
# The number of threads decides the last digits.
torch.set_num_threads(1)
warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU")


class Margin:
    """The least share of the largest that an input of a model's ReLUs had, of all its runs."""

    def __init__(self, model: nn.Module) -> None:
        self.least = float("inf")
        for module in model.modules():
            if isinstance(module, nn.ReLU):
                module.register_forward_pre_hook(self.see)

    def see(self, _: nn.Module, inputs: tuple[Tensor]) -> None:
        sizes = inputs[0].detach().abs()
        self.least = min(self.least, (sizes.min() / sizes.max()).item())

    def checked(self) -> float:
        assert self.least >= MARGIN, f"an input of a ReLU is {self.least} of the largest"
        return self.least


def load_model(name: str) -> NarrowResNet:
    """The eager network in float64, of which the float32 one gives the TorchScript one's logits."""
    scripted = torch.jit.load(EXAMPLES / "models" / MODELS[name]).eval()
    model = NarrowResNet().eval()
    model.load_state_dict(scripted.state_dict())
    with torch.no_grad():
        x = to_input(load_pixels())
        assert torch.equal(model(x), scripted(x))
    return model.double()


def load_pixels() -> Tensor:
    """The images' bytes (12, 32, 32)."""
    images = [np.asarray(Image.open(EXAMPLES / "images" / name)) for name in IMAGES]
    return torch.from_numpy(np.stack(images))


def load_input() -> Tensor:
    """The input (12, 3, 32, 32)."""
    grey = (load_pixels().double() / 255 - MEAN) / STD
    return grey[:, None].repeat(1, 3, 1, 1)


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


def distance(found: Array, wanted: Array) -> float:
    """The largest difference as a share of the largest value wanted."""
    largest = np.abs(wanted).max()
    return float(np.abs(found - wanted).max() / largest) if largest > 0 else 0.0


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
