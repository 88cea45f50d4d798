import pickle
import re

import numpy as np
import pytest
from aape_lightning.data import load_manifest, read_split
from aape_lightning.data.images import file_size, image_opener, open_image
from aape_lightning.errors import ImageError
from PIL import Image


def picture(size=(12, 9)):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))


@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "bmp", "gif"])
def test_common_formats_open_as_rgb(extension, tmp_path):
    path = tmp_path / f"image.{extension}"
    picture().save(path)
    image = open_image(path)
    assert (image.mode, image.size) == ("RGB", (9, 12))


def test_lossless_pixels_are_the_files(tmp_path):
    picture().save(tmp_path / "image.png")
    assert np.array_equal(open_image(tmp_path / "image.png"), picture())


@pytest.mark.parametrize("extension", ["png", "jpg"])
def test_an_image_needs_its_file_no_more(extension, tmp_path):
    path = tmp_path / f"image.{extension}"
    picture().save(path)
    image = open_image(path)
    expected = np.asarray(Image.open(path).convert("RGB"))
    path.unlink()
    assert np.array_equal(image, expected)
    assert np.array_equal(pickle.loads(pickle.dumps(image)), expected)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("L", 77, (77, 77, 77)),
        ("LA", (77, 10), (77, 77, 77)),
        ("RGBA", (1, 2, 3, 0), (1, 2, 3)),
        ("1", 1, (255, 255, 255)),
        ("I;16", 77 * 256 + 3, (77, 77, 77)),
    ],
)
def test_other_modes_become_rgb(mode, colour, expected, tmp_path):
    path = tmp_path / ("image.tif" if mode == "CMYK" else "image.png")
    Image.new(mode, (4, 4), colour).save(path)
    assert Image.open(path).mode == mode
    assert set(map(tuple, np.asarray(open_image(path)).reshape(-1, 3))) == {expected}


def test_sixteen_bit_grey_keeps_its_contrast(tmp_path):
    ramp = np.arange(0, 2**16, 97, dtype=np.uint16).reshape(26, 26)
    Image.fromarray(ramp).save(tmp_path / "image.png")
    assert np.array_equal(np.asarray(open_image(tmp_path / "image.png"))[..., 0], ramp >> 8)


def test_a_palette_becomes_its_colours(tmp_path):
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.save(tmp_path / "image.png")
    assert open_image(tmp_path / "image.png").getpixel((2, 2)) == (10, 20, 30)


def test_exif_orientation_is_not_applied(tmp_path):
    """As in CoOp's loader, so that embeddings are comparable."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by a quarter
    picture().save(tmp_path / "turned.png", exif=exif)
    assert Image.open(tmp_path / "turned.png").getexif()[0x0112] == 6
    assert np.array_equal(open_image(tmp_path / "turned.png"), picture())


def test_a_missing_image_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ImageError, match=f"No image {str(tmp_path / 'no.png')!r}.*aape data check"):
        open_image(tmp_path / "no.png")


@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "bmp", "gif"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7])
def test_a_truncated_image_is_an_error_that_names_it(extension, share, tmp_path):
    path = tmp_path / f"image.{extension}"
    picture((60, 60)).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ImageError, match=f"{re.escape(str(path))}.*cannot be decoded.*aape data check"):
        open_image(path)


def test_a_text_file_and_a_folder_are_no_images(tmp_path):
    (tmp_path / "page.jpg").write_text("<html>404</html>")
    (tmp_path / "folder.jpg").mkdir()
    for path in tmp_path.iterdir():
        with pytest.raises(ImageError, match=re.escape(path.name)):
            open_image(path)


def test_openers_can_be_sent_to_worker_processes(toy_root):
    manifest = load_manifest(str(toy_root / "toy.yaml"))
    path = read_split(manifest, toy_root).train[0].path
    opener = pickle.loads(pickle.dumps(image_opener(manifest, toy_root)))
    assert np.array_equal(opener(path), image_opener(manifest, toy_root)(path))


def test_file_sizes_are_bytes_and_a_missing_file_is_an_error(own_toy_root):
    manifest = load_manifest(str(own_toy_root / "toy.yaml"))
    size, path = file_size(manifest, own_toy_root), read_split(manifest, own_toy_root).train[0].path
    assert size(path) == len((own_toy_root / "toy" / "images" / path).read_bytes())
    (own_toy_root / "toy" / "images" / path).unlink()
    with pytest.raises(ImageError, match=path):
        size(path)


def test_the_shapes_world_is_rendered_and_has_no_files(tmp_path):
    manifest = load_manifest("shapes")
    path = read_split(manifest, tmp_path).train[0].path
    assert image_opener(manifest, tmp_path)(path).mode == "RGB"
    assert file_size(manifest, tmp_path)(path) == 0
