"""Turns a module of your own and its state dict into a TorchScript file.

A state dict (`torch.save(model.state_dict(), ...)`) holds only the weights. repsim runs the
network too, so it needs the code: put your module in the place of `SmallNet`, then

    python state_dict.py weights.pth model.pt
    python state_dict.py weights.pth model.pt --trace 3x32x32

Scripting keeps `if` and `for`; where a module cannot be scripted, trace it on an input.
"""

import argparse
from pathlib import Path

import torch
from torch import nn


class SmallNet(nn.Module):
    """A convolution and a classifier: stands for the module that the weights belong to."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.features(x)).flatten(1))


def load_weights(model: nn.Module, path: Path) -> nn.Module:
    """Loads a state dict, and nothing but tensors; `module.` of a parallel wrapper is dropped."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    state = state.get("state_dict", state)
    model.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
    return model


def to_torchscript(model: nn.Module, trace_shape: list[int] | None) -> torch.jit.ScriptModule:
    """Scripts or traces the model in evaluation mode, without gradients for its weights."""
    model.eval().requires_grad_(False)
    if trace_shape is None:
        return torch.jit.script(model)
    example, other = torch.randn(2, *trace_shape), torch.randn(3, *trace_shape)
    return torch.jit.trace(model, example, check_inputs=[other])


def parse_shape(text: str) -> list[int]:
    return [int(size) for size in text.split("x")]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path, help="the state dict")
    parser.add_argument("output", type=Path, help="the TorchScript file to write")
    parser.add_argument("--trace", type=parse_shape, help="input shape, such as 3x32x32")
    arguments = parser.parse_args()
    model = load_weights(SmallNet(), arguments.weights)
    to_torchscript(model, arguments.trace).save(arguments.output)


if __name__ == "__main__":
    main()
