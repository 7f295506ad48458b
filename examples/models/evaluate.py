"""States the accuracy of exported models on the test set and on the exported images.

    python evaluate.py --images ../images *.pt
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fashion_mnist import CLASS_FOLDERS, DATA_FOLDER, load_split
from train import accuracy


def load_folder(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Reads the PNG files of all class folders: images (N, 32, 32), bytes, and labels (N)."""
    paths = sorted(folder.glob("*/*.png"))
    images = np.stack([np.asarray(Image.open(path)) for path in paths])
    labels = [CLASS_FOLDERS.index(path.parent.name) for path in paths]
    return torch.from_numpy(images), torch.tensor(labels)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, nargs="+", help="TorchScript files")
    parser.add_argument("--images", type=Path, required=True, help="folder of the class folders")
    parser.add_argument("--data", type=Path, default=DATA_FOLDER, help="folder of the idx files")
    arguments = parser.parse_args()
    test_set, exported = load_split(arguments.data, "t10k"), load_folder(arguments.images)
    for path in arguments.models:
        model = torch.jit.load(path)
        on_test_set, on_exported = accuracy(model, *test_set), accuracy(model, *exported)
        print(f"{path}: test set {on_test_set:.2%}, exported images {on_exported:.2%}")


if __name__ == "__main__":
    main()
