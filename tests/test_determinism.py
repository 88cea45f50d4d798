"""The same seed gives the same result: in another process, another order of folders, other hashes, more workers."""

import json
import os
import random
import re
import subprocess
import sys

import pytest
import yaml
from aape_lightning.__main__ import main
from aape_lightning.data.draws import draw
from aape_lightning.data.readers import read_split

import contrary
from cut_fit import first_difference, fit, load

TIMES = ("created", "seconds", "train_seconds")
CONTRARY = {"PYTHONHASHSEED": "2", "LC_ALL": "C", "TZ": "Asia/Tokyo", "COLUMNS": "60"}


@pytest.fixture(scope="module")
def both(toy_recipe, tmp_path_factory):
    """The folders of a protocol with seed 0 in this process and in contrary surroundings, both without a cache."""
    folders = tmp_path_factory.mktemp("plain"), tmp_path_factory.mktemp("contrary")
    words = ["protocol", "base-to-new", "--recipe", str(toy_recipe), "--method", "aape", "--method", "coop"]
    words += ["--seeds", "0", "--report", "--out"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AAPE_CACHE", str(folders[0] / "cache"))
        assert main([*words, str(folders[0] / "out")]) == 0
    environment = os.environ | CONTRARY | {"AAPE_CACHE": str(folders[1] / "cache"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, contrary.__file__, *words, str(folders[1] / "out")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folders


def contents(folder):
    """What each file of a folder holds, by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_stores_and_banks_have_the_same_names_and_bytes_anywhere(both):
    kept = [
        {name: data for name, data in contents(folder / "cache").items() if not name.endswith(".lock")}
        for folder in both
    ]
    assert list(kept[0]) == list(kept[1])
    assert len(kept[0]) >= 6
    told = {name for name in kept[0] if kept[0][name] != kept[1][name]}
    assert not told


def test_results_are_the_same_anywhere(both):
    results = [sorted((folder / "out").rglob("result.json")) for folder in both]
    assert len(results[0]) == 2
    for ours, theirs in zip(*results, strict=True):
        pair = [json.loads(path.read_text()) for path in (ours, theirs)]
        one, other = ({name: value for name, value in found.items() if name not in TIMES} for found in pair)
        assert one["seed"] == one["config"]["data"]["init_args"]["seed"] == one["config"]["seed_everything"] == 0
        for config in (one["config"], other["config"]):
            config.pop("trainer"), config["data"]["init_args"].pop("cache_dir", None)
        assert one == other


def test_tables_are_the_same_anywhere(both):
    names = sorted(path.name for path in (both[0] / "out").glob("*.*") if path.suffix in (".csv", ".md", ".tex"))
    assert names
    for name in names:
        one, other = ((folder / "out" / name).read_text().splitlines() for folder in both)
        assert len(one) == len(other), name
        if name.endswith(".csv"):
            columns = [at for at, column in enumerate(one[0].split(",")) if "seconds" not in column]
            one, other = ([[line.split(",")[at] for at in columns] for line in lines] for lines in (one, other))
        else:
            one, other = ([re.sub(r"[0-9.]+ s\b", "s", line) for line in lines] for lines in (one, other))
        assert one == other, name


@pytest.mark.parametrize("more", [[], ["--data.store", "false"]], ids=["stored", "decoded in each epoch"])
def test_the_number_of_workers_does_not_matter(more, toy_recipe, tmp_path):
    words = ["fit", "--config", toy_recipe, "--config", "csv", *more]
    for workers in (0, 2):
        assert fit([*words, "--data.num_workers", workers, "--run", tmp_path / str(workers)])
    ends = [load(tmp_path / str(workers) / "aape.ckpt")["state_dict"] for workers in (0, 2)]
    assert first_difference(*ends) is None
    assert len({(tmp_path / str(workers) / "metrics.csv").read_text() for workers in (0, 2)}) == 1


def test_dropout_does_not_depend_on_what_is_cached(toy_captions, toy_root, tiny_clip, tmp_path):
    words = ["fit", "--config", "shapes_captioning", "--config", "csv", "--data.manifest", toy_captions]
    words += ["--data.root", toy_root, "--data.backbone", tiny_clip, "--data.batch_size", 10, "--data.num_workers", 0]
    words += ["--data.cache_dir", tmp_path / "cache", "--model.aggregator_epochs", 1, "--trainer.max_epochs", 2]
    for run in ("builds", "reads"):
        assert fit([*words, "--trainer.accelerator", "cpu", "--run", tmp_path / run])
    assert first_difference(load(tmp_path / "builds" / "last.ckpt"), load(tmp_path / "reads" / "last.ckpt")) is None


def test_seed_zero_is_a_seed_like_any_other(toy_recipe, tmp_path):
    runs = {}
    for name, seed in (("zero", 0), ("again", 0), ("one", 1)):
        words = ["--seed_everything", seed, "--data.seed", seed, "--run", tmp_path / name]
        assert fit(["fit", "--config", toy_recipe, "--config", "csv", *words])
        config = yaml.safe_load((tmp_path / name / "config.yaml").read_text())
        assert (config["seed_everything"], config["data"]["init_args"]["seed"]) == (seed, seed)
        runs[name] = load(tmp_path / name / "last.ckpt")
    assert first_difference(runs["zero"], runs["again"]) is None
    assert first_difference(runs["zero"]["state_dict"], runs["one"]["state_dict"]) is not None
    assert runs["zero"]["callbacks"]["StepSeeds"] != runs["one"]["callbacks"]["StepSeeds"]


def test_a_draw_with_seed_zero_is_that_of_a_generator_with_seed_zero(toy_data, toy_root, capsys):
    data = toy_data()
    split = read_split(data.manifest, data.root)
    first = [item for item in split.train if item.label == 0]
    assert [item for item in draw(split, 4, 0).train if item.label == 0] == random.Random(0).sample(first, 4)
    words = ["data", "draw", "--manifest", toy_root / "toy.yaml", "--root", toy_root, "--shots", 4, "--seed", 0]
    assert main([str(word) for word in words]) == 0
    printed = capsys.readouterr().out
    assert all(item.path in printed for item in draw(split, 4, 0).train)
    assert not all(item.path in printed for item in draw(split, 4, 1).train)
