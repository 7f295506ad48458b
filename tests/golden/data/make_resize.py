"""Writes resize.npz (8-bit pictures and floats resized by Pillow), pictures in the odd kinds of
files, and imagenet.npz (torchvision's tensors). Run: python make_resize.py (numpy, pillow, torch, torchvision)."""

from pathlib import Path

import numpy as np
from PIL import Image
import torchvision.transforms as T

HERE = Path(__file__).parent
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
# height, width -> height, width
SIZES = [
    ((37, 53), (16, 22)),
    ((21, 30), (35, 41)),
    ((17, 41), (17, 20)),
    ((23, 19), (30, 19)),
    ((1, 29), (7, 11)),
    ((31, 1), (9, 5)),
    ((24, 24), (1, 1)),
    ((40, 9), (1, 33)),
]
FLOATS = 0, 2, 3, 4, 7
rng = np.random.default_rng(20)


def noise(height, width, channels):
    """Noise with saturated patches, so that overshoot is clipped at both ends."""
    x = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
    x[: height // 3] = np.where(x[: height // 3] > 127, 255, 0)
    return x


def resize():
    out = {}
    for i, ((h, w), (oh, ow)) in enumerate(SIZES):
        rgb, grey = noise(h, w, 3), noise(h, w, 1)[..., 0]
        plane = (rng.standard_normal((h, w)) * 3).astype(np.float32)
        out |= {f"{i}.rgb": rgb, f"{i}.grey": grey, f"{i}.float": plane}
        for name, how in FILTERS.items():
            for kind, image in ("rgb", rgb), ("grey", grey), ("float", plane):
                if kind == "float" and i not in FLOATS:
                    continue
                resized = Image.fromarray(image).resize((ow, oh), how)
                out[f"{i}.{kind}.{name}.{oh}x{ow}"] = np.asarray(resized)
    np.savez_compressed(HERE / "resize.npz", **out)


def pictures():
    """Kinds of PNG, BMP and WebP with what Pillow makes of them (`convert`)."""
    rgb = noise(9, 14, 3)
    alpha = rng.integers(0, 256, (9, 14), dtype=np.uint8)
    image, mask = Image.fromarray(rgb), Image.fromarray(alpha)
    rgba = image.copy()
    rgba.putalpha(mask)
    la = image.convert("L")
    la.putalpha(mask)
    palette = image.quantize(16)
    palette.info["transparency"] = 3
    kinds = {
        "rgb.png": image,
        "rgba.png": rgba,
        "grey.png": image.convert("L"),
        "grey-alpha.png": la,
        "palette.png": palette,
        "bits.png": image.convert("1"),
        "rgb.bmp": image,
        "palette.bmp": image.quantize(16),
        "lossless.webp": image,
        "lossless-alpha.webp": rgba,
    }
    out = {}
    for name, picture in kinds.items():
        lossless = {"lossless": True, "exact": True} if name.endswith("webp") else {}
        picture.save(HERE / name, **lossless)
        opened = Image.open(HERE / name)
        out[f"{name}.RGB"] = np.asarray(opened.convert("RGB"))
        out[f"{name}.L"] = np.asarray(opened.convert("RGB").convert("L"))
    np.savez_compressed(HERE / "pictures.npz", **out)


def imagenet():
    """torchvision's ImageNet and CIFAR-10 transforms of a picture of noise over a gradient."""
    y, x = np.mgrid[0:60, 0:90]
    ramp = np.stack([x * 2, y * 4, x + y], -1)
    picture = np.clip(ramp + rng.integers(-20, 20, (60, 90, 3)), 0, 255).astype(np.uint8)
    image = Image.fromarray(picture)
    image.save(HERE / "gradient.png")
    normal = T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    steps = [T.Resize(256), T.CenterCrop(224), T.ToTensor(), normal]
    small = [T.Resize(33), T.CenterCrop(28), T.ToTensor(), normal]
    padded = [T.CenterCrop((75, 40)), T.ToTensor(), T.Normalize(0.5, 0.25)]
    cifar = [T.ToTensor(), T.Normalize([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616])]
    # The whole 224×224 tensor would be 600 KB; every fifth row and column stands for it.
    np.savez_compressed(
        HERE / "imagenet.npz",
        imagenet=T.Compose(steps)(image).numpy()[:, ::5, ::5],
        small=T.Compose(small)(image).numpy(),
        padded=T.Compose(padded)(image).numpy()[:, ::2, ::2],
        cifar10=T.Compose(cifar)(image).numpy()[:, ::3, ::3],
    )


resize()
pictures()
imagenet()
