"""Makes the goldens of the maps at the input's resolution: gradients and occlusion.

    python make_maps.py

Versions, models, images, targets: see `reference.py`. Written beside this script:

* `maps-seed0.npz` and `maps-seed1.npz`, the maps of a model (METHOD.TARGET; rows are the first
  images). Of `seed0`, METHOD.predicted has 12 rows where no other number is given. Of `seed1`
  it has 4, there is no raw gradient of `class3` and `contrast`, and of the slower methods
  (SmoothGrad, integrated gradients, occlusion) there is `predicted` only:
  - `logits` (12, 10);
  - `gradient.predicted` (12, 3, 32, 32), `gradient.class3` and `gradient.contrast` (4, 3, 32, 32):
    the gradient of the score by the input, raw (torch.autograd.grad of the sum of the scores);
    `gradient-max.TARGET` (4, 32, 32): the largest |gradient| of the three channels, and
    `gradient-sum.TARGET` (4, 32, 32): their signed sum (neither for `class3` of `seed0`;
    `gradient-max` of all 12 images and both models is in `comparison.npz`);
  - `gradient-x-input.TARGET`: captum's InputXGradient, summed over channels (signed);
  - `integrated-gradients.RULE.STEPS.BASELINE.TARGET`: captum's IntegratedGradients, summed over
    channels (signed). `middle.32.zeros.predicted` of `seed0` has 12 rows, all others have 4;
    `middle.128.zeros` is there for `seed1` only. RULE is `middle` (captum's riemann_middle:
    points (k + 1/2) / n, k = 0 .. n - 1, each of weight 1 / n) or `gausslegendre` (captum's
    default: numpy's leggauss brought to 0..1). BASELINE is `zeros` (zeros of the network's input,
    which is the data set's mean grey) or `black` (a black image, (0 - 0.2860) / 0.3530
    everywhere);
  - `smoothgrad.TARGET`: with x + sigma * noise for each of the 4 tensors of `noise.npz`, the same
    4 for every image, and sigma = 0.15 * (largest - smallest value of the image's input); mean of
    the 4 raw gradients, then |.|, then the largest of the three channels. Plain autograd; the
    unperturbed image is not among the samples. Note the order: mean first, then |.|;
  - `occlusion.WINDOW-STRIDE.BASELINE.TARGET`: captum's Occlusion, windows of (3, w, w) at strides
    (3, s, s), so that all channels are hidden at once. With F the score, F(x) - F(hidden) of each
    window goes to every pixel under it, and a pixel gets the mean over the windows that cover it
    (captum: sum of differences / number of covering windows). captum repeats this value in each
    of the three channels: its *sum over channels is three times* what is stored here, which is
    the value of one channel (asserted to be the same in each). BASELINE is `zeros` or `mean`
    (each image's own mean of each channel, in the network's input). `7-4` (first 2 images) has
    windows of 7 at a stride of 4: 8 in each direction, of which the last begins at 28 and hangs
    over the border, where it is cut off to 4 pixels (a window starts at k * stride for
    k = 0 .. ceil((side - window) / stride));
* `noise.npz`: `noise` (4, 3, 32, 32): standard normal numbers, rounded to float16;
* `maps.json`: `images`, `labels`; for each model `predicted` (classes), `scores` of each target,
  `smoothgrad_sigma` of each image, and `integrated`: for each array the score at the baseline
  (`baseline_score`) and captum's `convergence_delta` of each image, which is the sum of the
  attributions minus (F(x) - F(baseline)), and `integrated_float64` the same of the float64
  network; `float64_deviation`. The deltas are large, and are right (a sum written by hand gives
  the same): along the path from a black image these ReLU networks' gradient changes so often
  that 32 steps miss by as much as the difference of the scores itself, 128 by some hundredths.
"""

import numpy as np
import torch
from captum.attr import InputXGradient, IntegratedGradients, Occlusion
from torch import Tensor, nn

from reference import (
    BLACK,
    FEW,
    IMAGES,
    LABELS,
    MODELS,
    Array,
    Arrays,
    Target,
    gradient,
    in_both,
    load_input,
    load_model,
    targets,
    to_array,
    under,
    write_arrays,
    write_json,
)

SAMPLES = 4
RELATIVE_SIGMA = 0.15
BATCH = 64
# rule, steps, baseline, and whether for all 12 images of `seed0`
INTEGRALS = (
    ("middle", 32, "zeros", True),
    ("middle", 128, "zeros", False),
    ("middle", 32, "black", False),
    ("middle", 128, "black", False),
    ("gausslegendre", 32, "black", False),
)
WINDOWS = ((8, 4), (4, 4))
OVERHANGING = (7, 4)


def make_noise() -> Tensor:
    drawn = np.random.default_rng(4).standard_normal((SAMPLES, 3, 32, 32))
    return torch.from_numpy(drawn.astype(np.float16).astype(np.float32))


def baseline_of(x: Tensor, name: str) -> Tensor:
    if name == "mean":
        return x.mean((2, 3), keepdim=True).expand_as(x).contiguous()
    return torch.full_like(x, {"zeros": 0.0, "black": BLACK}[name])


