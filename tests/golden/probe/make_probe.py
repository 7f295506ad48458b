"""Writes probe.npz and probe.json: what scikit-learn's probes say of features.

    pip install scikit-learn==1.9.1 numpy
    python make_probe.py

Features are standardised by the samples that are fitted on, the first two thirds; the others are held out. All in
float64, solvers run to their ends, and the logistic optimum is held against that of a second solver.
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.linear_model import (LogisticRegression, LogisticRegressionCV, RidgeClassifier,
                                  RidgeClassifierCV, RidgeCV)
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).parent
ALPHAS = [1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4]
COSTS = [1e-3, 1e-2, 1e-1, 1.0, 1e1]
COST = 0.3
ALPHA = 2.5
NEIGHBOURS = 5
# name, samples, features, classes, how far apart classes lie
CASES = [("tall", 75, 6, 3, 1.0), ("wide", 42, 70, 4, 0.9), ("two", 60, 8, 2, 0.6)]


def features(rng, samples, width, classes, apart):
    labels = rng.permutation(np.arange(samples) % classes)
    means = apart * rng.standard_normal((classes, width))
    mixed = rng.standard_normal((width, width)) * np.exp(-np.arange(width) / width)
    rows = (means[labels] + rng.standard_normal((samples, width))) @ mixed + 3 * rng.standard_normal(width)
    rows[:, 1] = 0.1
    return rows, labels


def logistic(x, y, **given):
    return LogisticRegression(C=COST, tol=1e-12, max_iter=1_000_000, **given).fit(x, y)


def as_rows(values):
    values = np.asarray(values, dtype=float)
    return values[:, None] if values.ndim == 1 else values


def case(rng, name, samples, width, classes, apart, arrays):
    rows, labels = features(rng, samples, width, classes, apart)
    targets = np.stack([rows[:, 0] * 0.3 + rng.standard_normal(samples),
                        np.tanh(rows[:, 2]) + 5.0,
                        rng.standard_normal(samples)], 1)
    cut = samples * 2 // 3
    scaler = StandardScaler().fit(rows[:cut])
    x, held_out = scaler.transform(rows[:cut]), scaler.transform(rows[cut:])
    y = labels[:cut]
    ridge = RidgeClassifier(alpha=ALPHA, solver="svd").fit(x, y)
    soft, other = logistic(x, y), logistic(x, y, solver="newton-cg")
    assert soft.n_iter_.max() < 1_000_000
    assert np.abs(soft.coef_ - other.coef_).max() < 1e-7, np.abs(soft.coef_ - other.coef_).max()
    cv = [(np.flatnonzero(np.arange(cut) % 3 != k), np.flatnonzero(np.arange(cut) % 3 == k)) for k in range(3)]
    chosen = LogisticRegressionCV(Cs=COSTS, cv=cv, scoring="accuracy", tol=1e-10, max_iter=1_000_000,
                                  use_legacy_attributes=False, l1_ratios=(0,)).fit(x, y)
    each = RidgeCV(ALPHAS, alpha_per_target=True).fit(x, targets[:cut])
    predicted = each.predict(held_out)
    arrays |= {
        f"{name}.rows": rows,
        f"{name}.targets": targets,
        f"{name}.ridge": as_rows(ridge.coef_.T),
        f"{name}.ridge_decisions": as_rows(ridge.decision_function(held_out)),
        f"{name}.logistic": as_rows(other.coef_.T),
        f"{name}.logistic_decisions": as_rows(other.decision_function(held_out)),
        f"{name}.predicted": predicted,
    }
    return {
        "labels": labels.tolist(),
        "classes": classes,
        "fit": cut,
        "ridge": {"alpha": ALPHA, "intercepts": ridge.intercept_.tolist(),
                  "predicted": ridge.predict(held_out).tolist(),
                  "chosen": float(RidgeClassifierCV(ALPHAS).fit(x, y).alpha_)},
        "logistic": {"cost": COST, "intercepts": other.intercept_.tolist(),
                     "predicted": other.predict(held_out).tolist(), "chosen": float(np.ravel(chosen.C_)[0])},
        "regression": {"chosen": each.alpha_.tolist(),
                       "r2": r2_score(targets[cut:], predicted, multioutput="raw_values").tolist()},
        "knn": KNeighborsClassifier(NEIGHBOURS).fit(x, y).predict(held_out).tolist(),
        "nearest_mean": NearestCentroid().fit(x, y).predict(held_out).tolist(),
    }


def main():
    arrays, cases = {}, {}
    for name, *rest in CASES:
        cases[name] = case(np.random.default_rng(len(name) * 7 + rest[0]), name, *rest, arrays)
        print(name, {k: v["chosen"] for k, v in cases[name].items() if isinstance(v, dict)}, cases[name]["regression"]["r2"])
    listing = {"scikit_learn": sklearn.__version__, "numpy": np.__version__, "alphas": ALPHAS, "costs": COSTS,
               "neighbours": NEIGHBOURS, "cases": cases}
    np.savez_compressed(HERE / "probe.npz", **arrays)
    (HERE / "probe.json").write_text(json.dumps(listing, indent=1) + "\n")


main()
