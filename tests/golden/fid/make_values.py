"""Makes the goldens of the measures on stored features, and statistics files.

    python make_values.py

Versions: see `reference.py`. Written beside this script:

* `features.npz`: float32 features, keys `real` (300, 16), `fake` (260, 16), and pairs
  `CASE.real` and `CASE.fake` of the cases below;
* `values.json`:
  - `frechet`: CASE -> Fréchet distances (see `reference.frechet`). A string in the place of a
    number is what the package raised or its `nan`. Cases: `full` (the arrays `real` and `fake`),
    `few` (fewer rows than columns), `constant_both` and `constant_fake` (column 3 is constant),
    `duplicate` (columns 5 and 9 repeat others, so covariances have no full rank), `offset`
    (means of about 100 with deviations of about 0.5), `single` (one column), and `same`
    (`real` against itself);
  - `kid`: `all_rows` for the first 256 rows of `real` and `fake` in one subset of all rows, for
    float64 and float32 features; `subsets` for all rows in 100 subsets of 100 rows (to be
    compared within its own scatter only); `clean_fid_all_rows`;
  - `prdc`: prdc's numbers of `real` and `fake` for some k; `prc`: torch-fidelity's;
    `radius_margin`: the smallest |d / r - 1| of any comparison behind them, for each k;
  - `infinity`: see below;
* `pytorch-fid-real.npz`, `pytorch-fid-fake.npz`: written by pytorch_fid.fid_score.save_fid_stats
  with its network replaced by the stored features (keys `mu`, `sigma`, both float64);
* `clean-fid-real.npz`, `clean-fid-fake.npz`, and of `real` also `clean-fid-real-kid.npz`: written
  by cleanfid.fid.make_custom_stats in the same way (keys `mu` float32 and `sigma` float64;
  `feats` float32);
* `infinity.npz`: the subsets of FID infinity (Chong & Forsyth 2020): `sizes` (15) and `indices`
  (15, 260), int32, row i holds sizes[i] rows of `fake` and then -1. `values.json` has the
  distances to all of `real` by pytorch-fid's function and the line by scikit-learn.
"""

import shutil
import tempfile
from pathlib import Path
from unittest import mock

import cleanfid.fid
import numpy as np
from pytorch_fid import fid_score
from sklearn.linear_model import LinearRegression

from reference import (
    FOLDER,
    Array,
    frechet,
    kid_clean_fid,
    kid_in_both,
    neighbours,
    prc,
    quiet,
    radius_margin,
    statistics,
    write_json,
)

DIMS = 16
SUBSETS = 15
NEIGHBOURS = (1, 3, 5)


def sample(random: np.random.Generator, count: int, mix: Array, mean: Array) -> Array:
    """Skewed features, as of a network: a share of each goes through a ReLU."""
    plain = random.standard_normal((count, len(mix))) @ mix
    return (mean + 0.5 * plain + 0.5 * np.maximum(plain, 0)).astype(np.float32)


def make_pairs() -> dict[str, tuple[Array, Array]]:
    random = np.random.default_rng(41)
    mix = random.standard_normal((DIMS, DIMS)) / np.sqrt(DIMS)
    other = mix + 0.35 * random.standard_normal((DIMS, DIMS)) / np.sqrt(DIMS)
    mean, shift = random.uniform(0, 1, DIMS), 0.25 * random.standard_normal(DIMS)

    def pair(count: int, other_count: int) -> tuple[Array, Array]:
        real = sample(random, count, mix, mean)
        return real, sample(random, other_count, other, mean + shift)

    pairs = {"full": pair(300, 260), "few": pair(12, 10)}
    for name in ("constant_both", "constant_fake", "duplicate"):
        pairs[name] = pair(50, 40)
    for features in (*pairs["constant_both"], pairs["constant_fake"][1]):
        features[:, 3] = 0.75
    for features in pairs["duplicate"]:
        features[:, 5], features[:, 9] = features[:, 2], features[:, 7]
    pairs["offset"] = tuple((100 + 0.5 * x[:, :6]).astype(np.float32) for x in pair(120, 90))
    pairs["single"] = tuple(np.ascontiguousarray(x[:, :1]) for x in pair(30, 25))
    pairs["same"] = pairs["full"][0], pairs["full"][0]
    return pairs


