"""How far off are estimates from few samples, and do the intervals hold what they promise?

First, CKA of Gaussian features whose true CKA is known: the mean and the spread of the biased, the unbiased and the
minibatch estimate over many draws, for several numbers of samples n and features D. Then, two trained networks over
10,000 images, which are the population: of random samples of it, how often the 95 % interval of `repsim compare
--subsamples` holds the value of the population.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import common
from common import Recipe, repsim

FEATURES = 100
RATIOS = (0.25, 0.5, 1, 2, 5, 10)
TRUE = {"unrelated": 0.0, "related": 0.5}
BATCH = 25
ESTIMATES = {
    "biased": ["--bias", "biased", "--estimator", "full"],
    "unbiased": ["--bias", "unbiased", "--estimator", "full"],
    f"minibatch of {BATCH}": ["--estimator", "minibatch", "--batch-size", BATCH],
}
TOGETHER = 20
SAMPLES = (50, 200, 500)
HALVES = 200
COVERED = {
    "cka": ["--measures", "cka"],
    "cka, biased": ["--measures", "cka", "--bias", "biased"],
    "others": ["--measures", "procrustes-angle,svcca,pwcca,cca-r2,linear-regression,hard-correlation,aligned-cosine"],
}


# ------------------------------------------------------------------- estimates of a value that is known


def gaussian(n: int, true: float, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of isotropic features, Y = √c·X + √(1 − c)·noise, whose CKA in the limit is c."""
    x, noise = draw.standard_normal((2, n, FEATURES))
    return x, np.sqrt(true) * x + np.sqrt(1 - true) * noise


def estimates(n: int, true: float, draws: int) -> dict[str, np.ndarray]:
    """CKA of each draw by each estimator; as many draws as layers in a file, of which the diagonal counts."""
    common.say(f"estimates of {true:g} from {n} samples")
    draw = np.random.default_rng([n, int(100 * true)])
    found: dict[str, list[float]] = {name: [] for name in ESTIMATES}
    for _ in range(draws // TOGETHER):
        pairs = [gaussian(n, true, draw) for _ in range(TOGETHER)]
        files = [save(f"{side}-{n}-{true:g}", {f"draw{i:02}": pair[i_side] for i, pair in enumerate(pairs)})
                 for i_side, side in enumerate("xy")]  # fmt: skip
        for name, how in ESTIMATES.items():
            values = repsim("cka", "--features", *files, *how)["results"]["cka"]
            found[name] += [values[i][i] for i in range(TOGETHER)]
    return {name: np.array(values, float) for name, values in found.items()}


def save(name: str, arrays: dict[str, np.ndarray]) -> Path:
    path = common.WORK / "data" / f"bias-{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


def biases(draws: int) -> list[dict[str, Any]]:
    table = []
    for kind, true in TRUE.items():
        for ratio in RATIOS:
            n = round(ratio * FEATURES)
            found = estimates(n, true, draws)
            table.append(
                {
                    "features": kind, "true CKA": f"{true:g}", "n": n, "n/D": f"{ratio:g}",
                    **{name: f"{common.number(values.mean())} ± {common.number(values.std(ddof=1))}" for name, values in found.items()},
                }  # fmt: skip
            )
    return table


# --------------------------------------------------------------------------------- coverage of intervals


def population() -> list[np.ndarray]:
    """What the last hidden layers of two networks give for all test images."""
    folders = [common.features(path, common.test_images()) for path in common.networks([Recipe(0), Recipe(1)])]
    return [np.load(folder / "pool.npy").astype(np.float64) for folder in folders]


def values_of(files: list[Path], asked: list[str], halves: int, threads: int) -> dict[str, dict[str, Any]]:
    """Of each measure its value and, where halves are asked for, its interval."""
    more = ["--subsamples", halves] if halves else []
    measures = repsim("compare", "--features", *files, *asked, *more, threads=threads)["results"]["measures"]
    biased = ", biased" if "--bias" in asked else ""
    return {
        of["name"] + biased: {"value": of["values"][0][0], "interval": of.get("intervals", [[None]])[0][0]} for of in measures
    }


def of_sample(rows: list[np.ndarray], n: int, number: int) -> dict[str, dict[str, Any]]:
    """The measures of one random sample of n images."""
    chosen = np.random.default_rng([n, number]).choice(len(rows[0]), n, replace=False)
    files = [save(f"{side}-{n}-{number}", {"a": part[chosen]}) for side, part in zip("xy", rows)]
    found: dict[str, dict[str, Any]] = {}
    for asked in COVERED.values():
        found |= values_of(files, asked, HALVES, threads=1)
    for file in files:
        file.unlink()
    return found


def coverage(draws: int) -> list[dict[str, Any]]:
    rows = population()
    whole = [save(f"{side}-all", {"a": part}) for side, part in zip("xy", rows)]
    true: dict[str, Any] = {}
    for asked in COVERED.values():
        true |= values_of(whole, asked, 0, threads=2)
    table = []
    for n in SAMPLES:
        common.say(f"intervals from {n} samples")
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda number: of_sample(rows, n, number), range(draws)))
        table += [row(measure, n, true[measure]["value"], [of[measure] for of in found]) for measure in true]
    return sorted(table, key=lambda line: list(true).index(line["measure"]))


