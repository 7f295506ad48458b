"""Writes files of statistics as NumPy and its users do: statistics.npz (float64, not compressed, with
n and repsim), statistics-float32.npz (compressed) and statistics-fortran.npz (sigma in Fortran
order). Run: python make_statistics.py (numpy 2.4)."""

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
ORIGIN = {
    "tool": "repsim 0.1.0",
    "model_sha256": "ab" * 32,
    "layer": "σ.pool",
    "reduce": "gap",
    "preprocess": {
        "preset": "raw",
        "channels": "rgb",
        "resize": {"clean": {"height": 299, "width": 299}},
        "interpolation": "bilinear",
        "crop": "none",
        "range": "-1..1",
        "mean": [],
        "std": [],
    },
    "fingerprint": "cd" * 32,
    "optimize": True,
    "run": ["draws 5"],
}

features = np.random.default_rng(5).standard_normal((9, 4)) @ np.diag([1e-3, 1, 2, 30])
mu, sigma = features.mean(0), np.cov(features, rowvar=False)
sigma = (sigma + sigma.T) / 2
origin = np.array(json.dumps(ORIGIN, separators=(",", ":"), ensure_ascii=False))
np.savez(HERE / "statistics.npz", mu=mu, sigma=sigma, n=np.array(9), repsim=origin)
single = sigma.astype(np.float32)
single[0, 3] = np.nextafter(single[0, 3], np.float32(1))
np.savez_compressed(HERE / "statistics-float32.npz", mu=mu.astype(np.float32), sigma=single)
np.savez(HERE / "statistics-fortran.npz", sigma=np.asfortranarray(sigma), mu=mu)
