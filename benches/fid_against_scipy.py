"""Times `repsim fid` against the route of pytorch-fid and clean-fid, scipy.linalg.sqrtm.

    python benches/fid_against_scipy.py [path/to/repsim] [--rounds 3]

Both work on the same files in turn, in one run: statistics of 5,000 samples of 2,048 features (once
with eigenvalues of one size, once with eigenvalues that fall over six decades, as an Inception
network's do), and 256 samples. repsim's time is `timing.distance` of its report: factors and
distance, without reading the files; the other's is the time of its function. Needs NumPy and SciPy.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.linalg

WIDTH = 2048


def features(count: int, seed: int, decades: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scale = 10 ** (-decades / 2 * np.arange(WIDTH) / WIDTH)
    turn, _ = np.linalg.qr(np.random.default_rng(99).standard_normal((WIDTH, WIDTH)))
    return (rng.standard_normal((count, WIDTH)) * scale) @ turn + 0.02 * seed


def by_sqrtm(mu1, sigma1, mu2, sigma2) -> float:
    root = scipy.linalg.sqrtm(sigma1 @ sigma2)
    apart = mu1 - mu2
    return apart @ apart + np.trace(sigma1) + np.trace(sigma2) - 2 * np.trace(root).real


def statistics(rows: np.ndarray):
    return rows.mean(axis=0), np.cov(rows, rowvar=False)


def of_repsim(program: str, a: Path, b: Path) -> tuple[float, float, str]:
    out = subprocess.run([program, "fid", a, b], capture_output=True, text=True, check=True).stdout
    report = json.loads(out)
    row = report["results"]["candidates"][0]
    return report["timing"]["distance"], row["fid"], row["method"]


def compare(name: str, program: str, files, sides, rounds: int) -> None:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        expected = by_sqrtm(*sides[0], *sides[1])
        theirs = time.perf_counter() - started
        ours, found, method = of_repsim(program, *files)
        times.append((theirs, ours))
    theirs, ours = (sorted(t)[rounds // 2] for t in zip(*times))
    print(
        f"{name}: scipy {theirs:.2f} s, repsim {ours:.3f} s ({method}), {theirs / ours:.1f} times as "
        f"fast; relative difference {abs(found - expected) / expected:.1e}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", nargs="?", default="target/release/repsim")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, decades in [("eigenvalues of one size", 0), ("eigenvalues over six decades", 6)]:
            sides = [statistics(features(5000, seed, decades)) for seed in (1, 2)]
            files = [Path(folder) / f"{seed}-{decades}.npz" for seed in (1, 2)]
            for file, (mu, sigma) in zip(files, sides):
                np.savez(file, mu=mu, sigma=sigma)
            compare(f"statistics, {name}", args.program, files, sides, args.rounds)
        few = [features(256, seed, 6) for seed in (1, 2)]
        files = [Path(folder) / f"few-{seed}.npy" for seed in (1, 2)]
        for file, rows in zip(files, few):
            np.save(file, rows)
        compare("256 samples", args.program, files, [statistics(r) for r in few], args.rounds)


if __name__ == "__main__":
    main()
