"""Makes the goldens of resizing as clean-fid and pytorch-fid do it.

    python make_resized.py

Versions: see `reference.py`. Written beside this script:

* `images/WIDTHxHEIGHT-KIND.png`: small pictures with smooth content, hard edges of 0 and 255, and
  noise, so that bicubic overshoots and is clipped. Kind `l` is stored as 8-bit grey (mode L), the
  others are RGB;
* `resized.npz`: float32 arrays, height x width x 3 channels, values in 0..255. NAME is a picture's
  file name without its suffix:
  - `clean.64/NAME`: cleanfid.resize.make_resizer("PIL", False, "bicubic", (64, 64)) in full, of
    the three pictures in `full` of the JSON;
  - `clean.299/NAME`: cleanfid.resize.build_resizer("clean"), to 299x299, of which only the rows and
    columns `sample` of the JSON are stored, in both directions;
  - `pytorch.64/NAME` and `pytorch.299/NAME`: pytorch-fid's way, that is
    torch.nn.functional.interpolate (bilinear, align_corners false, no antialiasing) of
    torchvision's ToTensor (0..1), here times 255;
  - `legacy.299/NAME`: cleanfid.resize.build_resizer("legacy_pytorch"), the same on 0..255;
* `resized.json`: `sample`, `full`, per picture the file, its mode and size, how many of the
  299x299x3 values are 0 and 255, and `facts` about clean-fid's source.

All of them see the picture after `convert("RGB")`, as cleanfid.utils.ResizeDataset and
pytorch_fid.fid_score.ImagePathDataset have it.
"""

import numpy as np
from cleanfid.resize import build_resizer, make_resizer
from PIL import Image
from torch.nn import functional as F
from torchvision.transforms import functional as TF

from reference import FOLDER, Array, write_json

SIZES = (
    *((32, 32, "rgb"), (28, 28, "l"), (45, 30, "rgb"), (64, 48, "rgb")),
    *((300, 200, "rgb"), (299, 20, "rgb")),
)
FULL = ("28x28-l", "45x30-rgb", "300x200-rgb")
SAMPLE = [*range(0, 299, 23), 298]
FACTS = {
    "clips": "yes: each channel is resized as a Pillow image of mode F and its float32 result is "
    "clipped to 0..255 by numpy, without rounding; legacy_pytorch clips as well",
    "grey": "converted to RGB before resizing (Image.open(path).convert('RGB')), so that alpha is "
    "dropped and palettes are resolved; the resizer takes three channels",
    "filter": "Pillow's BICUBIC (a = -0.5, antialiased when shrinking), Pillow's float path",
    "range": "clean hands 0..255 floats to the network, which has (x - 128) / 128 in clean-fid; "
    "legacy_pytorch hands x / 255 to pytorch-fid's network, which has 2 x - 1",
    "same_size": "Pillow returns a copy where the size is the same already; so a picture of "
    "299x299 is left as it is",
}


def make_picture(random: np.random.Generator, width: int, height: int, channels: int) -> Array:
    """Waves beyond the range of bytes, a white and a black box, and noise in one corner."""
    y, x = np.mgrid[0:height, 0:width]
    y, x = y[..., None] / height, x[..., None] / width
    phase, slope = random.uniform(0, 2 * np.pi, channels), random.uniform(3, 9, (2, channels))
    values = 128 + 150 * np.sin(slope[0] * x + phase) * np.cos(slope[1] * y + phase)
    values[height // 6 : height // 3, width // 6 : width // 2] = 255
    values[height // 2 : 3 * height // 4, width // 2 : 5 * width // 6] = 0
    corner = values[-height // 3 :, : width // 3]
    corner += random.normal(0, 60, corner.shape)
    values[1::7, 2::9] = 255 * random.integers(0, 2, values[1::7, 2::9].shape)
    return np.rint(values).clip(0, 255).astype(np.uint8)


def pytorch_fid(picture: Image.Image, size: int) -> Array:
    batch = TF.to_tensor(picture)[None]
    resized = F.interpolate(batch, size=(size, size), mode="bilinear", align_corners=False)
    return 255 * resized[0].permute(1, 2, 0).numpy()


def main() -> None:
    random = np.random.default_rng(64)
    (FOLDER / "images").mkdir(exist_ok=True)
    clean, legacy = build_resizer("clean"), build_resizer("legacy_pytorch")
    clean_64 = make_resizer("PIL", False, "bicubic", (64, 64))
    thinned = np.ix_(SAMPLE, SAMPLE)
    arrays, pictures = {}, {}
    for width, height, kind in SIZES:
        name = f"{width}x{height}-{kind}"
        pixels = make_picture(random, width, height, 1 if kind == "l" else 3)
        path = FOLDER / "images" / f"{name}.png"
        Image.fromarray(pixels.squeeze()).save(path, optimize=True)
        stored = Image.open(path)
        picture = stored.convert("RGB")
        large, ours = clean(np.array(picture)), pytorch_fid(picture, 299)
        bilinear = legacy(np.array(picture))
        arrays[f"clean.299/{name}"] = large[thinned]
        arrays[f"pytorch.299/{name}"] = ours[thinned]
        arrays[f"legacy.299/{name}"] = bilinear[thinned]
        if name in FULL:
            arrays[f"clean.64/{name}"] = clean_64(np.array(picture))
            arrays[f"pytorch.64/{name}"] = pytorch_fid(picture, 64)
        pictures[name] = {
            "file": f"images/{path.name}",
            "mode": stored.mode,
            "width": width,
            "height": height,
            "clean_299_zeros": np.sum(large == 0),
            "clean_299_255s": np.sum(large == 255),
            "clean_299_mean": large.mean(dtype=np.float64),
            "pytorch_299_mean": ours.mean(dtype=np.float64),
            "legacy_minus_pytorch_max": np.abs(bilinear - ours).max(),
        }
    if any(array.dtype != np.float32 for array in arrays.values()):
        raise TypeError("an array is not float32")
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    np.savez_compressed(FOLDER / "resized.npz", **arrays)
    content = {"sample": SAMPLE, "full": FULL, "pictures": pictures, "facts": FACTS}
    write_json("resized", content)


if __name__ == "__main__":
    main()
