"""Makes the goldens of axes: small networks with channels at different axes.

    python make_axes.py

Everything is written beside this script:

* archives, `CASE_scripted.pt` and `CASE_traced.pt`, without debug records; `swin_frozen.pt` has no
  modules left;
* `images.npy` and `others.npy`, uint8 N×H×W×C, and `sequences.npy`, float32 N×T×D, the inputs;
* `axes.json`: for every case the shape of one sample of the input, which archives there are, and for
  every layer the axis of the samples, that of the channels, and the class tokens. They are written down
  here by hand, a rule a network; `values`: CKA (unbiased, linear) of two layers by a reduction, and
  Fréchet distances, in float64 from what forward hooks saw.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from saved import save_archive  # noqa: E402

FOLDER = Path(__file__).resolve().parent
SIZE = 16


class Sequence1d(nn.Module):
    """Convolutions over time: N×C×L."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(6, 8, 3, padding=1)
        self.bn = nn.BatchNorm1d(8)
        self.act = nn.Tanh()
        self.pool = nn.AvgPool1d(2)
        self.conv2 = nn.Conv1d(8, 5, 3)
        self.mean = nn.AdaptiveAvgPool1d(1)
        self.flat = nn.Flatten()
        self.fc = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.bn(self.conv1(x.transpose(1, 2))))
        return self.fc(self.flat(self.mean(self.conv2(self.pool(x)))))


class TimeFirst(nn.Module):
    """A recurrent layer that takes T×N×D, then attention written out over heads."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.rnn = nn.GRU(8, 8)
        self.norm = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.proj = nn.Linear(8, 8)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.rnn(self.first(x.transpose(0, 1)))[0])
        steps, samples, width = x.shape
        heads = self.qkv(x).view(steps, samples, 3, 2, width // 2).permute(2, 1, 3, 0, 4)
        q, k, v = heads.unbind(0)
        weights = (q @ k.transpose(-2, -1) / 2).softmax(-1)
        x = x + self.proj((weights @ v).permute(2, 0, 1, 3).reshape(steps, samples, width))
        return self.fc(x.mean(0))


class Detr(nn.Module):
    """Maps to a sequence of positions first, as in DETR."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 4, 4)
        self.sequence = nn.Identity()
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, activation="gelu")
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block(self.sequence(self.conv(x).flatten(2).permute(2, 0, 1)))
        return self.fc(x.mean(0))


class Mixer(nn.Module):
    """Linear layers over channels and over tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.norm1 = nn.LayerNorm(8)
        self.tokens = nn.Linear(16, 16)
        self.norm2 = nn.LayerNorm(8)
        self.channels = nn.Linear(8, 8)
        self.out = nn.Identity()
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        x = self.out(x + self.channels(self.norm2(x)))
        return self.fc(x.mean(1))


class Generator(nn.Module):
    """A vector made into maps."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(48, 32)
        self.maps = nn.Unflatten(1, (8, 2, 2))
        self.act = nn.Tanh()
        self.up = nn.ConvTranspose2d(8, 4, 2, 2)
        self.shuffle = nn.PixelShuffle(2)
        self.last = nn.Conv2d(1, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.shuffle(self.up(self.act(self.maps(self.fc(x.flatten(1)))))))


def swin() -> nn.Module:
    return torchvision.models.SwinTransformer(
        [2, 2], 8, [1, 1], [2, 2], [4, 4], mlp_ratio=2.0, num_classes=4
    )


def vit() -> nn.Module:
    net = torchvision.models.VisionTransformer(SIZE, 4, 2, 2, 8, 16, num_classes=4)
    nn.init.normal_(net.heads.head.weight, std=0.3)
    return net


def convnext() -> nn.Module:
    block = torchvision.models.convnext.CNBlockConfig
    return torchvision.models.ConvNeXt([block(8, None, 2)], num_classes=4)


def last(_name: str, rank: int) -> int:
    """The rule of networks with channels last everywhere."""
    return rank - 1


def first(_name: str, _rank: int) -> int:
    """The rule of networks with channels behind the samples everywhere."""
    return 1


