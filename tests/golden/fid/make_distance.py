"""Makes the goldens of distances of single samples to a reference set.

    python make_distance.py

Versions: see `reference.py`. Written beside this script:

* `distance.npz`: `reference` (200, 8) float32 with `reference_labels` (200) int64 of the classes
  0..3 (unequal in number); `data` (120, 8) float32, of which the last 30 rows are far away, with
  `data_labels` (120) int64, `correct` (120) uint8 flags and `predictions` (120) int64 that differ
  from the labels where the flag is 0; `tied_scores` (12) float64 and `tied_positive` (12) uint8;
* `distance.json`:
  - `class_means`, and by sklearn.covariance.OAS of the float64 of the features: `within` of the
    rows minus their class mean (assume_centered true) and `whole` of all rows without labels
    (assume_centered false), each with `shrinkage`, `covariance` and `location`. Both empirical
    covariances are divided by n;
  - `mahalanobis_class`: for each row of `data` the smallest Mahalanobis distance (the root) to a
    class mean under `within`, `nearest_class` the class; `mahalanobis_whole`: to the mean of all
    under `whole`;
  - `neighbour`: `k` and `distances`, for each row of `data` the Euclidean distance to its k-th
    nearest row of `reference` after L2 normalisation of all rows (scikit-learn); `self_distances`
    the same of the first 20 rows of `reference` among all (so the first neighbour is the row);
  - `auroc`: sklearn.metrics.roc_auc_score of each distance for "the prediction is wrong", and of
    `tied_scores` for `tied_positive`, and where all scores are equal.
"""

import numpy as np
from sklearn.covariance import OAS
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from reference import FOLDER, Array, write_json

DIMS = 8
COUNTS = (65, 55, 50, 30)
NEAR, FAR = 90, 30
NEIGHBOUR = 10
TIED_SCORES = np.array([0.5, 1.0, 1.0, 2.0, 0.5, 3.0, 2.0, 1.0, 0.25, 3.0, 2.0, 0.5])
TIED_POSITIVE = np.array([0, 1, 0, 1, 0, 1, 0, 0, 1, 1, 1, 0], dtype=np.uint8)


def make_arrays() -> dict[str, Array]:
    random = np.random.default_rng(200)
    mix = random.standard_normal((DIMS, DIMS)) / np.sqrt(DIMS)
    means = 1.5 * random.standard_normal((len(COUNTS), DIMS))

    def draw(labels: Array) -> Array:
        return means[labels] + random.standard_normal((len(labels), DIMS)) @ mix

    reference_labels = random.permutation(np.repeat(np.arange(len(COUNTS)), COUNTS))
    data_labels = random.integers(0, len(COUNTS), NEAR + FAR)
    reference, data = draw(reference_labels), draw(data_labels)
    data[NEAR:] += 4 * random.standard_normal((FAR, DIMS))
    chance = np.where(np.arange(NEAR + FAR) < NEAR, 0.1, 0.6)
    wrong = random.random(NEAR + FAR) < chance
    shift = random.integers(1, len(COUNTS), NEAR + FAR)
    return {
        "reference": reference.astype(np.float32),
        "reference_labels": reference_labels,
        "data": data.astype(np.float32),
        "data_labels": data_labels,
        "correct": (~wrong).astype(np.uint8),
        "predictions": np.where(wrong, (data_labels + shift) % len(COUNTS), data_labels),
        "tied_scores": TIED_SCORES,
        "tied_positive": TIED_POSITIVE,
    }


def describe(estimate: OAS) -> dict[str, object]:
    return {
        "shrinkage": estimate.shrinkage_,
        "covariance": estimate.covariance_,
        "location": estimate.location_,
    }


def kth_distances(reference: Array, queries: Array) -> Array:
    search = NearestNeighbors(n_neighbors=NEIGHBOUR, algorithm="kd_tree").fit(normalize(reference))
    return search.kneighbors(normalize(queries))[0][:, -1]


def main() -> None:
    arrays = make_arrays()
    np.savez(FOLDER / "distance.npz", **arrays)
    reference, data = (arrays[name].astype(np.float64) for name in ("reference", "data"))
    labels, wrong = arrays["reference_labels"], 1 - arrays["correct"]
    means = np.stack([reference[labels == label].mean(0) for label in range(len(COUNTS))])
    within = OAS(assume_centered=True).fit(reference - means[labels])
    whole = OAS(assume_centered=False).fit(reference)
    # `mahalanobis` gives squares of distances to `location_`, which is 0 for `within`
    by_class = np.sqrt([within.mahalanobis(data - mean) for mean in means])
    distances = {
        "mahalanobis_class": by_class.min(0),
        "mahalanobis_whole": np.sqrt(whole.mahalanobis(data)),
        "neighbour": kth_distances(reference, data),
    }
    auroc = {name: roc_auc_score(wrong, values) for name, values in distances.items()}
    auroc["tied"] = roc_auc_score(TIED_POSITIVE, TIED_SCORES)
    auroc["all_equal"] = roc_auc_score(TIED_POSITIVE, np.ones_like(TIED_SCORES))
    content = {
        "class_means": means,
        "within": describe(within),
        "whole": describe(whole),
        "mahalanobis_class": distances["mahalanobis_class"],
        "nearest_class": by_class.argmin(0),
        "mahalanobis_whole": distances["mahalanobis_whole"],
        "neighbour": {
            "k": NEIGHBOUR,
            "distances": distances["neighbour"],
            "self_distances": kth_distances(reference, reference[:20]),
        },
        "auroc": auroc,
    }
    write_json("distance", content)


if __name__ == "__main__":
    main()
