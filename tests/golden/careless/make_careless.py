"""Makes archives that people give in a hurry, and what PyTorch says of one network in three forms.

    python make_careless.py

Everything is written beside this script, without TorchScript's debug records.

* `logits.pt`, `probabilities.pt`, `log_probabilities.pt`: one network, plain, behind a softmax and
  behind a log-softmax; `images.npz` are images that it is run on, with the labels `labels`, and
  `outputs.json` holds what it gives for them in float64: `logits`, `probabilities`, `correct`.
* `half.pt`, `bfloat16.pt`, `double.pt`: the network in another precision.
* `tokens.pt`: takes token ids.
* `cuda.pt`: a trace with `cuda:0` in it; the text of a trace on the CPU is changed, for which no GPU
  is needed.
* `optimized.pt`: saved after `torch.jit.optimize_for_inference`.
* `dictionary.pt`, `named_tuple.pt`: return no tensor.
* `quantized.pt`: a convolution and a ReLU in 8 bits.
* `module.pth`: the module itself, pickled; `weights.pth`: its state dict.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from saved import save_archive  # noqa: E402

FOLDER = Path(__file__).resolve().parent
CLASSES = 4
COUNT = 48


class Network(nn.Module):
    """A convolution and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.relu(self.conv(x)).mean([2, 3])) * 40.0


class Softmax(nn.Module):
    def __init__(self, network: nn.Module, logarithm: bool) -> None:
        super().__init__()
        self.network = network
        self.logarithm = logarithm

    def forward(self, x: Tensor) -> Tensor:
        logits = self.network(x)
        return torch.log_softmax(logits, 1) if self.logarithm else torch.softmax(logits, 1)


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 6)
        self.fc = nn.Linear(6, CLASSES)

    def forward(self, ids: Tensor) -> Tensor:
        return self.fc(self.embedding(ids).mean(1))


class Device(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        y = self.network(x)
        return y + torch.arange(CLASSES, device=y.device, dtype=y.dtype)


class Dictionary(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor):
        return {"logits": self.network(x), "hidden": self.network.conv(x)}


class Outputs(NamedTuple):
    logits: Tensor
    hidden: Tensor


class Named(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Outputs:
        return Outputs(self.network(x), self.network.conv(x))


class Quantized(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant = torch.ao.quantization.QuantStub()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU()
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, x: Tensor) -> Tensor:
        return self.dequant(self.relu(self.conv(self.quant(x)))).mean([2, 3])


def network() -> Network:
    torch.manual_seed(3)
    return Network().eval()


def images() -> np.ndarray:
    """Noise of another colour for each class."""
    generator = np.random.default_rng(5)
    noise = generator.integers(0, 120, (COUNT, 12, 12, 3))
    tint = 8 * (np.arange(COUNT) % CLASSES)[:, None, None, None] * np.array([1, -1, 2])
    return np.clip(noise + tint + 40, 0, 255).astype(np.uint8)


def make_forms() -> None:
    pixels = images()
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).double() / 255
    logits = network().double()(x).detach()
    # The labels are what the network says, but for every sixth.
    labels = logits.argmax(1)
    labels[::6] = (labels[::6] + 1) % CLASSES
    np.savez_compressed(FOLDER / "images.npz", images=pixels, labels=labels.numpy())
    found = {
        "correct": int((logits.argmax(1) == labels).sum()),
        "most": int(torch.bincount(labels).max()),
        "logits": logits.tolist(),
        "probabilities": torch.softmax(logits, 1).tolist(),
    }
    (FOLDER / "outputs.json").write_text(json.dumps(found) + "\n")
    save_archive(torch.jit.script(network()), FOLDER / "logits.pt")
    save_archive(torch.jit.script(Softmax(network(), False).eval()), FOLDER / "probabilities.pt")
    save_archive(torch.jit.script(Softmax(network(), True).eval()), FOLDER / "log_probabilities.pt")


def make_quantized(example: Tensor) -> None:
    torch.backends.quantized.engine = "fbgemm"
    torch.manual_seed(3)
    model = Quantized().eval()
    model.qconfig = torch.ao.quantization.get_default_qconfig("fbgemm")
    prepared = torch.ao.quantization.prepare(model)
    prepared(example)
    model = torch.ao.quantization.convert(prepared)
    save_archive(torch.jit.script(model), FOLDER / "quantized.pt")


def main() -> None:
    warnings.filterwarnings("ignore")
    example = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    make_forms()
    save_archive(torch.jit.script(network().half()), FOLDER / "half.pt")
    save_archive(torch.jit.script(network().bfloat16()), FOLDER / "bfloat16.pt")
    save_archive(torch.jit.script(network().double()), FOLDER / "double.pt")
    torch.manual_seed(3)
    save_archive(torch.jit.script(Tokens().eval()), FOLDER / "tokens.pt")
    on_cuda = lambda code: code.replace(b'torch.device("cpu")', b'torch.device("cuda:0")')
    save_archive(torch.jit.trace(Device(network()).eval(), example), FOLDER / "cuda.pt", on_cuda)
    save_archive(torch.jit.optimize_for_inference(torch.jit.script(network())), FOLDER / "optimized.pt")
    traced = torch.jit.trace(Dictionary(network()).eval(), example, strict=False)
    save_archive(traced, FOLDER / "dictionary.pt")
    save_archive(torch.jit.script(Named(network()).eval()), FOLDER / "named_tuple.pt")
    make_quantized(example)
    torch.save(network(), FOLDER / "module.pth")
    torch.save(network().state_dict(), FOLDER / "weights.pth")


if __name__ == "__main__":
    main()
