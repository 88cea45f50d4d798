import pickle
import re

import numpy as np
import pytest
import torch
from aape_lightning.baselines import ZeroShotTask
from aape_lightning.data.loading import ImageLoader, Images, collate_images
from aape_lightning.errors import ImageError
from PIL import Image

SIZE = 5


def opener(path):
    """A grey image whose brightness is the path; a damaged one where the path says so."""
    if path == "damaged":
        raise ImageError("'damaged' cannot be decoded.")
    return Image.new("RGB", (SIZE, SIZE), (int(path),) * 3)


def as_tensor(image):
    return torch.from_numpy(np.array(image, dtype=np.float32)).permute(2, 0, 1)


def noisy(image):
    return as_tensor(image) + torch.rand(3, SIZE, SIZE)


def loaded(paths, keys, workers=0, batch_size=2):
    images = Images(paths, opener, as_tensor)
    return ImageLoader(images, batch_size=batch_size, sampler=keys, num_workers=workers, collate_fn=collate_images)


def test_an_item_is_the_image_at_its_position():
    item = Images(["10", "20", "30"], opener, as_tensor)[9, 1]
    assert item["index"] == 1
    assert torch.equal(item["image"], torch.full((3, SIZE, SIZE), 20.0))


def test_a_fixed_transform_knows_no_epoch():
    images = Images(["10"], opener, as_tensor)
    assert torch.equal(images[0, 0]["image"], images[1, 0]["image"])


def test_a_random_transform_depends_on_seed_epoch_and_image_alone():
    paths = ["10", "11"]
    images = Images(paths, opener, noisy, seed=1)
    first = images[0, 0]["image"]
    torch.manual_seed(7)
    assert torch.equal(images[0, 0]["image"], first)
    assert torch.equal(Images(paths[:1], opener, noisy, seed=1)[0, 0]["image"], first)
    others = [images[1, 0]["image"], images[0, 1]["image"] - 1, Images(paths, opener, noisy, seed=2)[0, 0]["image"]]
    assert all((other - first).abs().max() > 1e-2 for other in others)


def test_a_loader_yields_batches_of_the_samplers_keys():
    batches = list(loaded(["10", "20", "30"], [(0, 2), (0, 0), (0, 1)]))
    assert [batch["index"].tolist() for batch in batches] == [[2, 0], [1]]
    assert [batch["image"][:, 0, 0, 0].tolist() for batch in batches] == [[30, 10], [20]]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_raised_as_it_was_after_the_batches_before_it(workers):
    keys, seen = [(0, 0), (0, 0), (0, 0), (0, 1)], []
    with pytest.raises(ImageError) as caught:
        seen.extend(loaded(["10", "damaged"], keys, workers))
    assert str(caught.value) == "'damaged' cannot be decoded."
    assert len(seen) == 1


def test_the_first_of_several_errors_is_the_batch():
    errors = [ImageError("one"), ImageError("two")]
    assert collate_images([{"index": 0}, *errors]) is errors[0]


def test_other_faults_are_not_hidden():
    def broken(image):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Images(["10"], opener, broken)[0, 0]


def test_a_loader_can_be_read_twice_and_left_early():
    loader = loaded(["10", "20"], [(0, 0), (0, 1)], batch_size=1)
    assert next(iter(loader))["index"].tolist() == [0]
    assert len(list(loader)) == len(loader) == 2


def test_a_dataset_travels_to_a_worker_that_is_spawned():
    images = pickle.loads(pickle.dumps(Images(["10"], opener, as_tensor, seed=3)))
    assert torch.equal(images[0, 0]["image"], torch.full((3, SIZE, SIZE), 10.0))


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("store", [True, False])
def test_a_damaged_image_reaches_the_user_as_one_line(store, workers, own_toy_root, toy_data, quiet_trainer):
    data = toy_data(root=str(own_toy_root), store=store, num_workers=workers)
    image = own_toy_root / "toy" / "images" / "red_car" / "0009.png"  # the first test image
    image.write_bytes(image.read_bytes()[:100])
    with pytest.raises(ImageError, match=f"^{re.escape(repr(str(image)))} cannot be decoded") as caught:
        quiet_trainer().test(ZeroShotTask(), datamodule=data, verbose=False)
    assert "Traceback" not in str(caught.value)


def test_workers_of_training_are_started_once_and_others_end_with_their_part(toy_data):
    found = {}
    for workers in (0, 1):
        data = toy_data(store=False, num_workers=workers)
        data.setup("fit")
        found[workers] = data.train_dataloader().persistent_workers, data.val_dataloader().persistent_workers
    assert found == {0: (False, False), 1: (True, False)}


def test_what_workers_hand_over_is_bytes_and_the_batch_is_normalised(toy_data, tiny_backbone):
    data = toy_data(store=False)
    data.setup("fit")
    handed = next(iter(data.val_dataloader()))["image"]
    assert handed.dtype == torch.uint8
    assert torch.equal(tiny_backbone.encode_image(handed), tiny_backbone.encode_image(tiny_backbone.normalize(handed)))
