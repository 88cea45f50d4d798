import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import two_processes
from aape_lightning.tasks import ClassificationTask


@pytest.fixture(scope="module")
def root(toy_root, tmp_path_factory):
    """The toy dataset with one test image less: an odd number of them."""
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
    two_processes.run(root, tiny_clip, out, 1)
    return out


@pytest.fixture(scope="module")
def together(root, tiny_clip, tmp_path_factory, session_cache):
    """The folders of the same runs in two processes, under plain `ddp`."""
    out, environment = tmp_path_factory.mktemp("together"), dict(os.environ)
    for name in ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        environment.pop(name, None)
    environment |= {"AAPE_CACHE": str(session_cache), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, two_processes.__file__, str(root), str(tiny_clip), str(out), "2"]
    done = subprocess.run(command, env=environment, cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "find_unused_parameters" not in done.stderr
    return out


def found(folder, rank=0):
    return json.loads((folder / f"found-{rank}.json").read_text())


def weights(folder, file):
    return torch.load(folder / file, weights_only=True)["state_dict"]


@pytest.mark.parametrize("name", two_processes.RUNS)
@pytest.mark.parametrize("file", ["last.ckpt", "aape.ckpt"])
def test_a_fit_ends_with_the_weights_of_one_process(name, file, alone, together):
    ours, theirs = weights(together / name, file), weights(alone / name, file)
    assert ours.keys() == theirs.keys()
    for key, tensor in theirs.items():
        torch.testing.assert_close(ours[key], tensor, rtol=0, atol=1e-5, msg=lambda said, key=key: f"{key}: {said}")


@pytest.mark.parametrize("name", two_processes.RUNS)
def test_a_fit_logs_the_curves_of_one_process(name, alone, together):
    ours, theirs = found(together / name)["curves"], found(alone / name)["curves"]
    assert ours.keys() == theirs.keys()
    assert "train/loss" in ours
    assert "val/accuracy" in ours
    for metric, values in theirs.items():
        assert ours[metric] == pytest.approx(values, abs=1e-4), metric


@pytest.mark.parametrize("name", two_processes.RUNS)
def test_a_test_counts_each_image_exactly_once(name, alone, together):
    indices = [found(together / name, rank)["index"] for rank in (0, 1)]
    assert sorted(indices[0] + indices[1]) == found(alone / name)["index"] == list(range(19))
    assert {len(index) for index in indices} == {9, 10}


@pytest.mark.parametrize("name", two_processes.RUNS)
def test_a_test_gives_exactly_the_accuracy_of_one_process(name, alone, together):
    expected = found(alone / name)["tested"]
    assert expected["test/accuracy"] * 19 == pytest.approx(round(expected["test/accuracy"] * 19), abs=1e-5)
    for rank in (0, 1):
        assert found(together / name, rank)["tested"] == expected


@pytest.mark.parametrize("name", two_processes.RUNS)
def test_each_process_writes_the_predictions_of_its_images(name, alone, together):
    rows = [pd.read_csv(together / name / f"predictions-{rank}.csv") for rank in (0, 1)]
    ours, theirs = pd.concat(rows), pd.read_csv(alone / name / "predictions.csv")
    assert len(theirs) == 19
    tables = [table.sort_values("path", ignore_index=True) for table in (ours, theirs)]
    pd.testing.assert_frame_equal(*tables, atol=1e-4)


def test_one_process_writes_the_files_and_they_load(together):
    for name in two_processes.RUNS:
        folder = together / name
        assert {path.name for path in folder.iterdir() if path.name.startswith(".")} == set()
        assert ClassificationTask.load_from_checkpoint(folder / "aape.ckpt").aggregator is None
    assert Path(together / "staged" / "aggregator.safetensors").is_file()
