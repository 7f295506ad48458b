"""Measures of similarity of representations, in NumPy from the papers' formulas, as a reference.

Float64, plain formulas, one function a measure; where a package has the measure it is called. The
packages that cannot be installed beside current ones are followed by their formulas:

* netrep (ahwillia/netrep, commit 016774f0): partial whitening and the angular distance;
* svcca (google/svcca, commit 1f9f7ea4) and anatome (moskomule/anatome, commit 015ccc46): CCA,
  projection weighting;
* ReSi (mklabunde/resi, snapshot of 2025): second-order and aligned cosine, hard correlation match;
* platonic-rep (minyoungg/platonic-rep, commit 07ef02ab): mutual nearest neighbours, CKNNA, the
  latter without the 1e-6 that is added to its denominator.

Versions: numpy 2.4.6, scipy 1.17.1, rsatoolbox 0.3.2, dcor 0.7, POT 0.9.7.post1, scikit-dimension
0.5.0.
"""

from __future__ import annotations

import dcor
import numpy as np
import ot
import rsatoolbox
import scipy.linalg
import scipy.optimize
import scipy.spatial.distance
import skdim
from numpy.typing import NDArray

Array = NDArray[np.float64]
K = 10
ALPHA = 0.5
KEPT = 0.99


def centred(x: Array) -> Array:
    return x - x.mean(0)


def spectrum(x: Array) -> tuple[Array, Array]:
    """Left singular vectors and singular values of the centred features, as far as the rank."""
    u, s, _ = np.linalg.svd(centred(x), full_matrices=False)
    rank = int((s > max(x.shape) * np.finfo(float).eps * s[0]).sum())
    return u[:, :rank], s[:rank]


def fills(x: Array) -> bool:
    """Whether any other layer is a linear map of this one."""
    return spectrum(x)[0].shape[1] >= len(x) - 1


def nuclear(x: Array) -> float:
    return float(np.linalg.svd(x, compute_uv=False).sum())


def rdms(x: Array) -> rsatoolbox.rdm.RDMs:
    return rsatoolbox.rdm.calc_rdm(rsatoolbox.data.Dataset(x), method="correlation")


def rsa(x: Array, y: Array) -> float:
    return float(rsatoolbox.rdm.compare(rdms(x), rdms(y), method="spearman")[0, 0])


def rdm_cosine(x: Array, y: Array) -> float:
    return float(rsatoolbox.rdm.compare(rdms(x), rdms(y), method="cosine")[0, 0])


def procrustes(x: Array, y: Array) -> float:
    """anatome's distance, twice: 1 − ‖XᵀY‖_* there."""
    x, y = (z / np.linalg.norm(z) for z in (centred(x), centred(y)))
    return 2 - 2 * nuclear(x.T @ y)


def size_and_shape(x: Array, y: Array) -> float:
    """What is left of centred features after the rotation that SciPy finds; ReSi's and netrep's distance."""
    width = max(x.shape[1], y.shape[1])
    x, y = (np.pad(centred(z), ((0, 0), (0, width - z.shape[1]))) for z in (x, y))
    return float(np.linalg.norm(x @ scipy.linalg.orthogonal_procrustes(x, y)[0] - y))


def whiten(x: Array, alpha: float) -> Array:
    """netrep's partial whitening; the eigenvalues that are clipped there meet zeros here."""
    lam, v = np.linalg.eigh(x.T @ x)
    lam = np.maximum(lam, 1e-7)
    return x @ ((v * (alpha + (1 - alpha) * lam**-0.5)) @ v.T)


def shape_metric(x: Array, y: Array, alpha: float = ALPHA) -> float:
    x, y = (z if alpha == 1 else whiten(z, alpha) for z in (centred(x), centred(y)))
    cosine = nuclear(x.T @ y) / np.linalg.norm(x) / np.linalg.norm(y)
    return float(np.arccos(min(cosine, 1)))


def correlations(x: Array, y: Array) -> Array:
    """Canonical correlations by QR, as anatome takes them."""
    qx, qy = (np.linalg.qr(centred(z))[0] for z in (x, y))
    return np.linalg.svd(qx.T @ qy, compute_uv=False)


