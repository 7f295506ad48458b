"""Makes the goldens of networks whose layers give tokens or channels last.

    python make_tokens.py

torch, torchvision, grad-cam as in `reference.py`. Networks with random weights that are smooth (GELU,
softmax, no ReLU), so that no rounding decides on which side of a kink a value lies; images are random
bytes. Input: bytes / 255.

Written beside this script:

* `token_images.npy`: the images, 20x16x16x3;
* `vit_scripted.pt`, `vit_traced.pt`: torchvision's VisionTransformer, two sets of weights; tokens
  N x 17 x 16, a class token and 4x4 patches;
* `swin_scripted.pt`, `swin_traced.pt`: torchvision's SwinTransformer, likewise; N x H x W x C;
* `rows_scripted.pt`: `Rows`, tokens N x 24 x 8 without a class token, of images 16x24;
* `layouts_scripted.pt`: `Layouts`, one layer's values in four layouts;
* `heads_scripted.pt`: `Heads`, two outputs of which the first does not depend on the last maps;
* `signal_scripted.pt`: `Signal`, with a Conv1d;
* `fused_traced.pt`: `Fused`, whose transformer layer was traced to one operator without a derivative;
* `tokens.npz`, computed in float64 and stored in float32 (`rows` is of `images` seen as 13x16x24x3),
  NET.LAYER before each name:
  - `cams`: a row each for Grad-CAM, HiResCAM, LayerCAM and Grad-CAM++: the return value of
    pytorch-grad-cam's `get_cam_image` with a `reshape_transform` that drops the class token, of the
    predicted class and the first 4 images: the sum over channels before the ReLU. HiResCAM is left out
    (zeros) at layers of which each token goes into a LayerNorm alone: as that does not depend on the
    size of the token, its gradient is orthogonal to it, and the map is 0 up to rounding;
  - `facts`: a row each for mean, deviation, smallest and largest value and the share above 0 of each
    channel over all images and positions, the class token left out;
  - `probes`: rows of each channel over all images and positions, the class token among them: mean
    |dS/dA|, mean and deviation of A, and the mean fall of S with the channel replaced by 0 or by its
    mean, where S is the logit of the predicted class;
  - `match`: `numpy.corrcoef` of the channels of `vit_scripted` (rows) and `swin_scripted` (columns) at
    the layers of `MATCHED`;
  - A.LAYER-B.LAYER.`stitched`: logits of B for the last 6 images behind `numpy.linalg.lstsq` from the
    channels of A's layer (resized where they differ in size) to those of B's over the first 14;
* `tokens.json`: `deviation`, the largest difference between float32 and float64 of each row (of all of
  `match` and `stitched`), as a share of its largest value; `classes`, the predicted classes.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
from reference import FOLDER, Array, Arrays, write_arrays, write_json
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import SwinTransformer, VisionTransformer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from saved import save_archive  # noqa: E402

METHODS = {
    "gradcam": GradCAM,
    "hirescam": HiResCAM,
    "layercam": LayerCAM,
    "gradcam++": GradCAMPlusPlus,
}
SHOWN, FITTED = 4, 14
LAYERS = {
    "vit": ("encoder.layers.encoder_layer_1.ln_1", "encoder.layers.encoder_layer_0"),
    "swin": ("features.3.1.norm2", "features.3", "features.1.0.norm1"),
    "rows": ("blocks.1.norm", "norm"),
}
BEFORE_NORM = ("encoder.layers.encoder_layer_0", "features.3")
PROBED = {"vit": "encoder.layers.encoder_layer_0", "swin": "features.1"}
MATCHED = ("encoder.layers.encoder_layer_1.ln_1", "features.3")
STITCHED = (
    ("vit", "encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_0"),
    ("swin", "features.1", "features.1"),
    ("swin", "features.1", "features.3"),
)


class Mixer(nn.Module):
    """Attention and a hidden layer over tokens N x T x D."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.hidden = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        weights = torch.softmax(self.query(y) @ self.key(y).transpose(1, 2), 2)
        x = x + weights @ self.value(y)
        return x + self.hidden(x)


