"""Processes that build the same thing at the same moment: both end well, with what one of them would have built."""

import random
import time

import disks
import harness
import pytest


@pytest.fixture(scope="module")
def things(toy_recipe, toy_root, toy_captions, tiny_clip, larger_root, tmp_path_factory):
    """Command lines by what they build."""
    return {
        "feature stores and bank": ["cache", "build", "--recipe", toy_recipe, "--data.root", larger_root,
                                    "--data.manifest", larger_root / "toy.yaml"],
        "prompt bank": ["prompts", "embed", "--manifest", larger_root / "toy.yaml", "--root", larger_root,
                        "--backbone", tiny_clip],
        "search index": ["retrieve", "--images", toy_root / "toy" / "images", "--query", "a red car",
                         "--backbone", tiny_clip],
    }  # fmt: skip


NAMES = ("feature stores and bank", "prompt bank", "search index")


@pytest.fixture(scope="module")
def start(things):
    def started(name, here, number):
        return harness.start(things[name], here, {"AAPE_CACHE": str(here / "cache")}, log=here / f"log{number}")

    return started


@pytest.fixture(scope="module")
def alone(start, tmp_path_factory):
    """What one builder leaves and how long it takes, once."""
    known = {}

    def built(name):
        if name not in known:
            here = tmp_path_factory.mktemp("alone")
            ended = start(name, here, 0).finish()
            assert ended.code == 0, ended.log
            known[name] = disks.files(here / "cache"), ended.seconds
        return known[name]

    return built


@pytest.mark.parametrize("builders", [2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_all_end_well_with_one_store(name, builders, start, alone, tmp_path):
    whole, _ = alone(name)
    victims = [start(name, tmp_path, number) for number in range(builders)]
    for ended in [victim.finish() for victim in victims]:
        assert ended.code == 0, ended.log
        assert "Traceback" not in ended.log
    assert disks.files(tmp_path / "cache") == whole
    disks.survived(name, "two builders")


@pytest.mark.parametrize("trial", range(5))
@pytest.mark.parametrize("name", NAMES)
def test_one_of_two_is_killed(name, trial, start, alone, tmp_path):
    whole, seconds = alone(name)
    victims = [start(name, tmp_path, number) for number in range(2)]
    time.sleep(random.Random(f"{name} {trial}").uniform(0.2, 1.0) * seconds)
    victims[0].kill()
    victims[0].finish()
    ended = victims[1].finish()
    assert ended.code == 0, ended.log
    assert disks.files(tmp_path / "cache") == whole
    disks.survived(name, "one of two builders killed")


@pytest.mark.parametrize("trial", range(4))
def test_the_cache_is_cleared_meanwhile(trial, start, alone, tmp_path):
    """What is being built stays; what is whole already may go, and is built again by who needs it next."""
    name = "feature stores and bank"
    whole, seconds = alone(name)
    victim = start(name, tmp_path, 0)
    until = time.monotonic() + seconds * random.Random(trial).uniform(0.3, 0.9)
    environment = {"AAPE_CACHE": str(tmp_path / "cache")}
    while time.monotonic() < until:
        cleared = harness.run(["cache", "clear", "--yes"], tmp_path, environment, log=tmp_path / "cleared")
        assert cleared.code == 0, cleared.log
    ended = victim.finish()
    if ended.code:  # a bank or store that was whole, and was removed before the same process opened it
        disks.assert_told_once(ended, str(tmp_path / "cache"))
    again = start(name, tmp_path, 1).finish()
    assert again.code == 0, again.log
    assert disks.files(tmp_path / "cache") == whole
    disks.survived(name, "cleared meanwhile")


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_the_cache_is_deleted_meanwhile(share, start, alone, tmp_path):
    """By hand, locks and all."""
    import shutil

    name = "feature stores and bank"
    whole, seconds = alone(name)
    victim = start(name, tmp_path, 0)
    time.sleep(seconds * share)
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    ended = victim.finish()
    assert "Traceback" not in ended.log, ended.log
    if ended.code:
        disks.assert_told_once(ended, str(tmp_path / "cache"))
    again = start(name, tmp_path, 1).finish()
    assert again.code == 0, again.log
    assert disks.files(tmp_path / "cache") == whole
    disks.survived(name, "cache deleted meanwhile")
