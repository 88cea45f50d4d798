"""A disk that is full: one message that names the file, nothing partial, and with room again the undisturbed result."""

import os
import re
import shutil

import disks
import harness
import pandas as pd
import pytest
import torch
from aape_lightning.protocols.results import RESULT_FILE, Result

TIMES = re.compile(rb"\d{4}-\d\d-\d\d[T ][\d:.+Z]*|[\d.]+ (s|min|ms)\b")
ROOM = 2**27


def stores(place):
    return disks.files(place)


def training(place):
    """Weights, and what is logged of them."""
    kept = {name: place / "run" / name for name in ("aape.ckpt", "last.ckpt", "aggregator.safetensors")}
    found = {name: path.read_bytes() for name, path in kept.items() if path.exists() and path.suffix != ".ckpt"}
    for name in ("aape.ckpt", "last.ckpt"):
        if kept[name].exists():
            state = torch.load(kept[name], weights_only=True)["state_dict"]
            found[name] = {key: tensor.tolist() for key, tensor in state.items()}
    return found


def logged(place):
    return (place / "run" / "metrics.csv").read_bytes()


def results(place):
    return {str(path.relative_to(place)): Result.read(path).metrics for path in place.rglob(RESULT_FILE)}


def table(place):
    return pd.read_csv(place / "out" / "table.csv").drop(columns="train_seconds").to_dict()


def pages(place):
    """What a report writes, less the times that it tells of runs."""
    names = ("table.csv", "table.md", "table.tex", "report.html", "figures/*")
    found = [path for name in names for path in (place / "out").glob(name)]
    return {path.name: TIMES.sub(b"", path.read_bytes()) for path in found}


@pytest.fixture(scope="module")
def caches(toy_recipe, tmp_path_factory):
    """A cache that is whole, and a folder of results, for what needs no room for them."""
    here = tmp_path_factory.mktemp("before")
    argv = ["protocol", "base-to-new", "--recipe", toy_recipe, "--method", "zero-shot", "--method", "aape"]
    ended = harness.run([*argv, "--seeds", 1, "--out", here / "out"], here, {"AAPE_CACHE": str(here / "cache")})
    assert ended.code == 0, ended.log
    return here


ACTIVITIES = {
    "store building": (["cache", "build", "--recipe", "{recipe}"], stores, None, [4, 12, 20, 28, 40]),
    "prompt embedding": (
        ["prompts", "embed", "--manifest", "{manifest}", "--root", "{root}", "--backbone", "{clip}",
         "--out", "{place}/bank.safetensors"], stores, None, [4, 12],
    ),
    "training": (["fit", "--config", "{recipe}", "--run", "{place}/run"], training, logged,
                 [4, 8, 16, 40, 100, 190]),
    "protocol": (
        ["protocol", "base-to-new", "--recipe", "{recipe}", "--method", "zero-shot", "--method", "aape",
         "--seeds", 1, 2, "--out", "{place}/out"], results, None, [40, 200],
    ),
    "report": (["report", "{place}/out"], pages, None, [24, 120]),
}  # fmt: skip


@pytest.fixture
def command(toy_recipe, toy_root, tiny_clip):
    def words(activity, place):
        known = {"recipe": toy_recipe, "manifest": toy_root / "toy.yaml", "root": toy_root, "clip": tiny_clip}
        return [str(word).format(**known, place=place) for word in ACTIVITIES[activity][0]]

    return words


def put_before(activity, place, caches):
    """What the command finds: a whole cache for trainings, results for reports; else it begins from nothing."""
    if activity in ("training", "protocol"):
        return {"AAPE_CACHE": str(caches / "cache")}
    if activity == "report":
        shutil.copytree(caches / "out", place / "out", ignore=shutil.ignore_patterns("*.ckpt", "*.safetensors"))
        return {}
    return {"AAPE_CACHE": str(place / "cache")}


@pytest.fixture(scope="module")
def undisturbed():
    """What each activity comes to, once."""
    return {}


def expected(activity, command, caches, tmp_path, undisturbed):
    if activity not in undisturbed:
        place = tmp_path / "undisturbed"
        place.mkdir()
        environment = put_before(activity, place, caches)
        ended = harness.run(command(activity, place), tmp_path, environment)
        assert ended.code == 0, ended.log
        _, outcome, at_end, _ = ACTIVITIES[activity]
        undisturbed[activity] = outcome(place), at_end(place) if at_end else None
        shutil.rmtree(place)
    return undisturbed[activity]


