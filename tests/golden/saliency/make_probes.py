"""Makes the goldens of derivatives from their definition, of attacks, and of single channels.

    python make_probes.py

Versions, models, images, targets: see `reference.py`. Written beside this script:

* `probes.json`:
  - `images`, `labels`, and for each model:
  - `finite_difference`, of the first image, F the logit of the class predicted, h in the units of
    the network's input: `h` (10^-1 .. 10^-12), and in `places` for three pixels of channel 0 and
    one patch of 4x4 pixels in all three channels (`row`, `column`, `height`, `width`,
    `channels`): `float64`, (F(x + h) - F(x)) / h where h is added to every value of the place, in
    float64 (the float32 input widened), `autograd`, the gradient in float64 summed over the
    place, `float32` and `autograd_float32` the same by the float32 network (for an idea only: its
    rounding is another's machine's own; none of it is a golden for h < 10^-2);
  - `attacks`, of the images `rows` under their true label (`labels`); in `perturbed`, for each
    `epsilon` (of
    pixels, `fgsm` and `pgd`: the logits (rows, 10). The perturbation is of the pixels p = bytes /
    255 in 0..1, of each of the three channels by itself (the perturbed image is grey no more);
    input = (p - 0.2860) / 0.3530. FGSM: p' = clip(p + eps * sign(g), 0, 1) with g the gradient of
    the cross entropy (softmax, natural logarithm, no label smoothing) by p, sign(0) = 0. PGD: 10
    times p' = clip(clip(p' + eps/4 * sign(g), p - eps, p + eps), 0, 1), from p itself, no random
    start. `clean`: the logits before. `sign_flips`: how many of the signs of FGSM's g (of 4 x
    3072) the float64 network has otherwise, `zeros`: how many are 0; `fgsm_float64` and
    `pgd_float64`: the largest difference of a logit to the float64 attack's. Where such a
    difference is large, the sequence of signs went another way, which no test should mind;
  - `channels`, of `layer3` and `layer4`, over all 12 images with the class each is predicted as:
    LAYER -> scipy.stats.spearmanr of the sensitivity with `drop_zero` and with `drop_mean`,
    `accuracy`: the share of the 12 predicted rightly;
  - `float64_deviation` of the arrays below, each over its channels;
* `probes.npz`, of each model and layer MODEL.LAYER, one number a channel (64 or 128), means and
  deviations taken in float64 of float32 maps:
  - `gradient`: mean over images and positions of |gradient of the target logit by the channel|;
  - `mean`, `std`: of the channel over images and positions (std divides by their number);
  - `sensitivity`: `gradient` * `std`;
  - `drop_zero`, `drop_mean`: mean over images of the target logit minus the one with the
    channel's map replaced by 0, or by `mean` at every position (in every image);
  - `accuracy_zero`, `accuracy_mean`: the share of the 12 predicted rightly then.
"""

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from reference import (
    IMAGES,
    LABELS,
    MEAN,
    MODELS,
    STD,
    Array,
    Arrays,
    gradient,
    in_both,
    load_input,
    load_model,
    load_pixels,
    targets,
    to_array,
    under,
    write_arrays,
    write_json,
)

EXPONENTS = range(1, 13)
# row, column, height, width, channels
PLACES = ((10, 16, 1, 1, 1), (20, 9, 1, 1, 1), (1, 30, 1, 1, 1), (12, 14, 4, 4, 3))
ROWS = (0, 3, 6, 11)
EPSILONS = (0.02, 8 / 255, 0.1)
PGD_STEPS = 10
LAYERS = ("layer3", "layer4")


def differences(name: str, kind: torch.dtype) -> list[tuple[list[float], float]]:
    model, x = load_model(name, kind), load_input(kind)
    target = targets(model, x)[0].first(1)
    slopes = gradient(model, x, target)[0]
    results = []
    for row, column, height, width, channels in PLACES:
        mask = torch.zeros_like(x[:1])
        mask[:, :channels, row : row + height, column : column + width] = 1
        with torch.no_grad():
            here = target.scores(model(x[:1])).item()
            quotients = []
            for exponent in EXPONENTS:
                h = 10.0**-exponent
                there = target.scores(model(x[:1] + h * mask)).item()
                quotients.append((there - here) / h)
        results.append((quotients, (slopes * mask[0]).sum().item()))
    return results


def describe_differences(name: str) -> dict[str, object]:
    wide, narrow = (differences(name, kind) for kind in (torch.float64, torch.float32))
    keys = ("row", "column", "height", "width", "channels")
    places = [
        dict(zip(keys, place, strict=True))
        | {"float64": a[0], "autograd": a[1], "float32": b[0], "autograd_float32": b[1]}
        for place, a, b in zip(PLACES, wide, narrow, strict=True)
    ]
    return {"h": [10.0**-exponent for exponent in EXPONENTS], "places": places}


