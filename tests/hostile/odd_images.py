"""Image files as they are met in the wild and made by those who mean harm, by what becomes of them."""

import io
import os
import struct
import zlib

import numpy as np
from PIL import Image

NOISE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
PICTURE = Image.fromarray(NOISE)
GREY16 = np.random.default_rng(1).integers(0, 2**16, (40, 50), dtype=np.uint16)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, *extra):
    """A PNG that says it has so many pixels, whatever it holds."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = b"".join([header, *extra, chunk(b"IDAT", zlib.compress(b"\0" * 1000)), chunk(b"IEND", b"")])
    return b"\x89PNG\r\n\x1a\n" + body


def with_exif(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def saved(image=PICTURE, **options):
    return lambda path: image.save(path, **options)


def written(content):
    return lambda path: path.write_bytes(content)


def animated(path):
    frames = [Image.fromarray(np.roll(NOISE, turn, axis=0)) for turn in (0, 7, 13)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


PALETTE = PICTURE.quantize(16)


def as_bytes(format):
    stream = io.BytesIO()
    PICTURE.save(stream, format=format)
    return stream.getvalue()


JPEG = as_bytes("JPEG")

# name -> how it is made
SHOWN = {
    "cmyk.jpg": saved(PICTURE.convert("CMYK")),
    "cmyk.tif": saved(PICTURE.convert("CMYK")),
    "sixteen.png": saved(Image.fromarray(GREY16)),
    "sixteen.tif": saved(Image.fromarray(GREY16)),
    "sixteen.pgm": written(b"P5 50 40 65535\n" + GREY16.astype(">u2").tobytes()),
    "palette.png": saved(PALETTE, transparency=3),
    "palette_alpha.png": saved(PALETTE, transparency=bytes(range(16))),
    "palette.gif": saved(PALETTE, transparency=2),
    "moving.gif": animated,
    "moving.webp": animated,
    "moving.png": animated,
    "grey_alpha.png": saved(PICTURE.convert("LA")),
    "alpha.png": saved(PICTURE.convert("RGBA")),
    "bits.png": saved(PICTURE.convert("1")),
    "turned.jpg": saved(exif=with_exif(6)),
    "turned.png": saved(exif=with_exif(3)),
    "turned.webp": saved(exif=with_exif(2)),
    "pixel.png": saved(PICTURE.resize((1, 1))),
    "strip.png": saved(PICTURE.resize((512, 2))),
    "called.png": saved(format="JPEG"),
    "called.jpg": saved(format="PNG"),
    "profile.jpg": saved(icc_profile=b"no profile" * 9),
    "profile.png": saved(icc_profile=b"no profile" * 9),
    "exif.jpg": saved(exif=b"Exif\0\0no exif"),
    "exif.png": saved(exif=b"Exif\0\0II*\0\xff\xff\xff\xffno exif"),
}

# name -> how it is made, and what is said of it
REFUSED = {
    "empty.jpg": (written(b""), "the file is empty"),
    "cut.jpg": (written(JPEG[: len(JPEG) // 2]), "truncated"),
    "head.jpg": (written(JPEG[:20]), "truncated|damaged"),
    "text.jpg": (written(b"<html>404</html>"), "damaged, or no .* file"),
    "script.jpg": (written(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"), "damaged, or no .* file"),
    "bomb.png": (written(png(60_000, 60_000)), "134,217,728 pixels"),
    "large.png": (written(png(13_000, 11_000)), "13,000 x 11,000 pixels, and an image may have 134,217,728"),
    "larger.png": (written(png(2**31 - 1, 2**31 - 1)), "134,217,728 pixels"),
    "strip.png": (saved(Image.new("RGB", (60_000, 1))), "60,000 x 1 pixels, and one side may be 256 times"),
    "flat.png": (written(png(0, 9)), "no pixels|damaged"),
    "text_bomb.png": (written(png(9, 9, chunk(b"zTXt", b"k\0\0" + zlib.compress(b"a" * 2**27)))), "too large"),
    "integers.tif": (saved(Image.fromarray(GREY16.astype(np.int32))), "32-bit numbers"),
    "floats.tif": (saved(Image.fromarray(np.full((9, 9), np.nan, dtype=np.float32))), "32-bit numbers"),
    "folder.jpg": (lambda path: path.mkdir(), "it is a folder"),
    "pipe.jpg": (os.mkfifo, "no regular file"),
    "circle.jpg": (lambda path: path.symlink_to(path.name), "symbolic links"),
}