class Rows(nn.Module):
    """Tokens without a class token, whose mean is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.blocks = nn.Sequential(Mixer(8), Mixer(8))
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.norm(self.blocks(x)).mean(1))


class Axes(nn.Module):
    """Its input with the axes in another order."""

    def __init__(self, order: tuple[int, ...]) -> None:
        super().__init__()
        self.order = list(order)

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.order)


class Tokens(nn.Module):
    """N x H x W x C as N x T x C."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1, 2)


class Layouts(nn.Module):
    """The same values as N x C x H x W, N x H x W x C, N x T x C and T x N x C."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.GELU())
        self.first = nn.Conv2d(6, 6, 3, 1, 1)
        self.last = Axes((0, 2, 3, 1))
        self.tokens = Tokens()
        self.sequence = Axes((1, 0, 2))
        self.back = Axes((1, 2, 0))
        self.mixed = nn.Conv2d(6, 8, 3, 1, 1)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.stem(x))
        x = self.sequence(self.tokens(self.last(x)))
        x = self.back(x).unflatten(2, [8, 8])
        return self.head(F.gelu(self.mixed(x)).mean((2, 3)))


class Heads(nn.Module):
    """Logits, and maps made beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.GELU())
        self.decoder = nn.Conv2d(4, 3, 3, 1, 1)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.encoder(x)
        return self.head(x.mean((2, 3))), self.decoder(x)


class Signal(nn.Module):
    """Channels at positions in a row."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.line = nn.Conv1d(4, 6, 3, 2, 1)
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.line(F.gelu(self.stem(x)).flatten(2))
        return self.head(F.gelu(x).mean(2))


class Fused(nn.Module):
    """A transformer layer over a class token and patches."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 4, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, 4))
        self.block = nn.TransformerEncoderLayer(4, 2, 4, batch_first=True)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = self.block(torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1))
        return self.head(x[:, 0])


def drawn(network: nn.Module, seed: int) -> nn.Module:
    """The network with weights that make its logits differ."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in network.named_parameters():
        norm = "norm" in name or ".ln" in name
        noise = torch.randn(weight.shape, generator=generator)
        fan_in = weight[0].numel() if weight.dim() > 1 else 10
        scaled = 1 + 0.3 * noise if norm and name.endswith("weight") else noise / fan_in**0.5
        # few digits, so that archives are small
        weight.data = (32 * scaled).round() / 32
    return network.eval().requires_grad_(False)


def vit(seed: int) -> nn.Module:
    return drawn(VisionTransformer(16, 4, 2, 2, 16, 24, num_classes=5), seed)


def swin(seed: int) -> nn.Module:
    return drawn(SwinTransformer([2, 2], 8, [1, 2], [2, 2], [4, 4], 2.0, num_classes=5), seed)


def networks() -> dict[str, nn.Module]:
    return {
        "vit_scripted": vit(3),
        "vit_traced": vit(31),
        "swin_scripted": swin(12),
        "swin_traced": swin(29),
        "rows_scripted": drawn(Rows(), 7),
        "layouts_scripted": drawn(Layouts(), 8),
        "heads_scripted": drawn(Heads(), 9),
        "signal_scripted": drawn(Signal(), 10),
        "fused_traced": drawn(Fused(), 11),
    }


def family(name: str) -> str:
    return name.split("_")[0]


def maps(name: str) -> Callable[[Tensor], Tensor]:
    """pytorch-grad-cam's `reshape_transform`: the output of a layer as N x C x H x W."""

    def of_vit(tensor: Tensor) -> Tensor:
        return tensor[:, 1:].reshape(len(tensor), 4, 4, -1).permute(0, 3, 1, 2)

    def of_rows(tensor: Tensor) -> Tensor:
        return tensor.reshape(len(tensor), 4, 6, -1).permute(0, 3, 1, 2)

    def of_swin(tensor: Tensor) -> Tensor:
        return tensor.permute(0, 3, 1, 2)

    return {"vit": of_vit, "rows": of_rows, "swin": of_swin}[family(name)]


