"""Image files of every format that is decoded, and the faults of their headers and their bytes."""

import struct
import tempfile
import warnings
import zlib
from pathlib import Path

from aape_lightning.data.decoding import _formats
from aape_lightning.data.images import open_image
from file_parser import Parser
from mutations import mutated_bytes
from odd_images import PICTURE, SHOWN, as_bytes, chunk
from PIL import Image

_BOMBS = tuple(zlib.compress(b"a" * size) for size in (10, 2**20, 2**24))
_NUMBERS = (0, 1, 2, 7, 8, 9, 127, 128, 255, 256, 4096, 11_585, 2**15 - 1, 2**16 - 1, 2**24, 2**31 - 1, 2**32 - 1)
_FORMS = ("B", "<H", ">H", "<I", ">I")
_HEADER = 128  # bytes in which all formats say what follows
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def hostile_image(content, random):
    """An image file with one to three faults."""
    for _ in range(random.choice((1, 1, 2, 3))):
        change = random.choice((_numbers, _numbers, _chunks, _pieces, mutated_bytes))
        content = change(content, random)
    return content


def _numbers(content, random):
    """A number, mostly of the header, is another."""
    form, number = random.choice(_FORMS), random.choice(_NUMBERS)
    written = struct.pack(form, number % 256 ** struct.calcsize(form))
    place = random.randrange(min(len(content), _HEADER if random.random() < 0.8 else len(content)) or 1)
    return content[:place] + written + content[place + len(written) :]


def _pieces(content, random):
    """Some bytes stand twice, elsewhere, or nowhere."""
    start, stop, place = sorted(random.randrange(len(content) + 1) for _ in range(3))
    return random.choice(
        (content[:start] + content[stop:], content[:stop] + content[start:], content[:place] + content[start:stop])
    )


def _chunks(content, random):
    """A fault in a chunk of a PNG that its checksum agrees with; in files of other formats, any number."""
    found = _png_chunks(content) if content.startswith(_SIGNATURE) else []
    if not found:
        return _numbers(content, random)
    place = random.randrange(len(found))
    kind, inner = found[place]
    match random.randrange(6):
        case 0:
            del found[place]
        case 1:
            found.insert(random.randrange(len(found) + 1), found[place])
        case 2:
            bomb = random.choice(_BOMBS)
            found.insert(1, random.choice(((b"zTXt", b"k\0\0" + bomb), (b"iCCP", b"k\0\0" + bomb), (b"IDAT", bomb))))
        case 3:
            found[place] = kind, mutated_bytes(inner, random)
        case _:
            found[place] = kind, _numbers(inner, random)
    return _SIGNATURE + b"".join(chunk(kind, inner) for kind, inner in found)


def _png_chunks(content):
    found, place = [], len(_SIGNATURE)
    while place + 8 <= len(content):
        (size,) = struct.unpack_from(">I", content, place)
        found.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + size]))
        place += 12 + size
    return found


def _seeds():
    """Whole files by their format: the odd ones of `odd_images`, and a plain one of each."""
    found = {format: [as_bytes(format)] for format in _formats()}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, make in SHOWN.items():
            path = Path(folder) / name
            make(path)
            with Image.open(path) as image:
                found[image.format].append(path.read_bytes())
    if "TIFF" in found:
        for compression in ("tiff_lzw", "tiff_deflate", "jpeg", "packbits"):
            found["TIFF"].append(_tiff(compression))
    return found


def _tiff(compression):
    with tempfile.TemporaryDirectory() as folder:
        PICTURE.save(path := Path(folder) / "i.tif", compression=compression)
        return path.read_bytes()


def image_parsers():
    """One parser a format."""
    return {
        f"image-{format.lower()}": Parser(f"i.{format.lower()}", tuple(seeds), open_image, hostile_image)
        for format, seeds in _seeds().items()
    }
