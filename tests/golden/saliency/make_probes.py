"""Makes the goldens of derivatives from their definition, of attacks, and of single channels.

    python make_probes.py

Versions, models, images, targets: see `reference.py`. Written beside this script:

* `probes.json`:
  - `images`, `labels`, and for each model:
  - `margin`, and `gap`: the least difference of the two largest logits in all runs of `channels`;
  - `finite_difference`, of the first image, F the logit of the class predicted, h in the units of
    the network's input: `h` (10^-1 .. 10^-6), and in `places` for three pixels of channel 0 and
    one patch of 4x4 pixels in all three channels (`row`, `column`, `height`, `width`,
    `channels`): `quotients`, (F(x + h) - F(x)) / h where h is added to every value of the place,
    and `autograd`, the gradient summed over the place;
  - `attacks`, of the images `rows` under their true label (`labels`); in `perturbed`, for each
    `epsilon` (of pixels), `fgsm` and `pgd`: the logits (rows, 10). The perturbation is of the
    pixels p in 0..1, of each of the three channels by itself (the perturbed image is grey no
    more); input = scale * p + offset, where offset is what a black pixel becomes, (0 - 0.2860) /
    0.3530 in float32, and scale what a white one becomes less that, in float32. FGSM: p' =
    clip(p + eps * sign(g), 0, 1) with g the gradient of the cross entropy (softmax, natural
    logarithm, no label smoothing) by p, sign(0) = 0. PGD: 10 times p' = clip(clip(p' + eps/4 *
    sign(g), p - eps, p + eps), 0, 1), from p itself, no random start. `clean`: the logits before.
    `least_gradient`: the least |g| as a share of the image's largest, of all images and steps: where
    it is far above the rounding, the sequence of signs is the same on every processor (asserted to
    be above `MARGIN`);
  - `channels`, of `layer3` and `layer4`, over all 12 images with the class each is predicted as:
    LAYER -> scipy.stats.spearmanr of the sensitivity with `drop_zero` and with `drop_mean`,
    `accuracy`: the share of the 12 predicted rightly;
* `probes.npz`, of each model and layer MODEL.LAYER, one number a channel (64 or 128):
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
    BLACK,
    IMAGES,
    LABELS,
    MARGIN,
    MEAN,
    MODELS,
    STD,
    Array,
    Arrays,
    Margin,
    gradient,
    load_input,
    load_model,
    targets,
    to_array,
    under,
    write_arrays,
    write_json,
)

EXPONENTS = range(1, 7)
# row, column, height, width, channels
PLACES = ((10, 16, 1, 1, 1), (20, 9, 1, 1, 1), (1, 30, 1, 1, 1), (12, 14, 4, 4, 3))
ROWS = (0, 3, 6, 11)
EPSILONS = (0.02, 8 / 255, 0.1)
PGD_STEPS = 10
SCALE = float(np.float32((1 - MEAN) / STD) - np.float32(BLACK))
LAYERS = ("layer3", "layer4")


def describe_differences(model: nn.Module, x: Tensor) -> dict[str, object]:
    target = targets(model, x)[0].first(1)
    slopes = gradient(model, x, target)[0]
    steps = [10.0**-exponent for exponent in EXPONENTS]
    keys = ("row", "column", "height", "width", "channels")
    places = []
    for place in PLACES:
        row, column, height, width, channels = place
        mask = torch.zeros_like(x[:1])
        mask[:, :channels, row : row + height, column : column + width] = 1
        with torch.no_grad():
            here = target.scores(model(x[:1])).item()
            there = [target.scores(model(x[:1] + h * mask)).item() for h in steps]
        quotients = [(score - here) / h for score, h in zip(there, steps, strict=True)]
        facts = {"quotients": quotients, "autograd": (slopes * mask[0]).sum().item()}
        places.append(dict(zip(keys, place, strict=True)) | facts)
    return {"h": steps, "places": places}


class Attack:
    """FGSM and PGD on pixels in 0..1."""

    def __init__(self, model: nn.Module, x: Tensor) -> None:
        self.model = model
        self.clean = ((x[list(ROWS)] - BLACK) / SCALE).clamp(0, 1)
        self.labels = torch.tensor([LABELS[row] for row in ROWS])
        self.least = float("inf")

    def logits(self, pixels: Tensor) -> Tensor:
        return self.model(pixels * SCALE + BLACK)

    def signs(self, pixels: Tensor) -> Tensor:
        pixels = pixels.detach().clone().requires_grad_()
        loss = F.cross_entropy(self.logits(pixels), self.labels, reduction="sum")
        slopes = torch.autograd.grad(loss, pixels)[0]
        sizes = slopes.abs().flatten(1)
        self.least = min(self.least, (sizes.amin(1) / sizes.amax(1)).min().item())
        return slopes.sign()

    def run(self, epsilon: float, step: float, steps: int) -> Array:
        pixels = self.clean
        for _ in range(steps):
            pixels = pixels + step * self.signs(pixels)
            pixels = torch.clamp(pixels, self.clean - epsilon, self.clean + epsilon).clamp(0, 1)
        return to_array(self.logits(pixels))


def describe_attacks(model: nn.Module, x: Tensor) -> dict[str, object]:
    attack = Attack(model, x)
    rows = []
    for epsilon in EPSILONS:
        one: dict[str, object] = {"epsilon": epsilon}
        for method, step, steps in (("fgsm", epsilon, 1), ("pgd", epsilon / 4, PGD_STEPS)):
            one[method] = attack.run(epsilon, step, steps)
        rows.append(one)
    assert attack.least >= MARGIN, attack.least
    return {
        "rows": ROWS,
        "labels": [LABELS[row] for row in ROWS],
        "clean": to_array(attack.logits(attack.clean)),
        "least_gradient": attack.least,
        "perturbed": rows,
    }


def run_with(model: nn.Module, x: Tensor, layer: str, change) -> Tensor:
    """The logits with the layer's output changed on its way."""
    handle = model.get_submodule(layer).register_forward_hook(lambda _, __, out: change(out))
    try:
        return model(x)
    finally:
        handle.remove()


