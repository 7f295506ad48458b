"""Can one network use another's features, and at which depth? (Bansal et al. 2021; Csiszárik et al. 2021)

The layers of one network are stitched to the corresponding ones of another: networks of two seeds, networks whose
weights are random, and a network trained three times as long. What is lost is the penalty: the accuracy of the
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
    common.say(f"{a.stem} into {b.stem}, {fit}")
    for layer in LAYERS:
        data = ["--data", common.test_images(), "--limit", limit, "--seed", 0]
        of = ["--layer-a", layer, "--layer-b", layer, "--fit", fit, "--against", "cka"]
        results = repsim("stitch", a, b, *data, *of)["results"]
        pair = results["pairs"][0]
        lost = {name: 100 * (pair["accuracy_b"] - of["accuracy"]) for name, of in pair["controls"].items()}
        whole = {name: 100 * results[name] for name in ("accuracy_a", "accuracy_b")}
        found.append({"layer": layer, "penalty": 100 * pair["penalty"], **lost, "cka": pair["cka"], **whole})
    return found


def pairs(recipes: dict[str, list[tuple[Recipe, Recipe]]], limit: int) -> dict[str, dict[str, list[list[dict[str, Any]]]]]:
    """Of each kind of pair and each fit, pair by pair, what is found."""
    common.networks([recipe for of in recipes.values() for pair in of for recipe in pair])
    return {
        kind: {fit: [stitched(a.path(), b.path(), fit, limit) for a, b in of] for fit in FITS if fit == "trained" or kind == "two seeds"}
        for kind, of in recipes.items()
    }


def mean(found: list[list[dict[str, Any]]], what: str) -> np.ndarray:
    """Over the pairs, a value a layer."""
    return np.mean([[row[what] for row in of] for of in found], axis=0)


def study() -> None:
    quick = common.options(__doc__).quick
    limit, epochs = (500, 5) if quick else (5000, 12)
    one, two, longer = Recipe(0), Recipe(1), Recipe(3, epochs=epochs)
    of = {"two seeds": [(one, two), (two, one)], "longer into usual": [(longer, one), (longer, two)], "usual into longer": [(one, longer)]}
    found = pairs(of, limit)
    table = [row(i, found) for i in range(len(LAYERS))]
    settings = {"n_fit": round(0.8 * limit), "n": limit - round(0.8 * limit), "epochs": {"usual": one.epochs, "longer": epochs}}
    common.write("stitching", quick, table, {**settings, "table": table, "pairs": found})
    draw(found, common.results_folder(quick) / "stitching.png")


def row(i: int, found: dict[str, Any]) -> dict[str, Any]:
    seeds = found["two seeds"]
    cells = {
        "two seeds, direct": mean(seeds["direct"], "penalty"),
        "two seeds, trained": mean(seeds["trained"], "penalty"),
        "random weights, direct": mean(seeds["direct"], "random_weights"),
        "random weights, trained": mean(seeds["trained"], "random_weights"),
        **{f"{kind}, trained": mean(of["trained"], "penalty") for kind, of in found.items() if kind != "two seeds"},
    }
    cka = f"{mean(seeds['direct'], 'cka')[i]:.2f}"
    return {"layer": LAYERS[i], **{name: common.number(values[i], 1) for name, values in cells.items()}, "CKA of two seeds": cka}


def draw(found: dict[str, Any], path: Path) -> None:
    """Penalty over depth, a panel a fit."""
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for panel, fit in zip(panels, FITS):
        for kind, of in found.items() if fit == "trained" else [("two seeds", found["two seeds"])]:
            panel.plot(LAYERS, mean(of[fit], "penalty"), "o-", label=kind)
        panel.plot(LAYERS, mean(found["two seeds"][fit], "random_weights"), "s--", color="0.4", label="random weights")
        panel.set(title=f"--fit {fit}", ylabel="penalty (points)" if fit == FITS[0] else "")
        panel.axhline(0, color="0.8", zorder=0)
        panel.tick_params(axis="x", rotation=90)
    panels[1].legend()
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    common.run(study)
