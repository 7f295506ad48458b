"""Writes formats.zip: picture files of many kinds, and in expected.tsv what Pillow makes of each: its
height, its width and the SHA-256 of the bytes of its `convert("RGB")`; or `refused` for those that must
not be read: Pillow refuses them, or repsim does.

Run: python make_formats.py CJPEG, with libjpeg-turbo's cjpeg (numpy, pillow, tifffile)."""

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

HERE = Path(__file__).parent
CJPEG = sys.argv[1]
out, rng = {}, np.random.default_rng(4)


def photo(height, width, seed=1):
    """Waves of colour with some noise."""
    y, x = np.mgrid[:height, :width]
    waves = [127 + 120 * np.sin(x / 5 + seed) * np.cos(y / 6), 127 + 120 * np.cos((x + y) / 7), 127 + 110 * np.sin((x - y) / 4)]
    noise = np.random.default_rng(seed).normal(0, 6, (height, width, 3))
    return np.clip(np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


def pillow(file):
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


def keep(name, file):
    pixels = pillow(file)
    height, width, _ = pixels.shape
    out[name] = file, f"{height}\t{width}\t{hashlib.sha256(pixels.tobytes()).hexdigest()}"


def refuse(name, file):
    out[name] = file, "refused"


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def read_by_pillow(file):
    try:
        pillow(file)
        return True
    except Exception:
        return False


def judge(name, file):
    (keep if read_by_pillow(file) else refuse)(name, file)


little, small, large = (Image.fromarray(photo(*size)) for size in ((9, 13), (17, 23), (37, 53)))


def jpegs():
    for sampling in "4:4:4", "4:2:2", "4:2:0", "4:1:1":
        for image, size in (small, "small"), (large, "large"):
            for progressive in False, True:
                options = {"subsampling": sampling, "progressive": progressive, "quality": 60 if progressive else 85}
                keep(f"{sampling.replace(':', '')}-{size}-{int(progressive)}.jpg", saved(image, "JPEG", **options))
    keep("grey.jpg", saved(small.convert("L"), "JPEG"))
    keep("grey-progressive.jpg", saved(small.convert("L"), "JPEG", progressive=True))
    keep("restarts.jpg", saved(large, "JPEG", restart_marker_rows=1))
    keep("restarts-progressive.jpg", saved(large, "JPEG", restart_marker_blocks=3, progressive=True))
    keep("best.jpg", saved(small, "JPEG", quality=100))
    keep("worst.jpg", saved(small, "JPEG", quality=5))
    keep("pixel.jpg", saved(small.crop((0, 0, 1, 1)), "JPEG"))
    keep("rgb-coded.jpg", saved(small, "JPEG", keep_rgb=True))
    exif = Image.Exif()
    exif[274] = 6
    keep("turned.jpg", saved(small, "JPEG", exif=exif))
    keep("comment.jpg", saved(small, "JPEG", comment=b"made by a test"))
    for sampling in "4:4:4", "4:2:0":
        cmyk = bytearray(saved(small.convert("CMYK"), "JPEG", subsampling=sampling))
        keep(f"cmyk-{sampling.replace(':', '')}.jpg", bytes(cmyk))
        cmyk[cmyk.index(b"Adobe") + 11] = 2
        keep(f"ycck-{sampling.replace(':', '')}.jpg", bytes(cmyk))


def unusual_jpegs():
    """What Pillow does not write: other samplings, arithmetic coding, lossless."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "x.ppm"
        large.save(source)
        kinds = {"440": ["-sample", "1x2"], "440-progressive": ["-sample", "1x2", "-progressive"], "410": ["-sample", "4x2"]}
        kinds |= {"441": ["-sample", "1x4"], "mixed": ["-sample", "2x2,1x2,1x1"], "311": ["-sample", "3x1"]}
        kinds |= {"arithmetic": ["-arithmetic"], "arithmetic-progressive": ["-arithmetic", "-progressive"]}
        kinds |= {"lossless": ["-lossless", "4"]}
        for name, options in kinds.items():
            run = [CJPEG, "-quality", "70", *options, str(source)]
            keep(f"{name}.jpg", subprocess.run(run, check=True, capture_output=True).stdout)


def damaged_jpegs():
    """Two that Pillow refuses when cut at any length; files with bytes changed or put between, which Pillow reads or refuses."""
    for progressive in False, True:
        tiny = Image.fromarray(photo(9, 17))
        file = saved(tiny, "JPEG", progressive=progressive, quality=40)
        name = "progressive.jpg" if progressive else "baseline.jpg"
        keep(name, file)
        assert not any(read_by_pillow(file[:length]) for length in range(len(file))), "Pillow reads a part"
    file = saved(small, "JPEG")
    scan = file.index(b"\xff\xda") + 14
    table = file.index(b"\xff\xdb")
    keep("extraneous.jpg", file[:table] + b"junk" + file[table:])
    keep("trailing.jpg", file + bytes(range(40)))
    judge("no-end.jpg", file[:-2])
    restarts = saved(large, "JPEG", restart_marker_rows=1)
    for i in range(40):
        source = restarts if i % 2 else file
        spoiled = bytearray(source)
        for place in rng.integers(scan if i % 3 else 20, len(source), 1 + i % 3):
            spoiled[place] = rng.integers(256)
        judge(f"spoiled-{i}.jpg", bytes(spoiled))


def tiffs():
    alpha = Image.fromarray(photo(9, 13, 9)).convert("L")
    rgba, la = little.copy(), little.convert("L")
    rgba.putalpha(alpha), la.putalpha(alpha)
    modes = {"1": little.convert("1"), "L": little.convert("L"), "LA": la, "P": little.quantize(40), "RGB": little}
    modes |= {"RGBA": rgba, "CMYK": little.convert("CMYK")}
    for packing in None, "tiff_lzw", "tiff_adobe_deflate", "packbits":
        for mode, image in modes.items():
            keep(f"{mode}-{packing}.tif", saved(image, "TIFF", compression=packing))
    for packing in "tiff_lzw", "tiff_deflate":
        keep(f"predictor-{packing}.tif", saved(little, "TIFF", compression=packing, tiffinfo={317: 2}))
    keep("no-predictor.tif", saved(little, "TIFF", tiffinfo={317: 2}))
    for turn in range(2, 9):
        keep(f"turned-{turn}.tif", saved(little, "TIFF", compression="tiff_lzw", tiffinfo={274: turn}))
    keep("strips.tif", saved(little, "TIFF", compression="tiff_lzw", tiffinfo={278: 5}))
    keep("big.tif", saved(little, "TIFF", big_tiff=True))
    keep("pages.tif", saved(little.copy(), "TIFF", save_all=True, append_images=[large.copy()]))
    for packing in "jpeg", "zstd", "lzma":
        refuse(f"{packing}.tif", saved(little, "TIFF", compression=packing))
    refuse("group4.tif", saved(little.convert("1"), "TIFF", compression="group4"))
    refuse("ycbcr.tif", saved(little.convert("YCbCr"), "TIFF"))
    keep("float.tif", saved(little.convert("F"), "TIFF"))
    keep("int.tif", saved(little.convert("I"), "TIFF"))
    keep("grey16.tif", saved(Image.fromarray(np.asarray(little.convert("L")).astype(np.uint16) * 257), "TIFF"))
    file = saved(little, "TIFF", compression="tiff_lzw")
    for length in 3, 8, 50, len(file) // 2, len(file) - 20:
        refuse(f"cut-{length}.tif", file[:length])


def unusual_tiffs():
    """What Pillow does not write: tiles, planes, 16 bits, white as zero, the other order of bytes."""
    colour, grey = np.asarray(small), np.asarray(small.convert("L"))
    deep, colours = colour.astype(np.uint16) * 257 + 13, rng.integers(0, 65536, (3, 256)).astype(np.uint16)
    planes = np.ascontiguousarray(colour.transpose(2, 0, 1))
    four = np.concatenate([colour, grey[..., None]], 2)
    kinds = {"tiles": (colour, {"photometric": "rgb", "tile": (16, 16), "compression": "zlib", "predictor": 2})}
    kinds |= {"planes": (planes, {"photometric": "rgb", "planarconfig": "separate", "rowsperstrip": 6})}
    kinds |= {"plane-tiles": (planes, {"photometric": "rgb", "planarconfig": "separate", "tile": (16, 32), "compression": "zlib"})}
    kinds |= {"deep": (deep, {"photometric": "rgb"}), "deep-packed": (deep, {"photometric": "rgb", "compression": "zlib", "predictor": 2})}
    kinds |= {"white": (grey, {"photometric": "miniswhite"}), "colours": (grey, {"photometric": "palette", "colormap": colours})}
    kinds |= {"rgbx": (four, {"photometric": "rgb", "extrasamples": ["unspecified"]}), "cmyk16": (four.astype(np.uint16) * 256 + 200, {"photometric": "separated"})}
    # Around the ends of the range of bytes, where Pillow cuts off.
    near = (colour[..., 0].astype(np.int32) - 40) * 3 // 2
    kinds |= {"wide-int16": (near.astype(np.int16), {}), "wide-uint16": ((near + 60).astype(np.uint16), {})}
    kinds |= {"wide-int32": (near, {}), "wide-float": ((near + 0.75).astype(np.float32), {})}
    kinds |= {"wide-packed": ((near + 60).astype(np.uint16), {"compression": "zlib", "predictor": 2, "rowsperstrip": 7})}
    for order, ending in ("<", "little"), (">", "big"):
        for name, (array, options) in kinds.items():
            file = io.BytesIO()
            tifffile.imwrite(file, array, byteorder=order, metadata=None, software=False, **options)
            keep(f"{name}-{ending}.tif", file.getvalue())
        # Pillow mixes up the bytes of the second.
        file = io.BytesIO()
        packed = {"compression": "zlib", "metadata": None, "software": False}
        tifffile.imwrite(file, (near + 0.75).astype(np.float32), byteorder=order, **packed)
        (keep if ending == "little" else refuse)(f"wide-float-packed-{ending}.tif", file.getvalue())
    for name, options in ("premultiplied", {"extrasamples": ["assocalpha"]}), ("five", {"extrasamples": ["unassalpha", 0]}):
        array = four if name == "premultiplied" else np.concatenate([four, grey[..., None]], 2)
        file = io.BytesIO()
        tifffile.imwrite(file, array, photometric="rgb", metadata=None, software=False, **options)
        refuse(f"{name}.tif", file.getvalue())


def gifs():
    for colours in 2, 7, 256:
        for interlace in 0, 1:
            keep(f"{colours}-{interlace}.gif", saved(small.quantize(colours), "GIF", interlace=interlace))
    keep("ramp.gif", saved(small.convert("L"), "GIF"))
    keep("bits.gif", saved(small.convert("1"), "GIF"))
    keep("transparent.gif", saved(small.quantize(7), "GIF", transparency=3))
    keep("frames.gif", saved(small.quantize(7), "GIF", save_all=True, append_images=[small.rotate(90).quantize(7)]))
    # The frame moved to the right and down, on a canvas that was made larger or not.
    file = saved(small.quantize(7), "GIF")
    frame = file.index(b",", 13 + 3 * 8)
    for name, canvas, place in ("part", (40, 30), (11, 9)), ("beyond", (23, 17), (3, 2)):
        moved = bytearray(file)
        moved[6:10] = np.array(canvas, "<u2").tobytes()
        moved[frame + 1 : frame + 5] = np.array(place, "<u2").tobytes()
        keep(f"{name}.gif", bytes(moved))
    for length in 3, 12, 20, frame + 5, len(file) // 2, len(file) - 10:
        refuse(f"cut-{length}.gif", file[:length])
    refuse("no-frame.gif", file[:13] + file[13:37] + b";")


def pnms():
    for mode, ending in ("1", "pbm"), ("L", "pgm"), ("RGB", "ppm"):
        keep(f"pillow.{ending}", saved(small.convert(mode), "PPM"))
    for most in 1, 6, 7, 30, 100, 254, 255, 1000, 65535:
        values = rng.integers(0, most + 1, 24)
        binary = values.astype(">u2" if most > 255 else "u1").tobytes()
        plain = " ".join(map(str, values)).encode()
        keep(f"{most}-binary.ppm", b"P6\n# a comment\n4 2\n%d\n" % most + binary)
        keep(f"{most}-plain.ppm", b"P3 4 2 %d\n" % most + plain)
        if most < 256:
            keep(f"{most}-binary.pgm", b"P5 12 2\n# one\n#two\n%d\n" % most + binary)
            keep(f"{most}-plain.pnm", b"P2 12 2 %d\n" % most + plain)
        refuse(f"{most}-cut.ppm", b"P6 4 2 %d\n" % most + binary[:-1])
    keep("spaced.pbm", b"P1\n4 2\n0 1 1 0\n1 0 0 1\n")
    keep("dense.pbm", b"P1 4 2 0110#no more\n1001")
    keep("odd.pbm", b"P4\n9 2\n\xaa\x80\x55\x00")
    keep("split.ppm", b"P3 1 1 255 1#joined\n2 3 4")
    bad = {"above.pgm": b"P2 2 1 9 3 10", "zero.pgm": b"P5 2 1 0\nab", "none.pgm": b"P5 0 1 255\n"}
    bad |= {"cut.pbm": b"P4\n9 2\n\xaa\x80\x55", "two.pbm": b"P1 2 1 0 2", "word.pgm": b"P2 2 1 255 a b"}
    bad |= {"deep.pgm": b"P5 1 1 65535\nab", "header.ppm": b"P6 3"}
    for name, file in bad.items():
        refuse(name, file)


jpegs()
unusual_jpegs()
damaged_jpegs()
tiffs()
unusual_tiffs()
gifs()
pnms()
lines = "".join(f"{name}\t{expected}\n" for name, (_, expected) in out.items())
with zipfile.ZipFile(HERE / "formats.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
    for name, content in [("expected.tsv", lines), *((name, file) for name, (file, _) in out.items())]:
        archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
print(len(out), "files,", (HERE / "formats.zip").stat().st_size, "bytes, Pillow", Image.__version__)