def probe_channels(model: nn.Module, x: Tensor) -> tuple[Arrays, float]:
    """The arrays of the npz, and the least difference of the two largest logits."""
    target = targets(model, x)[0]
    labels = torch.tensor(LABELS)
    arrays: Arrays = {}
    gap = float("inf")
    for layer in LAYERS:
        kept: list[Tensor] = []
        logits = run_with(model, x, layer, lambda out: kept.append(out) or out)
        scores = target.scores(logits)
        slopes = torch.autograd.grad(scores.sum(), kept[0])[0].abs()
        maps = kept[0].detach()
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
                drops.append((scores.detach() - target.scores(changed)).mean())
                hits.append((changed.argmax(1) == labels).double().mean())
                highest = changed.topk(2, dim=1).values
                gap = min(gap, (highest[:, 0] - highest[:, 1]).min().item())
            facts[f"drop_{how}"], facts[f"accuracy_{how}"] = torch.stack(drops), torch.stack(hits)
        arrays |= under(layer, {key: to_array(fact) for key, fact in facts.items()})
    return arrays, gap


def describe_channels(model: nn.Module, x: Tensor, arrays: Arrays) -> dict[str, object]:
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
    for name in MODELS:
        model, x = load_model(name), load_input()
        margin = Margin(model)
        arrays, gap = probe_channels(model, x)
        arrays = {key: array.astype(np.float32) for key, array in arrays.items()}
        everything |= under(name, arrays)
        content[name] = {
            "finite_difference": describe_differences(model, x),
            "attacks": describe_attacks(model, x),
            "channels": describe_channels(model, x, arrays),
            "margin": margin.checked(),
            "gap": gap,
        }
    write_arrays("probes", everything)
    write_json("probes", content)


if __name__ == "__main__":
    main()
