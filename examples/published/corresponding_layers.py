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

LAYERS = [*CONVOLUTIONS, "pool"]
COMPONENTS = 50
ROWS = {
    "whole maps": ["--reduce", "flatten"],
    "channel means": ["--reduce", "gap"],
    f"{COMPONENTS} components": ["--reduce", "flatten", "--pca", COMPONENTS],
}
CKA = {
    "cka, minibatches of 64": ["--estimator", "minibatch", "--seed", 0],
    "cka, biased": ["--bias", "biased", "--estimator", "full"],
    "cka, rbf 0.2": ["--kernel", "rbf:0.2", "--bias", "biased", "--estimator", "full"],
    "cka, rbf 0.4": ["--kernel", "rbf:0.4", "--bias", "biased", "--estimator", "full"],
    "cka, rbf 0.8": ["--kernel", "rbf:0.8", "--bias", "biased", "--estimator", "full"],
}
PAPER = {
    "cka, biased": "99.3", "cka, rbf 0.2": "80.6", "cka, rbf 0.4": "99.1", "cka, rbf 0.8": "99.3",
    "cca-r2": "10.6", "svcca": "9.9", "pwcca": "11.1", "linear-regression": "45.4", "hsic": "22.2",
}  # fmt: skip

Matrices = dict[str, list[tuple[np.ndarray, bool]]]


def matrix(values: list[list[float | None]]) -> np.ndarray:
    return np.array([[np.nan if value is None else value for value in row] for row in values], float)


def hits(values: np.ndarray, larger_is_more_alike: bool) -> np.ndarray | None:
    """Whether each layer of A, then of B, has the corresponding one as its best match; None where values are missing."""
    if np.isnan(values).any():
        return None
    alike = values if larger_is_more_alike else -values
    places = np.arange(len(alike))
    return np.stack([alike.argmax(1) == places, alike.argmax(0) == places]).astype(float)


def measured(paths: list[Path], reduction: list[Any], limit: int) -> dict[str, list[np.ndarray | None]]:
    """Of each measure what it hits, pair by pair."""
    data = ["--data", common.test_images(), "--limit", limit, *[f"--layers={name}" for name in LAYERS]]
    found: dict[str, list[np.ndarray | None]] = {}
    for a, b in combinations(paths, 2):
        report = repsim("compare", a, b, *data, "--measures", "all", *reduction)
        for measure in report["results"]["measures"]:
            right = hits(matrix(measure["values"]), measure["facts"]["larger_is_more_alike"])
            found.setdefault(measure["name"], []).append(right)
    for name, how in CKA.items() if "--pca" not in reduction else ():
        pairs = repsim("cka", *paths, *data, *how, *reduction)["results"]["pairs"]
        found[name] = [hits(matrix(pair["results"]["cka"]), True) for pair in pairs]
    return found


def percent(pairs: list[np.ndarray | None] | None) -> float | None:
    if not pairs or any(pair is None for pair in pairs):
        return None
    return round(100 * float(np.mean(pairs)), 1)


def by_layer(pairs: list[np.ndarray | None]) -> list[float] | None:
    return None if any(p is None for p in pairs) else [round(float(x), 4) for x in np.mean(pairs, axis=(0, 1))]


def study() -> None:
    quick = common.options(__doc__).quick
    seeds, limit = (3, 200) if quick else (6, 1000)
    paths = common.networks([Recipe(seed) for seed in range(seeds)])
    found = {how: measured(paths, reduction, limit) for how, reduction in ROWS.items()}
    names = list(next(iter(found.values())))
    table = [
        {"measure": name, **{how: percent(found[how].get(name)) for how in ROWS}, "paper": PAPER.get(name, "")}
        for name in sorted(names, key=lambda name: -(percent(found["channel means"].get(name)) or 0))
    ]
    shares = {how: {name: by_layer(pairs) for name, pairs in of.items()} for how, of in found.items()}
    settings = {"seeds": seeds, "pairs": seeds * (seeds - 1) // 2, "n": limit, "layers": LAYERS}
    common.write("corresponding-layers", quick, table, {**settings, "table": table, "share_by_layer": shares})
    draw(shares, common.results_folder(quick) / "corresponding-layers.png")


def draw(shares: dict[str, dict[str, list[float] | None]], path: Path) -> None:
    """Measures by layers, a panel a reduction."""
    from matplotlib import pyplot

    names = sorted(shares["channel means"], key=lambda name: -sum(shares["channel means"][name] or [0]))
    figure, panels = pyplot.subplots(1, len(ROWS), figsize=(11, 6.2), sharey=True, layout="constrained")
    for panel, how in zip(panels, ROWS):
        values = np.array([shares[how].get(name) or [np.nan] * len(LAYERS) for name in names], float)
        picture = panel.imshow(values, vmin=0, vmax=1, cmap="viridis", aspect="auto")
        panel.set(title=how, xticks=range(len(LAYERS)), yticks=range(len(names)), yticklabels=names, facecolor="0.85")
        panel.set_xticklabels(LAYERS, rotation=90)
    figure.colorbar(picture, ax=panels, label="share of best matches that are the corresponding layer", shrink=0.7)
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    common.run(study)
