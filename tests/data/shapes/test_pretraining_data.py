from unittest.mock import Mock

import pytest
import torch
from aape_lightning.backbones.clip import clip
from aape_lightning.data.pretraining import ShapesPretrainingDataModule, normalise
from aape_lightning.data.shapes import CLASS_NAMES, open_shapes_image, shapes_split
from aape_lightning.errors import DataError
from lightning.pytorch import Trainer
from PIL import Image
from torch.utils.data import DistributedSampler

NEW = Mock(epoch_loop=Mock(restarting=False))  # the loop of a run that was not cut


def batches(epoch=0, **changes):
    settings = {"batch_size": 6, "steps_per_epoch": 3, "style_shares": {"sketch": 0.5}}
    loader = ShapesPretrainingDataModule(**(settings | changes)).train_dataloader()
    loader.sampler.set_epoch(epoch)
    return list(loader)


def test_batches_hold_bytes_and_tokens():
    found = batches()
    assert len(found) == 3
    assert found[0]["image"].shape == (6, 64, 64, 3)
    assert found[0]["image"].dtype == torch.uint8
    assert found[0]["tokens"].shape == (6, 32)


def test_the_seed_and_the_step_say_what_a_batch_holds():
    first, again, later, other = batches(), batches(), batches(epoch=1), batches(seed=2)
    assert torch.equal(first[0]["image"], again[0]["image"])
    assert torch.equal(first[0]["tokens"], again[0]["tokens"])
    for different in (first[1], later[0], other[0]):
        assert not torch.equal(first[0]["image"], different["image"])


def test_a_worker_process_makes_the_same_batches():
    for alone, beside in zip(batches(), batches(num_workers=1), strict=True):
        assert torch.equal(alone["image"], beside["image"])
        assert torch.equal(alone["tokens"], beside["tokens"])


def test_tokens_are_clips_own():
    loader = ShapesPretrainingDataModule().val_dataloader()
    expected = clip.tokenize([f"a photo of a {name}." for name in CLASS_NAMES], context_length=32)
    assert torch.equal(next(iter(loader))["class_tokens"], expected)


def test_images_are_normalised_as_clips_transform_does_it():
    path = shapes_split().val[5].path
    image: Image.Image = open_shapes_image(path)
    pixels = next(iter(ShapesPretrainingDataModule().val_dataloader()))["image"][5:6]
    torch.testing.assert_close(normalise(pixels)[0], clip.clip._transform(64)(image))


def test_validation_groups_split_the_classes():
    batch = next(iter(ShapesPretrainingDataModule().val_dataloader()))
    groups = batch["groups"]
    assert len(batch["label"]) == len(shapes_split().val)
    assert torch.equal(groups["base"], batch["label"] < 40)
    assert torch.equal(groups["new"], ~groups["base"])
    assert torch.equal(groups["common"], ~groups["rare"])


def test_a_share_beyond_one_is_refused():
    with pytest.raises(DataError, match=r"named_share is 1\.5"):
        ShapesPretrainingDataModule(named_share=1.5)


@pytest.mark.parametrize("epoch", [0, 2])
def test_processes_share_the_batches_of_one(epoch):
    def batches(size, processes=1, rank=0):
        module = ShapesPretrainingDataModule(batch_size=size, steps_per_epoch=2)
        module.trainer = Mock(spec=Trainer, world_size=processes, global_rank=rank, fit_loop=NEW)
        loader = module.train_dataloader()
        assert isinstance(loader.sampler, DistributedSampler)  # which Lightning leaves alone
        loader.sampler.set_epoch(epoch)
        return list(loader)

    shared = [batches(3, processes=2, rank=rank) for rank in range(2)]
    for whole, *parts in zip(batches(6), *shared, strict=True):
        for name, values in whole.items():
            assert torch.equal(torch.cat([part[name] for part in parts]), values)
