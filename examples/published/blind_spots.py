"""What moves a measure although the network does the same? (Davari et al. 2022)

A trained network is changed so that its outputs stay: channels are scaled and the next layer scales them back; the last
hidden layer is mapped linearly and the classifier undoes it; the samples of one class, or a single sample, are moved in
a direction that the classifier does not look at. Each changed network is a network of its own, exported, and compared
with the original by every measure. A network from another seed shows how much a value usually moves.
"""

import copy
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import common
from common import PlainNet, Recipe, repsim

SUBSET = 0
SPREAD, CONDITION = 1.0, 30.0
SHOWN = {"class moved": 4.0, "one sample moved": 64.0}
DISTANCES = {"class moved": (0.5, 1.0, 2.0, 4.0, 8.0, 16.0), "one sample moved": (4.0, 8.0, 16.0, 32.0, 64.0, 128.0)}
CKA = {
    "cka, biased": ["--bias", "biased"],
    "cka, rbf 0.4": ["--kernel", "rbf:0.4"],
    "cka, rbf 0.4, biased": ["--kernel", "rbf:0.4", "--bias", "biased"],
}
DRAWN = ("cka", "cka, biased", "cka, rbf 0.4, biased", "rsa", "mutual-knn", "cca-r2")


class Pool(nn.Module):
    """The mean over positions, and a change of it that the classifier behind does not see."""

    def __init__(self, change: nn.Module) -> None:
        super().__init__()
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        return self.change(x.mean((2, 3)))


class Shift(nn.Module):
    """Moves the samples whose logit of a class exceeds all others by more than `margin`."""

    def __init__(self, fc: nn.Linear, chosen: int, margin: float, by: Tensor) -> None:
        super().__init__()
        self.fc, self.chosen, self.margin = copy.deepcopy(fc), chosen, margin
        self.register_buffer("by", by)

    def forward(self, x: Tensor) -> Tensor:
        moved = margins(self.fc(x), self.chosen) > self.margin
        return x + moved.unsqueeze(1).to(x.dtype) * self.by


def margins(logits: Tensor, chosen: int) -> Tensor:
    others = torch.cat([logits[:, :chosen], logits[:, chosen + 1 :]], 1)
    return logits[:, chosen] - others.amax(1)


def scaled_channels(network: PlainNet, spread: float) -> PlainNet:
    """Each channel of conv1 to conv7 times exp(spread · normal), which its batch norm does and the next layer undoes."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for i in range(1, 8):
            _, norm, _ = getattr(network, f"conv{i}")
            factor = torch.exp(spread * torch.randn(norm.num_features, generator=draw))
            norm.weight *= factor
            norm.bias *= factor
            getattr(network, f"conv{i + 1}")[0].weight /= factor[None, :, None, None]
    return network


def mapped(network: PlainNet, condition: float) -> PlainNet:
    """The last hidden layer times a random matrix of this condition number, which the classifier undoes."""
    size = network.fc.in_features
    draw = torch.Generator().manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(size, size, generator=draw).double())[0] for _ in range(2))
    singular = torch.logspace(0, -float(np.log10(condition)), size, dtype=torch.float64)
    change = nn.Linear(size, size, bias=False)
    with torch.no_grad():
        change.weight.copy_(left @ singular.diag() @ right)
        inverse = torch.linalg.inv((left @ singular.diag() @ right))
        network.fc.weight.copy_(network.fc.weight.double() @ inverse)
    network.pool = Pool(change)
    return network


def shifted(network: PlainNet, distance: float, margin: float, hidden: Tensor) -> PlainNet:
    """Samples moved by `distance` times the layer's root mean square deviation, where the classifier is blind."""
    _, _, directions = torch.linalg.svd(network.fc.weight.detach().double())
    spread = hidden.double().var(0).sum().sqrt()
    by = (distance * spread * directions[-1]).float()
    network.pool = Pool(Shift(network.fc, SUBSET, margin, by))
    return network


def outputs(network: PlainNet, images: Tensor) -> tuple[Tensor, Tensor]:
    """The last hidden layer, and the logits."""
    with torch.no_grad():
        hidden = images
        for name in common.CONVOLUTIONS:
            hidden = getattr(network, name)(hidden)
        hidden = network.pool(hidden)
        return hidden, network.fc(hidden)


