"""Makes the goldens of feature maps: what channels are like, and which of two networks see alike.

    python make_channels.py

Versions, models, images: see `reference.py`; NumPy and SciPy, all in float64. Written beside this script:

* `channels.npz`, over all 12 images and all positions:
  - MODEL.LAYER.mean, .std (divides by their number), .min, .max, .active (share above zero): one
    number a channel, of `layer2` and `layer3`; .near, the share whose value before the ReLU is
    within `NEAR` of zero: by so much may `active` be another where a network rounds to less;
  - `layer2`, `layer3`: `numpy.corrcoef` of the channels of `seed0` (rows) with those of `seed1`
    (columns);
  - `layer2-layer3`: the same of `layer2` of `seed0` with `layer3` of `seed1`, where the maps of
    16x16 are brought to 8x8 by `interpolate(mode="bilinear", antialias=True)`;
* `channels.json`: for each of the three `most_active`, the four channels of `seed0`'s layer with the
  largest mean in the first image (no two neighbours in this order are within `NEAR`), `best`, the index of the largest correlation of each row,
  `best_mean`, the mean of these, and `one_to_one`, the sum of
  `scipy.optimize.linear_sum_assignment(correlations, maximize=True)`.
"""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from reference import FOLDER, IMAGES, MODELS, Array, Arrays, load_input, load_model, write_json

LAYERS = ("layer2", "layer3")
NEAR = 1e-4
PAIRS = {"layer2": ("layer2", "layer2"), "layer3": ("layer3", "layer3"), "layer2-layer3": LAYERS}


def feature_maps(name: str) -> dict[str, Tensor]:
    """The layers' outputs, and under LAYER.before what went into the ReLU that gave them."""
    model, kept = load_model(name), {}
    for layer in LAYERS:
        keep = lambda _, __, out, layer=layer: kept.update({layer: out.clone()})  # noqa: E731
        see = lambda _, x, layer=layer: kept.update({f"{layer}.before": x[0].clone()})  # noqa: E731
        model.get_submodule(layer).register_forward_hook(keep)
        model.get_submodule(layer)[-1].relu.register_forward_pre_hook(see)
    with torch.no_grad():
        model(load_input())
    return kept


def by_channel(maps: Tensor) -> Array:
    """A row a channel, a column a position."""
    return maps.permute(1, 0, 2, 3).flatten(1).numpy()


def correlations(left: Tensor, right: Tensor) -> Array:
    size = [min(a, b) for a, b in zip(left.shape[2:], right.shape[2:], strict=True)]
    if list(left.shape[2:]) != size:
        left = F.interpolate(left, size, mode="bilinear", antialias=True)
    rows = left.shape[1]
    return np.corrcoef(by_channel(left), by_channel(right))[:rows, rows:]


def main() -> None:
    maps = {name: feature_maps(name) for name in MODELS}
    arrays: Arrays = {}
    for name in MODELS:
        for layer in LAYERS:
            values = by_channel(maps[name][layer])
            facts = {"mean": values.mean(1), "std": values.std(1), "min": values.min(1)}
            facts |= {"max": values.max(1), "active": (values > 0).mean(1)}
            before = by_channel(maps[name][f"{layer}.before"])
            facts["near"] = (np.abs(before) <= NEAR).mean(1)
            arrays |= {f"{name}.{layer}.{key}": fact for key, fact in facts.items()}
    content: dict[str, object] = {"images": IMAGES}
    for pair, (a, b) in PAIRS.items():
        found = correlations(maps["seed0"][a], maps["seed1"][b])
        first = maps["seed0"][a][0].mean((1, 2)).numpy()
        order = np.argsort(-first)[:5]
        assert (-np.diff(first[order])).min() > NEAR
        rows, columns = linear_sum_assignment(found, maximize=True)
        arrays[pair] = found
        content[pair] = {
            "most_active": order[:4].tolist(),
            "best": found.argmax(1).tolist(),
            "best_mean": found.max(1).mean(),
            "one_to_one": found[rows, columns].sum(),
        }
    np.savez_compressed(FOLDER / "channels.npz", **arrays)
    write_json("channels", content)


if __name__ == "__main__":
    main()
