"""`aape report` that is killed at any moment, and typed again."""

import shutil

import harness
import pytest
from trials import Activity, digests, kill_and_repeat


@pytest.fixture(scope="module")
def results(toy_recipe, tmp_path_factory):
    """What a protocol of two methods and two seeds leaves."""
    here = tmp_path_factory.mktemp("results") / "here"
    here.mkdir()
    words = ["protocol", "base-to-new", "--recipe", toy_recipe, "--method", "zero-shot", "--method", "aape"]
    ended = harness.run([*words, "--seeds", 1, 2, "--out", "out"], here, {"AAPE_CACHE": str(here / "cache")})
    assert ended.code == 0, ended.log
    return here


def report(folder):
    """Every file of the report: none of them holds a time of its own."""
    return digests(folder, "out/*.*", "out/figures/*")


def test_a_killed_report(results, tmp_path):
    def inputs(folder):
        shutil.copytree(results / "out", folder / "out")

    activity = Activity("report writing", ["report", "out"], report, inputs=inputs)
    kill_and_repeat(activity, tmp_path)
    assert len(list((tmp_path / "undisturbed" / "here" / "out" / "figures").glob("*.svg"))) >= 4