TRIALS = [(activity, size) for activity, (*_, sizes) in ACTIVITIES.items() for size in sizes]


@pytest.mark.parametrize(("activity", "size"), TRIALS, ids=lambda value: str(value).replace(" ", "-"))
def test_a_full_disk(activity, size, command, caches, tmp_path, undisturbed):
    whole, at_the_end = expected(activity, command, caches, tmp_path, undisturbed)
    _, outcome, at_end, _ = ACTIVITIES[activity]
    place = tmp_path / "disk"
    with disks.disk(place, ROOM) as disk:
        environment = put_before(activity, place, caches)
        used = sum(path.stat().st_blocks * 512 for path in place.rglob("*") if path.is_file())
        disk.resize(used + size * 1024)
        ended = harness.run(command(activity, place), tmp_path, environment, log=tmp_path / "log")
        message = disks.assert_told_once(ended, place)
        assert re.search("no space left|has no room", message), message
        found = outcome(place)
        half_built = {name for name in found if ".partial/" in name}
        assert {name: found[name] for name in found.keys() - half_built}.items() <= whole.items()
        assert not [name for name in os.listdir(tmp_path) if "tmp" in name]
        disk.resize(ROOM)
        again = harness.run(command(activity, place), tmp_path, environment, log=tmp_path / "log")
        assert again.code == 0, again.log
        assert outcome(place) == whole
        if at_end:
            assert at_end(place) == at_the_end
        left = [path.name for path in place.rglob(".*") if path.is_file()]
        assert left == []
    disks.survived(activity, "full disk")


@pytest.mark.parametrize("most", [100, 1000, 3000, 60_000])
def test_a_limit_on_the_size_of_a_file_is_a_full_disk(most, command, caches, tmp_path, undisturbed):
    whole, at_the_end = expected("training", command, caches, tmp_path, undisturbed)
    environment = {"AAPE_CACHE": str(caches / "cache")}
    argv = command("training", tmp_path)
    ended = disks.run_with_small_files(argv, tmp_path, environment, most)
    disks.assert_told_once(ended, tmp_path / "run", "no space left (File too large)")
    assert training(tmp_path).items() <= whole.items()
    again = harness.run(argv, tmp_path, environment, log=tmp_path / "log")
    assert again.code == 0, again.log
    assert training(tmp_path) == whole
    assert logged(tmp_path) == at_the_end
    disks.survived("training", "limit on files")


def test_a_job_without_room_fails_alone(toy_recipe, caches, tmp_path):
    """Its folder is on a full disk; the other's is not."""
    argv = ["protocol", "base-to-new", "--recipe", toy_recipe, "--method", "zero-shot", "--method", "aape"]
    argv += ["--seeds", 1, "--out", tmp_path / "out"]
    environment = {"AAPE_CACHE": str(caches / "cache")}
    full = tmp_path / "out" / "toy" / "zero-shot"
    with disks.disk(full, 4096):
        ended = harness.run(argv, tmp_path, environment, log=tmp_path / "log")
        disks.assert_told_once(ended, "1 of 2 jobs failed", "toy, zero-shot, seed 1", "no space left")
        assert list(results(tmp_path)) == ["out/toy/aape/seed1/result.json"]
        assert not (full / "seed1" / RESULT_FILE).exists()
    again = harness.run(argv, tmp_path, environment, log=tmp_path / "log")
    assert again.code == 0, again.log
    assert len(list(tmp_path.rglob(RESULT_FILE))) == 2
    disks.survived("protocol", "full disk of one job")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
@pytest.mark.parametrize("argv", [["data", "list"], ["cache", "list"]])
def test_output_that_cannot_be_written_is_told_in_a_line(argv, tmp_path):
    """Python would add a complaint of its own when it closes the output."""

    def fill_output():
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, 1)

    ended = harness.run(argv, tmp_path, {"AAPE_CACHE": str(tmp_path)}, log=tmp_path / "log", prepare=fill_output)
    disks.assert_told_once(ended, "no space left")
    assert "Exception ignored" not in ended.log
    disks.survived("output", "full disk")
