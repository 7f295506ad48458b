"""Makes the goldens of TorchScript models on the example images, from files to distances.

    python make_models.py

Versions: see `reference.py`. Reads `examples/images` and `examples/models`. Written beside this
script:

* `models.json`:
  - `images`: names of files below `examples/images`, in order: `reference` (the first 25 of each
    class) and `candidate` (the other 25); `few_reference` (the first 6 of each) and
    `few_candidate` (6 of the other 25);
  - `resnet`: `examples/models/fashion-seed0-scripted.pt`, features = the 128 inputs of `fc`;
    the network's input is bytes / 255, then (x - mean) / std. RESIZE -> distances, where RESIZE is
    `none` (all images; features by pytorch_fid.fid_score.get_activations), `clean` and
    `legacy_pytorch` (the few; by cleanfid.fid.get_files_features: resized to 299x299 on 0..255,
    then / 255);
    `frechet` (see `reference.frechet`), and of `none` also `kid` (one subset of all rows), `prdc`
    and its `radius_margin` (see `make_values.py`), `prc`, and `float64_network`: what the same is
    with weights and images in float64, for an idea of how far rounding goes;
  - `extractor`: the same Fréchet distances of `extractor.pt`, for `clean`;
* `models.npz`: float32 features of the first images of the lists: `resnet.none.reference` and
  `resnet.none.candidate` (8 rows), `resnet.clean.reference` and `resnet.legacy_pytorch.reference`
  (8 rows, of the few); of `extractor.pt` for the first 4 of `few_reference`:
  `extractor.clean.features` (24) and `extractor.clean.logits` (8) of floats from clean-fid's
  resizer (not rounded), `extractor.bytes` with the uint8 images (4, 3, 32, 32), and
  `extractor.bytes.features` and `extractor.bytes.logits` of these;
* `extractor.pt`: a scripted network with the calling convention of NVIDIA's
  `inception-2015-12-05.pt` (see `Extractor`), with weights from a seed.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cleanfid.fid
import numpy as np
import torch
from pytorch_fid import fid_score
from torch import Tensor, nn
from torch.nn import functional as F

from reference import (
    FOLDER,
    Array,
    frechet,
    kid_clean_fid,
    kid_in_both,
    neighbours,
    prc,
    quiet,
    radius_margin,
    write_json,
)

EXAMPLES = FOLDER.parents[2] / "examples"
sys.path[:0] = [str(EXAMPLES / "models")]
from fashion_mnist import CLASS_FOLDERS, MEAN, STD  # noqa: E402
from train import save_archive  # noqa: E402

IMAGES = EXAMPLES / "images"
RESNET = EXAMPLES / "models" / "fashion-seed0-scripted.pt"
SIDES, FEW_SIDES = ("reference", "candidate"), ("few_reference", "few_candidate")
HALF, FEW = 25, 6
GAIN = 4.0
NEIGHBOURS = 5


class PooledResNet(nn.Module):
    """The example network up to the input of `fc`, in the form of pytorch-fid's network: images
    in 0..1 come in, and a list with one map (N, 128, 1, 1) goes out."""

    def __init__(self, kind: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.network = torch.jit.load(RESNET).to(kind).eval()
        self.kind = kind

    def forward(self, images: Tensor) -> list[Tensor]:
        network = self.network
        x = (images.to(self.kind) - MEAN) / STD
        x = network.relu(network.bn1(network.conv1(x)))
        x = network.layer4(network.layer3(network.layer2(network.layer1(x))))
        return [network.avgpool(x)]


class Extractor(nn.Module):
    """Called as NVIDIA's TorchScript of Inception: images in 0..255, uint8 or float, of any size.

    What is of another size than 17x17 is resampled to it. As there, `layers` is a module of its
    own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 12, 3, stride=2),
            nn.ReLU(),
            nn.Conv2d(12, 24, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.output = nn.Linear(24, 8)

    def forward(
        self,
        img: Tensor,
        return_features: bool = False,
        use_fp16: bool = False,
        no_output_bias: bool = False,
    ) -> Tensor:
        x = img.to(torch.float32)
        if x.shape[2] != 17 or x.shape[3] != 17:
            theta = torch.eye(2, 3, dtype=x.dtype, device=x.device).unsqueeze(0)
            theta = theta.repeat(x.shape[0], 1, 1)
            grid = F.affine_grid(theta, [x.shape[0], x.shape[1], 17, 17], align_corners=False)
            x = F.grid_sample(
                x, grid, mode="bilinear", padding_mode="border", align_corners=False
            )
        x = (x - 128) / 128
        if use_fp16:
            x = x.to(torch.float16).to(torch.float32)
        features = self.layers(x)
        if return_features:
            return features
        logits = F.linear(features, self.output.weight)
        return logits if no_output_bias else logits + self.output.bias


def image_lists() -> dict[str, list[Path]]:
    folders = [sorted((IMAGES / folder).glob("*.png")) for folder in CLASS_FOLDERS]

    def take(start: int, count: int) -> list[Path]:
        return [path for paths in folders for path in paths[start : start + count]]

    return {
        "reference": take(0, HALF),
        "candidate": take(HALF, HALF),
        "few_reference": take(0, FEW),
        "few_candidate": take(HALF, FEW),
    }


def by_pytorch_fid(paths: list[Path], network: PooledResNet) -> Array:
    """pytorch-fid keeps activations in float64."""
    with quiet():
        return fid_score.get_activations(paths, network, dims=128, num_workers=0)


def by_clean_fid(paths: list[Path], network: Callable[[Tensor], Tensor], mode: str) -> Array:
    """Features of images that clean-fid read and resized to 299x299; values are in 0..255."""
    with quiet():
        return cleanfid.fid.get_files_features(
            paths,
            network,
            num_workers=0,
            batch_size=10,
            device=torch.device("cpu"),
            mode=mode,
            verbose=False,
        )


def all_measures(reference: Array, candidate: Array) -> dict[str, Any]:
    return {
        "kid": kid_in_both(reference, candidate, subsets=1, size=len(reference)),
        "kid_clean_fid": kid_clean_fid(reference, candidate),
        "prdc": neighbours(reference, candidate, NEIGHBOURS),
        "radius_margin": radius_margin(reference, candidate, NEIGHBOURS),
        "prc": prc(reference, candidate, NEIGHBOURS),
    }


def run_resnet(lists: dict[str, list[Path]], arrays: dict[str, Array]) -> dict[str, Any]:
    network = PooledResNet()
    sides = [by_pytorch_fid(lists[side], network) for side in SIDES]
    real, fake = (side.astype(np.float32) for side in sides)
    arrays["resnet.none.reference"], arrays["resnet.none.candidate"] = real[:8], fake[:8]
    double = PooledResNet(torch.float64)
    sides = [by_pytorch_fid(lists[side], double) for side in SIDES]
    content = {
        "model": RESNET.name,
        "mean": MEAN,
        "std": STD,
        "none": {
            "frechet": frechet(real, fake),
            **all_measures(real, fake),
            "float64_network": {
                "features_max_difference": np.abs(sides[0] - real).max(),
                "features_max": np.abs(sides[0]).max(),
                "frechet": frechet(*sides)["exact"],
                **all_measures(*sides),
            },
        },
    }

    def pooled(images: Tensor) -> Tensor:
        return network(images / 255)[0].flatten(1)

    for mode in ("clean", "legacy_pytorch"):
        sides = [by_clean_fid(lists[side], pooled, mode) for side in FEW_SIDES]
        arrays[f"resnet.{mode}.reference"] = sides[0][:8]
        content[mode] = {"frechet": frechet(*sides)}
    return content


def run_extractor(lists: dict[str, list[Path]], arrays: dict[str, Array]) -> dict[str, Any]:
    torch.manual_seed(24)
    module = Extractor().eval().requires_grad_(False)
    for layer in (module.layers[0], module.layers[2]):
        layer.weight.mul_(GAIN)  # else the features hardly differ between images
    save_archive(torch.jit.script(module), FOLDER / "extractor.pt")
    extractor = torch.jit.load(FOLDER / "extractor.pt")
    few = lists["few_reference"][:4]

    def features(images: Tensor) -> Tensor:
        return extractor(images, return_features=True)

    sides = [by_clean_fid(lists[side], features, "clean") for side in FEW_SIDES]
    pixels = fid_score.ImagePathDataset([str(path) for path in few])
    images = np.stack([np.asarray(image).transpose(2, 0, 1) for image in pixels])
    batch = torch.from_numpy(np.ascontiguousarray(images))
    arrays |= {
        "extractor.clean.features": sides[0][:4],
        "extractor.clean.logits": by_clean_fid(few, extractor, "clean"),
        "extractor.bytes": batch.numpy(),
        "extractor.bytes.features": features(batch).numpy(),
        "extractor.bytes.logits": extractor(batch).numpy(),
    }
    return {"clean": {"frechet": frechet(*sides)}}


def main() -> None:
    lists = image_lists()
    arrays: dict[str, Array] = {}
    with torch.inference_mode():
        content = {
            "images": {
                name: [path.relative_to(IMAGES).as_posix() for path in paths]
                for name, paths in lists.items()
            },
            "resnet": run_resnet(lists, arrays),
            "extractor": run_extractor(lists, arrays),
        }
    np.savez(FOLDER / "models.npz", **arrays)
    write_json("models", content)


if __name__ == "__main__":
    main()