def of_swin(name: str, rank: int) -> int:
    maps = name in ("features.0.0", "permute", "avgpool") or rank == 2
    return 1 if maps else rank - 1


def of_vit(name: str, rank: int) -> int:
    return 1 if name == "conv_proj" or rank == 2 else rank - 1


def of_convnext(name: str, rank: int) -> int:
    return 3 if name in [f"features.1.{b}.block.{i}" for b in (0, 1) for i in range(1, 6)] else 1


def of_mixer(name: str, rank: int) -> int:
    return 1 if name in ("patches", "tokens") or rank == 2 else rank - 1


def of_detr(name: str, rank: int) -> int:
    return 1 if name == "conv" else rank - 1


# Name, network, input, its kinds of archive, axis of the channels, names of layers with time first.
Case = tuple[str, Callable[[], nn.Module], str, tuple[str, ...], Callable[[str, int], int], tuple[str, ...]]
CASES: list[Case] = [
    ("swin", swin, "images", ("scripted", "traced"), of_swin, ()),
    ("vit", vit, "images", ("scripted",), of_vit, ()),
    ("convnext", convnext, "images", ("scripted",), of_convnext, ()),
    ("sequence1d", Sequence1d, "sequences", ("scripted",), first, ()),
    ("time_first", TimeFirst, "sequences", ("scripted", "traced"), last, ("first", "rnn", "norm", "qkv", "proj")),
    ("detr", Detr, "images", ("scripted",), of_detr, ("sequence", "block")),
    ("mixer", Mixer, "images", ("traced",), of_mixer, ()),
    ("generator", Generator, "vectors", ("scripted",), first, ()),
]


def inputs() -> dict[str, Tensor]:
    draw = np.random.default_rng(0)
    rows = np.linspace(0, 3, SIZE)
    waves = [np.sin(np.outer(rows, draw.normal(1, 1, SIZE)) + draw.normal(0, 2)) for _ in range(96)]
    pictures = (127 + 90 * np.array(waves).reshape(32, 3, SIZE, SIZE).transpose(0, 2, 3, 1)).astype(np.uint8)
    np.save(FOLDER / "images.npy", pictures[:16])
    np.save(FOLDER / "others.npy", pictures[16:])
    sequences = draw.normal(size=(12, 10, 6)).astype(np.float32)
    np.save(FOLDER / "sequences.npy", sequences)
    return {
        "images": torch.from_numpy(pictures[:16]).permute(0, 3, 1, 2) / 255,
        "others": torch.from_numpy(pictures[16:]).permute(0, 3, 1, 2) / 255,
        "sequences": torch.from_numpy(sequences),
        "vectors": torch.rand(4, 48),
    }


def seen(net: nn.Module, batch: Tensor) -> dict[str, Tensor]:
    """What every module gave, by its name; of several calls the first, of a tuple the first tensor."""
    found: dict[str, Tensor] = {}

    def hook_for(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, result: Any) -> None:
            result = result[0] if isinstance(result, tuple) else result
            found.setdefault(name, result.detach().clone())

        return hook

    handles = [m.register_forward_hook(hook_for(n)) for n, m in net.named_modules() if n]
    with torch.no_grad():
        net(batch)
    for handle in handles:
        handle.remove()
    return found


def export(net: nn.Module, kind: str, batch: Tensor) -> torch.jit.ScriptModule:
    if kind == "scripted":
        return torch.jit.script(net)
    return torch.jit.trace(net, batch[:2], check_trace=False)


def axes_of(case: Case, found: dict[str, Tensor]) -> dict[str, dict[str, int]]:
    name, _, _, _, rule, time_first = case
    layers = {}
    for layer, output in found.items():
        sample = 1 if layer.split(".")[0] in time_first else 0
        axes = {"samples": sample, "channels": rule(layer, output.dim())}
        # Only torchvision's ViT puts a token in front.
        if output.dim() == 3:
            inside = name == "vit" and layer.startswith("encoder")
            axes["class_tokens"] = 1 if inside else 0
        layers[layer] = axes
    return layers


