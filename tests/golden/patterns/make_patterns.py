"""Makes the goldens of input patterns: receptive fields, top samples, selectivity, and what two networks share.

    python make_patterns.py

Everything is written beside this script:

* archives of small networks, TorchScript and torch.export, without debug records;
* `fields.npz`: for every network and layer the windows of all units, 1×H×W×4 (or C×H×W×4 where channels differ):
  first row, first column, last row, last column of the input whose gradient is not zero. The gradients are
  PyTorch's, of each unit alone, in networks whose weights are all positive, so that nothing cancels; a maximum
  is taken for a mean there, which looks at the same places;
* `images.npy`, uint8 N×H×W×3, of class i // 8;
* `patterns.json`: of `a.pt` and `b.pt` over these images what forward hooks saw, in numpy: the images with the
  largest and smallest values of each channel, class means, entropy, selectivity; of channels of both that are
  matched by correlation the images and places they share, SciPy's hypergeometric tails and Holm's correction.
"""

import copy
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats
import torch
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from saved import save_archive, save_program  # noqa: E402

FOLDER = Path(__file__).resolve().parent
SIDE = 24
TOP, BOTTOM, CLASSES = 5, 3, 4


class Block(nn.Module):
    """A BasicBlock whose sum is in place."""

    def __init__(self, width: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Sequential()
        if width != out:
            self.downsample = nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.relu(self.bn1(self.conv1(x))))
        y += self.downsample(x)
        return self.relu(y)


class ResNet(nn.Module):
    """A stem with stride and maximum, two blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 5, 2, 2, bias=False)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = Block(4, 4, 1)
        self.layer2 = Block(4, 6, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.maxpool(self.conv1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class Vgg(nn.Module):
    """Convolutions and maxima."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(inplace=True),
            nn.MaxPool2d(2), nn.Conv2d(4, 5, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2, ceil_mode=True))
        self.fc = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x).amax((2, 3)))


class Dilated(nn.Module):
    """Holes, unequal kernels and strides, no padding, padding that repeats, groups."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, dilation=2, padding=2)
        self.second = nn.Conv2d(4, 4, (5, 2), stride=(1, 3), groups=2)
        self.third = nn.Conv2d(4, 4, 3, dilation=3, padding=3, padding_mode="reflect")
        self.pool = nn.AvgPool2d(3, 2, 1)
        self.last = nn.Conv2d(4, 3, 2, padding="same")

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.pool(F.relu(self.third(F.pad(self.second(self.first(x)), [1, 0, 2, 1])))))


class Decoder(nn.Module):
    """Up again: transposed convolutions, both interpolations, a skip connection, cells that shuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 4, 4, 4)
        self.up = nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1)
        self.mix = nn.Conv2d(7, 4, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)
        self.near = nn.Upsample(scale_factor=2.0, mode="nearest")
        self.smooth = nn.Upsample(size=(18, 30), mode="bilinear", align_corners=False)
        self.cells = nn.AdaptiveAvgPool2d((5, 7))

    def forward(self, x: Tensor) -> Tensor:
        y = self.near(self.up(self.down(x)))
        y = self.shuffle(self.mix(torch.cat([x, y], 1)))
        return self.cells(self.smooth(y))


class Branches(nn.Module):
    """Branches that are joined, a channel attention, and channels that change places."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 2, 1)
        self.three = nn.Conv2d(3, 2, 3, padding=1)
        self.five = nn.Conv2d(3, 2, 5, padding=2)
        self.joined = nn.Identity()
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.turned = nn.Identity()
        self.gate = nn.Sequential(nn.Linear(6, 3), nn.ReLU(), nn.Linear(3, 6), nn.Sigmoid())
        self.gated = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.joined(torch.cat([self.one(x), self.three(x), self.five(x)], 1))
        y = self.turned(self.depthwise(y).flip(1)[:, :, 2:-3])
        return self.gated(y * self.gate(y.mean((2, 3)))[:, :, None, None])


class Biased(nn.Module):
    """A constant in the shape of the maps, and their mean laid over all of one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.shift = nn.Parameter(torch.full((1, 4, 1, 1), 7.5))
        self.shifted = nn.Conv2d(4, 4, 3, padding=1)
        self.filled = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        y = self.shifted(y + self.shift.type_as(y).expand_as(y))
        return self.filled(y * torch.zeros_like(y).fill_(y.mean()))


