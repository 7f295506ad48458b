"""Makes the goldens of the maps at the input's resolution: gradients and occlusion.

    python make_maps.py

Versions, models, images, targets: see `reference.py`. Written beside this script:

* `maps-seed0.npz` and `maps-seed1.npz`, the maps of a model (METHOD.TARGET; rows are the first
  images). Of `seed0`, METHOD.predicted has 12 rows where no other number is given. Of `seed1`
  it has 4, there is no raw gradient of `class3` and `contrast`, and of the slower methods
  (integrated gradients, occlusion) there is `predicted` only:
  - `logits` (12, 10);
  - `gradient.predicted` (12, 3, 32, 32), `gradient.class3` and `gradient.contrast` (4, 3, 32, 32):
    the gradient of the score by the input, raw (torch.autograd.grad of the sum of the scores);
    `gradient-max.TARGET` (4, 32, 32): the largest |gradient| of the three channels, and
    `gradient-sum.TARGET` (4, 32, 32): their signed sum (neither for `class3` of `seed0`;
    `gradient-max` of all 12 images and both models is in `comparison.npz`);
  - `gradient-x-input.TARGET`: captum's InputXGradient, summed over channels (signed);
  - `integrated-gradients.STEPS.BASELINE.TARGET`: captum's IntegratedGradients by its
    `riemann_middle` (points (k + 1/2) / n, k = 0 .. n - 1, each of weight 1 / n), summed over
    channels (signed). `32.zeros.predicted` of `seed0` has 12 rows, all others have 4; `128.zeros`
    is there for `seed1` only. The path, and so its distance from kinks, is that of all targets.
    BASELINE is `zeros` (zeros of the network's input, which is the data
    set's mean grey) or `black` (a black image, (0 - 0.2860) / 0.3530 in float32 everywhere);
  - `occlusion.WINDOW-STRIDE.BASELINE.TARGET`: captum's Occlusion, windows of (3, w, w) at strides
    (3, s, s), so that all channels are hidden at once. With F the score, F(x) - F(hidden) of each
    window goes to every pixel under it, and a pixel gets the mean over the windows that cover it
    (captum: sum of differences / number of covering windows). captum repeats this value in each
    of the three channels: its *sum over channels is three times* what is stored here, which is
    the value of one channel (asserted to be the same in each). BASELINE is `zeros` or `mean`
    (each image's own mean of each channel, in the network's input, rounded to float32). `7-4`
    (first 2 images) has windows of 7 at a stride of 4: 8 in each direction, of which the last
    begins at 28 and hangs over the border, where it is cut off to 4 pixels (a window starts at
    k * stride for k = 0 .. ceil((side - window) / stride));
* `maps.json`: `images`, `labels`; for each model `predicted` (classes), `scores` of each target,
  `margin`, and `integrated`: for each array the score at the baseline (`baseline_score`) and
  captum's `convergence_delta` of each image, which is the sum of the attributions minus
  (F(x) - F(baseline)). The deltas are large, and are right (a sum written by hand gives the same):
  along the path from a black image these ReLU networks' gradient changes so often that 32 steps
  miss by as much as the difference of the scores itself, 128 by some hundredths.
"""

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
    Margin,
    Target,
    gradient,
    load_input,
    load_model,
    targets,
    to_array,
    write_arrays,
    write_json,
)

BATCH = 64
# steps, baseline, and whether for all 12 images of `seed0`
INTEGRALS = (
    (4, "zeros", False),
    (32, "zeros", True),
    (128, "zeros", False),
    (32, "black", False),
    (128, "black", False),
)
WINDOWS = ((8, 4), (4, 4))
OVERHANGING = (7, 4)


def baseline_of(x: Tensor, name: str) -> Tensor:
    if name == "mean":
        return x.mean((2, 3), keepdim=True).float().to(x.dtype).expand_as(x).contiguous()
    return torch.full_like(x, {"zeros": 0.0, "black": BLACK}[name])


def integrate(
    model: nn.Module, x: Tensor, target: Target, steps: int, baseline: str
) -> tuple[Array, Array, Array]:
    """The map, captum's delta, and the score at the baseline."""
    forward = target.forward(model)
    x = x[: target.rows]
    start = baseline_of(x, baseline)
    attributions, delta = IntegratedGradients(forward).attribute(
        x,
        start,
        target=target.classes,
        n_steps=steps,
        method="riemann_middle",
        internal_batch_size=BATCH,
        return_convergence_delta=True,
    )
    with torch.no_grad():
        score = target.scores(model(start))
    return to_array(attributions.sum(1)), to_array(delta), to_array(score)


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
    return to_array(attributions[:, 0])


def make_maps(name: str, model: nn.Module, x: Tensor) -> tuple[Arrays, Arrays]:
    """The arrays of the npz, and numbers of integrated gradients for the JSON."""
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
        for steps, baseline, everywhere in INTEGRALS:
            if label != "predicted" and (steps, baseline) != (32, "black"):
                continue
            if first and (steps, baseline) == (128, "zeros"):
                continue
            rows = target if everywhere else target.first(FEW)
            key = f"integrated-gradients.{steps}.{baseline}.{label}"
            values = integrate(model, x, rows, steps, baseline)
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
    x = load_input()
    content: dict[str, object] = {"images": IMAGES, "labels": LABELS}
    for name in MODELS:
        model = load_model(name)
        margin = Margin(model)
        arrays, integrated = make_maps(name, model, x)
        write_arrays(f"maps-{name}", arrays)
        wanted = targets(model, x)
        logits = torch.from_numpy(arrays["logits"])
        content[name] = {
            "predicted": wanted[0].classes,
            "scores": {t.name: t.scores(logits[: t.rows]).numpy() for t in wanted},
            "margin": margin.checked(),
            "integrated": integrated,
        }
    write_json("maps", content)


if __name__ == "__main__":
    main()