def write_features(pairs: dict[str, tuple[Array, Array]]) -> None:
    arrays = dict(zip(("real", "fake"), pairs["full"]))
    for case, (real, fake) in pairs.items():
        if case not in ("full", "same"):
            arrays |= {f"{case}.real": real, f"{case}.fake": fake}
    np.savez(FOLDER / "features.npz", **arrays)


class NoNetwork:
    """Takes the place of pytorch-fid's Inception."""

    BLOCK_INDEX_BY_DIM = {DIMS: 0}

    def __init__(self, blocks: list[int]) -> None:
        pass

    def to(self, device: str) -> "NoNetwork":
        return self


def write_pytorch_fid(name: str, features: Array) -> None:
    """Lets pytorch-fid write a statistics file; its activations are float64."""
    target = FOLDER / f"pytorch-fid-{name}.npz"
    target.unlink(missing_ok=True)
    activations = mock.Mock(return_value=features.astype(np.float64))
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(fid_score, "InceptionV3", NoNetwork),
        mock.patch.object(fid_score, "get_activations", activations),
        quiet(),
    ):
        fid_score.save_fid_stats([folder, str(target)], 50, "cpu", DIMS)


def write_clean_fid(name: str, features: Array, keep_kid: bool) -> None:
    """Lets clean-fid write its two files, which it does in a folder of its own package."""
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(cleanfid, "__file__", f"{folder}/__init__.py"),
        mock.patch.object(cleanfid.fid, "build_feature_extractor"),
        mock.patch.object(cleanfid.fid, "get_folder_features", return_value=features),
        quiet(),
    ):
        cleanfid.fid.make_custom_stats(name, "unused", device="cpu")
        written = Path(folder) / "stats"
        shutil.copyfile(written / f"{name}_clean_custom_na.npz", FOLDER / f"clean-fid-{name}.npz")
        if keep_kid:
            kid_file = written / f"{name}_clean_custom_na_kid.npz"
            shutil.copyfile(kid_file, FOLDER / f"clean-fid-{name}-kid.npz")


def infinity(real: Array, fake: Array) -> dict[str, object]:
    """FID at several sizes of the candidate and the line over 1 / N."""
    random = np.random.default_rng(15)
    sizes = np.linspace(130, 260, SUBSETS).astype(np.int32)
    indices = np.full((SUBSETS, len(fake)), -1, dtype=np.int32)
    distances = []
    for row, size in zip(indices, sizes):
        row[:size] = random.choice(len(fake), size, replace=False)
        moments = *statistics(real), *statistics(fake[row[:size]])
        with quiet():
            distances.append(fid_score.calculate_frechet_distance(*moments))
    np.savez_compressed(FOLDER / "infinity.npz", sizes=sizes, indices=indices)
    line = LinearRegression().fit(1 / sizes[:, None], distances)
    return {
        "sizes": sizes,
        "fids": distances,
        "fid_infinity": line.intercept_,
        "slope": line.coef_[0],
        "r_squared": line.score(1 / sizes[:, None], distances),
    }


def main() -> None:
    pairs = make_pairs()
    write_features(pairs)
    real, fake = pairs["full"]
    write_pytorch_fid("real", real)
    write_pytorch_fid("fake", fake)
    write_clean_fid("real", real, keep_kid=True)
    write_clean_fid("fake", fake, keep_kid=False)
    equal = real[:256], fake[:256]
    content = {
        "frechet": {case: frechet(*pair) for case, pair in pairs.items()},
        "kid": {
            "rows": 256,
            "all_rows": kid_in_both(*equal, subsets=1, size=256),
            "clean_fid_all_rows": kid_clean_fid(*equal),
            "subsets": kid_in_both(real, fake, subsets=100, size=100),
        },
        "prdc": [neighbours(real, fake, k) for k in NEIGHBOURS],
        "prc": [prc(real, fake, k) for k in NEIGHBOURS],
        "radius_margin": [radius_margin(real, fake, k) for k in NEIGHBOURS],
        "infinity": infinity(real, fake),
    }
    write_json("values", content)


if __name__ == "__main__":
    main()
