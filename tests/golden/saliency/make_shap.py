"""Makes the goldens of maps by random draws: Gradient SHAP, LIME and KernelSHAP.

    python make_shap.py

Versions: see `reference.py`, and shap==0.51.0. Written beside this script, of the network and the images of
`make_random.py` in float64 and the class predicted:

* `shap.npz`, float64 arrays:
  - `shares` (DRAWS, N) and `noise` (DRAWS, N, 3, 12, 12): what is drawn for Gradient SHAP; `gradient-shap`: captum's
    GradientShap from zeros with these draws in the place of its own, summed over channels; `gradient-shap-plain`: the
    same without noise;
  - `masks` (MASKS, K): patches of 4 pixels, 1 where one is there; `lime`: the coefficients (N, K) of captum's Lime
    with these masks, its Lasso converged to the last digit; `kernel-shap`: of captum's KernelShap with these masks
    (after none and all of the patches, as its own);
  - `shapley` (N, 4): Shapley values of the four patches of 6 pixels, from their definition, the sum over all
    subsets; `shap`: the same by `shap.KernelExplainer`.

Masks and draws are made here, so that captum and repsim work on the same.
"""

import itertools
from collections.abc import Callable
from math import factorial
from unittest import mock

import numpy as np
import shap
import torch
from captum._utils.models.linear_model import SkLearnLasso
from captum.attr import GradientShap, KernelShap, Lime
from torch import Tensor, nn

from make_random import make_network, to_input
from reference import FOLDER

DRAWS, MASKS, SIDE, LARGE = 6, 40, 4, 6
Array = np.ndarray


def patches(side: int) -> Tensor:
    """The number of the patch of each pixel, (1, 1, 12, 12)."""
    rows = torch.arange(12) // side
    return (rows[:, None] * (12 // side) + rows)[None, None]


def gradient_shap(model: nn.Module, x: Tensor, classes: list[int], shares: Array, noise: Array | None) -> Array:
    """captum repeats each image for all of its draws, one after the other."""
    ordered = shares.T.reshape(-1)
    stdevs = 0.0 if noise is None else 1.0

    def normal(mean: float, std: Tensor) -> Tensor:
        return torch.zeros_like(std) if noise is None else torch.from_numpy(noise).transpose(0, 1).reshape(std.shape)

    with mock.patch("numpy.random.uniform", lambda *_: ordered), mock.patch("torch.normal", normal):
        found = GradientShap(model).attribute(
            x, torch.zeros_like(x[:1]), n_samples=DRAWS, stdevs=stdevs, target=classes
        )
    return found.sum(1).detach().numpy()


def given(masks: Array) -> Callable:
    """A generator of masks for captum."""

    def generate(*_: object, **__: object):
        for mask in masks:
            yield torch.from_numpy(mask)[None].long()

    return generate


def fitted(explainer: Lime, masks: Array, x: Tensor, classes: list[int]) -> Array:
    """The coefficients; captum makes all numbers float32 before the fit, which is put off to its end here."""
    explainer.perturb_func = given(masks)

    def one(i: int) -> Tensor:
        how = {"feature_mask": patches(SIDE), "n_samples": len(masks), "return_input_shape": False}
        return explainer.attribute(x[i : i + 1], baselines=0.0, target=classes[i], **how)

    torch.set_default_dtype(torch.float64)
    with mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
        rows = [one(i) for i in range(len(x))]
    torch.set_default_dtype(torch.float32)
    return torch.cat(rows).double().numpy()


def scores(model: nn.Module, image: Tensor, target: int) -> Callable[[Array], Array]:
    """The score of an image of which only some of the large patches are there."""

    @torch.no_grad()
    def of(masks: Array) -> Array:
        there = torch.from_numpy(np.asarray(masks))[:, patches(LARGE)[0, 0]].bool()[:, None]
        return model(torch.where(there, image, torch.zeros_like(image)))[:, target].numpy()

    return of


def shapley(score: Callable[[Array], Array], count: int) -> Array:
    """Shapley values from their definition."""
    values = np.zeros(count)
    for k in range(count):
        others = [i for i in range(count) if i != k]
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for chosen in itertools.combinations(others, size):
                without, with_it = np.zeros((2, count))
                without[list(chosen)] = with_it[list(chosen)] = with_it[k] = 1
                values[k] += weight * np.diff(score(np.stack([without, with_it])))[0]
    return values


def main() -> None:
    model = make_network().double()
    x = to_input(torch.from_numpy(np.load(FOLDER / "random.npy")))
    classes = model(x).argmax(1).tolist()
    random = np.random.default_rng(31)
    shares = random.random((DRAWS, len(x)))
    noise = 0.1 * random.standard_normal((DRAWS, *x.shape))
    masks = random.integers(0, 2, (MASKS, (12 // SIDE) ** 2)).astype(np.float64)
    ends = np.stack([np.ones(masks.shape[1]), np.zeros(masks.shape[1])])
    each = [scores(model, x[i], classes[i]) for i in range(len(x))]
    count = (12 // LARGE) ** 2
    by_definition = np.stack([shapley(score, count) for score in each])
    by_shap = np.stack(
        [shap.KernelExplainer(s, np.zeros((1, count))).shap_values(np.ones(count), silent=True) for s in each]
    )
    lasso = SkLearnLasso(alpha=0.004, tol=1e-12, max_iter=1_000_000)
    arrays = {
        "shares": shares,
        "noise": noise,
        "masks": masks,
        "gradient-shap": gradient_shap(model, x, classes, shares, noise),
        "gradient-shap-plain": gradient_shap(model, x, classes, shares, None),
        "lime": fitted(Lime(model, interpretable_model=lasso), masks, x, classes),
        "kernel-shap": fitted(KernelShap(model), np.concatenate([ends, masks]), x, classes),
        "shapley": by_definition,
        "shap": by_shap,
    }
    assert np.abs(by_definition - by_shap).max() < 1e-6
    np.savez(FOLDER / "shap.npz", **arrays)


if __name__ == "__main__":
    main()
