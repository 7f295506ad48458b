"""Makes small archives of networks with quantised, parametrised and forked layers, and what hooks saw in them.

    python make_quantized.py

Everything is written beside this script: `CASE.pt`, `CASE.pt2` and `cases.json`, which holds for each case the input
(`shape`, `values`) and each layer's name with the sum of the absolute values that a forward hook saw, dequantised.
`float` is the network that `static` and `dynamic` were made of; `cka` holds linear CKA (unbiased) of each
layer of the two, `states` that of both states of an LSTM. The archives hold no paths of this machine.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.ao import quantization
from torch.export import Dim, export
from torch.nn.utils import parametrizations

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from saved import save_archive, save_program  # noqa: E402

FOLDER = Path(__file__).resolve().parent


class Net(nn.Module):
    """Two layers between the stubs of quantisation."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = quantization.QuantStub()
        self.conv = nn.Conv2d(2, 4, 3)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(36, 5)
        self.dequant = quantization.DeQuantStub()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv(self.quant(x)))
        return self.dequant(self.fc(x.flatten(1)))


class Normed(nn.Module):
    """A linear layer whose weight is a function of parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.body = parametrizations.weight_norm(nn.Linear(6, 4))
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.tanh(self.body(x)))


class Forked(nn.Module):
    """Runs one of its layers as a task of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(6, 4)
        self.right = nn.Sequential(nn.Linear(6, 4), nn.Tanh())
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        task = torch.jit.fork(self.right, x)
        return self.fc(self.left(x) + torch.jit.wait(task))


class Memory(nn.Module):
    """An LSTM behind a layer, whose first state is as long as the batch of the input."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(4, 5)
        self.rnn = nn.LSTM(5, 6, batch_first=True)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        zeros = torch.zeros(1, x.size(0), 6, dtype=x.dtype)
        steps, (hidden, _) = self.rnn(torch.relu(self.embed(x)), (zeros, zeros))
        return self.fc(hidden[-1])


class Last(nn.Module):
    """The last state of an LSTM between linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 4)
        self.rnn = nn.LSTM(4, 5, batch_first=True)
        self.fc = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        _, (hidden, _) = self.rnn(torch.relu(self.body(x))[:, None].repeat(1, 3, 1))
        return self.fc(hidden[-1])


class Heads(nn.Module):
    """Returns its logits in a dictionary, or as the second of two."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.body = nn.Linear(6, 4)
        self.fc = nn.Linear(4, 3)
        self.name = name

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = torch.relu(self.body(x))
        return {"features": features, self.name: self.fc(features)}


def record(model: nn.Module, batch: Tensor) -> tuple[dict[str, Any], dict[str, Tensor]]:
    seen: dict[str, Tensor] = {}

    def hook_for(path: str) -> Any:
        def hook(_m: nn.Module, _i: Any, result: Any) -> None:
            result = result[0] if isinstance(result, tuple) else result
            seen[path] = (result.dequantize() if result.is_quantized else result).double()

        return hook

    handles = [m.register_forward_hook(hook_for(path)) for path, m in model.named_modules() if path]
    with torch.no_grad():
        model(batch)
    for handle in handles:
        handle.remove()
    layers = [{"name": name, "sum": tensor.abs().sum().item()} for name, tensor in seen.items()]
    given = {"shape": list(batch.shape), "values": batch.double().flatten().tolist()}
    return {"input": given, "layers": layers}, seen


def save_last(cases: dict[str, Any], rows: Tensor) -> None:
    """A dynamically quantised LSTM, scripted and traced, and all that it gives."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        last = quantization.quantize_dynamic(Last().eval(), {nn.Linear, nn.LSTM})
    save_archive(torch.jit.script(last), FOLDER / "last.pt")
    save_archive(torch.jit.trace(last, rows, check_trace=False), FOLDER / "last_traced.pt")
    given: list[Tensor] = []
    handle = last.rnn.register_forward_hook(lambda _m, _i, out: given.extend([out[0], *out[1]]))
    cases["last"], _ = record(last, rows)
    handle.remove()
    cases["last"]["rnn"] = [tensor.double().abs().sum().item() for tensor in given]


def hsic(k: np.ndarray, l: np.ndarray) -> float:
    n = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))
    ones = k.sum() * l.sum() / ((n - 1) * (n - 2))
    return float((np.trace(k @ l) + ones - 2 / (n - 2) * (k @ l).sum()) / (n * (n - 3)))


def cka(a: Tensor, b: Tensor) -> float:
    grams = []
    for features in (a, b):
        rows = features.double().flatten(1).numpy()
        rows = rows - rows.mean(0)
        grams.append(rows @ rows.T)
    k, l = grams
    return hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l))


def main() -> None:
    torch.backends.quantized.engine = "fbgemm"
    cases: dict[str, Any] = {}
    torch.manual_seed(0)
    images = torch.randn(8, 2, 5, 5)
    net = Net().eval()
    save_archive(torch.jit.trace(net, images[:2], check_trace=False), FOLDER / "float.pt")
    cases["float"], floats = record(net, images)
    net.qconfig = quantization.get_default_qconfig("fbgemm")
    prepared = quantization.prepare(net)
    prepared(images)
    static = quantization.convert(prepared)
    save_archive(torch.jit.script(static), FOLDER / "static.pt")
    cases["static"], ints = record(static, images)
    cases["cka"] = {name: cka(floats[name], ints[name]) for name in ("conv", "relu", "fc")}
    rows = torch.randn(8, 6)
    plain = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3)).eval()
    dynamic = quantization.quantize_dynamic(plain, {nn.Linear})
    save_archive(torch.jit.script(dynamic), FOLDER / "dynamic.pt")
    cases["dynamic"], _ = record(dynamic, rows)
    save_last(cases, rows)
    normed = Normed().eval()
    shapes = ({0: Dim.DYNAMIC},)
    save_program(export(normed, (rows,), dynamic_shapes=shapes), FOLDER / "normed.pt2")
    save_archive(torch.jit.trace(normed, rows, check_trace=False), FOLDER / "normed.pt")
    cases["normed"], _ = record(normed, rows)
    forked = Forked().eval()
    save_archive(torch.jit.script(forked), FOLDER / "forked.pt")
    cases["forked"], _ = record(forked, rows)
    memory = Memory().eval().double()
    steps = torch.randn(8, 7, 4, dtype=torch.float64)
    save_program(export(memory, (steps,), dynamic_shapes=shapes), FOLDER / "memory.pt2")
    save_archive(torch.jit.script(memory), FOLDER / "memory.pt")
    cases["memory"], _ = record(memory, steps)
    with torch.no_grad():
        zeros = torch.zeros(1, 8, 6, dtype=torch.float64)
        _, states = memory.rnn(torch.relu(memory.embed(steps)), (zeros, zeros))
    cases["states"] = cka(*(state.transpose(0, 1) for state in states))
    for name in ("logits", "scores"):
        with torch.random.fork_rng():
            torch.manual_seed(3)
            save_program(export(Heads(name).eval(), (rows,), dynamic_shapes=shapes), FOLDER / f"{name}.pt2")
    (FOLDER / "cases.json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
