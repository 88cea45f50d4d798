"""Many trials of one activity, side by side, each killed at a moment of its own and then run again."""

import hashlib
import json
import os
import random
import re
import select
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import harness
from fault_table import record

__all__ = ["Activity", "digests", "kill_and_repeat", "side_by_side"]

KILLS = int(os.environ.get("AAPE_TEST_KILLS") or 50)
_LEFT_BEHIND = re.compile(r"\..*\.[a-z0-9_]{8}|.*\.partial")


@dataclass(frozen=True)
class Activity:
    """A command, and what tells its outcomes apart.

    Attributes:
        name: Its row of the table.
        argv: Its arguments, from the folder that it runs in.
        outcome: What is in its folder by name: a value or digest of what each holds. Only what is whole or absent
            at every moment; what else there is, `settled` adds.
        settled: What is compared at the end alone.
        inputs: Puts into a new folder what the command reads.
        prepare: Called in the victim.
        growing: Checks, right after a kill, what may be there in part.
    """

    name: str
    argv: Sequence[object]
    outcome: Callable[[Path], dict[str, str]]
    settled: Callable[[Path], dict[str, str]] = lambda _: {}
    inputs: Callable[[Path], object] = lambda _: None
    prepare: Callable[[], None] | None = None
    growing: Callable[[Path, Path], object] = lambda killed, undisturbed: None

    def start(self, folder: Path) -> harness.Victim:
        """Run it in a folder, with a cache of its own."""
        return harness.start(self.argv, folder, {"AAPE_CACHE": str(folder / "cache")}, prepare=self.prepare)

    def new_folder(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        self.inputs(folder)
        return folder


def digests(folder: Path, *patterns: str, without: str = "") -> dict[str, str]:
    """Digests of the files of some patterns, less locks and those that are yet to get their name."""
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in sorted(found)
        if not path.name.endswith(".lock")
        and not any(_LEFT_BEHIND.fullmatch(part) for part in path.relative_to(folder).parts)
        and not (without and re.search(without, path.as_posix()))
    }


def left_behind(folder: Path) -> list[str]:
    """Temporary files and half-built things."""
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if _LEFT_BEHIND.fullmatch(path.name)]


def kill_and_repeat(activity: Activity, folder: Path, kills: int | None = None) -> None:
    """Kill it at random moments, look at what is on disk, and run it again.

    Args:
        activity: What is killed.
        folder: Where its trials run.
        kills: How many, but no more than `$AAPE_TEST_KILLS` (50 where that is not set), which it is by default.

    Raises:
        AssertionError: If a partial file had the name of a whole one, or a second run did not end as an undisturbed
            one.
    """
    kills = min(kills or KILLS, KILLS)
    undisturbed = activity.new_folder(folder / "undisturbed" / "here")
    before = set(undisturbed.rglob("*"))
    ended = activity.start(undisturbed).finish()
    assert ended.code == 0, ended.log
    expected, settled = activity.outcome(undisturbed), activity.settled(undisturbed)
    assert expected
    assert left_behind(undisturbed) == []
    print(f"\n{activity.name}: {len(set(undisturbed.rglob('*')) - before)} files and folders in {ended.seconds:.1f} s")

    def trial(number: int) -> dict[str, object]:
        here = activity.new_folder(folder / f"{number}" / "here")
        untouched = len(list(here.rglob("*")))
        moment = random.Random(f"{activity.name} {number}").uniform(0, ended.seconds)
        victim = activity.start(here)
        time.sleep(moment)
        victim.kill()
        was_over = victim.finish().code >= 0
        found = activity.outcome(here)
        strange = {name: value for name, value in found.items() if expected.get(name) != value}
        assert not strange, f"after {moment:.3f} s these passed for whole: {strange}"
        activity.growing(here, undisturbed)
        begun = len(list(here.rglob("*"))) > untouched
        remains = left_behind(here)
        again = activity.start(here).finish()
        assert again.code == 0, again.log
        for wanted, got in ((expected, activity.outcome(here)), (settled, activity.settled(here))):
            differing = {n: (wanted.get(n), got.get(n)) for n in wanted | got if wanted.get(n) != got.get(n)}
            assert not differing, f"killed after {moment:.3f} s: {differing}"
        leaks = left_behind(here)
        assert not leaks, f"killed after {moment:.3f} s: nobody removed {leaks} (after the kill: {remains})"
        when = "after the end" if was_over else "in work" if begun else "before the first file"
        return {"when": when, "left": len(remains), "whole": len(found)}

    told = side_by_side(trial, kills)
    failed = [text for text in told if isinstance(text, str)]
    times = Counter(outcome["when"] for outcome in told if isinstance(outcome, dict))
    left = sum(outcome["left"] > 0 for outcome in told if isinstance(outcome, dict))
    print(f"{activity.name}: {dict(times)}; {left} left something half-done, {len(failed)} failed")
    record(
        activity.name, "SIGKILL", injected=kills, in_work=times["in work"], survived=kills - len(failed),
        note=f"{times['before the first file']} before the first file, {times['after the end']} after the end",
    )  # fmt: skip
    assert not failed, f"{len(failed)} of {kills} failed:\n" + "\n".join(failed[:3])


def side_by_side(trial: Callable[[int], object], count: int, at_once: int = 2) -> list[object]:
    """Run trials 0, 1, ... `count`, some at a time, each in a fork of its own.

    Args:
        trial: Called with its number; what it returns is a value of JSON.
        count: How many.
        at_once: At a time.

    Returns:
        What each returned; the text of its traceback after `failed: `, where it raised.
    """
    found: dict[int, object] = {}
    running: dict[int, tuple[int, int]] = {}  # by process: the trial and its pipe
    for number in range(count):
        while len(running) >= at_once:
            _collect(running, found)
        reading, writing = os.pipe()
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _run_trial(trial, number, writing)
        os.close(writing)
        running[pid] = (number, reading)
    while running:
        _collect(running, found)
    return [found[number] for number in range(count)]


def _run_trial(trial: Callable[[int], object], number: int, writing: int) -> None:
    try:
        try:
            told = trial(number)
        except BaseException:
            told = f"failed: trial {number}\n{traceback.format_exc()}"
        with open(writing, "w") as pipe:
            json.dump(told, pipe)
    finally:
        os._exit(0)


def _collect(running: dict[int, tuple[int, int]], found: dict[int, object]) -> None:
    """Take what the next trial that ends has told."""
    readable, _, _ = select.select([reading for _, reading in running.values()], [], [])
    for pid, (number, reading) in [*running.items()]:
        if reading in readable:
            with open(reading) as pipe:
                found[number] = json.load(pipe)
            os.waitpid(pid, 0)
            del running[pid]