def cca_r2(x: Array, y: Array) -> float:
    ux, uy = spectrum(x)[0], spectrum(y)[0]
    return float(np.linalg.norm(ux.T @ uy) ** 2 / min(ux.shape[1], uy.shape[1]))


def kept(x: Array) -> int:
    s = spectrum(x)[1]
    return int(np.argmax(np.cumsum(s**2) >= KEPT * np.sum(s**2))) + 1


def svcca(x: Array, y: Array) -> float:
    x, y = (spectrum(z)[0][:, : kept(z)] * spectrum(z)[1][: kept(z)] for z in (x, y))
    return float(correlations(x, y).mean())


def pwcca(x: Array, y: Array) -> float:
    """anatome's pwcca_distance, 1 less it: the weights are those of x."""
    x = centred(x)
    (ux, _), (uy, _) = spectrum(x), spectrum(y)
    u, rho, _ = np.linalg.svd(ux.T @ uy, full_matrices=False)
    alpha = np.abs(x.T @ (ux @ u)).sum(0)
    return float(alpha @ rho / alpha.sum())


def google_pwcca(x: Array, y: Array) -> float:
    """compute_pwcca of google/svcca for x no wider than y, both centred and of full rank."""
    x, y = centred(x).T, centred(y).T
    n = x.shape[1]
    sxx, sxy, syy = x @ x.T / (n - 1), x @ y.T / (n - 1), y @ y.T / (n - 1)

    def inverse_root(s: Array) -> Array:
        lam, v = np.linalg.eigh(s)
        return (v / np.sqrt(lam)) @ v.T

    u, rho, _ = np.linalg.svd(inverse_root(sxx) @ sxy @ inverse_root(syy))
    directions = u.T @ inverse_root(sxx) @ x
    p, _ = np.linalg.qr(directions.T)
    weights = np.abs(p.T @ x.T).sum(1)
    return float(np.sum(weights / weights.sum() * rho[: len(weights)]))


def linear_regression(x: Array, y: Array) -> float:
    x, y = centred(x), centred(y)
    fit = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return float(1 - np.linalg.norm(y - fit) ** 2 / np.linalg.norm(y) ** 2)


def cosines(x: Array) -> Array:
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return x @ x.T


def neighbours(x: Array, k: int = K) -> NDArray[np.intp]:
    similarity = cosines(x)
    np.fill_diagonal(similarity, -1e8)
    return np.argsort(-similarity, axis=1, kind="stable")[:, :k]


def mutual_knn(x: Array, y: Array) -> float:
    pairs = zip(neighbours(x), neighbours(y))
    return float(np.mean([len(set(a) & set(b)) / K for a, b in pairs]))


def jaccard(x: Array, y: Array) -> float:
    pairs = zip(neighbours(x), neighbours(y))
    return float(np.mean([len(set(a) & set(b)) / len(set(a) | set(b)) for a, b in pairs]))


def hsic_unbiased(k: Array, l: Array) -> float:
    """platonic-rep's, for matrices that need not be symmetric."""
    m = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))
    value = np.sum(k * l.T) + k.sum() * l.sum() / ((m - 1) * (m - 2))
    return float((value - 2 * np.sum(k @ l) / (m - 2)) / (m * (m - 3)))


def cknna(x: Array, y: Array) -> float:
    def masked(a: Array, b: Array) -> float:
        common = np.zeros((2, len(a), len(a)))
        for mask, z in zip(common, (a, b)):
            np.put_along_axis(mask, neighbours(z), 1, axis=1)
        mask = common[0] * common[1]
        return hsic_unbiased(mask * cosines(a), mask * cosines(b))

    return masked(x, y) / np.sqrt(masked(x, x) * masked(y, y))


def cka(x: Array, y: Array) -> float:
    k, l = (centred(z) @ centred(z).T for z in (x, y))
    return hsic_unbiased(k, l) / np.sqrt(hsic_unbiased(k, k) * hsic_unbiased(l, l))


def hsic(x: Array, y: Array) -> float:
    return hsic_unbiased(centred(x) @ centred(x).T, centred(y) @ centred(y).T)


def units(x: Array) -> Array:
    x = centred(x)
    norm = np.linalg.norm(x, axis=0)
    return x / np.where(norm > 0, norm, 1)


