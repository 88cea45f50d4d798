import pytest
import torch
from aape_lightning.data.positions import PositionLoader
from aape_lightning.data.samplers import EvalSampler, TrainSampler
from lightning.pytorch import LightningModule

CPU = torch.device("cpu")


def batches(sampler, batch_size):
    return [batch["index"].tolist() for batch in PositionLoader(sampler, batch_size, CPU)]


@pytest.mark.parametrize("replicas", [1, 2, 3])
@pytest.mark.parametrize("epoch", [0, 4])
def test_training_batches_are_slices_of_the_samplers_order(replicas, epoch):
    for rank in range(replicas):
        sampler = TrainSampler(50, 4, num_replicas=replicas, rank=rank, seed=1)
        sampler.set_epoch(epoch)
        order = [position for _, position in sampler]
        found = batches(sampler, 4)
        assert len(found) == len(PositionLoader(sampler, 4, CPU))
        assert [len(batch) for batch in found] == [4] * (len(order) // 4)
        assert [position for batch in found for position in batch] == order


def test_the_last_evaluation_batch_may_be_short():
    sampler = EvalSampler(10, num_replicas=1, rank=0)
    assert batches(sampler, 4) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(PositionLoader(sampler, 4, CPU)) == 3


def test_a_part_without_images_has_no_batches():
    sampler = EvalSampler(0, num_replicas=1, rank=0)
    assert batches(sampler, 4) == []
    assert len(PositionLoader(sampler, 4, CPU)) == 0


def test_lightning_tells_the_sampler_the_epoch(quiet_trainer):
    orders = []

    class Seen(LightningModule):
        def training_step(self, batch, batch_idx):
            orders.append(batch["index"].tolist())

        def configure_optimizers(self):
            return None

    sampler = TrainSampler(6, 6, num_replicas=1, rank=0, seed=1)
    quiet_trainer(max_epochs=3).fit(Seen(), PositionLoader(sampler, 6, CPU))
    expected = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        expected.append(sampler.order().tolist())
    assert orders == expected
    assert len({tuple(order) for order in expected}) == 3
