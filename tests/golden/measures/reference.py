"""HSIC and CKA in NumPy float64, written from the formulas and for reading, not for speed.

Sources: Kornblith et al. 2019 (CKA, RBF bandwidth), Song et al. 2012 (the unbiased HSIC),
Nguyen et al. 2021 (minibatch CKA). A layer is an array whose first axis is the samples.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def flatten(layer: Array) -> Array:
    """One row a sample, every value a feature."""
    return layer.reshape(len(layer), -1)


def gap(layer: Array) -> Array:
    """One row a sample, the mean of each channel a feature."""
    return layer.mean(axis=tuple(range(2, layer.ndim))) if layer.ndim > 2 else layer


def spatial(layer: Array) -> Array:
    """(N, C, H, W) to one row a position: N*H*W rows of C, samples outermost, then H, then W."""
    return np.moveaxis(layer, 1, -1).reshape(-1, layer.shape[1]) if layer.ndim > 2 else layer


REDUCTIONS = {"flatten": flatten, "gap": gap, "spatial": spatial}


def linear_gram(rows: Array) -> Array:
    """Inner products of the centred rows. Centring changes no HSIC; it keeps the digits."""
    centred = rows - rows.mean(axis=0)
    return centred @ centred.T


def rbf_gram(rows: Array, fraction: float) -> Array:
    """exp(-d^2 / (2 t^2 median d^2)), the median over all n^2 entries, diagonal included.

    For even n^2 it is the mean of the two middle entries.
    """
    squares = np.array([((rows - row) ** 2).sum(axis=1) for row in rows])
    return np.exp(-squares / (2 * fraction**2 * np.median(squares)))


def hsic_biased(k: Array, l: Array) -> float:
    """tr(K H L H) / (n - 1)^2 with H = I - 1/n."""
    n = len(k)
    h = np.eye(n) - 1 / n
    return float(np.trace(k @ h @ l @ h) / (n - 1) ** 2)


def hsic_unbiased(k: Array, l: Array) -> float:
    """Song's HSIC_1: with the diagonals of K and L set to zero, n >= 4,

    [tr(KL) + 1'K1 1'L1 / ((n-1)(n-2)) - 2/(n-2) 1'KL1] / (n (n-3)).
    """
    n = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))
    means = k.sum() * l.sum() / ((n - 1) * (n - 2))
    rows = 2 / (n - 2) * (k.sum(axis=0) @ l.sum(axis=1))
    return float((np.trace(k @ l) + means - rows) / (n * (n - 3)))


@dataclass(frozen=True)
class Settings:
    """What an estimate depends on besides the layers. No batch size: all samples at once."""

    bias: str
    kernel: str = "linear"
    reduce: str = "flatten"
    batch_size: int | None = None

    def gram(self, layer: Array) -> Array:
        """The Gram matrix of one batch of a layer."""
        rows = REDUCTIONS[self.reduce](layer)
        if self.kernel == "linear":
            return linear_gram(rows)
        return rbf_gram(rows, float(self.kernel.removeprefix("rbf:")))

    def hsic(self, k: Array, l: Array) -> float:
        return hsic_biased(k, l) if self.bias == "biased" else hsic_unbiased(k, l)

    def batches(self, count: int) -> Iterator[slice]:
        """Slices of the samples in order; the last one may be shorter."""
        size = self.batch_size or count
        return (slice(start, min(start + size, count)) for start in range(0, count, size))


def hsic_matrix(settings: Settings, layers_a: list[Array], layers_b: list[Array]) -> Array:
    """HSIC of each layer of A with each of B; over batches, the mean weighted by their sizes."""
    count = len(layers_a[0])
    total = np.zeros((len(layers_a), len(layers_b)))
    for rows in settings.batches(count):
        grams_a = [settings.gram(layer[rows]) for layer in layers_a]
        grams_b = [settings.gram(layer[rows]) for layer in layers_b]
        batch = [[settings.hsic(k, l) for l in grams_b] for k in grams_a]
        total += (rows.stop - rows.start) * np.array(batch)
    return total / count


def compare(settings: Settings, layers_a: list[Array], layers_b: list[Array]) -> dict[str, Any]:
    """All HSIC values and the CKA of two lists of layers, as JSON has it."""
    hsic_ab = hsic_matrix(settings, layers_a, layers_b)
    hsic_aa = np.array([hsic_matrix(settings, [layer], [layer])[0, 0] for layer in layers_a])
    hsic_bb = np.array([hsic_matrix(settings, [layer], [layer])[0, 0] for layer in layers_b])
    cka = hsic_ab / np.sqrt(np.outer(hsic_aa, hsic_bb))
    estimator = "full" if settings.batch_size is None else "minibatch"
    return {
        "estimator": estimator,
        **asdict(settings),
        "hsic_ab": hsic_ab.tolist(),
        "hsic_aa": hsic_aa.tolist(),
        "hsic_bb": hsic_bb.tolist(),
        "cka": cka.tolist(),
    }