def integrate(
    model: nn.Module, x: Tensor, target: Target, rule: str, steps: int, baseline: str
) -> tuple[Array, Array, Array]:
    """The map, captum's delta, and the score at the baseline."""
    method = {"middle": "riemann_middle"}.get(rule, rule)
    forward = target.forward(model)
    x = x[: target.rows]
    start = baseline_of(x, baseline)
    attributions, delta = IntegratedGradients(forward).attribute(
        x,
        start,
        target=target.classes,
        n_steps=steps,
        method=method,
        internal_batch_size=BATCH,
        return_convergence_delta=True,
    )
    with torch.no_grad():
        score = target.scores(model(start))
    return to_array(attributions.sum(1)), to_array(delta), to_array(score)


def sigmas(x: Tensor) -> Tensor:
    return RELATIVE_SIGMA * (x.amax((1, 2, 3)) - x.amin((1, 2, 3)))


def smooth(model: nn.Module, x: Tensor, target: Target, noise: Tensor) -> Array:
    x = x[: target.rows]
    sigma = sigmas(x)[:, None, None, None]
    gradients = [gradient(model, x + sigma * sample, target) for sample in noise]
    return to_array(torch.stack(gradients).mean(0).abs().amax(1))


def occlude(
    model: nn.Module, x: Tensor, target: Target, window: int, stride: int, baseline: str
) -> Array:
    x = x[: target.rows]
    attributions = Occlusion(target.forward(model)).attribute(
        x,
        sliding_window_shapes=(x.shape[1], window, window),
        strides=(x.shape[1], stride, stride),
        baselines=baseline_of(x, baseline),
        target=target.classes,
    )
    assert all(torch.equal(attributions[:, 0], attributions[:, c]) for c in (1, 2))
    # captum divides by the windows' number in float32 whatever it is given
    return to_array(attributions[:, 0].to(x.dtype))


def make_maps(name: str, kind: torch.dtype) -> tuple[Arrays, Arrays]:
    """The arrays of the npz, and numbers of integrated gradients for the JSON."""
    model, x, noise = load_model(name, kind), load_input(kind), make_noise().to(kind)
    with torch.no_grad():
        arrays = {"logits": to_array(model(x))}
    integrated: Arrays = {}
    first = name == "seed0"
    for target in targets(model, x):
        if not first:
            target = target.first(FEW)
        label = target.name
        raw = gradient(model, x, target)
        if first or label == "predicted":
            arrays[f"gradient.{label}"] = to_array(raw)
        if not first or label != "class3":
            arrays[f"gradient-max.{label}"] = to_array(raw[:FEW].abs().amax(1))
            arrays[f"gradient-sum.{label}"] = to_array(raw[:FEW].sum(1))
        inputs = x[: target.rows].clone().requires_grad_()
        product = InputXGradient(target.forward(model)).attribute(inputs, target=target.classes)
        arrays[f"gradient-x-input.{label}"] = to_array(product.sum(1))
        if label != "predicted" and not first:
            continue
        arrays[f"smoothgrad.{label}"] = smooth(model, x, target, noise)
        for rule, steps, baseline, everywhere in INTEGRALS:
            if label != "predicted" and (rule, steps, baseline) != ("middle", 32, "black"):
                continue
            if first and (steps, baseline) == (128, "zeros"):
                continue
            rows = target if everywhere else target.first(FEW)
            key = f"integrated-gradients.{rule}.{steps}.{baseline}.{label}"
            values = integrate(model, x, rows, rule, steps, baseline)
            arrays[key] = values[0]
            integrated[f"{key}.convergence_delta"], integrated[f"{key}.baseline_score"] = values[1:]
        for window, stride in WINDOWS:
            for baseline in ("zeros", "mean"):
                if label != "predicted" and baseline == "mean":
                    continue
                key = f"occlusion.{window}-{stride}.{baseline}.{label}"
                arrays[key] = occlude(model, x, target, window, stride, baseline)
        if label == "predicted":
            window, stride = OVERHANGING
            key = f"occlusion.{window}-{stride}.zeros.{label}"
            arrays[key] = occlude(model, x, target.first(2), window, stride, "zeros")
    return arrays, integrated


def main() -> None:
    write_arrays("noise", {"noise": make_noise().numpy()})
    x = load_input()
    content: dict[str, object] = {"images": IMAGES, "labels": LABELS}
    deviations: dict[str, object] = {}
    for name in MODELS:
        integrated: list[Arrays] = []

        def make(kind: torch.dtype) -> Arrays:
            arrays, numbers = make_maps(name, kind)
            integrated.append(numbers)
            return arrays

        arrays, far = in_both(make)
        write_arrays(f"maps-{name}", arrays)
        deviations |= under(name, far)
        model = load_model(name)
        wanted = targets(model, x)
        logits = torch.from_numpy(arrays["logits"])
        content[name] = {
            "predicted": wanted[0].classes,
            "scores": {t.name: t.scores(logits[: t.rows]).numpy() for t in wanted},
            "smoothgrad_sigma": sigmas(x).numpy(),
            "integrated": integrated[0],
            "integrated_float64": integrated[1],
        }
    write_json("maps", content | {"float64_deviation": deviations})


if __name__ == "__main__":
    main()
