import numpy as np
import pytest
from aape_lightning.data.degrade import DEGRADATIONS, degrade
from aape_lightning.data.shapes import open_shapes_image
from aape_lightning.errors import DataError
from PIL import Image

PATH = "flat/scenes/test/000005.png"


@pytest.fixture(scope="module")
def image():
    return open_shapes_image(PATH)


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_the_same_path_gives_the_same_image_and_the_given_one_stays(kind, image):
    before = np.asarray(image).copy()
    first = degrade(image, kind, PATH)
    assert (first.size, first.mode) == (image.size, "RGB")
    assert np.array_equal(first, degrade(image, kind, PATH))
    assert np.array_equal(image, before)
    assert np.array_equal(first, image) == (kind == "none")


@pytest.mark.parametrize("size", [(64, 64), (112, 84), (40, 300)])
def test_occlusion_covers_a_third_with_one_grey_rectangle(size):
    white = Image.new("RGB", size, (255, 255, 255))
    masks = [np.all(np.asarray(degrade(white, "occlusion", f"{k}.png")) == 128, axis=-1) for k in range(40)]
    for mask in masks:
        assert mask.mean() == pytest.approx(1 / 3, abs=0.03)
        rows, columns = np.where(mask.any(axis=1))[0], np.where(mask.any(axis=0))[0]
        assert mask.sum() == len(rows) * len(columns)
    assert len({mask.tobytes() for mask in masks}) > 30
    assert np.any(masks, axis=0).mean() > 0.9  # every corner is covered for some path


def test_blur_spreads_a_point_as_a_gaussian_of_a_twentieth_of_the_side():
    pixels = np.zeros((100, 120, 3), dtype=np.uint8)
    pixels[40:60, 50:70] = 255
    blurred = np.asarray(degrade(Image.fromarray(pixels), "blur", "any.png"))[..., 0].astype(float)
    profile = blurred[50] / blurred[50].sum()
    places = np.arange(120)
    variance = (profile * (places - profile @ places) ** 2).sum()
    assert variance - (20**2 - 1) / 12 == pytest.approx(5.0**2, rel=0.15)  # the square's own variance is taken off


def test_an_unknown_kind_is_refused_with_a_hint(image):
    with pytest.raises(DataError, match=r"'blurr'.*none, blur, occlusion.*Did you mean 'blur'"):
        degrade(image, "blurr", PATH)
