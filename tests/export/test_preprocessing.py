"""The preprocessing in plain values is enough to write the transform again."""

import numpy as np
import pytest
import torch
from aape_lightning.backbones import load_backbone
from aape_lightning.export.preprocessing import preprocessing
from PIL import Image


def by_hand(image, told):
    """The transform from its description alone, with Pillow and NumPy."""
    assert (told["resize"], told["crop"], told["interpolation"]) == ("shortest side", "center", "bicubic")
    size, short = told["size"], min(image.size)
    wide, high = (size * side // short for side in image.size)
    image = image.resize((wide, high), Image.Resampling.BICUBIC)
    left, top = round((wide - size) / 2), round((high - size) / 2)
    pixels = np.asarray(image.crop((left, top, left + size, top + size)), dtype=np.float32) / 255
    return ((pixels - told["mean"]) / told["std"]).transpose(2, 0, 1)


@pytest.fixture(scope="module")
def photograph():
    pixels = np.random.default_rng(0).integers(0, 256, (70, 90, 3)).astype(np.uint8)
    return Image.fromarray(pixels)


def test_openais_transform_can_be_written_again(tiny_backbone, photograph):
    told = preprocessing(tiny_backbone)
    assert (told["size"], told["mean"]) == (32, list(tiny_backbone.image_mean))
    expected = tiny_backbone.transform(photograph)
    np.testing.assert_allclose(by_hand(photograph, told), expected, atol=1e-5)


def test_the_shipped_backbone_is_told(shapes_backbone):
    told = preprocessing(load_backbone("shapes-tiny"))
    assert (told["size"], told["interpolation"]) == (64, "bicubic")
    assert torch.tensor(told["std"]).shape == (3,)
