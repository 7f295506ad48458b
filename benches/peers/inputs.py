"""The networks, images and features that all tools are given."""

from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import nn

WIDTH = 2048


class Block(nn.Module):
    """A basic block of a CIFAR ResNet (He et al. 2016), shortcuts by averaging and zero channels."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.wider = outer - inner
        stride = 2 if self.wider else 1
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = torch.relu(self.bn1(self.conv1(x)))
        if self.wider:
            x = nn.functional.pad(nn.functional.avg_pool2d(x, 2), (0, 0, 0, 0, 0, self.wider))
        return torch.relu(self.bn2(self.conv2(out)) + x)


class CifarResNet(nn.Module):
    """A ResNet of depth 6·blocks + 2 for images of 32×32."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        widths = [16] * blocks + [32] * blocks + [64] * blocks
        self.blocks = nn.Sequential(*(Block(a, b) for a, b in zip([16, *widths], widths)))
        self.fc = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(torch.relu(self.bn1(self.conv1(x))))
        return self.fc(x.mean((2, 3)))

    def layers(self) -> list[str]:
        """The stem, every convolution and the classifier."""
        blocks = [f"blocks.{i}.{c}" for i in range(len(self.blocks)) for c in ("conv1", "conv2")]
        return ["conv1", *blocks, "fc"]


def resnet18(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return torchvision.models.resnet18().eval()


def cifar(blocks: int) -> CifarResNet:
    torch.manual_seed(blocks)
    return CifarResNet(blocks).eval()


RESNET18_LAYERS = [name for name, _ in resnet18(0).named_modules() if name and name.count(".") <= 1]


def export(model: nn.Module, side: int, file: Path) -> None:
    batch = torch.export.Dim.DYNAMIC
    program = torch.export.export(model, (torch.rand(2, 3, side, side),), dynamic_shapes=({0: batch},))
    torch.export.save(program, file)


def features(count: int, seed: int) -> np.ndarray:
    """Rows whose covariance has eigenvalues over six decades, as those of an Inception network."""
    rng = np.random.default_rng(seed)
    scale = 10 ** (-3 * np.arange(WIDTH) / WIDTH)
    turn, _ = np.linalg.qr(np.random.default_rng(99).standard_normal((WIDTH, WIDTH)))
    return (rng.standard_normal((count, WIDTH)) * scale) @ turn + 0.02 * seed


def images(count: int, side: int) -> np.ndarray:
    """Squares of random colours: images of noise alone look the same to an untrained network."""
    squares = np.random.default_rng(side).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return squares.repeat(side // 8, axis=1).repeat(side // 8, axis=2)


def write(folder: Path) -> None:
    """Writes everything into a folder."""
    for seed in (0, 1):
        export(resnet18(seed), 224, folder / f"resnet18-{seed}.pt2")
    for blocks in (2, 5):
        export(cifar(blocks), 32, folder / f"cifar-{blocks}.pt2")
    np.save(folder / "large.npy", images(128, 224))
    np.save(folder / "few.npy", images(32, 224))
    np.save(folder / "small.npy", images(1000, 32))
    for seed in (1, 2):
        rows = features(5000, seed)
        np.save(folder / f"rows-{seed}.npy", rows.astype(np.float32))
        np.save(folder / f"few-{seed}.npy", rows[:256])
        np.savez(folder / f"statistics-{seed}.npz", mu=rows.mean(0), sigma=np.cov(rows, rowvar=False))
