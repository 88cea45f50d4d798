import os

import pytest
import torch
from aape_lightning.data import encoding
from aape_lightning.data.encoding import encode_rows
from aape_lightning.data.loading import ImageDataset
from aape_lightning.errors import ImageError

CPU = torch.device("cpu")


class Numbers(ImageDataset):
    """Image k is filled with k, its views with k, k + 0.1, ...; a damaged one is an error."""

    def __init__(self, count=10, views=1, damaged=None):
        self.count, self.views, self.damaged = count, views, damaged

    def __len__(self):
        return self.count

    def load(self, key):
        if key == self.damaged:
            raise ImageError("damaged")
        return torch.stack([torch.full((3, 2, 2), key + 0.1 * view) for view in range(self.views)])


class Processes(Numbers):
    """Image k is filled with k, but for one corner: the number of the process that made it."""

    def load(self, key):
        image = super().load(key)
        image[:, :, 0, 0] = os.getpid()
        return image


def made_by(images):
    """Each image's number and process."""
    return images[:, 0, -1, -1, None] * torch.tensor([1.0, 0]) + images[:, 0, 0, 0, None] * torch.tensor([0, 1.0])


class Pixels(ImageDataset):
    """Images of noise."""

    def __init__(self, count):
        generator = torch.Generator().manual_seed(0)
        self.pixels = torch.randint(0, 256, (count, 1, 3, 32, 32), dtype=torch.uint8, generator=generator)

    def __len__(self):
        return len(self.pixels)

    def load(self, key):
        return self.pixels[key]


class Tower:
    """Mean and maximum of each image; out of memory above a number of images, and notes how many it was given."""

    def __init__(self, room=1000):
        self.room, self.given = room, []

    def __call__(self, images):
        self.given.append(len(images))
        if len(images) > self.room:
            raise torch.OutOfMemoryError
        return torch.stack([images.mean((1, 2, 3)), images.amax((1, 2, 3))], dim=1)


def encoded(tower, images=None, rows=None, workers=0, views=1, **settings):
    images = images or Numbers(views=views)
    pieces = encode_rows(images, range(len(images)) if rows is None else rows, tower, CPU, workers, views, **settings)
    return torch.cat(list(pieces))


@pytest.fixture
def eight_a_pass(monkeypatch):
    monkeypatch.setattr(encoding, "_IMAGES_PER_PASS", 8)


def test_rows_come_in_order_with_their_views():
    made = encoded(Tower(), views=3, rows=range(2, 7))
    assert made.shape == (5, 3, 2)
    expected = torch.arange(2, 7)[:, None] + torch.tensor([0, 0.1, 0.2])
    torch.testing.assert_close(made, expected[..., None].expand(-1, -1, 2))


@pytest.mark.parametrize(("views", "given"), [(1, [8, 2]), (3, [6] * 5), (9, [9] * 10)])
def test_a_pass_holds_as_many_images_as_it_may_and_one_with_all_views_at_least(views, given, eight_a_pass):
    tower = Tower()
    encoded(tower, views=views)
    assert tower.given == given


def test_where_memory_is_short_passes_are_halved_for_good(eight_a_pass):
    tower = Tower(room=3)
    made = encoded(tower, Numbers(20))
    assert tower.given == [8, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    assert torch.equal(made, encoded(Tower(), Numbers(20)))


@pytest.mark.parametrize("views", [1, 9])
@pytest.mark.parametrize("room", [1, 2, 5])
def test_no_image_and_no_view_is_lost_where_memory_is_short(room, views, eight_a_pass):
    assert torch.equal(encoded(Tower(room), views=views), encoded(Tower(), views=views))


def test_memory_that_is_too_short_for_one_image_is_an_error(eight_a_pass):
    with pytest.raises(torch.OutOfMemoryError):
        encoded(Tower(room=0))


def test_other_faults_of_a_tower_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        encoded(lambda images: 1 / 0)


def test_a_real_tower_makes_the_same_of_small_passes(tiny_backbone, eight_a_pass):
    images = Pixels(10)

    def short(images):
        if len(images) > 3:
            raise torch.OutOfMemoryError
        return tiny_backbone.encode_image(images)

    whole = tiny_backbone.encode_image(images.pixels[:, 0])
    torch.testing.assert_close(encoded(short, images)[:, 0], whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", None), ("bfloat16", torch.bfloat16), ("float16", torch.float16)]
)
def test_precision_is_the_one_that_the_tower_runs_in(precision, dtype):
    found = []

    def tower(images):
        found.append(torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None)
        return images.mean((1, 2, 3))

    encoded(tower, precision=precision)
    assert found == [dtype]
    assert not torch.is_autocast_enabled("cpu")


def test_bf16_costs_only_its_own_rounding(tiny_backbone):
    exact, rounded = (
        encoded(tiny_backbone.encode_image, Pixels(6), precision=precision) for precision in ("float32", "bfloat16")
    )
    assert rounded.dtype == torch.float32
    assert 0 < (exact - rounded).norm(dim=-1).max() < 2e-2


def test_workers_change_nothing(monkeypatch):
    monkeypatch.setattr(encoding, "_START", 0)
    monkeypatch.setattr(encoding, "_IMAGES_PER_PASS", 4)
    monkeypatch.setattr(encoding, "_PASSES_PER_TURN", 2)
    pieces = [encode_rows(Processes(50), range(50), made_by, CPU, workers) for workers in (2, 0)]
    helped, alone = (torch.cat(list(found)) for found in pieces)
    assert torch.equal(helped[:, 0, 0], torch.arange(50.0))
    assert torch.equal(helped[:, 0, 0], alone[:, 0, 0])
    assert len(helped[:, 0, 1].unique()) == 2  # in turns
    assert os.getpid() not in helped[:, 0, 1]
    assert alone[:, 0, 1].unique().tolist() == [os.getpid()]


@pytest.mark.parametrize(("seconds", "count", "workers"), [(0.01, 40, 2), (0.0, 40, 0), (0.01, 10, 0)])
def test_workers_are_started_where_they_pay(seconds, count, workers, monkeypatch):
    """By a clock of which each image takes so long."""
    now = [0.0]
    monkeypatch.setattr(encoding.time, "perf_counter", lambda: now[0])

    class Slow(Numbers):
        def load(self, key):
            now[0] += seconds
            return super().load(key)

    started, loader = [], encoding.ImageLoader

    def watched(*images, num_workers, **settings):
        started.append(num_workers)
        return loader(*images, num_workers=0, **settings | {"persistent_workers": False})

    monkeypatch.setattr(encoding, "ImageLoader", watched)
    encoded(Tower(), Slow(count), workers=2)
    assert started == [workers]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_ends_the_rows_before_its_pass(workers, eight_a_pass, monkeypatch):
    monkeypatch.setattr(encoding, "_START", 0)
    pieces, rows = encode_rows(Numbers(20, damaged=17), range(20), Tower(), CPU, workers), []
    with pytest.raises(ImageError, match=r"^damaged$"):
        rows.extend(pieces)
    assert len(torch.cat(rows)) == 16


def test_rows_can_be_left_early(eight_a_pass):
    tower = Tower()
    pieces = encode_rows(Numbers(20), range(20), tower, CPU, 0)
    assert len(next(pieces)) == 8
    pieces.close()
    assert tower.given == [8]
