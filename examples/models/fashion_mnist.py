"""Fashion-MNIST as the example models see it.

The data set is read from its four idx files, as Zalando Research publishes them and as
Debian's package `dataset-fashion-mnist` installs them. Every image is padded from 28x28 to
32x32 with black and stays one byte a pixel until `to_input` makes it the network's input.
"""

import gzip
import struct
from pathlib import Path

import numpy as np
import torch

DATA_FOLDER = Path("/usr/share/datasets/fashion-mnist")
MEAN = 0.2860
STD = 0.3530
PADDING = 2

CLASS_FOLDERS = (
    "0-t-shirt",
    "1-trouser",
    "2-pullover",
    "3-dress",
    "4-coat",
    "5-sandal",
    "6-shirt",
    "7-sneaker",
    "8-bag",
    "9-ankle-boot",
)


def read_idx(path: Path) -> np.ndarray:
    """Reads a gzipped idx file of bytes.

    The header is two zero bytes, the element type (8: unsigned byte), the number of
    dimensions, and each dimension as a big-endian 32-bit integer.
    """
    raw = gzip.decompress(path.read_bytes())
    zeros, kind, rank = struct.unpack(">HBB", raw[:4])
    if zeros != 0 or kind != 8:
        raise ValueError(f"{path} is no idx file of bytes")
    shape = struct.unpack(f">{rank}I", raw[4 : 4 + 4 * rank])
    return np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * rank).reshape(shape)


def load_split(folder: Path, prefix: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Loads one split, `train` or `t10k`: padded images (N, 32, 32), bytes, and labels (N)."""
    images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz")
    margin = (PADDING, PADDING)
    padded = np.pad(images, ((0, 0), margin, margin))
    return torch.from_numpy(padded), torch.from_numpy(labels.astype(np.int64))


def to_input(images: torch.Tensor) -> torch.Tensor:
    """Turns bytes (N, H, W) into the network's input (N, 3, H, W).

    Bytes go to 0..1, then `(x - MEAN) / STD`; the grey value is repeated for three channels.
    """
    normalised = (images.float() / 255 - MEAN) / STD
    return normalised.unsqueeze(1).repeat(1, 3, 1, 1)
