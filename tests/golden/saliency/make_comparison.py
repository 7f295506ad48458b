"""Makes the goldens of the similarity of maps, of their summaries, and of their faithfulness.

    python make_comparison.py

Versions, models, images, targets: see `reference.py`. Written beside this script:

* `comparison.npz`: float32 maps (12, 32, 32), target `predicted` (of the model itself):
  - MODEL.gradcam: Grad-CAM at `layer4` after the ReLU (pytorch-grad-cam's, not scaled), brought to
    32x32 by torch's bilinear `interpolate` with align_corners=False;
  - MODEL.gradient: the largest |gradient| of the three channels;
* `comparison.json`, all computed in float64 from the float32 of `comparison.npz`, so that a test
  starts from the same maps (a map from elsewhere, equal but for rounding, may order its pixels
  otherwise):
  - `images`;
  - `pairs`: A|B -> for each image a number of
    `pearson` (scipy.stats.pearsonr), `spearman` (scipy.stats.spearmanr: average ranks of ties),
    `ssim` (skimage's structural_similarity with gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=1: a Gaussian cut off at 3.5 sigma, 11x11; mean over
    pixels at least 5 from the border), `ssim_uniform` (its default: 7x7, use_sample_covariance
    True, that is variances times 49/48; mean over pixels at least 3 from the border), both of
    maps scaled to (map - smallest) / (largest - smallest), and
    `overlap`: intersection over union of the 102 highest pixels (the floor, and the nearest whole
    number, of 10% of 1024; of equal values the one that comes first, row by row);
  - `ssim_of_images`: both kinds of SSIM of the first image's bytes / 255 with the other 11's,
    data_range=1, nothing scaled: numbers that need no map;
  - `summaries`: MODEL.METHOD -> for each image, of the map's absolute values: `entropy` (natural
    logarithm, of values / their sum, 0 log 0 = 0; at most log 1024 = 6.93), `top_mass` (share of
    the sum in the 102 highest, ties as above), `centre` (row, column: mean of the pixels' indices
    0..31 weighted by the values), `largest`, `sum`;
  - `faithfulness`: MODEL -> for each image, with the map MODEL.gradcam and the class predicted,
    `deletion.FILL` and `insertion.FILL` (Petsiuk et al. 2018), each with `curve` (17
    probabilities) and `auc`. The pixels (all channels of it) in descending order of the map, ties
    as above, in 16 steps of 64; deletion begins with the image and puts the fill in their place,
    insertion begins with the fill and puts the image in its place. The probability is the softmax
    (in float64) of float32 logits; `auc` is the area by trapezoids over the fraction 0, 1/16 .. 1.
    FILL is `mean` (each channel's mean over the image, in the network's input) or `blur`
    (torchvision's gaussian_blur of the network's input, kernel 11x11, sigma 5, mirrored at the
    border without repeating the outermost pixel).
    The stages of deletion in one order are those of insertion in the opposite order read
    backwards, so that both have the same area;
  - `margin` of the runs that gave the maps.
"""

import numpy as np
import torch
from scipy import stats
from skimage.metrics import structural_similarity
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.functional import gaussian_blur

from make_cams import explain
from reference import (
    IMAGES,
    MODELS,
    Array,
    Arrays,
    Margin,
    gradient,
    load_input,
    load_model,
    load_pixels,
    targets,
    to_array,
    write_arrays,
    write_json,
)

PAIRS = (
    ("seed0.gradcam", "seed1.gradcam"),
    ("seed0.gradient", "seed1.gradient"),
    ("seed0.gradcam", "seed0.gradient"),
)
TOP = 102
STEPS = 16
KERNEL, SIGMA = 11, 5.0
GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def make_maps(margins: dict[str, float]) -> Arrays:
    arrays: Arrays = {}
    for name in MODELS:
        model, x = load_model(name), load_input()
        margin = Margin(model)
        target = targets(model, x)[0]
        arrays[f"{name}.gradient"] = to_array(gradient(model, x, target).abs().amax(1))
        raw = torch.from_numpy(explain(model, x, target, "gradcam", "layer4")[0].raw)
        larger = F.interpolate(
            raw.clamp(min=0)[:, None], size=(32, 32), mode="bilinear", align_corners=False
        )
        arrays[f"{name}.gradcam"] = to_array(larger[:, 0])
        margins[name] = margin.checked()
    return {key: array.astype(np.float32) for key, array in arrays.items()}


