"""Writes the first 50 test images of each Fashion-MNIST class as PNG files.

    python export_images.py --output ../images

Each class has a folder; sorted by name, the folders are in the order of the labels. A file is
named by the image's index in the test set. The images are 32x32, one grey byte a pixel.
"""

import argparse
from io import BytesIO
from pathlib import Path

import torch
from PIL import Image

from fashion_mnist import CLASS_FOLDERS, DATA_FOLDER, load_split


def smallest_png(image: torch.Tensor) -> bytes:
    """Encodes a grey image; of all zlib strategies the one with the shortest result is taken."""
    encoded = []
    for strategy in range(4):
        buffer = BytesIO()
        picture = Image.fromarray(image.numpy())
        picture.save(buffer, "PNG", compress_level=9, compress_type=strategy)
        encoded.append(buffer.getvalue())
    return min(encoded, key=len)


def export_class(
    images: torch.Tensor, labels: torch.Tensor, label: int, count: int, output: Path
) -> int:
    """Writes the first `count` images of one class and returns the bytes written."""
    folder = output / CLASS_FOLDERS[label]
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for index in torch.nonzero(labels == label).flatten()[:count].tolist():
        written += (folder / f"{index:05}.png").write_bytes(smallest_png(images[index]))
    return written


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the class folders")
    parser.add_argument("--count", type=int, default=50, help="images of each class")
    parser.add_argument("--data", type=Path, default=DATA_FOLDER, help="folder of the idx files")
    arguments = parser.parse_args()
    images, labels = load_split(arguments.data, "t10k")
    sizes = [
        export_class(images, labels, label, arguments.count, arguments.output)
        for label in range(len(CLASS_FOLDERS))
    ]
    print(f"{arguments.output}: {sum(sizes)} bytes")


if __name__ == "__main__":
    main()
