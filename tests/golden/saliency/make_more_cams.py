"""Makes the goldens of class activation maps beside those of `make_cams.py`.

    python make_more_cams.py

Versions, models, images, targets: see `reference.py`. Written beside this script, `more_cams.npz`:
MODEL.METHOD.LAYER, float64 (rows, H, W), of the first 3 images and the predicted class, at the layer's resolution, before its
ReLU, by pytorch-grad-cam 1.5.7:

* `xgradcam`: XGradCAM's `get_cam_image`: w_k = sum_ij g_k A_k / (sum_ij A_k + 1e-7);
* `scorecam`: ScoreCAM's: w the softmax over channels of the logit of the image times the channel, enlarged with align_corners=True and
  brought to 0...1 of its own range (torch's default type is float64 meanwhile, so that the scores are not rounded);
* `ablationcam`: AblationCAM's: w_k = (S - S_k) / S of the logit S, with S_k that without channel k (numpy's float32 is float64 within the
  package meanwhile);
* `eigencam`: `get_2d_projection_with_sign_correction`, EigenCAM's map with the sign of Seg-Eigen-CAM (Chung & Ying 2025), which the
  package rounds to float32. EigenCAM itself takes the sign that LAPACK happens to give.
"""

from types import SimpleNamespace

import numpy as np
import torch
from pytorch_grad_cam import AblationCAM, ScoreCAM, XGradCAM, ablation_cam
from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection_with_sign_correction

from make_cams import Recorder, package_targets
from reference import MODELS, Target, load_input, load_model, targets, write_arrays

ROWS = 3
METHODS = (("ablationcam", AblationCAM), ("xgradcam", XGradCAM), ("scorecam", ScoreCAM))
LAYERS = ("layer4", "layer3")


def main() -> None:
    ablation_cam.np = SimpleNamespace(**vars(np) | {"float32": np.float64})
    arrays = {}
    for name in MODELS:
        model, x = load_model(name), load_input()[:ROWS]
        predicted: Target = next(target for target in targets(model, x) if target.name == "predicted")
        for layer in LAYERS:
            for method, cam_of in METHODS:
                with cam_of(model, [model.get_submodule(layer)]) as cam:
                    recorder = Recorder(cam)
                    torch.set_default_dtype(torch.float64)
                    cam(x, package_targets(predicted)[:ROWS])
                    torch.set_default_dtype(torch.float32)
                    del cam.get_cam_image
                arrays[f"{name}.{method}.{layer}"] = recorder.raw
            projection = get_2d_projection_with_sign_correction(recorder.activations)
            arrays[f"{name}.eigencam.{layer}"] = projection.astype(np.float64)
    write_arrays("more_cams", arrays)


if __name__ == "__main__":
    main()
