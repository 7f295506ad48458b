"""Exports the InceptionV3 that FID is defined with as TorchScript, for `repsim fid --model`.

    pip install pytorch-fid          # or clean-fid, or torch-fidelity
    python inception.py inception.pt
    python inception.py --package torch-fidelity inception.pt

The weights are those of the package, from where it keeps them; it downloads them the first time. The archive
follows the calling convention of FID's extractors: `forward(images, return_features)` takes N x 3 x 299 x 299
of 0 to 255 and returns N x 2048, so that repsim resizes as clean-fid does (`--resize legacy-pytorch` as
pytorch-fid does). clean-fid's own file is TorchScript of this kind already and is copied.
"""

import argparse
import importlib.util
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor, nn

SIZE = 299


class PytorchFid(nn.Module):
    """pytorch-fid's features of images of 0 to 255."""

    def __init__(self) -> None:
        super().__init__()
        from pytorch_fid.inception import InceptionV3

        self.network = InceptionV3([3], resize_input=False, normalize_input=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images / 127.5 - 1.0)[0].flatten(1)


class TorchFidelity(nn.Module):
    """torch-fidelity's features of images of 0 to 255, of which it takes whole numbers of any size itself."""

    def __init__(self) -> None:
        super().__init__()
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        self.network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])

    def forward(self, images: Tensor) -> Tensor:
        module = "torch_fidelity.feature_extractor_inceptionv3"
        with patch(f"{module}.vassert"), patch(
            f"{module}.interpolate_bilinear_2d_like_tensorflow1x", lambda images, **_: images
        ):
            return self.network(images)[0]


class Extractor(nn.Module):
    """Features with the flag by which extractors are recognised."""

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        example = torch.rand(2, 3, SIZE, SIZE) * 255
        self.features = torch.jit.trace(features.eval(), example, check_trace=False)

    def forward(self, images: Tensor, return_features: bool = True) -> Tensor:
        return self.features(images)


PACKAGES = {
    "pytorch-fid": ("pytorch_fid", PytorchFid),
    "torch-fidelity": ("torch_fidelity", TorchFidelity),
    "clean-fid": ("cleanfid", None),
}


def installed() -> str:
    """The first of the packages that is there."""
    for package, (module, _) in PACKAGES.items():
        if importlib.util.find_spec(module):
            return package
    raise ModuleNotFoundError(f"none of {', '.join(PACKAGES)} is installed: pip install pytorch-fid")


def build(make: type[nn.Module], seed: int | None) -> nn.Module:
    """The network with the package's weights, or with random ones, for which nothing is downloaded."""
    if seed is None:
        return make()
    torch.manual_seed(seed)
    with ExitStack() as patches:
        for module in ("pytorch_fid.inception", "torch_fidelity.feature_extractor_inceptionv3"):
            if importlib.util.find_spec(module.split(".")[0]):
                patches.enter_context(patch(f"{module}.load_state_dict_from_url", return_value={}))
        patches.enter_context(patch.object(nn.Module, "load_state_dict"))
        return make()


def copy_of_clean_fid(output: Path) -> None:
    from cleanfid.downloads_helper import check_download_inception

    shutil.copy(check_download_inception(tempfile.gettempdir()), output)


def run(package: str, seed: int | None, output: Path) -> None:
    module, make = PACKAGES[package]
    if not importlib.util.find_spec(module):
        raise ModuleNotFoundError(f"{package} is not installed: pip install {package}")
    if not output.resolve().parent.is_dir():
        raise FileNotFoundError(f"there is no folder {output.resolve().parent} to write to")
    if make is None:
        return copy_of_clean_fid(output)
    extractor = Extractor(build(make, seed)).eval().requires_grad_(False)
    torch.jit.script(extractor).save(output)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path, help="the TorchScript file to write")
    parser.add_argument("--package", choices=PACKAGES, help="whose weights [default: what is installed]")
    parser.add_argument("--random", type=int, metavar="SEED", help="random weights, to try it out")
    parser.add_argument("--traceback", action="store_true", help="show where an error comes from")
    arguments = parser.parse_args()
    try:
        package = arguments.package or installed()
        if PACKAGES[package][1] is None and arguments.random is not None:
            parser.error("clean-fid's file is TorchScript already: there is nothing to draw weights for")
        run(package, arguments.random, arguments.output)
    except Exception as error:
        if arguments.traceback:
            raise
        said = " ".join(str(error).split()) or type(error).__name__
        parser.exit(2, f"error: {said} (--traceback shows where)\n")


if __name__ == "__main__":
    main()