def rows(output: Tensor, axes: dict[str, int], reduce: str) -> np.ndarray:
    """Rows of features by a reduction, from N×C×positions."""
    values = output.double().movedim(axes["samples"], 0)
    channels = axes["channels"] + (1 if axes["channels"] < axes["samples"] else 0)
    values = values.movedim(channels, 1)
    values = values.reshape(*values.shape[:2], -1)
    skipped = axes.get("class_tokens", 0)
    reduced = {
        "flatten": lambda: values.flatten(1),
        "gap": lambda: values.mean(2),
        "spatial": lambda: values.movedim(1, 2).reshape(-1, values.shape[1]),
        "tokens-mean": lambda: values[:, :, skipped:].mean(2),
        "cls": lambda: values[:, :, 0],
        "last": lambda: values[:, :, -1],
    }
    return reduced[reduce]().numpy()


def hsic(k: np.ndarray, m: np.ndarray) -> float:
    """Song et al. 2012."""
    n = len(k)
    k, m, one = k - np.diag(np.diag(k)), m - np.diag(np.diag(m)), np.ones(n)
    whole = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return (np.trace(k @ m) + whole - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))


def cka(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(0), y - y.mean(0)
    k, m = x @ x.T, y @ y.T
    return float(hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m)))


def frechet(x: np.ndarray, y: np.ndarray) -> float:
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    values, vectors = np.linalg.eigh(s)
    root = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T
    trace = np.sqrt(np.clip(np.linalg.eigvalsh(root @ t @ root), 0, None)).sum()
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(s) + np.trace(t) - 2 * trace)


# Archive, two layers, reductions.
COMPARED = [
    ("swin", "swin_scripted.pt", "features.1", "features.3", ("flatten", "gap")),
    ("swin", "swin_traced.pt", "features.2.norm", "features.3", ("gap", "spatial")),
    ("convnext", "convnext_scripted.pt", "features.0", "features.1.0.block.2", ("gap",)),
    ("vit", "vit_scripted.pt", "encoder.layers.encoder_layer_0", "encoder.ln",
     ("gap", "spatial", "tokens-mean", "cls", "last")),
    ("sequence1d", "sequence1d_scripted.pt", "act", "conv2", ("gap",)),
    ("time_first", "time_first_traced.pt", "first", "norm",
     ("flatten", "gap", "spatial", "tokens-mean", "cls", "last")),
    ("detr", "detr_scripted.pt", "conv", "block", ("gap", "spatial")),
]


def main() -> None:
    data = inputs()
    golden: dict[str, Any] = {"cases": {}, "cka": [], "frechet": []}
    nets, outputs = {}, {}
    for case in CASES:
        name, make, kind, archives, _, _ = case
        torch.manual_seed(0)
        net = nets[name] = make().eval()
        found = outputs[name] = seen(net, data[kind])
        files = [f"{name}_{archive}.pt" for archive in archives]
        for file, archive in zip(files, archives):
            save_archive(export(net, archive, data[kind]), FOLDER / file)
        golden["cases"][name] = {
            "input": list(data[kind].shape[1:]),
            "archives": files,
            "layers": axes_of(case, found),
        }
    for name, file, a, b, reductions in COMPARED:
        layers = golden["cases"][name]["layers"]
        for reduce in reductions:
            x, y = (rows(outputs[name][layer], layers[layer], reduce) for layer in (a, b))
            data_of = next(kind for case, _, kind, *_ in CASES if case == name)
            golden["cka"].append({
                "model": file, "data": f"{data_of}.npy", "layers": [a, b], "reduce": reduce,
                "width": [x.shape[1], y.shape[1]], "cka": cka(x, y),
            })
    other = seen(nets["swin"], data["others"])
    for layer, reduce in (("features.3", "gap"), ("features.1", "gap")):
        axes = golden["cases"]["swin"]["layers"][layer]
        x, y = rows(outputs["swin"][layer], axes, reduce), rows(other[layer], axes, reduce)
        golden["frechet"].append({
            "model": "swin_scripted.pt", "layer": layer, "reduce": reduce,
            "d": x.shape[1], "fid": frechet(x, y),
        })
    save_archive(torch.jit.freeze(torch.jit.script(nets["swin"])), FOLDER / "swin_frozen.pt")
    (FOLDER / "axes.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
