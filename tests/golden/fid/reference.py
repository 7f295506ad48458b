"""What the `make_*.py` scripts of this folder share: Fréchet distances by every package, KID,
and how results are written.

Goldens of `repsim fid`. The scripts, each of which runs by itself, in any order:

    python make_values.py      Fréchet, KID, PRC, FID of infinitely many samples; statistics files
    python make_resized.py     clean-fid's and pytorch-fid's resizing
    python make_models.py      features of TorchScript models on the example images
    python make_distance.py    OAS, Mahalanobis, nearest neighbours, AUROC

Made with Python 3.11, torch 2.13.0, torchvision 0.28.0, numpy 2.4.6, scipy 1.17.1,
scikit-learn 1.9.1, pillow 13.0.0, pytorch-fid 0.3.0, clean-fid 0.1.35, torch-fidelity 0.4.0 and
prdc 0.2; every JSON repeats its versions. Nothing is downloaded: the packages' functions are
called below the level at which they would load Inception.

Numbers in JSON are float64 to the last digit; a float32 result of a package is written as the
float64 of the same value. A second run on the same machine gives the same bytes, but for
`extractor.pt`, whose archive differs and whose weights do not.
"""

import contextlib
import importlib.metadata
import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cleanfid.fid
import numpy as np
import torch
from prdc import compute_prdc, prdc
from pytorch_fid import fid_score
from scipy import linalg
from threadpoolctl import threadpool_limits
from torch_fidelity import metric_fid, metric_kid, metric_prc

FOLDER = Path(__file__).resolve().parent
PACKAGES = (
    *("torch", "torchvision", "numpy", "scipy", "scikit-learn", "pillow"),
    *("pytorch-fid", "clean-fid", "torch-fidelity", "prdc"),
)
Array = np.ndarray
# The number of threads decides the last digits.
threadpool_limits(1)
torch.set_num_threads(1)


def write_json(name: str, content: dict[str, Any]) -> None:
    versions = {package: importlib.metadata.version(package) for package in PACKAGES}
    text = json.dumps({"versions": versions} | plain(content), indent=1, allow_nan=False)
    (FOLDER / f"{name}.json").write_text(text + "\n")


def plain(value: Any) -> Any:
    """The same in Python's own types."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


@contextlib.contextmanager
def quiet():
    """Drops the packages' progress bars and warnings."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        with contextlib.redirect_stderr(io.StringIO()):
            yield


def attempt(function: Callable[[], Any]) -> Any:
    """The function's number, or what is wrong with it as a string."""
    try:
        with quiet():
            result = function()
    except (AssertionError, ValueError, np.linalg.LinAlgError) as error:
        return f"{type(error).__name__}: {error}"
    return result if np.isfinite(result) else repr(float(result))


def statistics(features: Array) -> tuple[Array, Array]:
    """What pytorch_fid.fid_score.calculate_activation_statistics makes of activations, which it
    keeps as float64."""
    wide = features.astype(np.float64)
    return np.mean(wide, axis=0), np.atleast_2d(np.cov(wide, rowvar=False))


def exact(reference: Array, candidate: Array) -> dict[str, float]:
    """The Fréchet distance and its terms in float64, for covariances of any rank.

    With A and B the centred samples over the square root of n - 1, the trace of the root of the
    product of the covariances AᵀA and BᵀB is the nuclear norm of A Bᵀ.
    """
    wide = [x.astype(np.float64) for x in (reference, candidate)]
    centred = [(x - x.mean(0)) / np.sqrt(len(x) - 1) for x in wide]
    mean_term = np.sum((wide[0].mean(0) - wide[1].mean(0)) ** 2)
    traces = [np.sum(x**2) for x in centred]
    trace_sqrt = np.linalg.norm(centred[0] @ centred[1].T, "nuc")
    covariance_term = sum(traces) - 2 * trace_sqrt
    return {
        "fid": mean_term + covariance_term,
        "mean_term": mean_term,
        "trace_reference": traces[0],
        "trace_candidate": traces[1],
        "trace_sqrt": trace_sqrt,
        "covariance_term": covariance_term,
    }


def scipy_trace(sigma1: Array, sigma2: Array) -> float:
    return np.trace(linalg.sqrtm(sigma1 @ sigma2)).real


