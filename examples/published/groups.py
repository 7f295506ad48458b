"""Which measures see what they should? Three tests of ReSi (Klabunde et al. 2024) in small

Networks are trained in groups: with marks that give the class away to a degree, with a share of random labels, and
under noise of some strength. By design networks of one group are more alike than networks of two groups, whatever their
seeds. A measure of the last hidden layer is scored, group by group, by how it ranks the pairs within the group above
those that leave it: the average precision (AUPRC), and the share of all (pair within, pair between) that stand in the
right order (conformity rate). Both are means over the groups, as in ReSi.
"""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

import common
from common import MEASURES, Recipe, repsim

TESTS: dict[str, tuple[str, list[float]]] = {
    "shortcut": ("shortcut", [0.0, 0.5, 1.0]),
    "random labels": ("random_labels", [0.0, 0.5, 1.0]),
    "augmentation": ("noise", [0.0, 0.2, 0.6]),
}

Group = list[Recipe]


def marked_images(limit: int) -> Path:
    """The first test images of each class, marked anywhere: marks say nothing about the class."""
    images, labels = common.load("t10k")
    chosen = np.concatenate([np.flatnonzero(labels == c)[: limit // common.CLASSES] for c in range(common.CLASSES)])
    anywhere = np.random.default_rng(0).integers(common.CLASSES, size=len(chosen))
    return common.save_images(f"marked-{limit}", common.with_mark(images[chosen], anywhere), labels[chosen])


def alignments(groups: list[Group], data: Path, limit: int) -> tuple[dict[str, np.ndarray], list[float]]:
    """Of each measure how alike all networks are, larger for more alike, and their accuracies."""
    paths = common.networks([recipe for group in groups for recipe in group])
    kept = [common.features(path, data, "--limit", limit) for path in paths]
    found: dict[str, np.ndarray] = {}
    for measure in MEASURES:
        common.say(f"{len(kept)} networks by {measure}")
        results = repsim("platonic", *kept, "--measure", measure)["results"]
        values = np.array(results["measure"]["values"], float)
        found[measure] = values if results["measure"]["facts"]["larger_is_more_alike"] else -values
    return found, [model["accuracy"] for model in results["models"]]


def average_precision(within: np.ndarray, between: np.ndarray) -> float:
    """The mean, over the pairs within, of the precision at their place; equal values stand at one place."""
    thresholds = np.unique(within)
    recalled = np.array([(within >= t).sum() for t in thresholds])
    listed = recalled + np.array([(between >= t).sum() for t in thresholds])
    new = np.array([(within == t).sum() for t in thresholds])
    return float((recalled / listed * new).sum() / len(within))


def conformity(within: np.ndarray, between: np.ndarray) -> float:
    return float((within[:, None] > between[None, :]).mean())


def scores(values: np.ndarray, groups: list[Group]) -> dict[str, float]:
    of = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    pairs = list(combinations(range(len(of)), 2))
    precision, conform = [], []
    for group in range(len(groups)):
        within = np.array([values[i, j] for i, j in pairs if of[i] == of[j] == group])
        between = np.array([values[i, j] for i, j in pairs if (of[i] == group) != (of[j] == group)])
        precision.append(average_precision(within, between))
        conform.append(conformity(within, between))
    return {"AUPRC": float(np.mean(precision)), "conformity": float(np.mean(conform))}


def test(name: str, seeds: int, limit: int) -> dict[str, Any]:
    option, degrees = TESTS[name]
    groups = [[Recipe(seed, **{option: degree}) for seed in range(seeds)] for degree in degrees]
    marked = name == "shortcut"
    values, accuracies = alignments(groups, marked_images(limit) if marked else common.test_images(), limit)
    by_group = np.array(accuracies).reshape(len(groups), -1).mean(1)
    return {
        "degrees": degrees,
        "accuracy": [round(float(x), 4) for x in by_group],
        "scores": {measure: scores(of, groups) for measure, of in values.items()},
        "alike": {measure: means(of, groups).tolist() for measure, of in values.items()},
    }


def means(values: np.ndarray, groups: list[Group]) -> np.ndarray:
    """The mean over the pairs of two groups, without networks with themselves."""
    values = np.where(np.eye(len(values), dtype=bool), np.nan, values)
    count = len(groups)
    blocks = values.reshape(count, len(values) // count, count, -1)
    return np.round(np.nanmean(blocks, axis=(1, 3)), 4)


def study() -> None:
    quick = common.options(__doc__).quick
    seeds, limit = (2, 200) if quick else (4, 1000)
    found = {name: test(name, seeds, limit) for name in TESTS}
    ranks = {measure: mean_rank(measure, found) for measure in MEASURES}
    table = [row(measure, found, ranks) for measure in sorted(MEASURES, key=lambda measure: ranks[measure])]
    chance = {name: chance_of(seeds, len(of["degrees"])) for name, of in found.items()}
    report = {"seeds": seeds, "n": limit, "layer": "pool", "chance_auprc": chance, "table": table, "tests": found}
    common.write("groups", quick, table, report)
    draw(table, common.results_folder(quick) / "groups.png")


def chance_of(seeds: int, groups: int) -> float:
    """The share of the pairs of a group that lie within it: what a random order scores, about."""
    within = seeds * (seeds - 1) / 2
    return round(within / (within + seeds * seeds * (groups - 1)), 3)


def mean_rank(measure: str, found: dict[str, Any]) -> float:
    """Its mean place by AUPRC over the tests, 1 for the best; equals share the mean of their places."""
    places = []
    for of in found.values():
        all_scores = np.array([of["scores"][other]["AUPRC"] for other in MEASURES])
        own = of["scores"][measure]["AUPRC"]
        places.append((all_scores > own).sum() + (1 + (all_scores == own).sum()) / 2)
    return round(float(np.mean(places)), 1)


def row(measure: str, found: dict[str, Any], ranks: dict[str, float]) -> dict[str, Any]:
    cells = {f"{name}, {score}": of["scores"][measure][score] for name, of in found.items() for score in ("AUPRC", "conformity")}
    return {"measure": measure, **{name: round(value, 3) for name, value in cells.items()}, "mean rank": f"{ranks[measure]:.1f}"}


def draw(table: list[dict[str, Any]], path: Path) -> None:
    """AUPRC of each measure in the three tests."""
    from matplotlib import pyplot

    figure, panel = pyplot.subplots(figsize=(8, 5.2), layout="constrained")
    places = np.arange(len(table))
    for marker, name in zip("os^", TESTS):
        panel.plot([line[f"{name}, AUPRC"] for line in table], places, marker, label=name, alpha=0.8)
    panel.set(yticks=places, yticklabels=[line["measure"] for line in table], xlabel="AUPRC", xlim=(0, 1.03))
    panel.invert_yaxis()
    panel.grid(alpha=0.3)
    panel.legend()
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    common.run(study)
