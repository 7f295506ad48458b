"""Makes three classifiers of several inputs, and what Captum and autograd say of them.

    python make_saliency.py

Beside this script: `picture.pt2` takes an image and two numbers and a kind beside it, `sentence.pt2` token ids
and their mask; `pair.pt2` takes ids of two texts, which one embedding looks up, and of a third, which two do;
`picture.npz`, `sentence.npz` and `pair.npz` are their data, the last rows of `sentence.npz` padded.
`saliency.json` holds maps of the predicted class, in the order of the samples: of the image
(`picture/METHOD`, N×8×8), of the numbers beside it (`numbers/METHOD`, N×1×2), and of the tokens
(`sentence/METHOD`, N×1×6, whatever stands at padding; `first/METHOD` and `second/METHOD` of the pair, N×1×4). The networks are in float64.

* `gradient`: the largest absolute value over channels, or over the features of an embedded token
  (`captum.attr.Saliency`; `torch.autograd.grad` at the embedding's output).
* `gradient-x-input`: `captum.attr.InputXGradient`; at the embedding `LayerGradientXActivation`; summed.
* `integrated-gradients`: `captum.attr.IntegratedGradients`, baseline 0, 16 steps of the midpoint rule; summed.
* `hirescam`: ReLU of `LayerGradientXActivation` at `conv`, or at `mix`, summed over channels.

`channels` holds Pearson's correlations of the features of `embed` with those of `mix` over all tokens that are
no padding (`numpy.corrcoef`).
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from captum.attr import InputXGradient, IntegratedGradients, LayerGradientXActivation, Saliency
from torch import Tensor, nn
from torch.export import Dim, export

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from saved import save_program  # noqa: E402

FOLDER = Path(__file__).resolve().parent
DATA = np.random.default_rng(5)


class Picture(nn.Module):
    """Looks at an image, two numbers and one of four kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.act = nn.Tanh()
        self.kinds = nn.Embedding(4, 4)
        self.beside = nn.Linear(2, 4)
        self.fc = nn.Linear(4 * 8 * 8, 3)

    def forward(self, kind: Tensor, image: Tensor, numbers: Tensor) -> Tensor:
        context = self.kinds(kind) * self.beside(numbers)
        y = self.act(self.conv(image) * context[:, :, None, None] + context[:, :, None, None])
        return self.fc(y.flatten(1))


class Sentence(nn.Module):
    """Mixes tokens that are no padding, and classifies their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(12, 6)
        self.query = nn.Linear(6, 6)
        self.mix = nn.Linear(6, 6)
        self.fc = nn.Linear(6, 3)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        x = self.embed(input_ids)
        mask = attention_mask.to(x.dtype)
        scores = self.query(x) @ x.transpose(1, 2) + (mask[:, None, :] - 1) * 1e9
        y = torch.tanh(self.mix(scores.softmax(-1) @ x))
        return self.fc((y * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))


class Pair(nn.Module):
    """Looks at two texts in different ways, and at a third by two tables."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(9, 5)
        self.one = nn.Embedding(9, 5)
        self.other = nn.Embedding(9, 5)
        self.fc = nn.Linear(5, 3)

    def forward(self, first: Tensor, second: Tensor, third: Tensor) -> Tensor:
        a, b = torch.tanh(self.embed(first)), torch.tanh(2 * self.embed(second)) ** 2
        return self.fc(a.sum(1) * b.sum(1) + (self.one(third) * self.other(third)).sum(1))


def largest(gradient: Tensor, axis: int) -> Tensor:
    return gradient.abs().amax(axis)