def compared(a: Path, b: Path, layer: str, limit: int) -> dict[str, float | None]:
    """Of every measure its value between the same layer of two networks, by channel means."""
    data = ["--data", common.test_images(), "--limit", limit, "--layers", layer, "--reduce", "gap"]
    measures = repsim("compare", a, b, *data, "--measures", "all")["results"]["measures"]
    cka = {
        name: repsim("cka", a, b, *data, "--estimator", "full", *how)["results"]["cka"][0][0] for name, how in CKA.items()
    }
    return cka | {measure["name"]: measure["values"][0][0] for measure in measures}


class Originals:
    """The network that is changed, and what it gives for the images compared on."""

    def __init__(self, limit: int) -> None:
        self.limit, self.recipe = limit, Recipe(0)
        self.path, self.other = common.networks([self.recipe, Recipe(1)])
        images, labels = common.load("t10k")
        first = [np.flatnonzero(labels == c)[: limit // common.CLASSES] for c in range(common.CLASSES)]
        self.images = common.to_input(images[np.concatenate(first)])
        self.hidden, self.logits = outputs(self.network(), self.images)

    def network(self) -> PlainNet:
        return common.trained(self.recipe)

    def compare(self, name: str, network: PlainNet, layer: str) -> dict[str, Any]:
        """How far the outputs of a changed network differ, and what every measure says of a layer."""
        _, logits = outputs(network, self.images)
        path = common.export(network, common.WORK / "networks" / f"changed-{name.replace(' ', '-')}.pt2")
        same = float((logits.argmax(1) == self.logits.argmax(1)).float().mean())
        off = float((logits - self.logits).abs().max() / self.logits.abs().max())
        return {"layer": layer, "same_predictions": same, "logits_off": off, **compared(self.path, path, layer, self.limit)}


def study() -> None:
    quick = common.options(__doc__).quick
    limit = 200 if quick else 1000
    of = Originals(limit)
    top = margins(of.logits, SUBSET).sort(descending=True).values
    margin = {"class moved": 0.0, "one sample moved": float(top[:2].mean())}
    found = {
        "channels scaled": of.compare("channels scaled", scaled_channels(of.network(), SPREAD), "conv4"),
        "linear map": of.compare("linear map", mapped(of.network(), CONDITION), "pool"),
    }
    curves = {
        kind: [of.compare(f"{kind} {d:g}", shifted(of.network(), d, margin[kind], of.hidden), "pool") for d in distances]
        for kind, distances in DISTANCES.items()
    }
    found |= {f"{kind} by {d:g}": curves[kind][DISTANCES[kind].index(d)] for kind, d in SHOWN.items()}
    seeds = {layer: compared(of.path, of.other, layer, limit) for layer in ("conv4", "pool")}
    table = [row(measure, found, seeds) for measure in sorted(seeds["pool"], key=["cka", *seeds["pool"]].index)]
    settings = {"n": limit, "moved": int((top > 0).sum()), "distances": DISTANCES, "spread": SPREAD, "condition": CONDITION}
    common.write("blind-spots", quick, table, {**settings, "table": table, "changes": found, "seeds": seeds, "curves": curves})
    draw(curves, common.results_folder(quick) / "blind-spots.png")


def row(measure: str, found: dict[str, Any], seeds: dict[str, Any]) -> dict[str, Any]:
    cells = {"another seed, conv4": seeds["conv4"][measure]}
    cells |= {"channels scaled, conv4": found["channels scaled"][measure], "another seed, pool": seeds["pool"][measure]}
    cells |= {f"{kind}, pool": of[measure] for kind, of in found.items() if kind != "channels scaled"}
    return {"measure": measure, **cells}


def draw(curves: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Measures over how far a class, and a single sample, is moved."""
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(10, 3.8), sharey=True, layout="constrained")
    for panel, (kind, found) in zip(panels, curves.items()):
        markers = cycle(["o-", "s--", "^-", "v-", "D-", "x--"])
        for measure in DRAWN:
            panel.plot(DISTANCES[kind], [of[measure] for of in found], next(markers), label=measure, alpha=0.8)
        panel.set(title=kind, xscale="log", xlabel="distance (root mean square deviations of the layer)", ylim=(-0.05, 1.05))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("similarity to the network that was not changed")
    panels[0].legend()
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    common.run(study)
