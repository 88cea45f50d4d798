import hashlib

import numpy as np
import pytest
import torch
from aape_lightning.data.transforms import augmentation, seeded
from PIL import Image


@pytest.fixture
def image():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8))


def test_views_have_the_backbones_size(tiny_backbone, image):
    for size in [(50, 70), (3, 200), (1, 1)]:
        view = seeded(augmentation(tiny_backbone), image.resize(size), "key")
        assert (view.shape, view.dtype) == ((3, 32, 32), torch.float32)


def test_one_key_gives_one_view(tiny_backbone, image):
    transform = augmentation(tiny_backbone)
    first = seeded(transform, image, "a.png 0 1")
    torch.manual_seed(5)
    torch.rand(3)
    assert torch.equal(seeded(augmentation(tiny_backbone), image, "a.png 0 1"), first)


def test_a_view_is_that_of_a_seeded_global_generator(tiny_backbone, image):
    """What stores hold from earlier versions stays true."""
    transform, key = augmentation(tiny_backbone), "a.png 0 1"
    torch.manual_seed(int.from_bytes(hashlib.blake2b(key.encode(), digest_size=7).digest(), "big"))
    assert torch.equal(seeded(transform, image, key), transform(image))


def test_a_transform_that_fails_leaves_the_generator_alone(image):
    def broken(image):
        torch.rand(3)
        raise ZeroDivisionError

    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError):
        seeded(broken, image, "key")
    assert torch.equal(torch.get_rng_state(), before)


def test_every_key_gives_a_view_of_its_own(tiny_backbone, image):
    transform = augmentation(tiny_backbone)
    keys = ["a.png 0 1", "a.png 1 1", "a.png 0 2", "b.png 0 1", ""]
    views = {seeded(transform, image, key).numpy().tobytes() for key in keys}
    assert len(views) == len(keys)


def test_the_global_generator_is_left_alone(tiny_backbone, image):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    seeded(augmentation(tiny_backbone), image, "key")
    assert torch.equal(torch.rand(4), expected)


def test_normalisation_equals_the_backbones(tiny_backbone):
    """On an image of one colour no crop shows."""
    plain = Image.new("RGB", (60, 40), (51, 102, 204))
    ours = seeded(augmentation(tiny_backbone), plain, "key")
    torch.testing.assert_close(ours, tiny_backbone.transform(plain))


def test_views_are_crops_and_half_of_them_mirrored(tiny_backbone):
    """On a ramp from left to right a crop keeps the direction, and a flip turns it."""
    ramp = Image.fromarray(np.tile(np.arange(0, 240, 2, dtype=np.uint8)[None, :, None], (120, 1, 3)))
    views = [seeded(augmentation(tiny_backbone), ramp, str(k)).mean((0, 1)) for k in range(200)]
    rising = sum(bool((view.diff() >= -1e-3).all()) for view in views)
    falling = sum(bool((view.diff() <= 1e-3).all()) for view in views)
    assert rising + falling == 200
    assert 70 <= falling <= 130


def test_crops_cover_from_a_small_part_to_the_whole(tiny_backbone):
    ramp = Image.fromarray(np.tile(np.arange(0, 240, 2, dtype=np.uint8)[None, :, None], (120, 1, 3)))
    views = [seeded(augmentation(tiny_backbone), ramp, str(k)).mean((0, 1)) for k in range(200)]
    whole = tiny_backbone.transform(ramp).mean((0, 1))
    widths = [float((view.max() - view.min()) / (whole.max() - whole.min())) for view in views]
    assert min(widths) < 0.45  # 8 % of the area is 0.28 of the width of a square
    assert max(widths) > 0.95
