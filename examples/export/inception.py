"""Exports the InceptionV3 that FID is defined with as TorchScript, for `repsim fid --model`.

    pip install pytorch-fid
    python inception.py inception.pt

The weights are pytorch-fid's, which it downloads. The archive follows the calling convention of FID's
extractors: `forward(images, return_features)` takes N x 3 x 299 x 299 of 0 to 255 and returns N x 2048, so
that repsim resizes as clean-fid does (`--resize legacy-pytorch` as pytorch-fid does).
"""

import argparse
from pathlib import Path

import torch
from pytorch_fid.inception import InceptionV3
from torch import Tensor, nn


class Features(nn.Module):
    """The 2048 features before the last layer, of images in -1 to 1."""

    def __init__(self) -> None:
        super().__init__()
        self.network = InceptionV3([3], resize_input=False, normalize_input=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)[0].flatten(1)


class Extractor(nn.Module):
    """The same of bytes, with the flag by which extractors are recognised."""

    def __init__(self) -> None:
        super().__init__()
        example = torch.zeros(2, 3, 299, 299)
        self.features = torch.jit.trace(Features().eval(), example, check_trace=False)

    def forward(self, images: Tensor, return_features: bool = True) -> Tensor:
        return self.features(images / 127.5 - 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path, help="the TorchScript file to write")
    arguments = parser.parse_args()
    extractor = Extractor().eval().requires_grad_(False)
    torch.jit.script(extractor).save(arguments.output)


if __name__ == "__main__":
    main()
