"""Which measure finds the corresponding layer? (Kornblith et al. 2019, Table 2)

Networks of one architecture are trained from several seeds. For each layer of one and each other network, a measure is
right when the layer it finds most alike is the corresponding one. The logits are left out, as in the paper.
"""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

import common
from common import CONVOLUTIONS, Recipe, repsim

COMPONENTS = 50
ROWS = {
    "whole maps": ["--reduce", "flatten"],
    "channel means": ["--reduce", "gap"],
    f"{COMPONENTS} components": ["--reduce", "flatten", "--pca", COMPONENTS],
}
# Two measures pair single units one to one: of whole maps these are up to 12,544, and the assignment takes hours.
UNITS = ["hard-correlation", "soft-matching"]
CKA = {
    "cka, minibatches of 64": ["--estimator", "minibatch", "--seed", 0],
    "cka, biased": ["--bias", "biased", "--estimator", "full"],
    "cka, rbf 0.2": ["--kernel", "rbf:0.2", "--bias", "biased", "--estimator", "full"],
    "cka, rbf 0.4": ["--kernel", "rbf:0.4", "--bias", "biased", "--estimator", "full"],
    "cka, rbf 0.8": ["--kernel", "rbf:0.8", "--bias", "biased", "--estimator", "full"],
}
# The channel means of conv8 are what pool gives.
LAYERS = {how: [*CONVOLUTIONS, "pool"] if how == "whole maps" else CONVOLUTIONS for how in ROWS}
PAPER = {
    "cka, biased": "99.3", "cka, rbf 0.2": "80.6", "cka, rbf 0.4": "99.1", "cka, rbf 0.8": "99.3",
    "cca-r2": "10.6", "svcca": "9.9", "pwcca": "11.1", "linear-regression": "45.4", "hsic": "22.2",
}  # fmt: skip

Matrices = dict[str, list[tuple[np.ndarray, bool]]]


def matrix(values: list[list[float | None]]) -> np.ndarray:
    return np.array([[np.nan if value is None else value for value in row] for row in values], float)


def misses(values: np.ndarray, larger_is_more_alike: bool) -> np.ndarray | None:
    """How many layers the best match of each layer of A, then of B, is off; None where values are missing."""
    if np.isnan(values).any():
        return None
    alike = values if larger_is_more_alike else -values
    places = np.arange(len(alike))
    return np.abs(np.stack([alike.argmax(1), alike.argmax(0)]) - places)


def measured(paths: list[Path], how: str, limit: int) -> dict[str, list[np.ndarray | None]]:
    """Of each measure how far it is off, pair by pair."""
    reduction = ROWS[how]
    data = ["--data", common.test_images(), "--limit", limit, *[f"--layers={name}" for name in LAYERS[how]]]
    found: dict[str, list[np.ndarray | None]] = {}
    measures = "all" if how != "whole maps" else ",".join(name for name in common.MEASURES if name not in UNITS)
    for a, b in combinations(paths, 2):
        common.say(f"{how}: {a.stem} and {b.stem}")
        report = repsim("compare", a, b, *data, "--measures", measures, *reduction)
        for measure in report["results"]["measures"]:
            off = misses(matrix(measure["values"]), measure["facts"]["larger_is_more_alike"])
            found.setdefault(measure["name"], []).append(off)
    for name, options in CKA.items() if "--pca" not in reduction else ():
        pairs = repsim("cka", *paths, *data, *options, *reduction)["results"]["pairs"]
        found[name] = [misses(matrix(pair["results"]["cka"]), True) for pair in pairs]
    return found


def percent(pairs: list[np.ndarray | None] | None, within: int = 0) -> float | None:
    """Which share is off by no more than so many layers."""
    if not pairs or any(pair is None for pair in pairs):
        return None
    return round(100 * float(np.mean([pair <= within for pair in pairs if pair is not None])), 1)


def by_layer(pairs: list[np.ndarray | None]) -> list[float] | None:
    """The share of right ones for each layer."""
    if any(pair is None for pair in pairs):
        return None
    return [round(float(x), 4) for x in np.mean([pair == 0 for pair in pairs], axis=(0, 1))]


def study() -> None:
    quick = common.options(__doc__).quick
    seeds, limit = (3, 200) if quick else (5, 500)
    paths = common.networks([Recipe(seed) for seed in range(seeds)])
    found = {how: measured(paths, how, limit) for how in ROWS}
    names = list(next(iter(found.values())))
    names += [name for name in found["channel means"] if name not in names]
    names.sort(key=lambda name: -(percent(found["channel means"].get(name)) or 0))
    table = [row(name, found) for name in names]
    shares = {how: {name: by_layer(pairs) for name, pairs in of.items()} for how, of in found.items()}
    near = {how: {name: percent(pairs, within=1) for name, pairs in of.items()} for how, of in found.items()}
    settings = {"seeds": seeds, "pairs": seeds * (seeds - 1) // 2, "n": limit, "layers": LAYERS}
    common.write("corresponding-layers", quick, table, {**settings, "table": table, "off_by_one_at_most": near, "share_by_layer": shares})
    draw(shares, common.results_folder(quick) / "corresponding-layers.png")


def row(name: str, found: dict[str, Any]) -> dict[str, str | None]:
    shares = {how: percent(found[how].get(name)) for how in ROWS}
    cells = {how: None if share is None else f"{share:.1f}" for how, share in shares.items()}
    return {"measure": name, **cells, "paper": PAPER.get(name, "")}


def draw(shares: dict[str, dict[str, list[float] | None]], path: Path) -> None:
    """Measures by layers, a panel a reduction."""
    from matplotlib import pyplot

    names = sorted(shares["channel means"], key=lambda name: -sum(shares["channel means"][name] or [0]))
    figure, panels = pyplot.subplots(1, len(ROWS), figsize=(11, 6.2), sharey=True, layout="constrained")
    for panel, how in zip(panels, ROWS):
        layers = LAYERS[how]
        values = np.array([shares[how].get(name) or [np.nan] * len(layers) for name in names], float)
        picture = panel.imshow(values, vmin=0, vmax=1, cmap="viridis", aspect="auto")
        panel.set(title=how, xticks=range(len(layers)), yticks=range(len(names)), yticklabels=names, facecolor="0.85")
        panel.set_xticklabels(layers, rotation=90)
    figure.colorbar(picture, ax=panels, label="share of best matches that are the corresponding layer", shrink=0.7)
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    common.run(study)