def soft_matching(x: Array, y: Array) -> float:
    """POT's exact transport, in the unit form of Khosla and Williams."""
    costs = ot.dist(units(x).T, units(y).T, metric="sqeuclidean")
    weights = (np.full(len(c), 1 / len(c)) for c in (costs, costs.T))
    return float(np.sqrt(ot.emd2(*weights, costs, numItermax=1_000_000)))


def distance_correlation(x: Array, y: Array) -> float:
    return float(dcor.u_distance_correlation_sqr(x, y))


def second_order_cosine(x: Array, y: Array) -> float:
    """ReSi's `second_order_cosine_similarity`, with the neighbours above."""
    distances = [1 - cosines(z) for z in (x, y)]

    def of(sample: int, near: set[int]) -> float:
        a, b = (d[sample, sorted(near)] for d in distances)
        return 1 - scipy.spatial.distance.cosine(a, b)

    pairs = zip(neighbours(x), neighbours(y))
    return float(np.mean([of(i, set(a) | set(b)) for i, (a, b) in enumerate(pairs)]))


def hard_correlation(x: Array, y: Array) -> float:
    """ReSi's `hard_correlation_match`."""
    correlations = units(x).T @ units(y)
    matched = scipy.optimize.linear_sum_assignment(correlations, maximize=True)
    return float(correlations[matched].mean())


def aligned_cosine(x: Array, y: Array) -> float:
    """ReSi's `aligned_cossim`."""
    width = max(x.shape[1], y.shape[1])
    x, y = (np.pad(z, ((0, 0), (0, width - z.shape[1]))) for z in (x, y))
    x = x @ scipy.linalg.orthogonal_procrustes(x, y)[0]
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return float(np.mean((x * y).sum(1) / norms))


PAIRWISE = {
    "cka": cka,
    "hsic": hsic,
    "rsa": rsa,
    "rdm-cosine": rdm_cosine,
    "procrustes": procrustes,
    "procrustes-angle": lambda x, y: shape_metric(x, y, 1),
    "size-and-shape": size_and_shape,
    "shape-metric": shape_metric,
    "svcca": svcca,
    "pwcca": pwcca,
    "cca-r2": cca_r2,
    "linear-regression": linear_regression,
    "mutual-knn": mutual_knn,
    "cknna": cknna,
    "jaccard": jaccard,
    "second-order-cosine": second_order_cosine,
    "aligned-cosine": aligned_cosine,
    "hard-correlation": hard_correlation,
    "soft-matching": soft_matching,
    "distance-correlation": distance_correlation,
}


def trivial(name: str, x: Array, y: Array) -> bool:
    """Whether the measure is 1 whatever the second layer is."""
    if name in ("pwcca", "cca-r2"):
        return fills(x) or fills(y)
    return name == "linear-regression" and fills(x)


def effective_rank(x: Array) -> float:
    p = spectrum(x)[1] / spectrum(x)[1].sum()
    return float(np.exp(-np.sum(p * np.log(p))))


def participation_ratio(x: Array) -> float:
    lam = np.linalg.eigvalsh(np.cov(x.T))
    return float(lam.sum() ** 2 / np.sum(lam**2))


def intrinsic_dimension(x: Array) -> float:
    return float(skdim.id.TwoNN(discard_fraction=0.1).fit(x).dimension_)


def sparseness(x: Array) -> float:
    root = np.sqrt(x.shape[1])
    ratio = np.abs(x).sum(1) / np.linalg.norm(x, axis=1)
    return float(np.mean((root - ratio) / (root - 1)))


def class_separation(x: Array, labels: NDArray[np.int64]) -> float:
    distances = 1 - cosines(x)
    classes = np.unique(labels)
    blocks = np.array(
        [[distances[np.ix_(labels == a, labels == b)].mean() for b in classes] for a in classes]
    )
    return float(1 - np.diag(blocks).mean() / blocks.mean())


SINGLE = {
    "effective-rank": effective_rank,
    "participation-ratio": participation_ratio,
    "intrinsic-dimension": intrinsic_dimension,
    "zeros": lambda x: float(np.mean(x == 0)),
    "sparseness": sparseness,
}
