"""What a user may hand over as images."""

import os

import aape_lightning
import numpy as np
import pytest
import torch
from aape_lightning.errors import DataError, ImageError
from aape_lightning.inference.images import named_images
from PIL import Image


@pytest.fixture
def photos(tmp_path):
    """A folder with five images, one of them below, and a text."""
    pixels = np.random.default_rng(0)
    (tmp_path / "more").mkdir()
    for name in ("b.png", "a.png", "c.jpg", "more/d.png", "[e].png"):
        Image.fromarray(pixels.integers(0, 255, (40, 30, 3)).astype(np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


@pytest.fixture
def model(by_template):
    return aape_lightning.load(by_template, device="cpu", batch_size=2)


def names(images, folder):
    return [image.name.removeprefix(f"{folder}/") for image in named_images(images)]


def test_files_folders_and_patterns_become_images_in_order(photos):
    everything = ["[e].png", "a.png", "b.png", "c.jpg", "more/d.png"]
    assert names(photos, photos) == everything
    assert names(str(photos), photos) == everything
    assert names(f"{photos}/*.png", photos) == ["[e].png", "a.png", "b.png"]
    assert names(f"{photos}/**/*.png", photos) == ["[e].png", "a.png", "b.png", "more/d.png"]
    assert names(photos / "[e].png", photos) == ["[e].png"], "a file's name is no pattern"
    assert names([photos / "more", str(photos / "b.png")], photos) == ["more/d.png", "b.png"]


def test_open_images_have_their_files_name_or_a_number(photos):
    images = [Image.new("RGB", (8, 8)), Image.open(photos / "a.png"), photos / "b.png", Image.new("L", (8, 8))]
    assert names(images, photos) == ["image 1", "a.png", "b.png", "image 4"]


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        ([], DataError, "No images are given"),
        ("gone.png", ImageError, r"No image or folder 'gone\.png'"),
        ("long " * 100, ImageError, "No image or folder 'long long"),
        ("gone/*.png", ImageError, r"No file or folder matches the pattern 'gone/\*\.png'"),
    ],
)
def test_what_stands_for_no_image_is_refused(images, error, words):
    with pytest.raises(error, match=words):
        named_images(images)


def test_a_name_that_cannot_be_written_down_is_refused(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    try:
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    except OSError:
        pytest.skip("the file system takes UTF-8 alone")
    with pytest.raises(DataError, match=r"udce9\.png' is not UTF-8. Rename"):
        named_images(tmp_path)


def test_an_image_without_pixels_is_no_image(model):
    with pytest.raises(ImageError, match="'image 1' cannot be read: it has no pixels"):
        model.classify(Image.new("RGB", (0, 8)))


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(DataError, match="hold no image"):
        named_images(tmp_path)


def test_all_ways_to_name_an_image_give_the_same(model, photos):
    expected = model.classify(photos / "a.png").probabilities
    with Image.open(photos / "a.png") as opened:
        for image in (str(photos / "a.png"), [photos / "a.png"], opened, [opened], opened.copy()):
            assert torch.equal(model.classify(image).probabilities, expected)


def test_modes_are_read_as_the_data_read_them(model, photos, by_template, tiny_backbone):
    from aape_lightning.data.images import open_image

    pixels = np.random.default_rng(1).integers(0, 65535, (40, 30))
    Image.fromarray(pixels.astype(np.uint16)).save(photos / "deep.png")
    Image.open(photos / "a.png").convert("RGBA").save(photos / "alpha.png")
    Image.open(photos / "a.png").convert("P").save(photos / "palette.png")
    for name in ("deep.png", "alpha.png", "palette.png"):
        x = tiny_backbone.encode_image(tiny_backbone.transform(open_image(photos / name))[None])
        for image in (photos / name, Image.open(photos / name)):
            torch.testing.assert_close(model.embed(image, "image"), x, atol=1e-5, rtol=0)


def test_batches_do_not_change_what_comes_out(by_template, photos):
    whole = aape_lightning.load(by_template, device="cpu", batch_size=99).classify(photos)
    for size in (1, 2, 3):
        parts = aape_lightning.load(by_template, device="cpu", batch_size=size).classify(photos)
        assert parts.images == whole.images
        torch.testing.assert_close(parts.probabilities, whole.probabilities, atol=1e-5, rtol=0)


def test_a_damaged_image_is_an_error_or_is_left_out_and_told(model, photos):
    (photos / "bad.jpg").write_bytes(b"no image")
    half = (photos / "c.jpg").read_bytes()
    (photos / "half.jpg").write_bytes(half[: len(half) // 2])
    with pytest.raises(ImageError, match=r"The image '.*/bad\.jpg' cannot be read: it is damaged, or no .* file"):
        model.classify(photos)
    told = {}
    result = model.classify(photos, skip=lambda name, error: told.update({name: str(error)}))
    assert [name.rpartition("/")[2] for name in told] == ["bad.jpg", "half.jpg"]
    assert not {str(photos / "bad.jpg"), str(photos / "half.jpg")} & set(result.images)
    assert len(result) == 5
    alone = model.classify([photos / "bad.jpg"], skip=lambda name, error: None)
    assert (len(alone), len(alone.table())) == (0, 0)
    with pytest.raises(ImageError, match="cannot be read"):
        model.classify(Image.open(photos / "half.jpg"))


def test_no_more_images_are_held_than_a_few_batches(model, photos, monkeypatch):
    """Images are decoded a few batches ahead of the tower, however many there are."""
    from aape_lightning.inference import images

    opened, whole = [], images.NamedImage.open
    monkeypatch.setattr(images.NamedImage, "open", lambda self: opened.append(self.name) or whole(self))
    batches = model._encoder.encode(named_images([photos / "a.png"] * 20))
    next(batches)
    assert len(opened) <= 6
    assert sum(len(batch.images) for batch in batches) == 18