class Read(nn.Module):
    """Rows of a table by their places, and a number that leaves the tensors: gradients show neither."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Conv2d(3, 4, 4, 4)
        self.table = nn.Parameter(torch.randn(8, 4))
        self.looked = nn.Conv2d(4, 4, 3, padding=1)
        self.scaled = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.before(x)
        places = (y.permute(0, 2, 3, 1).unsqueeze(-2) - self.table).square().sum(-1).argmin(-1)
        z = self.looked(self.table[places].permute(0, 3, 1, 2))
        return self.scaled(y / float(y.abs().max())) + z


def positive(net: nn.Module) -> nn.Module:
    for parameter in net.parameters():
        parameter.data = parameter.data.abs() + 0.01
    return net


def averaged(net: nn.Module) -> nn.Module:
    """Means in the place of maxima."""
    net = copy.deepcopy(net)
    for module in net.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.MaxPool2d):
                pool = nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode)
                setattr(module, name, pool)
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.ReLU())
    return net


def windows(net: nn.Module, layers: list[str]) -> dict[str, np.ndarray]:
    """Of each unit the box of the input with a gradient."""
    seen: dict[str, Tensor] = {}
    for name in layers:
        module = net.get_submodule(name)
        module.register_forward_hook(lambda _m, _i, out, name=name: seen.__setitem__(name, out.clone()))
    image = (torch.rand(1, 3, SIDE, SIDE, dtype=torch.float64) + 0.5).requires_grad_()
    net(image)
    found = {}
    for name in layers:
        out = seen[name]
        flat = torch.eye(out.numel(), dtype=out.dtype).reshape(-1, *out.shape)
        (gradient,) = torch.autograd.grad(out, image, flat, is_grads_batched=True, retain_graph=True)
        felt = (gradient.abs().sum((1, 2)) > 0).numpy()
        ends = []
        for axis in (2, 1):
            line = felt.any(axis)
            ends.append((line.argmax(1), line.shape[1] - 1 - line[:, ::-1].argmax(1)))
        (top, bottom), (left, right) = ends
        boxes = np.stack([top, left, bottom, right], 1)
        boxes[~felt.any((1, 2))] = -1
        shape = out.shape[1:] if out.dim() == 4 else (*out.shape[1:], 1, 1)
        boxes = boxes.reshape(*shape, 4).astype(np.int16)
        found[name] = boxes[:1] if (boxes == boxes[:1]).all() else boxes
    return found


def save_fields() -> None:
    nets: dict[str, tuple[nn.Module, list[str]]] = {
        "resnet": (ResNet(), ["conv1", "maxpool", "layer1.conv1", "layer1", "layer2", "avgpool", "fc"]),
        "vgg": (Vgg(), [f"features.{i}" for i in (0, 2, 4, 5, 7)]),
        "dilated": (Dilated(), ["first", "second", "third", "pool", "last"]),
        "decoder": (Decoder(), ["down", "up", "near", "mix", "shuffle", "smooth", "cells"]),
        "branches": (Branches(), ["joined", "turned", "gated"]),
        "biased": (Biased(), ["conv", "shifted", "filled"]),
    }
    arrays = {}
    example = torch.rand(2, 3, SIDE, SIDE, dtype=torch.float64)
    for name, (net, layers) in nets.items():
        net = positive(net).double().eval()
        found = windows(averaged(net).double().eval(), layers)
        arrays |= {f"{name}.{layer}": boxes for layer, boxes in found.items()}
        save_archive(torch.jit.script(net), FOLDER / f"{name}.pt")
        batch = torch.export.Dim("batch", min=1)
        if name in ("resnet", "decoder"):
            program = torch.export.export(net, (example,), dynamic_shapes=({0: batch},))
            save_program(program, FOLDER / f"{name}.pt2")
    save_archive(torch.jit.script(Read().double().eval()), FOLDER / "read.pt")
    np.savez_compressed(FOLDER / "fields.npz", **arrays)


def activations(net: nn.Module, images: Tensor, layers: list[str]) -> dict[str, np.ndarray]:
    seen: dict[str, Tensor] = {}
    hooks = [
        net.get_submodule(name).register_forward_hook(
            lambda _m, _i, out, name=name: seen.__setitem__(name, out.detach().clone()))
        for name in layers
    ]
    with torch.no_grad():
        net(images)
    for hook in hooks:
        hook.remove()
    return {name: out.reshape(*out.shape[:2], -1).numpy() for name, out in seen.items()}


def ranked(maps: np.ndarray, count: int, sign: float) -> list[list[tuple[int, float, int]]]:
    """For each channel image, value and position of the first maximum of sign · value, the largest first; without
    images in which it is at its other end throughout."""
    found = []
    for channel in (sign * maps).transpose(1, 0, 2):
        positions = channel.argmax(1)
        values = channel.max(1)
        order = np.argsort(-values, kind="stable")[:count]
        keep = [i for i in order if values[i] > channel.min()]
        found.append([(int(i), float(sign * values[i]), int(positions[i])) for i in keep])
    return found


def figures(maps: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    top = ranked(maps, TOP, 1.0)
    means = np.stack([maps[labels == c].mean((0, 2)) for c in range(CLASSES)], 1)
    entropies, indices = [], []
    for channel, own in enumerate(means):
        counts = np.bincount([labels[i] for i, _, _ in top[channel]], minlength=CLASSES)
        entropies.append(float(scipy.stats.entropy(counts, base=2)) if counts.sum() else None)
        most = own.max()
        others = np.delete(own, own.argmax()).mean()
        defined = own.min() >= 0 and most > 0
        indices.append(float((most - others) / (most + others)) if defined else None)
    return {
        "top": top, "bottom": ranked(maps, BOTTOM, -1.0), "means": means.tolist(), "entropy": entropies,
        "selectivity": indices, "active": (maps > 0).mean((0, 2)).tolist(),
        "active_images": (maps.max(2) > 0).mean(0).tolist(),
        "by_class": [ranked_class(maps, labels, c) for c in range(CLASSES)],
    }


def ranked_class(maps: np.ndarray, labels: np.ndarray, label: int) -> list[list[int]]:
    own = np.flatnonzero(labels == label)
    found = []
    for channel in maps.transpose(1, 0, 2):
        values = channel[own].max(1)
        order = np.argsort(-values, kind="stable")[:2]
        found.append([int(own[i]) for i in order if values[i] > channel.min()])
    return found


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    rows = max(0, min(a[2], b[2]) - max(a[0], b[0]) + 1)
    columns = max(0, min(a[3], b[3]) - max(a[1], b[1]) + 1)
    area = lambda w: (int(w[2]) - w[0] + 1) * (int(w[3]) - w[1] + 1)  # noqa: E731
    return float(rows * columns / (area(a) + area(b) - rows * columns))


def holm(p: list[float]) -> list[float]:
    order = np.argsort(p, kind="stable")
    scaled = np.maximum.accumulate([p[i] * (len(p) - rank) for rank, i in enumerate(order)])
    found = np.empty(len(p))
    found[order] = np.minimum(scaled, 1)
    return found.tolist()


def compared(a: np.ndarray, b: np.ndarray, boxes: np.ndarray) -> list[dict[str, Any]]:
    """Each channel of A beside the one of B with the largest correlation."""
    flat = [maps.transpose(1, 0, 2).reshape(maps.shape[1], -1) for maps in (a, b)]
    with np.errstate(invalid="ignore"):
        correlations = np.corrcoef(*flat)[: len(flat[0]), len(flat[0]) :]
    lists = [ranked(maps, TOP, 1.0) for maps in (a, b)]
    flat_boxes = boxes[0].reshape(-1, 4)
    found = []
    for channel, row in enumerate(correlations):
        if np.isnan(row).all():
            continue
        best = int(np.nanargmax(row))
        own = {i: flat_boxes[p] for i, _, p in lists[0][channel]}
        other = {i: flat_boxes[p] for i, _, p in lists[1][best]}
        both = [overlap(own[i], other[i]) for i in own if i in other]
        places = sum(value >= 0.5 for value in both)
        tail = lambda x: float(scipy.stats.hypergeom.sf(x - 1, len(a), len(own), len(other)))  # noqa: E731
        found.append({
            "a": channel, "b": best, "correlation": float(row[best]), "shared": len(both), "same_place": places,
            "overlap": float(np.mean(both)) if both else None, "p": tail(len(both)), "p_place": tail(places),
        })
    for name in ("p", "p_place"):
        for one, value in zip(found, holm([one[name] for one in found])):
            one[f"{name}_adjusted"] = value
    return found


def save_patterns() -> None:
    torch.manual_seed(5)
    count = 32
    labels = np.arange(count) * CLASSES // count
    random = np.random.default_rng(3)
    images = np.clip(random.normal(90, 60, (count, SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    for i, label in enumerate(labels):
        row, column = 6 * label, random.integers(0, 18)
        images[i, row : row + 6, column : column + 6, label % 3] = 250
    np.save(FOLDER / "images.npy", images)
    inputs = torch.from_numpy(images).double().permute(0, 3, 1, 2) / 255
    layers = ["conv1", "layer1", "layer2", "fc"]
    nets = {}
    for name, seed in (("a", 1), ("b", 2)):
        torch.manual_seed(seed)
        nets[name] = ResNet().double().eval()
    # Half of B's channels see what A's do, in another order.
    with torch.no_grad():
        nets["b"].conv1.weight[:2] = nets["a"].conv1.weight[[3, 1]]
        nets["b"].layer1.bn1.bias -= 0.2
    for name, net in nets.items():
        save_archive(torch.jit.script(net), FOLDER / f"{name}.pt")
    seen = {name: activations(net, inputs, layers) for name, net in nets.items()}
    boxes = windows(positive(averaged(nets["a"])).double().eval(), layers)
    whole = {name: {layer: figures(maps, labels) for layer, maps in own.items()} for name, own in seen.items()}
    pairs = {layer: compared(seen["a"][layer], seen["b"][layer], boxes[layer]) for layer in layers}
    golden = {"top": TOP, "bottom": BOTTOM, "layers": whole["a"], "pairs": pairs}
    (FOLDER / "patterns.json").write_text(json.dumps(golden) + "\n")


def main() -> None:
    torch.manual_seed(0)
    save_fields()
    save_patterns()


if __name__ == "__main__":
    main()
