"""Exports torchvision's full-size ResNet-18 (1000 classes, 224x224) as TorchScript.

    python torchvision_resnet18.py --seed 0 resnet18.pt
    python torchvision_resnet18.py --weights resnet18-f37072fd.pth --trace resnet18.pt

Without `--weights` the network has the random weights that the seed gives.
"""

import argparse
from pathlib import Path

import torch
from torchvision.models import ResNet, resnet18


def build(seed: int, weights: Path | None) -> ResNet:
    """The network in evaluation mode; a state dict decides the number of classes."""
    torch.manual_seed(seed)
    if weights is None:
        return resnet18().eval()
    state = torch.load(weights, map_location="cpu", weights_only=True)
    model = resnet18(num_classes=len(state["fc.bias"]))
    model.load_state_dict(state)
    return model.eval()


def to_torchscript(model: ResNet, trace: bool) -> torch.jit.ScriptModule:
    """Scripts the model, or traces it and checks the trace on a batch of another size."""
    model.requires_grad_(False)
    if not trace:
        return torch.jit.script(model)
    example, other = torch.randn(1, 3, 224, 224), torch.randn(3, 3, 224, 224)
    return torch.jit.trace(model, example, check_inputs=[other])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path, help="the TorchScript file to write")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random weights")
    parser.add_argument("--weights", type=Path, help="state dict to load instead")
    parser.add_argument("--trace", action="store_true", help="trace the model, do not script it")
    arguments = parser.parse_args()
    model = build(arguments.seed, arguments.weights)
    to_torchscript(model, arguments.trace).save(arguments.output)


if __name__ == "__main__":
    main()
