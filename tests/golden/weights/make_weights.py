"""Makes the goldens of weights over an architecture: small networks, and checkpoints of other weights.

    python make_weights.py

Everything is written beside this script:

* `arch.pt`, a narrow ResNet, traced, `arch.pt2`, the same exported, `arch_frozen.pt`, the same frozen, and
  `tied.pt` and `tied.pt2`, scripted and exported, with an LSTM and two names for one weight; without records
  that hold paths, and with weights that no checkpoint has;
* `images.npy`, uint8 N×H×W×C, and `sequences.npy`, float32 N×T×D, the inputs;
* checkpoints: `e1.pth` and `e9.pth` are the ones compared, the others hold `e9`'s tensors (or nearly so) in
  another form; `tied_*` are of the second network;
* `weights.json`: CKA (unbiased, linear) between the layers of the networks with the weights of `e1` and `e9`,
  and with those of a checkpoint in half precision, in float64 from what forward hooks saw after
  `load_state_dict`.
"""

import argparse
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

FOLDER = Path(__file__).resolve().parent
SIZE = 16
LAYERS = ["relu", "layer1", "layer2.bn2", "layer2", "avgpool", "fc"]


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        shortcut = [nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out)]
        self.downsample = nn.Sequential(*shortcut) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + self.downsample(x))


class ResNet(nn.Module):
    """Two blocks."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = Block(4, 4, 1)
        self.layer2 = Block(4, 6, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(2)
        self.fc = nn.Linear(24, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.relu(self.bn1(self.conv1(x)))))
        return self.fc(self.avgpool(x).flatten(1))


class Tied(nn.Module):
    """A recurrent layer between two linear ones that share their weight, and a buffer that is not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(6, 6)
        self.rnn = nn.LSTM(6, 6, batch_first=True, bidirectional=False)
        self.decoder = nn.Linear(6, 6)
        self.decoder.weight = self.encoder.weight
        self.register_buffer("scale", torch.tensor([0.5]), persistent=False)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.decoder(self.rnn(self.encoder(x))[0]) * self.scale
        return self.fc(x.mean(1))


