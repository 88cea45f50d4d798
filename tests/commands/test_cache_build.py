"""`aape cache build` by one process, and by several that are started together."""

import contextlib
import multiprocessing
import os

import pytest
import torch
from aape_lightning import cli, shards
from aape_lightning.__main__ import main
from aape_lightning.backbones.base import FrozenBackbone
from aape_lightning.data import ClassificationDataModule, encoding, features
from lightning.pytorch.utilities import rank_zero_only

ENCODED = 2 * 20 + 15 + 20  # two views of the training images, four a class; validation; test


def command(recipe, caches):
    return ["cache", "build", "--recipe", str(recipe), "--", f"--data.cache_dir={caches}"]


def test_it_computes_on_the_device_of_the_trainer(toy_recipe, tmp_path, monkeypatch):
    """Which is the process's own where a launcher has started one for each."""
    built, seen, build = [], [], cli.build
    monkeypatch.setattr(cli, "build", lambda *args, **kwargs: built.append(build(*args, **kwargs)) or built[0])
    monkeypatch.setattr(
        ClassificationDataModule, "setup", lambda data, stage: seen.append((stage, data.trainer, data.device))
    )
    assert main(command(toy_recipe, tmp_path)) == 0
    trainer = built[0].trainer
    assert seen == [(stage, trainer, torch.device("cpu")) for stage in ("fit", "test")]


@pytest.mark.parametrize("count", [2, 3])
def test_processes_that_are_started_together_share_the_work(count, toy_recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "_PER_SHARD", 4)
    monkeypatch.setattr(encoding, "_IMAGES_PER_PASS", 4)
    monkeypatch.setattr(shards, "_PAGE", 128)
    encode, fork = FrozenBackbone.encode_image, multiprocessing.get_context("fork")
    barrier, log = fork.Barrier(count), tmp_path / "log"

    def noting(self, images):
        with log.open("a") as file:
            file.write(f"{len(images)}\n")
        return encode(self, images)

    def work(rank):
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
        rank_zero_only.rank = rank  # as Lightning reads it when it is imported
        barrier.wait()
        with (tmp_path / f"said-{rank}").open("w") as file, contextlib.redirect_stdout(file):
            assert main(command(toy_recipe, tmp_path / "caches")) == 0

    monkeypatch.setattr(FrozenBackbone, "encode_image", noting)
    processes = [fork.Process(target=work, args=(rank,)) for rank in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * count
    assert sum(map(int, log.read_text().split())) == ENCODED
    said = [(tmp_path / f"said-{rank}").read_text() for rank in range(count)]
    assert [("caches" in text) for text in said] == [True] + [False] * (count - 1)
    before = {path: path.read_bytes() for path in (tmp_path / "caches").rglob("*.npy")}
    assert len(before) == 3
    assert main(command(toy_recipe, tmp_path / "alone")) == 0
    assert {path.read_bytes() for path in (tmp_path / "alone").rglob("*.npy")} == set(before.values())