class Attack:
    """FGSM and PGD on pixels in 0..1."""

    def __init__(self, name: str, kind: torch.dtype) -> None:
        self.model = load_model(name, kind)
        pixels = load_pixels()[list(ROWS)].float() / 255
        self.clean = pixels[:, None].repeat(1, 3, 1, 1).to(kind)
        self.labels = torch.tensor([LABELS[row] for row in ROWS])

    def logits(self, pixels: Tensor) -> Tensor:
        return self.model((pixels - MEAN) / STD)

    def signs(self, pixels: Tensor) -> Tensor:
        pixels = pixels.detach().clone().requires_grad_()
        loss = F.cross_entropy(self.logits(pixels), self.labels, reduction="sum")
        return torch.autograd.grad(loss, pixels)[0].sign()

    def run(self, epsilon: float, step: float, steps: int) -> Array:
        pixels = self.clean
        for _ in range(steps):
            pixels = pixels + step * self.signs(pixels)
            pixels = torch.clamp(pixels, self.clean - epsilon, self.clean + epsilon).clamp(0, 1)
        return to_array(self.logits(pixels))


def describe_attacks(name: str) -> dict[str, object]:
    narrow, wide = (Attack(name, kind) for kind in (torch.float32, torch.float64))
    signs = [attack.signs(attack.clean) for attack in (narrow, wide)]
    rows = []
    for epsilon in EPSILONS:
        one: dict[str, object] = {"epsilon": epsilon}
        for method, step, steps in (("fgsm", epsilon, 1), ("pgd", epsilon / 4, PGD_STEPS)):
            found, other = (attack.run(epsilon, step, steps) for attack in (narrow, wide))
            one[method] = found
            one[f"{method}_float64"] = np.abs(found - other).max(1)
        rows.append(one)
    return {
        "rows": ROWS,
        "labels": [LABELS[row] for row in ROWS],
        "clean": to_array(narrow.logits(narrow.clean)),
        "sign_flips": (signs[0] != signs[1]).sum().item(),
        "zeros": (signs[0] == 0).sum().item(),
        "perturbed": rows,
    }


def run_with(model: nn.Module, x: Tensor, layer: str, change) -> Tensor:
    """The logits with the layer's output changed on its way."""
    handle = model.get_submodule(layer).register_forward_hook(lambda _, __, out: change(out))
    try:
        return model(x)
    finally:
        handle.remove()


def probe_channels(name: str, kind: torch.dtype) -> Arrays:
    model, x = load_model(name, kind), load_input(kind)
    target = targets(model, x)[0]
    labels = torch.tensor(LABELS)
    arrays: Arrays = {}
    for layer in LAYERS:
        kept: list[Tensor] = []
        logits = run_with(model, x, layer, lambda out: kept.append(out) or out)
        scores = target.scores(logits)
        slopes = torch.autograd.grad(scores.sum(), kept[0])[0].double().abs()
        maps = kept[0].detach().double()
        facts = {
            "gradient": slopes.mean((0, 2, 3)),
            "mean": maps.mean((0, 2, 3)),
            "std": maps.std((0, 2, 3), correction=0),
        }
        facts["sensitivity"] = facts["gradient"] * facts["std"]
        for how in ("zero", "mean"):
            drops, hits = [], []
            for channel in range(maps.shape[1]):
                value = facts["mean"][channel].item() if how == "mean" else 0.0

                def replace(out: Tensor, channel=channel, value=value) -> Tensor:
                    out = out.clone()
                    out[:, channel] = value
                    return out

                with torch.no_grad():
                    changed = run_with(model, x, layer, replace)
                drops.append((scores.detach() - target.scores(changed)).double().mean())
                hits.append((changed.argmax(1) == labels).double().mean())
            facts[f"drop_{how}"], facts[f"accuracy_{how}"] = torch.stack(drops), torch.stack(hits)
        arrays |= under(layer, {key: to_array(fact.to(kind)) for key, fact in facts.items()})
    return arrays


def describe_channels(name: str, arrays: Arrays) -> dict[str, object]:
    model, x = load_model(name), load_input()
    with torch.no_grad():
        right = (model(x).argmax(1) == torch.tensor(LABELS)).double().mean().item()
    result: dict[str, object] = {"accuracy": right}
    for layer in LAYERS:
        sensitivity = arrays[f"{layer}.sensitivity"]
        result[layer] = {
            how: stats.spearmanr(sensitivity, arrays[f"{layer}.{how}"]).statistic
            for how in ("drop_zero", "drop_mean")
        }
    return result


def main() -> None:
    content: dict[str, object] = {"images": IMAGES, "labels": LABELS}
    everything: Arrays = {}
    deviations: dict[str, object] = {}
    for name in MODELS:
        arrays, far = in_both(lambda kind, name=name: probe_channels(name, kind))
        everything |= under(name, arrays)
        deviations |= under(name, far)
        content[name] = {
            "finite_difference": describe_differences(name),
            "attacks": describe_attacks(name),
            "channels": describe_channels(name, arrays),
        }
    write_arrays("probes", everything)
    write_json("probes", content | {"float64_deviation": deviations})


if __name__ == "__main__":
    main()
