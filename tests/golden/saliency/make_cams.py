"""Makes the goldens of class activation maps.

    python make_cams.py

Versions, models, images, targets: see `reference.py`. Written beside this script:

* `cams.npz`, MODEL.METHOD.LAYER.TARGET, at the layer's resolution, where METHOD is `gradcam`,
  `hirescam`, `layercam` or `gradcam++` and LAYER is `layer4` (128 channels, 4x4), `layer3` (64
  channels, 8x8) or `layer4.1.conv2` (128, 4x4, outputs of either sign):
  - `raw`, as the last part of the name: the return value of pytorch-grad-cam's `get_cam_image`,
    which is the sum over channels before its ReLU, before scaling and resizing (definitions
    below), (rows, H, W);
  - `relu` (only of the target `predicted`): max(raw, 0);
  - MODEL.captum.gradcam.LAYER.TARGET: captum's LayerGradCam with `relu_attributions=False`,
    which is to equal `gradcam`'s raw map;
  - MODEL.METHOD.layer4.predicted.final (first 2 images, 32x32): what pytorch-grad-cam returns;
* `cams.json`: `images`; `degenerate`: for each array the rows whose map after the ReLU is zero
  everywhere; `margin` of each model; `captum_difference` and `restated_final_difference`: the largest differences of
  captum's map to pytorch-grad-cam's raw one, and of pytorch-grad-cam's final map to the
  restatement below, relative to the largest value; `epsilon`: how far the raw `gradcam++` is from
  itself without pytorch-grad-cam's 1e-6 in the denominator, of each row;
  `plus_plus_denominator`: of each array of `gradcam++` the smallest |2 + S g + 1e-6 / g^2| over
  the places with g > 0: near zero, alpha has a pole.

With A the layer's output, g the gradient of the score (a logit, or the contrast) by A, and sums
over channels k and positions (i, j) of Z positions, pytorch-grad-cam 1.5.7 computes

* Grad-CAM: sum_k (1/Z sum_ij g_kij) A_k;
* HiResCAM: sum_k g_k * A_k, place by place;
* LayerCAM: sum_k max(g_k, 0) * A_k, place by place;
* Grad-CAM++: alpha_kij = g^2 / (2 g^2 + S_k g^3 + 1e-6) where S_k = sum_ab A_kab, and 0 where
  g = 0; sum_k (sum_ij alpha_kij max(g_kij, 0)) A_k.

Of each it takes max(., 0), also of HiResCAM. Then, image by image: minus the smallest value,
divided by (1e-7 + the largest), cv2.resize to the input's size (INTER_LINEAR: bilinear, centres
of pixels half a pixel from the border, which is align_corners=False), and a second time minus the
smallest, divided by (1e-7 + the largest). So a map that is positive everywhere loses its
smallest value, a map that is zero everywhere stays zero without a word, and one that is smaller
than about 1e-7 stays small.

Where this departs from the papers:

* Grad-CAM (Selvaraju et al. 2017) and LayerCAM (Jiang et al. 2021): in the scaling alone;
  LayerCAM's tanh(2 M / max M), for maps of shallow layers that are to be fused, is not there.
* Grad-CAM++ (Chattopadhay et al. 2018): the paper's class score is Y = exp(S) of the logit S, so
  its weights hold dY/dA = exp(S) g. pytorch-grad-cam leaves the factor exp(S) out, which is
  lost in the scaling, but not in a raw map. Its 1e-6 is not in the paper, and is not small where
  gradients are about 1e-3 (see `epsilon`). The paper's alpha assumes A >= 0; a sum S_k below zero
  (`layer4.1.conv2`) makes the denominator pass through zero (see `plus_plus_denominator`).
* pytorch-grad-cam keeps activations by `detach()`, without a copy: at a layer whose output is
  then changed in place it reports the changed values. In torchvision's blocks that is so for
  `bn1` (followed by `relu`) and `bn2` (`out += identity`, then `relu`), at none of the layers
  here.
"""

import numpy as np
import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
from torch import Tensor, nn
from torch.nn import functional as F

from reference import (
    CONTRAST,
    IMAGES,
    MARGIN,
    MODELS,
    Array,
    Arrays,
    Margin,
    Target,
    distance,
    load_input,
    load_model,
    targets,
    to_array,
    write_arrays,
    write_json,
)

METHODS = {
    "gradcam": GradCAM,
    "hirescam": HiResCAM,
    "layercam": LayerCAM,
    "gradcam++": GradCAMPlusPlus,
}
LAYERS = ("layer4", "layer3", "layer4.1.conv2")
EPSILON = 1e-6
SHOWN = 2