def descending(values: Array) -> Array:
    """Indices from the highest value to the lowest, of equal ones the first before the others."""
    return np.argsort(-values.ravel(), kind="stable")


def compare(a: Array, b: Array) -> dict[str, float]:
    scaled = [(x - x.min()) / (x.max() - x.min()) for x in (a, b)]
    highest = [set(descending(x)[:TOP].tolist()) for x in (a, b)]
    return {
        "pearson": stats.pearsonr(a.ravel(), b.ravel()).statistic,
        "spearman": stats.spearmanr(a.ravel(), b.ravel()).statistic,
        "ssim": structural_similarity(*scaled, data_range=1, **GAUSSIAN),
        "ssim_uniform": structural_similarity(*scaled, data_range=1),
        "overlap": len(highest[0] & highest[1]) / len(highest[0] | highest[1]),
    }


def compare_images() -> dict[str, list[float]]:
    first, *others = load_pixels().numpy() / 255.0
    return {
        "ssim": [structural_similarity(first, x, data_range=1, **GAUSSIAN) for x in others],
        "ssim_uniform": [structural_similarity(first, x, data_range=1) for x in others],
    }


def summarise(values: Array) -> dict[str, object]:
    values = np.abs(values)
    shares = values / values.sum()
    positive = shares[shares > 0]
    rows, columns = np.indices(values.shape)
    return {
        "entropy": -(positive * np.log(positive)).sum(),
        "top_mass": shares.ravel()[descending(values)[:TOP]].sum(),
        "centre": [(shares * rows).sum(), (shares * columns).sum()],
        "largest": values.max(),
        "sum": values.sum(),
    }


def fill(image: Tensor, how: str) -> Tensor:
    if how == "mean":
        return image.mean((1, 2), keepdim=True).expand_as(image)
    return gaussian_blur(image, [KERNEL, KERNEL], [SIGMA, SIGMA])


def curve(model: nn.Module, begin: Tensor, end: Tensor, order: Array, label: int) -> dict:
    """The class's probability while pixels of `begin` give way to those of `end`."""
    stages = []
    size = order.size // STEPS
    for step in range(STEPS + 1):
        replaced = torch.zeros(order.size, dtype=torch.bool)
        replaced[order[: step * size].tolist()] = True
        stages.append(torch.where(replaced.reshape(begin.shape[1:]), end, begin))
    with torch.no_grad():
        logits = model(torch.stack(stages))
    probabilities = logits.softmax(1)[:, label].numpy()
    return {"curve": probabilities, "auc": np.trapezoid(probabilities, dx=1 / STEPS)}


def judge(name: str, maps: Array) -> list[dict]:
    model, x = load_model(name), load_input()
    labels = targets(model, x)[0].classes
    results = []
    for image, values, label in zip(x, maps, labels, strict=True):
        order = descending(values)
        result: dict[str, dict] = {}
        for how in ("mean", "blur"):
            filled = fill(image, how)
            result[f"deletion.{how}"] = curve(model, image, filled, order, label)
            result[f"insertion.{how}"] = curve(model, filled, image, order, label)
        results.append(result)
    return results


def main() -> None:
    margins: dict[str, float] = {}
    arrays = make_maps(margins)
    write_arrays("comparison", arrays)
    wide = {key: array.astype(np.float64) for key, array in arrays.items()}
    pairs = {}
    for a, b in PAIRS:
        found = [compare(*both) for both in zip(wide[a], wide[b], strict=True)]
        pairs[f"{a}|{b}"] = {key: [one[key] for one in found] for key in found[0]}
    content = {
        "images": IMAGES,
        "pairs": pairs,
        "ssim_of_images": compare_images(),
        "summaries": {key: [summarise(x) for x in maps] for key, maps in wide.items()},
        "faithfulness": {name: judge(name, arrays[f"{name}.gradcam"]) for name in MODELS},
        "margin": margins,
    }
    write_json("comparison", content)


if __name__ == "__main__":
    main()