def frechet(reference: Array, candidate: Array) -> dict[str, Any]:
    """The Fréchet distance of float32 features as every package sees it.

    `exact` is the truth (see there); `scipy_trace_sqrt` is the trace of scipy.linalg.sqrtm;
    `pytorch_fid` takes float64 means, `clean_fid` and `torch_fidelity` take float32 means and
    float64 covariances, as these packages do.
    """
    mu1, sigma1 = statistics(reference)
    mu2, sigma2 = statistics(candidate)
    tensors = [torch.from_numpy(x) for x in (reference, candidate)]
    fidelity = [metric_fid.fid_features_to_statistics(x) for x in tensors]
    return {
        "n_reference": len(reference),
        "n_candidate": len(candidate),
        "dims": reference.shape[1],
        "exact": exact(reference, candidate),
        "scipy_trace_sqrt": attempt(lambda: scipy_trace(sigma1, sigma2)),
        "pytorch_fid": attempt(
            lambda: fid_score.calculate_frechet_distance(mu1, sigma1, mu2, sigma2)
        ),
        "clean_fid": attempt(lambda: cleanfid.fid.fid_from_feats(reference, candidate)),
        "clean_fid_float64": attempt(
            lambda: cleanfid.fid.frechet_distance(mu1, sigma1, mu2, sigma2)
        ),
        "torch_fidelity": attempt(
            lambda: metric_fid.fid_statistics_to_metric(*fidelity, verbose=False)[
                metric_fid.KEY_METRIC_FID
            ]
        ),
    }


def kid(reference: Array, candidate: Array, subsets: int, size: int) -> dict[str, float]:
    """torch-fidelity's KID: cubic kernel, gamma 1 / dims, coef0 1, its own generator."""
    settings = {
        "kid_subsets": subsets,
        "kid_subset_size": size,
        "kid_kernel": "poly",
        "kid_kernel_poly_degree": 3,
        "kid_kernel_poly_gamma": None,
        "kid_kernel_poly_coef0": 1,
        "rng_seed": 2020,
        "verbose": False,
    }
    tensors = [torch.from_numpy(x) for x in (candidate, reference)]
    metric = metric_kid.kid_features_to_metric(*tensors, **settings)
    return {
        "subsets": subsets,
        "subset_size": size,
        "mean": metric[metric_kid.KEY_METRIC_KID_MEAN],
        "std": metric[metric_kid.KEY_METRIC_KID_STD],
    }


def kid_in_both(reference: Array, candidate: Array, subsets: int, size: int) -> dict[str, Any]:
    """torch-fidelity computes in the type that it is given, which usually is float32."""
    return {
        kind: kid(reference.astype(kind), candidate.astype(kind), subsets, size)
        for kind in ("float64", "float32")
    }


def kid_clean_fid(reference: Array, candidate: Array) -> float:
    """clean-fid's KID of one subset of all rows (equally many on both sides)."""
    np.random.seed(0)
    size = len(reference)
    wide = [x.astype(np.float64) for x in (reference, candidate)]
    return cleanfid.fid.kernel_distance(*wide, num_subsets=1, max_subset_size=size)


def neighbours(reference: Array, candidate: Array, k: int) -> dict[str, float]:
    """prdc's four numbers of the float64 of the features."""
    with quiet():
        wide = [x.astype(np.float64) for x in (reference, candidate)]
        return {"nearest_k": k} | compute_prdc(*wide, nearest_k=k)


def radius_margin(real: Array, fake: Array, k: int) -> float:
    """How near the nearest comparison of a distance with a radius comes to a tie."""
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    with quiet():
        between = prdc.compute_pairwise_distance(real, fake)
        radii = [prdc.compute_nearest_neighbour_distances(x, k) for x in (real, fake)]
    ratios = between / radii[0][:, None], between / radii[1][None, :]
    return min(np.abs(ratio - 1).min() for ratio in ratios)


def prc(reference: Array, candidate: Array, k: int) -> dict[str, float]:
    """torch-fidelity's precision and recall, which names the candidate first, of float64."""
    tensors = [torch.from_numpy(x.astype(np.float64)) for x in (candidate, reference)]
    settings = {"prc_neighborhood": k, "prc_batch_size": 10000, "save_cpu_ram": False}
    metric = metric_prc.prc_features_to_metric(*tensors, **settings, verbose=False)
    return {"neighborhood": k} | metric