def package_targets(target: Target) -> list:
    """What pytorch-grad-cam calls with each image's logits."""
    if target.classes is None:
        return [lambda logits: logits[CONTRAST[0]] - logits[CONTRAST[1]]] * target.rows
    return [lambda logits, label=label: logits[label] for label in target.classes]


class Recorder:
    """Keeps what pytorch-grad-cam's `get_cam_image` is given and what it returns."""

    def __init__(self, cam) -> None:
        self.inner = cam.get_cam_image
        cam.get_cam_image = self

    def __call__(self, x, layer, wanted, activations, grads, smooth) -> Array:
        self.activations, self.grads = activations, grads
        self.raw = self.inner(x, layer, wanted, activations, grads, smooth)
        return self.raw


def explain(
    model: nn.Module, x: Tensor, target: Target, method: str, layer: str
) -> tuple[Recorder, Array]:
    with METHODS[method](model, [model.get_submodule(layer)]) as cam:
        recorder = Recorder(cam)
        final = cam(x[: target.rows], package_targets(target))
        del cam.get_cam_image
    return recorder, final


def restate_final(raw: Array, size: tuple[int, int]) -> Array:
    """Scaled and resized as pytorch-grad-cam does it."""

    def scale(maps: Tensor) -> Tensor:
        maps = maps - maps.amin((1, 2), keepdim=True)
        return maps / (1e-7 + maps.amax((1, 2), keepdim=True))

    scaled = scale(torch.from_numpy(np.maximum(raw, 0)))[:, None]
    resized = F.interpolate(scaled, size=size, mode="bilinear", align_corners=False)
    return scale(resized[:, 0]).numpy()


def make_cams(name: str, model: nn.Module, x: Tensor, facts: dict[str, dict]) -> Arrays:
    arrays: Arrays = {}
    for target in targets(model, x):
        for layer in LAYERS:
            place = f"{layer}.{target.name}"
            for method in METHODS:
                key = f"{name}.{method}.{place}"
                recorder, final = explain(model, x, target, method, layer)
                raw = recorder.raw
                assert raw.dtype == np.float64
                arrays[f"{key}.raw"] = raw
                if target.name == "predicted":
                    arrays[f"{key}.relu"] = np.maximum(raw, 0)
                    if layer == "layer4":
                        arrays[f"{key}.final"] = final[:SHOWN]
                high = raw.max((1, 2))
                assert ((high == 0) | (np.abs(high) >= MARGIN * np.abs(raw).max((1, 2)))).all()
                zero = np.flatnonzero(high <= 0)
                if len(zero) > 0:
                    facts["degenerate"][key] = zero
                difference = np.abs(restate_final(raw, x.shape[2:]) - final).max()
                worst = facts["restated_final_difference"]
                worst[method] = max(worst.get(method, 0.0), float(difference))
                if method == "gradcam++":
                    plus_plus_facts(key, recorder, facts)
            layer_cam = LayerGradCam(target.forward(model), model.get_submodule(layer))
            maps = to_array(layer_cam.attribute(x[: target.rows], target=target.classes))[:, 0]
            arrays[f"{name}.captum.gradcam.{place}"] = maps
            ours = arrays[f"{name}.gradcam.{place}.raw"]
            facts["captum_difference"][f"{name}.{place}"] = distance(maps, ours)
    return arrays


def plus_plus_facts(key: str, recorder: Recorder, facts: dict[str, dict]) -> None:
    activations, grads = recorder.activations, recorder.grads
    total = activations.sum((2, 3), keepdims=True)
    positive = grads > 0
    safe = np.where(positive, grads, 1.0)
    # with g > 0: g^2 / (2 g^2 + S g^3) = 1 / (2 + S g)
    weights = np.where(positive, safe / (2 + total * safe), 0.0).sum((2, 3), keepdims=True)
    without = (weights * activations).sum(1)
    facts["epsilon"][key] = [distance(*rows) for rows in zip(recorder.raw, without, strict=True)]
    denominators = np.abs(2 + total * safe + EPSILON / safe**2)
    facts["plus_plus_denominator"][key] = denominators[positive].min()


def main() -> None:
    names = ("degenerate", "margin", "captum_difference", "restated_final_difference")
    facts: dict[str, dict] = {name: {} for name in (*names, "epsilon", "plus_plus_denominator")}
    arrays: Arrays = {}
    for name in MODELS:
        model = load_model(name)
        margin = Margin(model)
        arrays |= make_cams(name, model, load_input(), facts)
        facts["margin"][name] = margin.checked()
    # captum's maps are there for the cross-check alone: those of layer4 stay
    kept = {k: v for k, v in arrays.items() if ".captum." not in k or ".layer4.predicted" in k}
    write_arrays("cams", kept)
    write_json("cams", {"images": IMAGES} | facts)


if __name__ == "__main__":
    main()
