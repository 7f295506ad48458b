"""Makes the goldens of CKA and HSIC on stored arrays.

    python make_measures.py

Written beside this script:

* `pair.npz`: the arrays `x` and `y` of the published values; `pair.json`: their measures;
* `features_a.npz`, `features_b.npz`: layers of two imagined networks on the same 24 samples,
  unequal in width, some with means far from zero; `features.json`: every estimate of them;
* `maps_a.npz`, `maps_b.npz`: feature maps (24, C, 4, 4); `maps.json`: each way to reduce them.

The estimates are from `reference.py`. Arrays of layers are float32 and the estimates are of
exactly these float32 values.
"""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np

from reference import Array, Settings, compare

FOLDER = Path(__file__).resolve().parent
SAMPLES = 24
SIDE = 4
BIASES = ("unbiased", "biased")
PUBLISHED = (
    (Settings("biased"), "cka", 0.55761, 5e-6),
    (Settings("unbiased"), "cka", 0.51346, 5e-6),
    (Settings("biased", "rbf:0.5"), "cka", 0.65483, 5e-6),
    (Settings("unbiased"), "hsic_ab", 9.895956, 5e-7),
)


def published_pair() -> tuple[Array, Array]:
    """The two arrays that published CKA values are for."""
    np.random.seed(1337)
    x = np.random.randn(100, 10)
    return x, np.random.randn(100, 10) + x


def check_published(x: Array, y: Array) -> None:
    """The reference must give the known values to their last digit."""
    for settings, key, expected, tolerance in PUBLISHED:
        found = compare(settings, [x], [y])[key][0][0]
        if abs(found - expected) > tolerance:
            raise ValueError(f"{key} of {settings} is {found}, not {expected}")


def pair_settings() -> list[Settings]:
    kernels = ("linear", "rbf:0.5", "rbf:0.4")
    full = [Settings(bias, kernel) for kernel, bias in itertools.product(kernels, BIASES)]
    batched = itertools.product((32, 25), kernels[:2], BIASES)
    return full + [Settings(bias, kernel, batch_size=size) for size, kernel, bias in batched]


def layer_settings() -> list[Settings]:
    """Full, even batches, and batches of which the last is shorter, for each bias and kernel."""
    choices = itertools.product((None, 8, 10), ("linear", "rbf:0.5"), BIASES)
    return [Settings(bias, kernel, batch_size=size) for size, kernel, bias in choices]


def map_settings() -> list[Settings]:
    kernels = ("linear", "rbf:0.5")
    choices = itertools.product(("flatten", "gap", "spatial"), (None, 8), kernels, BIASES)
    return [Settings(bias, kernel, reduce, size) for reduce, size, kernel, bias in choices]


def make_layer(
    random: np.random.Generator, signal: Array, width: int, mean: float, sigma: float
) -> np.ndarray:
    """A layer that holds the common signal, mixed at random, and as much noise of its own."""
    mixed = signal @ random.standard_normal((signal.shape[1], width)) / np.sqrt(signal.shape[1])
    values = mean + sigma * (mixed + random.standard_normal(mixed.shape)) / np.sqrt(2)
    return values.astype(np.float32)


def make_map(
    random: np.random.Generator, signal: Array, channels: int, mean: float, sigma: float
) -> np.ndarray:
    """A feature map: at each position a row of a layer, the signal given a row a position."""
    rows = make_layer(random, signal, channels, mean, sigma)
    grid = rows.reshape(SAMPLES, SIDE, SIDE, channels)
    return np.ascontiguousarray(np.moveaxis(grid, -1, 1))


def make_features(random: np.random.Generator, signal: Array) -> list[dict[str, np.ndarray]]:
    """Two networks of four and of three layers."""
    return [
        {
            "a0": make_layer(random, signal, 7, 0.0, 1.0),
            "a1": make_layer(random, signal, 12, 1.0, 0.05),
            "a2": make_layer(random, signal, 40, 10.0, 0.05),
            "a3": make_layer(random, signal, 5, -3.0, 2.0),
        },
        {
            "b0": make_layer(random, signal, 9, 10.0, 0.05),
            "b1": make_layer(random, signal, 33, 1.0, 1.0),
            "b2": make_layer(random, signal, 6, 0.0, 0.3),
        },
    ]


def make_maps(random: np.random.Generator, signal: Array) -> list[dict[str, np.ndarray]]:
    """Feature maps of two networks of two layers."""
    return [
        {
            "a0": make_map(random, signal, 3, 1.0, 0.05),
            "a1": make_map(random, signal, 6, 10.0, 0.05),
        },
        {
            "b0": make_map(random, signal, 4, 0.0, 1.0),
            "b1": make_map(random, signal, 2, 10.0, 0.05),
        },
    ]


def write_pair() -> None:
    x, y = published_pair()
    check_published(x, y)
    np.savez(FOLDER / "pair.npz", x=x, y=y)
    results = [compare(settings, [x], [y]) for settings in pair_settings()]
    write_json("pair", {"n": len(x), "layers_a": ["x"], "layers_b": ["y"], "results": results})


def write_networks(
    name: str, networks: list[dict[str, np.ndarray]], chosen: list[Settings]
) -> None:
    """Stores the layers of two networks and the estimates for each of the settings."""
    for letter, network in zip("ab", networks):
        np.savez(FOLDER / f"{name}_{letter}.npz", **network)
    doubles = [[layer.astype(np.float64) for layer in network.values()] for network in networks]
    content = {
        "n": SAMPLES,
        "layers_a": list(networks[0]),
        "layers_b": list(networks[1]),
        "results": [compare(settings, *doubles) for settings in chosen],
    }
    write_json(name, content)


def write_json(name: str, content: dict[str, Any]) -> None:
    (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


def main() -> None:
    write_pair()
    random = np.random.default_rng(7)
    features = make_features(random, random.standard_normal((SAMPLES, 5)))
    write_networks("features", features, layer_settings())
    maps = make_maps(random, random.standard_normal((SAMPLES * SIDE * SIDE, 5)))
    write_networks("maps", maps, map_settings())


if __name__ == "__main__":
    main()
