"""Makes an archive of torch.export in the layout from before PyTorch 2.8, and what forward hooks saw.

    python make_older.py      # with PyTorch 2.5.1, and again with 2.6.0

Beside this script: `older_VERSION.pt2` and `older_VERSION.json`, the first with the values of the input
(N×3×6×6 in float64) and of the layers. The program has parameters, buffers, a tensor that is neither, and a
weight with two names. The example inputs and everything that names files of this machine are left out.
"""

import io
import json
import sys
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, export

FOLDER = Path(__file__).resolve().parent
LEFT_OUT = ("serialized_example_inputs.pt",)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)
        self.rnn = nn.LSTM(4, 4, batch_first=True)
        self.fc = nn.Linear(4, 4, bias=False)
        self.tied = nn.Linear(4, 4, bias=False)
        self.tied.weight = self.fc.weight
        self.shift = torch.linspace(-1, 1, 4, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.bn(self.conv(x))).flatten(2).transpose(1, 2)
        y, _ = self.rnn(y + self.shift)
        return self.tied(torch.tanh(self.fc(y.mean(1))))


def without_paths(program: bytes) -> bytes:
    held = json.loads(program)
    for node in held["graph_module"]["graph"]["nodes"]:
        node["metadata"] = {k: v for k, v in node["metadata"].items() if k == "nn_module_stack"}
    return json.dumps(held).encode()


def main() -> None:
    torch.manual_seed(1)
    module = Net().double()
    with torch.no_grad():
        module.bn.running_mean.normal_()
        module.bn.running_var.uniform_(0.5, 2)
    module.eval()
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    program = export(module, (x,), dynamic_shapes=({0: Dim("batch", min=1, max=64)},))
    whole = io.BytesIO()
    torch.export.save(program, whole)
    name = "older_" + "_".join(torch.__version__.split(".")[:2])
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(FOLDER / f"{name}.pt2", "w") as new:
        for member in old.namelist():
            data = old.read(member)
            if member.endswith("program.json"):
                data = without_paths(data)
            if member not in LEFT_OUT:
                new.writestr(zipfile.ZipInfo(member), data)
    layers: dict[str, list[float]] = {}

    def hear(layer: str):
        def keep(_: nn.Module, __: tuple, output: Tensor | tuple) -> None:
            kept = output[0] if isinstance(output, tuple) else output
            layers[layer] = kept.flatten().tolist()

        return keep

    for layer, child in module.named_children():
        child.register_forward_hook(hear(layer))
    with torch.no_grad():
        module(x)
    with open(FOLDER / f"{name}.json", "w", encoding="utf-8") as file:
        json.dump({"input": x.flatten().tolist(), "layers": layers}, file)
        file.write("\n")


if __name__ == "__main__":
    sys.exit(main())
