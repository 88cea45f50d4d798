import contrasted
import pytest
import torch
from aape_lightning.modules.gathering import gather_rows, own_rows
from torch import multiprocessing


@pytest.fixture(scope="module", params=[2, 4])
def processes(request, tmp_path_factory):
    """What each of several gloo processes found."""
    folder = tmp_path_factory.mktemp("processes")
    multiprocessing.spawn(contrasted.process, (request.param, str(folder)), nprocs=request.param)
    return [torch.load(folder / f"{rank}.pt") for rank in range(request.param)]


def test_one_process_gathers_nothing():
    rows = torch.randn(3, 2)
    assert gather_rows(rows) is rows
    assert own_rows(rows).tolist() == [0, 1, 2]


def test_rows_lie_in_the_order_of_the_processes(processes):
    expected = torch.arange(float(len(processes))).repeat_interleave(2)[:, None].expand(-1, 3)
    for rank, found in enumerate(processes):
        assert torch.equal(found["rows"], expected)
        assert found["own"].tolist() == [2 * rank, 2 * rank + 1]
        assert not found["frozen"]


def test_the_mean_loss_is_that_of_one_process(processes):
    loss, _ = contrasted.loss_and_gradients(slice(None))
    assert sum(found["loss"] for found in processes) / len(processes) == pytest.approx(loss, rel=1e-6)
    assert processes[0]["loss"] != pytest.approx(processes[1]["loss"], rel=1e-3)


@pytest.mark.parametrize("name", ["image", "text", "scale"])
def test_the_averaged_gradient_is_that_of_one_process(name, processes):
    _, expected = contrasted.loss_and_gradients(slice(None))
    averaged = torch.stack([found["gradients"][name] for found in processes]).mean(dim=0)
    torch.testing.assert_close(averaged, expected[name], rtol=1e-5, atol=1e-7)
    assert expected[name].abs().max() > 1e-3