def picture() -> dict[str, list]:
    module = Picture().double().eval()
    kind = torch.from_numpy(DATA.integers(0, 4, 5))
    image = torch.from_numpy(DATA.standard_normal((5, 3, 8, 8)).astype(np.float32))
    numbers = torch.from_numpy(DATA.standard_normal((5, 2)).astype(np.float32))
    np.savez_compressed(FOLDER / "picture.npz", kind=kind, image=image, numbers=numbers)
    image, numbers = image.double(), numbers.double()
    given = (kind, image, numbers)
    save_program(export(module, given, dynamic_shapes=({0: Dim.DYNAMIC},) * 3), FOLDER / "picture.pt2")
    target = module(*given).argmax(1)
    found = {}
    for name, value, call in [
        ("picture", image, lambda image, kind, numbers: module(kind, image, numbers)),
        ("numbers", numbers, lambda numbers, kind, image: module(kind, image, numbers)),
    ]:
        others = (kind, numbers) if name == "picture" else (kind, image)
        value = value.clone().requires_grad_()
        how = {"target": target, "additional_forward_args": others}
        paths = IntegratedGradients(call).attribute(value, n_steps=16, method="riemann_middle", **how)
        gradient = Saliency(call).attribute(value, abs=True, **how)
        product = InputXGradient(call).attribute(value, **how)
        if name == "picture":
            found[f"{name}/gradient"] = gradient.amax(1)
            found[f"{name}/gradient-x-input"] = product.sum(1)
            found[f"{name}/integrated-gradients"] = paths.sum(1)
            layer = LayerGradientXActivation(call, module.conv).attribute(value, **how)
            found[f"{name}/hirescam"] = layer.sum(1).relu()
        else:
            found[f"{name}/gradient"] = gradient[:, None]
            found[f"{name}/gradient-x-input"] = product[:, None]
            found[f"{name}/integrated-gradients"] = paths[:, None]
    return {name: maps.tolist() for name, maps in found.items()}


def sentence() -> dict[str, list]:
    module = Sentence().double().eval()
    ids = torch.from_numpy(DATA.integers(0, 12, (7, 6)))
    mask = torch.ones_like(ids)
    mask[4, 5:], mask[5, 3:], mask[6, 2:] = 0, 0, 0
    np.savez_compressed(FOLDER / "sentence.npz", input_ids=ids, attention_mask=mask)
    given = (ids, mask)
    save_program(export(module, given, dynamic_shapes=({0: Dim.DYNAMIC},) * 2), FOLDER / "sentence.pt2")
    target = module(*given).argmax(1)
    seen = {}
    for name in ("embed", "mix"):
        layer = getattr(module, name)
        layer.register_forward_hook(lambda _, __, output, name=name: seen.__setitem__(name, output))
    score = module(*given).gather(1, target[:, None]).sum()
    gradient = torch.autograd.grad(score, seen["embed"])[0]
    how = {"target": target, "additional_forward_args": (mask,)}
    of = {name: LayerGradientXActivation(module, getattr(module, name)).attribute(ids, **how) for name in seen}
    own = {name: value[mask.bool()].detach().numpy() for name, value in seen.items()}
    channels = np.corrcoef(own["embed"].T, own["mix"].T)[:6, 6:]
    return {
        "sentence/gradient": largest(gradient, 2)[:, None].tolist(),
        "sentence/gradient-x-input": of["embed"].sum(2)[:, None].tolist(),
        "sentence/hirescam": of["mix"].sum(2).relu()[:, None].tolist(),
        "channels": channels.tolist(),
    }


def pair() -> dict[str, list]:
    module = Pair().double().eval()
    given = {name: torch.from_numpy(DATA.integers(0, 9, (5, 4))) for name in ("first", "second", "third")}
    np.savez_compressed(FOLDER / "pair.npz", **given)
    given = tuple(given.values())
    save_program(export(module, given, dynamic_shapes=({0: Dim.DYNAMIC},) * 3), FOLDER / "pair.pt2")
    seen = []
    module.embed.register_forward_hook(lambda _, __, output: seen.append(output))
    scores = module(*given)
    gradients = torch.autograd.grad(scores.amax(1).sum(), seen)
    found = {}
    for name, value, gradient in zip(("first", "second"), seen, gradients):
        found[f"{name}/gradient"] = largest(gradient, 2)[:, None].tolist()
        found[f"{name}/gradient-x-input"] = (value * gradient).sum(2)[:, None].tolist()
    return found


def main() -> None:
    torch.manual_seed(3)
    with open(FOLDER / "saliency.json", "w", encoding="utf-8") as file:
        json.dump(picture() | sentence() | pair(), file)
        file.write("\n")


if __name__ == "__main__":
    main()