def row(measure: str, n: int, true: float, found: list[dict[str, Any]]) -> dict[str, Any]:
    values = [of["value"] for of in found if of["value"] is not None]
    ends = [of["interval"] for of in found if of["interval"] and None not in of["interval"]]
    line: dict[str, Any] = {"measure": measure, "n": n, "population": true, "mean estimate": float(np.mean(values)) if values else None}
    line["mean width"] = float(np.mean([high - low for low, high in ends])) if ends else None
    covers = [low <= true <= high for low, high in ends]
    line["coverage"] = f"{100 * np.mean(covers):.1f} %" if covers else "–"
    return line


def study() -> None:
    quick = common.options(__doc__).quick
    draws, samples = (TOGETHER, 4) if quick else (200, 100)
    first = biases(draws)
    common.write("bias", quick, first, {"D": FEATURES, "draws": draws, "batch": BATCH, "table": first})
    second = coverage(samples)
    common.write("coverage", quick, second, {"draws": samples, "halves": HALVES, "layer": "pool", "table": second})
    draw(first, second, common.results_folder(quick) / "bias.png")


def draw(first: list[dict[str, Any]], second: list[dict[str, Any]], path: Path) -> None:
    """Estimates over n/D, and coverage over n."""
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    for panel, (kind, true) in zip(panels, TRUE.items()):
        lines = [line for line in first if line["features"] == kind]
        for shift, name in zip((0.94, 1, 1.06), ESTIMATES):
            mean, spread = np.array([line[name].replace("−", "-").split(" ± ") for line in lines], float).T
            panel.errorbar([shift * float(line["n/D"]) for line in lines], mean, spread, fmt="o-", label=name, capsize=2)
        panel.axhline(true, color="0.3", linestyle="--")
        panel.set(xscale="log", xlabel="n/D", ylabel="CKA", title=f"{kind} features (true CKA {true:g})", ylim=(-0.2, 1))
    panels[0].legend()
    for measure in dict.fromkeys(line["measure"] for line in second):
        lines = [line for line in second if line["measure"] == measure and line["coverage"] != "–"]
        panels[2].plot([line["n"] for line in lines], [float(line["coverage"].split()[0]) for line in lines], "o-", label=measure)
    panels[2].axhline(95, color="0.3", linestyle="--")
    panels[2].set(xscale="log", xlabel="n", ylabel="hold the value of the population (%)", title="95 % intervals", ylim=(-3, 103))
    panels[2].set_xticks(SAMPLES, [str(n) for n in SAMPLES])
    panels[2].minorticks_off()
    panels[2].legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    common.run(study)
