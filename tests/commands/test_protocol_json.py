"""`--json` of `aape protocol` and `aape report`: one object on standard output."""

import json
from pathlib import Path

import pytest
from aape_lightning.__main__ import main


@pytest.fixture(scope="module")
def words(toy_recipe, tmp_path_factory):
    """A protocol of one job, into a folder of its own."""
    out = tmp_path_factory.mktemp("protocol") / "out"
    return [
        "protocol",
        "base-to-new",
        "--recipe",
        str(toy_recipe),
        "--method",
        "zero-shot",
        "--seeds",
        "1",
        "--out",
        str(out),
    ]


def printed(words, capsys):
    assert main(words) == 0
    return json.loads(capsys.readouterr().out)


def test_jobs_results_and_report(words, capsys):
    out = words[-1]
    told = printed([*words, "--dry-run", "--json"], capsys)
    assert [job["state"] for job in told["jobs"]] == ["to run"]
    told = printed([*words, "--json"], capsys)
    (result,) = told["results"]
    stored = json.loads(Path(out, result["job"], "result.json").read_text())
    assert told["report"] is None
    assert result["metrics"] == stored["metrics"]
    assert (result["method"], result["seed"]) == ("zero-shot", 1)
    told = printed([*words, "--dry-run", "--json"], capsys)
    assert [job["state"] for job in told["jobs"]] == ["done"]
    told = printed(["report", out, "--json"], capsys)
    assert told["report"] == f"{out}/report.html"
    assert f"{out}/table.csv" in told["tables"]
    assert all(path.startswith(f"{out}/figures/") for path in told["figures"])
