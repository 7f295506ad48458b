"""Makes a small random network, images far from its kinks, and their maps.

    python make_random.py

Versions: see `reference.py`. Written beside this script:

* `random.pt` (scripted): N x 3 x 12 x 12 -> N x 4, random weights in float32: `conv1` (3x3, 6 channels),
  `bn1`, `relu`, `conv2` (3x3, stride 2, 8 channels), `bn2`, plus `shortcut` (1x1, stride 2) of the
  first ReLU's output, `act` (ReLU), mean over positions, `fc`;
* `random.npy` (4, 12, 12, 3): images of bytes, of which the network takes bytes / 255;
* `random.npz`, of the network in float64 on the float32 input, float64 arrays: `logits` (4, 4), and of
  the class predicted `gradient` (the largest |gradient| of the channels), `gradient-x-input` and
  `integrated-gradients` (captum, summed over channels, `STEPS` steps of `riemann_middle` from zeros),
  `occlusion` (captum, windows of 4 at a stride of 2, filled with 0), and `gradcam`, `hirescam`,
  `layercam`, `gradcam++` at `act` (pytorch-grad-cam, 6x6, cut at 0), and METHOD.enlarged,
  brought to 12x12 by torch's bilinear `interpolate`;
* `random.json`: `steps`, `margin`.

**Kinks.** Of `DRAWN` random images those are taken whose ReLUs' inputs, at the image and at every point of
the path of integrated gradients, keep furthest from zero: the least as a share of the largest of its
call is `margin`, at least `LEAST`, which is a hundred times what float32 rounds in a network of this
depth. So its maps in float32 do not depend on the processor either.
"""

import numpy as np
import torch
from captum.attr import InputXGradient, IntegratedGradients, Occlusion
from torch import Tensor, nn
from torch.nn import functional as F

from make_cams import explain
from reference import FOLDER, Target, gradient, save_archive, to_array, write_json

SIDE, CLASSES, IMAGES = 12, 4, 4
STEPS, WINDOW, STRIDE = 8, 4, 2
DRAWN, PART = 20_000, 2_000
LEAST = 1e-4


class Random(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(6)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.bn2 = nn.BatchNorm2d(8)
        self.shortcut = nn.Conv2d(6, 8, 1, stride=2)
        self.act = nn.ReLU()
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.act(self.bn2(self.conv2(x)) + self.shortcut(x))
        return self.fc(x.mean([2, 3]))


def make_network() -> Random:
    torch.manual_seed(11)
    model = Random().eval()
    with torch.no_grad():
        for norm in (model.bn1, model.bn2):
            norm.running_mean.normal_(0, 0.2)
            norm.running_var.uniform_(0.2, 1)
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_(0, 0.5)
        model.fc.weight.mul_(3)
    return model


def to_input(images: Tensor) -> Tensor:
    """N x H x W x 3 bytes as the network takes them, in float32, then widened."""
    return (images.permute(0, 3, 1, 2).float() / 255).double().contiguous()


class Distances:
    """Of each image the least share of the largest that an input of a ReLU had."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.seen: list[Tensor] = []
        for module in (model.relu, model.act):
            module.register_forward_pre_hook(lambda _, x: self.seen.append(self.least(x[0])))

    @staticmethod
    def least(x: Tensor) -> Tensor:
        sizes = x.detach().abs().flatten(1)
        return sizes.amin(1) / sizes.amax(1)

    @torch.no_grad()
    def of(self, x: Tensor) -> Tensor:
        self.seen.clear()
        for share in [1.0] + [(k + 0.5) / STEPS for k in range(STEPS)]:
            self.model(x * share)
        return torch.stack(self.seen).amin(0)


def choose_images(model: nn.Module) -> tuple[Tensor, float]:
    distances = Distances(model)
    random = np.random.default_rng(12)
    best, margins = torch.zeros(0, SIDE, SIDE, 3, dtype=torch.uint8), torch.zeros(0)
    for _ in range(DRAWN // PART):
        drawn = random.integers(0, 256, (PART, SIDE, SIDE, 3), dtype=np.uint8)
        images = torch.cat([best, torch.from_numpy(drawn)])
        all_margins = torch.cat([margins, distances.of(to_input(images[len(best) :]))])
        kept = all_margins.argsort(descending=True)[:IMAGES]
        best, margins = images[kept], all_margins[kept]
    return best, margins.min().item()


def main() -> None:
    narrow = make_network()
    save_archive(torch.jit.script(narrow), FOLDER / "random.pt")
    model = make_network().double()
    images, margin = choose_images(make_network().double())
    assert margin >= LEAST, margin
    np.save(FOLDER / "random.npy", images.numpy())
    x = to_input(images)
    with torch.no_grad():
        logits = model(x)
    target = Target("predicted", IMAGES, logits.argmax(1).tolist())
    times = InputXGradient(model).attribute(x.clone().requires_grad_(), target=target.classes)
    path = IntegratedGradients(model).attribute(
        x, 0.0, target=target.classes, n_steps=STEPS, method="riemann_middle"
    )
    hidden = Occlusion(model).attribute(
        x, (3, WINDOW, WINDOW), (3, STRIDE, STRIDE), 0.0, target=target.classes
    )
    arrays = {
        "logits": to_array(logits),
        "gradient": to_array(gradient(model, x, target).abs().amax(1)),
        "gradient-x-input": to_array(times.sum(1)),
        "integrated-gradients": to_array(path.sum(1)),
        "occlusion": to_array(hidden[:, 0].double()),
    }
    for method in ("gradcam", "hirescam", "layercam", "gradcam++"):
        raw = explain(model, x, target, method, "act")[0].raw
        assert raw.dtype == np.float64 and (raw.max((1, 2)) > 0).all()
        arrays[method] = np.maximum(raw, 0)
        cut = torch.from_numpy(arrays[method])[:, None]
        larger = F.interpolate(cut, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        arrays[f"{method}.enlarged"] = to_array(larger[:, 0])
    np.savez_compressed(FOLDER / "random.npz", **arrays)
    write_json("random", {"steps": STEPS, "margin": margin})


if __name__ == "__main__":
    main()