def drawn(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network with random weights and running statistics."""
    torch.manual_seed(seed)
    net = make().eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    return net


def save_archive(module: torch.jit.ScriptModule, name: str) -> None:
    """Writes an archive without the records that hold paths of this machine."""
    path = FOLDER / name
    module.save(str(path))
    with zipfile.ZipFile(path) as archive:
        records = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, data in records:
            if not info.filename.endswith(".debug_pkl"):
                archive.writestr(zipfile.ZipInfo(info.filename), data, zipfile.ZIP_DEFLATED)


def without_traces(program: bytes) -> bytes:
    """The graph without the lines of source code that its nodes came from."""
    value = json.loads(program)
    for node in value["graph_module"]["graph"]["nodes"]:
        node["metadata"].pop("stack_trace", None)
    return json.dumps(value).encode()


def save_exported(net: nn.Module, example: Tensor, name: str) -> None:
    path = FOLDER / name
    batch = torch.export.Dim("batch", min=2, max=4096)
    torch.export.save(torch.export.export(net, (example,), dynamic_shapes=({0: batch},)), path)
    with zipfile.ZipFile(path) as archive:
        records = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, data in records:
            if "sample_inputs" not in file:
                data = without_traces(data) if file.endswith("models/model.json") else data
                archive.writestr(zipfile.ZipInfo(file), data, zipfile.ZIP_DEFLATED)


def save(value: Any, name: str, **how: Any) -> None:
    torch.save(value, FOLDER / name, **how)


def prefixed(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in state.items()}


def without(state: dict[str, Tensor], *names: str) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if name not in names}


def save_sharded(state: dict[str, Tensor], name: str) -> None:
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    names = sorted(state)
    parts = [names[: len(names) // 2], names[len(names) // 2 :]]
    files = [f"model-{i:05}-of-00002.safetensors" for i in (1, 2)]
    for file, part in zip(files, parts):
        save_file({key: state[key].contiguous() for key in part}, folder / file, {"format": "pt"})
    weight_map = {key: file for file, part in zip(files, parts) for key in part}
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def training_state(net: nn.Module) -> dict[str, Any]:
    """What a training script keeps: a parallel network, an optimiser that has gone, its options."""
    parallel = nn.DataParallel(net)
    optimizer = torch.optim.SGD(net.parameters(), 0.0, momentum=0.9)
    net(torch.rand(2, 3, SIZE, SIZE)).sum().backward()
    optimizer.step()
    return {
        "epoch": 9,
        "args": argparse.Namespace(arch="resnet", lr=0.1, path=None),
        "best": np.float64(0.5),
        "history": [0.1, 0.2, {"when": (1, 2**70, -3)}],
        "state_dict": parallel.state_dict(),
        "optimizer": optimizer.state_dict(),
    }


def save_checkpoints(e1: nn.Module, e9: nn.Module) -> None:
    state = e9.state_dict()
    save(e1.state_dict(), "e1.pth")
    save(state, "e9.pth")
    save(state, "legacy.pth", _use_new_zipfile_serialization=False)
    save(state, "protocol4.bin", pickle_protocol=4)
    save(prefixed(state, "_orig_mod.module."), "compiled.pth")
    save({name: value.half() if value.is_floating_point() else value for name, value in state.items()}, "half.pth")
    save(without(state, "layer1.bn1.weight", "fc.bias"), "missing.pth")
    save({**state, "fc.weight": torch.zeros(7, 24), "aux.weight": torch.zeros(2)}, "misshapen.pth")
    nan = {**state, "fc.bias": torch.tensor([0, 1, 2, torch.nan, 4])}
    save(nan, "nan.pth")
    save({"model": e1.state_dict(), "ema": state}, "two.pth")
    old = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    save(old, "untracked.pth", _use_new_zipfile_serialization=False)
    # Views into one storage, as a flattened network is kept, one of them transposed.
    flat = torch.cat([value.flatten() for value in state.values() if value.is_floating_point()])
    views, at = dict(state), 0
    for name, value in state.items():
        if value.is_floating_point():
            views[name] = flat[at : at + value.numel()].view(value.shape)
            at += value.numel()
    views["fc.weight"] = state["fc.weight"].t().contiguous().t()
    save(views, "views.pth")
    save_file({name: value.contiguous() for name, value in state.items()}, FOLDER / "e9.safetensors")
    save_sharded(state, "sharded")
    save(training_state(drawn(ResNet, 9)), "nested.ckpt")
    save(training_state(drawn(ResNet, 9)), "nested_legacy.ckpt", _use_new_zipfile_serialization=False)


def save_tied(net: nn.Module) -> None:
    state = net.state_dict()
    save(state, "tied_both.pth")
    save_file(without(state, "decoder.weight"), FOLDER / "tied_once.safetensors")
    save({**state, "decoder.weight": state["decoder.weight"] + 1}, "tied_apart.pth")


def seen(net: nn.Module, batch: Tensor, layers: list[str]) -> dict[str, np.ndarray]:
    """What modules gave, as rows in float64; of several calls the first."""
    found: dict[str, np.ndarray] = {}

    def hook_for(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, result: Any) -> None:
            found.setdefault(name, result.detach().double().flatten(1).numpy().copy())

        return hook

    for name in layers:
        net.get_submodule(name).register_forward_hook(hook_for(name))
    with torch.no_grad():
        net(batch)
    return found


def hsic(k: np.ndarray, m: np.ndarray) -> float:
    """Song et al. 2012."""
    n = len(k)
    k, m, one = k - np.diag(np.diag(k)), m - np.diag(np.diag(m)), np.ones(n)
    whole = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return float((np.trace(k @ m) + whole - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3)))


def cka(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(0), y - y.mean(0)
    k, m = x @ x.T, y @ y.T
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


def table(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> list[list[float]]:
    return [[cka(x, y) for y in b.values()] for x in a.values()]


def inputs() -> tuple[Tensor, Tensor]:
    draw = np.random.default_rng(0)
    rows = np.linspace(0, 3, SIZE)
    waves = [np.sin(np.outer(rows, draw.normal(1, 1, SIZE)) + draw.normal(0, 2)) for _ in range(48)]
    pictures = (127 + 90 * np.array(waves).reshape(16, 3, SIZE, SIZE).transpose(0, 2, 3, 1)).astype(np.uint8)
    sequences = draw.normal(size=(12, 7, 6)).astype(np.float32)
    np.save(FOLDER / "images.npy", pictures)
    np.save(FOLDER / "sequences.npy", sequences)
    return torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255, torch.from_numpy(sequences)


def main() -> None:
    pictures, sequences = inputs()
    arch = torch.jit.trace(drawn(ResNet, 0), pictures[:2], check_trace=False)
    save_archive(arch, "arch.pt")
    save_archive(torch.jit.freeze(torch.jit.script(drawn(ResNet, 0))), "arch_frozen.pt")
    save_archive(torch.jit.script(drawn(Tied, 0)), "tied.pt")
    save_exported(drawn(ResNet, 0), pictures[:2], "arch.pt2")
    save_exported(drawn(Tied, 0), sequences[:2], "tied.pt2")
    save_checkpoints(drawn(ResNet, 1), drawn(ResNet, 9))
    save_tied(drawn(Tied, 9))
    half = drawn(ResNet, 0)
    half.load_state_dict(torch.load(FOLDER / "half.pth"))
    e1, e9 = (seen(drawn(ResNet, seed), pictures, LAYERS) for seed in (1, 9))
    of_half = seen(half, pictures, LAYERS)
    rows = [seen(drawn(Tied, seed), sequences, ["encoder", "decoder", "fc"]) for seed in (0, 9)]
    golden = {
        "layers": LAYERS,
        "e1_e9": table(e1, e9),
        "e1_half": table(e1, of_half),
        "tied_layers": ["encoder", "decoder", "fc"],
        "tied_0_9": table(rows[0], rows[1]),
    }
    (FOLDER / "weights.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