def cam(network: nn.Module, x: Tensor, method: str, layer: str, name: str) -> Array:
    """What pytorch-grad-cam's `get_cam_image` returns for the predicted classes."""
    raw: list[Array] = []
    classes = network(x).argmax(1).tolist()
    targets = [lambda logits, label=label: logits[label] for label in classes]
    with METHODS[method](network, [network.get_submodule(layer)], reshape_transform=maps(name)) as made:
        inner = made.get_cam_image
        made.get_cam_image = lambda *given: raw.append(inner(*given)) or raw[-1]
        made(x.clone().requires_grad_(), targets)
        del made.get_cam_image
    return raw[0]


def kept(network: nn.Module, x: Tensor, layer: str) -> Tensor:
    found: list[Tensor] = []
    hook = network.get_submodule(layer).register_forward_hook(lambda _, __, out: found.append(out.clone()))
    network(x)
    hook.remove()
    return found[0]


def replaced(network: nn.Module, x: Tensor, layer: str, change: Callable[[Tensor], Tensor]) -> Tensor:
    """The logits with the output of a layer changed."""
    hook = network.get_submodule(layer).register_forward_hook(lambda _, __, out: change(out))
    logits = network(x)
    hook.remove()
    return logits


def by_channel(tensor: Tensor, axis: int) -> Tensor:
    """A row a channel, a column an image and position."""
    return tensor.movedim(axis, 0).flatten(1)


def facts(values: Tensor) -> Array:
    rows = by_channel(values, 1).double().numpy()
    return np.stack([rows.mean(1), rows.std(1), rows.min(1), rows.max(1), (rows > 0).mean(1)])


def probes(network: nn.Module, x: Tensor, layer: str) -> Array:
    logits = network(x)
    classes = logits.argmax(1)
    score = lambda logits: logits[torch.arange(len(x)), classes]  # noqa: E731
    leaf: list[Tensor] = []

    def keep(out: Tensor) -> Tensor:
        leaf.append(out.detach().requires_grad_())
        return leaf[0] * 1

    score(replaced(network, x, layer, keep)).sum().backward()
    rows, slopes = by_channel(leaf[0].detach(), -1), by_channel(leaf[0].grad, -1)
    means = rows.mean(1)

    def falls(values: Tensor) -> Array:
        def fall(channel: int) -> float:
            def change(out: Tensor) -> Tensor:
                out = out.clone()
                out[..., channel] = values[channel]
                return out

            return (score(logits) - score(replaced(network, x, layer, change))).mean().item()

        return np.array([fall(channel) for channel in range(len(values))])

    slope, deviation = slopes.abs().mean(1), rows.std(1, correction=0)
    found = [slope.numpy(), means.numpy(), deviation.numpy()]
    return np.stack([*found, falls(torch.zeros_like(means)), falls(means)])


def stitched(a: nn.Module, b: nn.Module, x: Tensor, layers: tuple[str, str]) -> Array:
    """Logits of `b` behind the least squares from a layer of `a`."""
    source, target = kept(a, x, layers[0]), kept(b, x, layers[1])
    if source.shape[1:3] != target.shape[1:3] and source.dim() == 4:
        size = tuple(target.shape[1:3])
        moved = F.interpolate(source.permute(0, 3, 1, 2), size, mode="bilinear", antialias=True)
        source = moved.permute(0, 2, 3, 1)
    flat = lambda t: t.reshape(-1, t.shape[-1]).double().numpy()  # noqa: E731
    design = np.c_[flat(source[:FITTED]), np.ones(len(flat(source[:FITTED])))]
    weight, *_ = np.linalg.lstsq(design, flat(target[:FITTED]), rcond=None)
    rest = np.c_[flat(source[FITTED:]), np.ones(len(flat(source[FITTED:])))] @ weight
    rest = torch.from_numpy(rest).to(x.dtype).reshape(-1, *target.shape[1:])
    return replaced(b, x[FITTED:], layers[1], lambda _: rest).numpy()


