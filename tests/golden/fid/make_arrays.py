"""Makes `arrays.json`: distances of arrays of images, as torchmetrics takes them.

    python make_arrays.py

Made with Python 3.11, torch 2.13.0, numpy 2.4.6 and torchmetrics 1.9.0; the JSON repeats the versions.

* `fid`: `torchmetrics.image.fid.FrechetInceptionDistance` of `pictures(60, 0)` against
  `pictures(50, 1000)` darkened to three quarters, uint8 N×C×H×W, with the inputs of the last layer of
  `../capture/tiny_resnet_scripted.pt` for features; the network's input is bytes / 255.
* `cka_of_offset`: linear CKA in the precision of `numpy.longdouble`, centred there, of `waves(1)` with
  an offset, rounded to float64, and `waves(2)`: OFFSET -> value.
"""

import importlib.metadata
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

FOLDER = Path(__file__).resolve().parent
NETWORK = FOLDER.parent / "capture" / "tiny_resnet_scripted.pt"
PACKAGES = ("torch", "numpy", "torchmetrics")
OFFSETS = (0.0, 1e6, 1e8)


def pictures(count: int, first: int) -> np.ndarray:
    """uint8 N×3×16×16 by a formula that the tests repeat."""
    n, y, x = np.meshgrid(np.arange(count) + first, np.arange(16), np.arange(16), indexing="ij")
    mixed = (((x + 16 * y + 257 * n).astype(np.uint64) * 2654435761) & 0xFFFFFFFF).astype(np.uint64)
    channels = [(mixed >> shift) & 0xFF for shift in (24, 16, 8)]
    return np.stack(channels, 1).astype(np.uint8)


class Features(nn.Module):
    """The network up to its last layer, for bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.network = torch.jit.load(NETWORK).eval()
        self.num_features = self.network.fc.weight.shape[1]

    def forward(self, images: Tensor) -> Tensor:
        network = self.network
        x = network.maxpool(network.relu(network.bn1(network.conv1(images / 255))))
        x = network.layer4(network.layer3(network.layer2(network.layer1(x))))
        return network.avgpool(x).flatten(1)


def waves(seed: int) -> np.ndarray:
    """float64 40×6 by a formula that the tests repeat, in whole 256ths, so that it is exact."""
    i, j = np.meshgrid(np.arange(40), np.arange(6), indexing="ij")
    return ((i * (7 + seed) + j * j * 5 + i * i * (j + seed)) % 101 - 50) / 256


def cka(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased linear CKA (Song et al. 2012)."""
    x, y = (z.astype(np.longdouble) for z in (x, y))
    n = len(x)
    k, l = ((z - z.mean(0)) @ (z - z.mean(0)).T for z in (x, y))

    def hsic(k: np.ndarray, l: np.ndarray) -> np.longdouble:
        k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))
        return (
            (k * l).sum()
            + k.sum() * l.sum() / ((n - 1) * (n - 2))
            - 2 * (k @ l).sum() / (n - 2)
        ) / (n * (n - 3))

    return float(hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l)))


def main() -> None:
    metric = FrechetInceptionDistance(feature=Features(), normalize=False)
    fake = (pictures(50, 1000).astype(np.uint16) * 3 // 4).astype(np.uint8)
    with torch.no_grad():
        metric.update(torch.from_numpy(pictures(60, 0)), real=True)
        metric.update(torch.from_numpy(fake), real=False)
    offsets = {f"{offset:.0e}": cka(waves(1) + offset, waves(2)) for offset in OFFSETS}
    versions = {package: importlib.metadata.version(package) for package in PACKAGES}
    content = {"versions": versions, "fid": metric.compute().item(), "cka_of_offset": offsets}
    (FOLDER / "arrays.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
