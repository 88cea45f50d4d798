"""A forked victim does what a process of its own does."""

import os
import re
import signal
import time

import harness
import pytest

TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:.+Z]*|\"seconds\": [\d.]+")


def files(folder):
    """What a run leaves, without its times, and without TensorBoard's, which are all times."""
    return {
        path.relative_to(folder).as_posix(): TIMES.sub("", path.read_text())
        if path.suffix in (".json", ".md", ".csv", ".yaml")
        else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "tfevents" not in path.name
    }


def test_a_forked_victim_does_what_a_process_of_its_own_does(toy_recipe, tmp_path):
    outcomes = []
    for runner, name in ((harness.run, "forked"), (harness.start_anew, "anew")):
        folder = tmp_path / name
        folder.mkdir()
        ended = runner(["fit", "--config", toy_recipe, "--run", "run"], folder, {"AAPE_CACHE": str(folder / "cache")})
        assert ended.code == 0, ended.log
        outcomes.append((files(folder), ended.log))
    (forked, forked_log), (anew, anew_log) = outcomes
    assert forked.keys() == anew.keys()
    differing = [name for name in anew if forked[name] != anew[name]]
    assert differing == []
    assert forked_log.splitlines()[-2:] == anew_log.splitlines()[-2:]


@pytest.mark.parametrize("words", [["data", "list"], ["no-such-command"], ["fit", "--config", "no-such-recipe"]])
def test_it_ends_with_the_same_code_and_the_same_words(words, tmp_path):
    tmp_path.joinpath("here").mkdir()
    forked, anew = (runner(words, tmp_path / "here") for runner in (harness.run, harness.start_anew))
    assert (forked.code, forked.log) == (anew.code, anew.log)


def test_a_kill_takes_the_whole_group(tmp_path):
    tmp_path.joinpath("here").mkdir()

    def with_a_child():
        if os.fork() == 0:
            time.sleep(60)

    victim = harness.start(["data", "list"], tmp_path / "here", prepare=lambda: (with_a_child(), time.sleep(60)))
    while not (left := harness.children(victim.pid)):
        time.sleep(0.01)
    victim.kill()
    assert victim.finish().code == -signal.SIGKILL
    assert all(not os.path.exists(f"/proc/{pid}") or harness.group(victim.pid) == [] for pid in left)