def make(kind: torch.dtype, images: Tensor) -> Arrays:
    nets = {name: network.to(kind) for name, network in networks().items()}
    arrays: Arrays = {}
    plain, wide = given(images, kind), given(widened(images), kind)
    for name, network in nets.items():
        if family(name) not in LAYERS:
            continue
        x = wide if family(name) == "rows" else plain
        for layer in LAYERS[family(name)]:
            cams = [cam(network, x[:SHOWN], method, layer, name) for method in METHODS]
            if layer in BEFORE_NORM:
                cams[1][:] = 0
            arrays[f"{name}.{layer}.cams"] = np.stack(cams)
            with torch.no_grad():
                arrays[f"{name}.{layer}.facts"] = facts(maps(name)(kept(network, x, layer)))
        if family(name) in PROBED:
            layer = PROBED[family(name)]
            arrays[f"{name}.{layer}.probes"] = probes(network, x, layer)
    with torch.no_grad():
        pair = [(n, maps(n)(kept(nets[n], plain, m))) for n, m in zip(("vit_scripted", "swin_scripted"), MATCHED)]
        rows = [by_channel(values, 1).double().numpy() for _, values in pair]
        arrays["match"] = np.corrcoef(*rows)[: len(rows[0]), len(rows[0]) :]
        for net, a, b in STITCHED:
            found = stitched(nets[f"{net}_scripted"], nets[f"{net}_traced"], plain, (a, b))
            arrays[f"{net}.{a}-{b}.stitched"] = found
    return arrays


def widened(images: Tensor) -> Tensor:
    """The first bytes as images 16x24."""
    return images.reshape(-1)[: 13 * 16 * 24 * 3].reshape(13, 16, 24, 3)


def given(images: Tensor, kind: torch.dtype) -> Tensor:
    return (images.permute(0, 3, 1, 2).float() / 255).to(kind).contiguous()


def write_archives(images: Tensor) -> dict[str, list[int]]:
    classes = {}
    for name, network in networks().items():
        x = given(widened(images) if family(name) == "rows" else images, torch.float32)
        torch.backends.mha.set_fastpath_enabled(family(name) == "fused")
        traced = name.endswith("traced")
        module = torch.jit.trace(network, x[:2], check_trace=False) if traced else torch.jit.script(network)
        save_archive(module, FOLDER / f"{name}.pt")
        logits = network(x)
        torch.testing.assert_close(torch.jit.load(FOLDER / f"{name}.pt")(x), logits)
        logits = logits[0] if isinstance(logits, tuple) else logits
        top = logits.topk(2, 1).values
        assert (top[:, 0] - top[:, 1]).min() > 1e-3, f"{name}: two logits are nearly equal"
        classes[name] = logits.argmax(1).tolist()
    return classes


def deviation(narrow: Array, wide: Array) -> list[float]:
    rows = [(narrow, wide)] if wide.ndim == 2 and len(wide) != 5 else zip(narrow, wide, strict=True)
    return [float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-300)) for a, b in rows]


def main() -> None:
    images = torch.randint(0, 256, (20, 16, 16, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    classes = write_archives(images)
    narrow, wide = make(torch.float32, images), make(torch.float64, images)
    far = {key: deviation(narrow[key], wide[key]) for key in wide}
    np.save(FOLDER / "token_images.npy", images.numpy())
    write_arrays("tokens", wide)
    write_json("tokens", {"classes": classes, "deviation": far})


if __name__ == "__main__":
    main()
