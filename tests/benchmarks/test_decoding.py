"""Decoding and transforming images: Pillow, which is used, against torchvision's decoder, and what is handed over.

    make bench ARGS="-k decoding"

Photographs are those of Caltech-101 as the test data hold them (112 pixels), and the same enlarged to ImageNet's usual
500 x 375 with a little noise, so that their files are as large as ImageNet's. All is timed on one core, from bytes in
memory; CLIP's own transform to 224 pixels follows each decoder.
"""

import hashlib
import io

import numpy as np
import pytest
import torch
from aape_lightning.backbones.clip import clip
from aape_lightning.backbones.pixels import without_normalization
from aape_lightning.data.images import open_image
from aape_lightning.data.transforms import seeded
from measuring import SMALL, in_turns, ratio
from PIL import Image
from torch.utils.data import default_collate
from torchvision import transforms as T
from torchvision.io import ImageReadMode, decode_jpeg

IMAGES = 4 if SMALL else 64
ROUNDS = 2 if SMALL else 7
SIDE = 224
WHOLE = clip.clip._transform(SIDE)
PIXELS = without_normalization(WHOLE)
CROPS = T.RandomResizedCrop(SIDE, scale=(0.08, 1.0), interpolation=T.InterpolationMode.BICUBIC)

pytestmark = pytest.mark.shared_data


def enlarged(content):
    """A photograph of 500 x 375 as JPEG, about 60 kB."""
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB").resize((500, 375), Image.Resampling.BICUBIC))
    noise = np.random.default_rng(0).normal(0, 6, (375, 500, 1))
    file = io.BytesIO()
    Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


@pytest.fixture(params=["112 px", "500 x 375"])
def photographs(request, shared_data):
    """The name of a size, and JPEG files of it in memory."""
    paths = sorted((shared_data / "caltech-101" / "101_ObjectCategories").rglob("*.jpg"))
    contents = [path.read_bytes() for path in paths[:: len(paths) // IMAGES][:IMAGES]]
    return request.param, contents if request.param == "112 px" else [enlarged(content) for content in contents]


@pytest.fixture(autouse=True)
def one_core():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def pillow(content):
    return open_image(io.BytesIO(content))


def drafted(content):
    """Pillow, which may leave out frequencies that a small image does not show."""
    image = Image.open(io.BytesIO(content))
    image.draft("RGB", (SIDE, SIDE))
    image.load()
    return image if image.mode == "RGB" else image.convert("RGB")


def torchvisions(content):
    decoded = decode_jpeg(torch.frombuffer(bytearray(content), dtype=torch.uint8), mode=ImageReadMode.RGB)
    return Image.fromarray(decoded.permute(1, 2, 0).numpy())


def each(function, items):
    return lambda: [function(item) for item in items]


def test_decoding(benchmark, figures, photographs):
    """Torchvision's decoder gives Pillow's pixels, and takes little less of the whole."""
    size, contents = photographs
    decoders = {"Pillow": pillow, "Pillow with draft": drafted, "torchvision": torchvisions}
    functions = {name: each(decoder, contents) for name, decoder in decoders.items()}
    functions |= {
        f"{name}, all": each(lambda content, decoder=decoder: PIXELS(decoder(content)), contents)
        for name, decoder in decoders.items()
    }
    times = benchmark.pedantic(in_turns, (functions, ROUNDS), rounds=1)
    for name in list(decoders)[1:]:
        same = np.mean([np.array_equal(decoders[name](c), pillow(c)) for c in contents])
        figures.add(f"{name} over Pillow, decoding, {size}", ratio(times[name], times["Pillow"]), "x")
        whole = ratio(times[f"{name}, all"], times["Pillow, all"])
        figures.add(f"{name} over Pillow, decoding and transform, {size}", whole, "x")
        figures.add(f"images with the same pixels, {name}, {size}", 100 * same, "%")
    figures.add(f"decoding and transform, {size}", 1e6 * min(times["Pillow, all"]) / len(contents), "us")


def test_handing_over_pixels(benchmark, figures, photographs):
    """A worker that leaves normalisation to the device does less, and hands over a quarter."""
    size, contents = photographs

    def batch(transform):
        return lambda: default_collate([transform(pillow(content)) for content in contents])

    times = benchmark.pedantic(in_turns, ({"pixels": batch(PIXELS), "floats": batch(WHOLE)}, ROUNDS), rounds=1)
    figures.add(
        f"a worker's time with pixels over floats, {size}", ratio(times["pixels"], times["floats"]), "x", bound=1
    )


def test_seeding_a_view(benchmark, figures, photographs):
    """An augmented view costs what its crop costs: seeding is hardly a part of it."""
    size, contents = photographs
    images = [pillow(content) for content in contents]
    functions = {name: each(view, images) for name, view in {"seeded": _view, "bare": _bare, "forked": _forked}.items()}
    times = benchmark.pedantic(in_turns, (functions, ROUNDS), rounds=1)
    figures.add(f"a seeded view over the bare crop, {size}", ratio(times["seeded"], times["bare"]), "x")
    figures.add(f"a view by torch.manual_seed over the bare crop, {size}", ratio(times["forked"], times["bare"]), "x")


SEED = int.from_bytes(hashlib.blake2b(b"key", digest_size=7).digest(), "big")  # that of `seeded`: the same crop


def _view(image):
    return seeded(CROPS, image, "key")


def _bare(image):
    torch.default_generator.manual_seed(SEED)
    return CROPS(image)


def _forked(image):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return CROPS(image)
