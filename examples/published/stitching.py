"""Can one network use another's features, and at which depth? (Bansal et al. 2021; Csiszárik et al. 2021)

The layers of one network are stitched to the corresponding ones of another: networks of two seeds, networks whose
weights are random, and networks trained longer or on more images. What is lost is the penalty: the accuracy of the
network that goes on, less that of the stitched one.
"""

from pathlib import Path
from typing import Any

import numpy as np

import common
from common import CONVOLUTIONS, Recipe, repsim

LAYERS = [*CONVOLUTIONS, "pool"]
FITS = ("direct", "trained")

Report = dict[str, Any]


def stitched(a: Path, b: Path, fit: str, limit: int) -> list[dict[str, Any]]:
    """Of each layer what the stitch from A to the same layer of B loses, in percent points."""
    found = []
    for layer in LAYERS:
        data = ["--data", common.test_images(), "--limit", limit, "--seed", 0]
        of = ["--layer-a", layer, "--layer-b", layer, "--fit", fit, "--against", "cka"]
        pair = repsim("stitch", a, b, *data, *of)["results"]["pairs"][0]
        points = 100 * pair["penalty"]
        random = 100 * (pair["accuracy_b"] - pair["controls"]["random_weights"]["accuracy"])
        mean = 100 * (pair["accuracy_b"] - pair["controls"]["mean"]["accuracy"])
        found.append({"layer": layer, "penalty": points, "random": random, "mean": mean, "cka": pair["cka"]})
    return found


def pairs(recipes: dict[str, list[tuple[Recipe, Recipe]]], limit: int) -> dict[str, dict[str, list[list[dict[str, Any]]]]]:
    """Of each kind of pair and each fit, pair by pair, what is found."""
    common.networks([recipe for of in recipes.values() for pair in of for recipe in pair])
    return {
        kind: {fit: [stitched(a.path(), b.path(), fit, limit) for a, b in of] for fit in FITS}
        for kind, of in recipes.items()
    }


def mean(found: list[list[dict[str, Any]]], what: str) -> np.ndarray:
    """Over the pairs, a value a layer."""
    return np.mean([[row[what] for row in of] for of in found], axis=0)


def study() -> None:
    quick = common.options(__doc__).quick
    limit, longer, more = (500, 5, 16_000) if quick else (10_000, 20, 60_000)
    seeds = [Recipe(0), Recipe(1), Recipe(2)]
    ring = list(zip(seeds, seeds[1:] + seeds[:1]))[: 1 if quick else 3]
    long, rich = Recipe(3, epochs=longer), Recipe(4, images=more)
    found = pairs(
        {
            "two seeds": ring,
            "longer into usual": [(long, seed) for seed in seeds[: len(ring)]],
            "more images into usual": [(rich, seed) for seed in seeds[: len(ring)]],
            "usual into more images": [(seed, rich) for seed in seeds[: len(ring)]],
        },
        limit,
    )
    table = [row(i, found) for i in range(len(LAYERS))]
    accuracy = {recipe.path().stem: accuracy_of(recipe, limit) for recipe in [*seeds, long, rich]}
    report = {"n_fit": round(0.8 * limit), "n": limit - round(0.8 * limit), "accuracy": accuracy, "table": table, "pairs": found}
    common.write("stitching", quick, table, report)
    draw(found, common.results_folder(quick) / "stitching.png")


def row(i: int, found: dict[str, Any]) -> dict[str, Any]:
    seeds = found["two seeds"]
    cells = {
        "two seeds, direct": mean(seeds["direct"], "penalty"),
        "two seeds, trained": mean(seeds["trained"], "penalty"),
        "random weights, direct": mean(seeds["direct"], "random"),
        "random weights, trained": mean(seeds["trained"], "random"),
        **{f"{kind}, trained": mean(of["trained"], "penalty") for kind, of in found.items() if kind != "two seeds"},
    }
    cka = f"{mean(seeds['direct'], 'cka')[i]:.2f}"
    return {"layer": LAYERS[i], **{name: points(values[i]) for name, values in cells.items()}, "CKA of two seeds": cka}


def points(value: float) -> str:
    return f"{value:.1f}".replace("-", "−")


def accuracy_of(recipe: Recipe, limit: int) -> float:
    report = repsim("features", recipe.path(), "--data", common.test_images(), "--limit", limit, "--layers", "pool",
                    "--output", common.WORK / "features" / f"{recipe.path().stem}-all-{limit}")  # fmt: skip
    return round(report["inputs"]["models"][0]["accuracy"]["value"], 4)


def draw(found: dict[str, Any], path: Path) -> None:
    """Penalty over depth, a panel a fit."""
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for panel, fit in zip(panels, FITS):
        for kind, of in found.items():
            panel.plot(LAYERS, mean(of[fit], "penalty"), "o-", label=kind)
        panel.plot(LAYERS, mean(found["two seeds"][fit], "random"), "s--", color="0.4", label="random weights")
        panel.set(title=f"--fit {fit}", ylabel="penalty (points)" if fit == FITS[0] else "")
        panel.axhline(0, color="0.8", zorder=0)
        panel.tick_params(axis="x", rotation=90)
    panels[1].legend()
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    common.run(study)
