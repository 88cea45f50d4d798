"""Two and four processes under plain `ddp` against one process with the same global batches."""

import json
import shutil
from collections import Counter
from itertools import chain
from pathlib import Path

import many_processes
import pandas as pd
import pytest
import torch
from aape_lightning.tasks import ClassificationTask, RetrievalTask
from launching import launch

EXACT = [name for name in many_processes.RUNS if name != "bf16-mixed"]
TESTED = {name: 20 if name in many_processes.RETRIEVAL else 19 for name in many_processes.RUNS}


@pytest.fixture(scope="module")
def root(toy_root, toy_captions, tmp_path_factory):
    """The toy dataset with one test image less to classify: 19, which neither 2 nor 4 divides."""
    root = tmp_path_factory.mktemp("distributed") / "data"
    shutil.copytree(toy_root, root)
    path = root / "toy" / "split_toy.json"
    split = json.loads(path.read_text())
    split["test"].pop()
    path.write_text(json.dumps(split))
    return root


@pytest.fixture(scope="module")
def alone(root, tiny_clip, tmp_path_factory):
    """The folders of the runs in one process."""
    out = tmp_path_factory.mktemp("alone")
    launch(many_processes.__file__, root, tiny_clip, out, 1, cache=out / "cache", folder=out)
    return out


@pytest.fixture(scope="module", params=[2, 4])
def together(root, tiny_clip, tmp_path_factory, request):
    """The folders of the same runs in several processes, which start with an empty cache, and their number."""
    out = tmp_path_factory.mktemp("together")
    launch(many_processes.__file__, root, tiny_clip, out, request.param, cache=out / "cache", folder=out)
    return out, request.param


def found(folder, rank=0):
    return json.loads((folder / f"found-{rank}.json").read_text())


def of_all(folder, processes):
    return [found(folder, rank) for rank in range(processes)]


def weights(folder, file):
    return torch.load(folder / file, weights_only=True)["state_dict"]


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("file", ["last.ckpt", "aape.ckpt"])
def test_a_fit_ends_with_the_weights_of_one_process(name, file, alone, together):
    ours, theirs = weights(together[0] / name, file), weights(alone / name, file)
    assert ours.keys() == theirs.keys()
    for key, tensor in theirs.items():
        torch.testing.assert_close(ours[key], tensor, rtol=0, atol=1e-5, msg=lambda said, key=key: f"{key}: {said}")


@pytest.mark.parametrize("name", EXACT)
def test_a_fit_logs_the_curves_of_one_process(name, alone, together):
    ours, theirs = found(together[0] / name)["curves"], found(alone / name)["curves"]
    assert ours.keys() == theirs.keys()
    assert "train/loss" in ours
    assert ("train/contrastive" if name in many_processes.RETRIEVAL else "val/accuracy") in ours
    for metric, values in theirs.items():
        assert ours[metric] == pytest.approx(values, abs=1e-4), metric


def test_mixed_precision_follows_one_process(alone, together):
    """Products in bfloat16 differ in their last bit with the number of rows."""
    ours, theirs = found(together[0] / "bf16-mixed")["curves"], found(alone / "bf16-mixed")["curves"]
    assert ours.keys() == theirs.keys()
    assert ours["train/loss"] == pytest.approx(theirs["train/loss"], rel=0.02)


@pytest.mark.parametrize("name", many_processes.RUNS)
def test_there_are_as_many_steps(name, alone, together):
    assert found(together[0] / name)["steps"] == found(alone / name)["steps"] > 0


@pytest.mark.parametrize("name", many_processes.RUNS)
def test_a_test_counts_each_image_exactly_once(name, alone, together):
    out, processes = together
    indices = [process["index"] for process in of_all(out / name, processes)]
    assert sorted(chain(*indices)) == found(alone / name)["index"] == list(range(TESTED[name]))
    fewest = TESTED[name] // processes
    assert {len(index) for index in indices} <= {fewest, fewest + 1}


@pytest.mark.parametrize("name", EXACT)
def test_every_process_has_the_metrics_of_one_process(name, alone, together):
    expected = found(alone / name)["tested"]
    assert len(expected) == (8 if name in many_processes.RETRIEVAL else len(expected)) > 0
    for process in of_all(together[0] / name, together[1]):
        assert process["tested"] == pytest.approx(expected, abs=1e-6)
        assert (process["outcomes"] or [])[:3] == (found(alone / name)["outcomes"] or [])[:3]


@pytest.mark.parametrize("name", EXACT)
def test_predictions_are_one_table_in_the_order_of_the_images(name, alone, together):
    ours, theirs = (pd.read_csv(out / name / "predictions.csv") for out in (together[0], alone))
    assert len(theirs) == TESTED[name]
    pd.testing.assert_frame_equal(ours, theirs, atol=1e-4)
    assert [path.name for path in (together[0] / name).glob("predictions*")] == ["predictions.csv"]


@pytest.mark.parametrize("name", many_processes.RUNS)
def test_nothing_is_computed_twice(name, alone, together):
    """From an empty cache, all processes together put as many images and texts through the towers as one does."""
    together_counts = sum((Counter(counts(process)) for process in of_all(together[0] / name, together[1])), Counter())
    assert together_counts == Counter(counts(found(alone / name)))


def counts(process):
    return {what: process[what] for what in ("images", "texts")}


def test_the_first_run_fills_the_cache(alone):
    assert found(alone / "staged")["images"] == 20 * 2 + 15 + 19
    assert found(alone / "mlp")["images"] == 0
    assert found(alone / "staged")["texts"] > found(alone / "joint")["texts"] == 0


@pytest.mark.parametrize("name", many_processes.RUNS)
def test_one_process_writes_the_files_and_they_load(name, alone, together):
    out, processes = together
    folder = out / name
    assert {path.name for path in folder.iterdir() if path.name.startswith(".")} == set()
    task = RetrievalTask if name in many_processes.RETRIEVAL else ClassificationTask
    assert task.load_from_checkpoint(folder / "aape.ckpt").aggregator is None
    written = [process["checkpoints"] for process in of_all(folder, processes)]
    assert written == [found(alone / name)["checkpoints"]] + [0] * (processes - 1)
    has_aggregator = name != "no distillation"
    assert Path(folder / "aggregator.safetensors").is_file() == has_aggregator
