from types import SimpleNamespace

import pytest
from aape_lightning.data.samplers import EvalSampler, TrainSampler
from aape_lightning.errors import DataError
from torch.utils.data import DistributedSampler


def samplers(size, batch_size, replicas, epoch=0, seed=1):
    dealt = [TrainSampler(size, batch_size, num_replicas=replicas, rank=rank, seed=seed) for rank in range(replicas)]
    for sampler in dealt:
        sampler.set_epoch(epoch)
    return dealt


def global_batches(size, batch_size, replicas, **order):
    """The positions of each global batch: what all processes hold at one step."""
    dealt = [[position for _, position in sampler] for sampler in samplers(size, batch_size, replicas, **order)]
    steps = range(0, len(dealt[0]), batch_size)
    return [{place for mine in dealt for place in mine[start : start + batch_size]} for start in steps]


@pytest.mark.parametrize("replicas", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("size", [7, 9, 84])
def test_evaluation_deals_every_image_exactly_once(size, replicas):
    dealt = [EvalSampler(size, num_replicas=replicas, rank=rank) for rank in range(replicas)]
    positions = [position for sampler in dealt for _, position in sampler]
    assert sorted(positions) == list(range(size))
    assert [len(sampler) for sampler in dealt] == [len(list(sampler)) for sampler in dealt]


def test_evaluation_keeps_the_order_whatever_the_epoch():
    sampler = EvalSampler(5, num_replicas=1, rank=0)
    sampler.set_epoch(3)
    assert list(sampler) == [(0, position) for position in range(5)]


@pytest.mark.parametrize("replicas", [1, 2, 3, 4])
def test_training_deals_every_image_exactly_once_an_epoch(replicas):
    positions = [position for sampler in samplers(48, 4, replicas) for _, position in sampler]
    assert sorted(positions) == list(range(48))


@pytest.mark.parametrize("size", [48, 53])
@pytest.mark.parametrize("epoch", [0, 5])
def test_global_batches_are_the_same_for_any_number_of_processes(size, epoch):
    alone = global_batches(size, 8, 1, epoch=epoch)
    assert [len(batch) for batch in alone] == [8] * 6
    for replicas in (2, 4, 8):
        assert global_batches(size, 8 // replicas, replicas, epoch=epoch) == alone


def test_an_incomplete_last_global_batch_is_dropped():
    for sampler in samplers(53, 4, 2):
        assert len(list(sampler)) == len(sampler) == 24


@pytest.mark.parametrize(("replicas", "kept"), [(1, 5), (2, 4), (3, 3), (5, 5)])
def test_fewer_images_than_a_global_batch_are_one_batch_of_equal_parts(replicas, kept):
    dealt = samplers(5, 8, replicas)
    positions = [position for sampler in dealt for _, position in sampler]
    assert len(set(positions)) == len(positions) == kept
    assert {len(list(sampler)) for sampler in dealt} == {len(sampler) for sampler in dealt} == {kept // replicas}


@pytest.mark.parametrize("rank", [0, 3])
def test_a_process_without_an_image_is_refused_in_every_process(rank):
    found = r"Each of the 4 processes needs one of the images, of which there are only 3\..* --trainer\.devices 3\."
    with pytest.raises(DataError, match=found):
        EvalSampler(3, num_replicas=4, rank=rank)
    with pytest.raises(DataError, match=found):
        TrainSampler(3, 8, num_replicas=4, rank=rank, seed=1)


def test_every_epoch_has_an_order_of_its_own():
    orders = {tuple(position for _, position in samplers(50, 5, 1, epoch=epoch)[0]) for epoch in range(6)}
    assert len(orders) == 6


def test_keys_carry_the_epoch():
    assert {epoch for epoch, _ in samplers(50, 5, 1, epoch=4)[0]} == {4}


def test_a_resumed_run_sees_the_order_of_the_interrupted_one():
    running = samplers(50, 5, 1)[0]
    for epoch in range(3):
        running.set_epoch(epoch)
        list(running)
    assert list(running) == list(samplers(50, 5, 1, epoch=2)[0])


def test_seeds_differ():
    assert list(samplers(50, 5, 1, seed=1)[0]) != list(samplers(50, 5, 1, seed=2)[0])


def test_lightning_keeps_them():
    """Lightning replaces every sampler under DDP but a `DistributedSampler`."""
    assert issubclass(TrainSampler, DistributedSampler)
    assert issubclass(EvalSampler, DistributedSampler)


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_resumed_epoch_leaves_out_the_batches_that_were_trained_on(replicas):
    loop = SimpleNamespace(restarting=True, batch_progress=SimpleNamespace(current=SimpleNamespace(ready=3)))
    trainer = SimpleNamespace(fit_loop=SimpleNamespace(epoch_loop=loop))
    for sampler in samplers(48, 4, replicas, epoch=2):
        whole = list(sampler)
        sampler.trainer = trainer
        loop.restarting = True
        assert list(sampler) == whole[12:]
        assert len(sampler) == len(whole)  # Lightning counts the epoch's batches by it
        loop.restarting = False
        assert list(sampler) == whole
