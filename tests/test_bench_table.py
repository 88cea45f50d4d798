"""The table of `make bench`: what it says of a figure within its bound, outside it, and without one."""

import json
import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent / "benchmarks"))
from figure_table import Figures, machine, markdown, rich_table, write_json
from measuring import MIB, Peak, Ratio, in_turns, peak_of, ratio


@pytest.fixture
def found():
    figures = Figures("test_x")
    figures.add("step", Ratio(1.2, 1.1, 1.4), "x", bound=1.25, floor="bare loop", memory=Peak(3 * MIB, 2 * MIB, 0))
    figures.add("speed", 80, "images/s", bound=90, better="higher", memory=5 * MIB)
    figures.add("epoch", 12345.6, "s")
    return figures


def test_rows_in_markdown(found):
    lines = markdown(found.rows, machine()).splitlines()
    assert lines[2:5] == [
        "| step | 1.2x (1.1 to 1.4) | at most 1.25x | yes | bare loop | 3 MiB |",
        "| speed | 80 images/s | at least 90 images/s | NO |  | 5 MiB |",
        "| epoch | 12,346 s |  |  |  |  |",
    ]
    assert f"torch {machine()['torch']}" in lines[-1]


def test_table_on_a_terminal_shows_every_figure(found):
    text = rich_table(found.rows, machine(), width=160)
    assert all(row.name in text and row.told() in text for row in found.rows)


def test_only_figures_outside_their_bound_fail(found):
    with pytest.raises(AssertionError, match=r"^speed: 80 images/s, and it must be at least 90 images/s$"):
        found.check()
    del found.rows[1]
    found.check()


@pytest.mark.parametrize(("value", "within"), [(0.89, False), (0.9, True), (1.1, True), (1.11, False)])
def test_a_pair_of_bounds_holds_on_both_sides(value, within):
    figures = Figures("test_x")
    figures.add("exponent", value, bound=(0.9, 1.1))
    assert figures.rows[0].within is within
    assert figures.rows[0].told_bound() == "0.9 to 1.1"


def test_json_keeps_full_precision(found, tmp_path):
    write_json(tmp_path / "figures.json", found.rows, machine())
    rows = json.loads((tmp_path / "figures.json").read_text())["figures"]
    assert [(row["value"], row["within"]) for row in rows] == [(1.2, True), (80, False), (12345.6, None)]


def test_an_unknown_direction_is_refused():
    with pytest.raises(ValueError, match="'lower' or 'higher'"):
        Figures("test_x").add("step", 1, better="less")


def test_turns_are_taken_round_by_round():
    calls = []
    times = in_turns({name: lambda name=name: calls.append(name) for name in "ab"}, rounds=3, calls=2, warm_up=1)
    assert "".join(calls) == "ab" + "aabb" + "bbaa" + "aabb"
    assert {name: len(found) for name, found in times.items()} == {"a": 3, "b": 3}


def test_ratio_is_taken_in_each_round():
    assert ratio([2.0, 9.0, 4.0], [1.0, 3.0, 4.0]) == Ratio(2.0, 1.0, 3.0)


def test_peak_memory_sees_what_was_freed_before_the_end():
    def prepare():
        def hold():
            held = bytearray(64 * MIB)
            time.sleep(0.05)
            del held

        return hold

    peak = peak_of(prepare)
    assert 60 * MIB < peak.private < 96 * MIB
    assert 60 * MIB < peak.resident < 96 * MIB
