"""What jobs leave beside their results, for a report to explain predictions."""

import dataclasses

import pytest
from aape_lightning.errors import ResultError
from aape_lightning.protocols.explanations import EXPLANATIONS_FILE, read_explanations
from aape_lightning.protocols.results import Result
from aape_lightning.runner import job as running
from aape_lightning.runner.request import Request
from aape_lightning.runner.run import run_protocol


@pytest.fixture
def run(toy_recipe, tmp_path):
    """Runs a protocol on the toy dataset; returns the folder of each of its jobs."""

    def one(protocol, *methods, out="out", **changes):
        place = tmp_path / out
        run_protocol(
            Request(protocol=protocol, recipes=[str(toy_recipe)], methods=methods, seeds=[1], out=place, **changes)
        )
        return {path.parent.relative_to(place / "toy").as_posix(): path.parent for path in place.rglob("result.json")}

    return one


def test_a_run_with_an_aggregator_leaves_explanations(run):
    jobs = run("base-to-new", "zero-shot", "aape")
    assert [name for name, folder in jobs.items() if (folder / EXPLANATIONS_FILE).exists()] == ["aape/seed1"]
    path = jobs["aape/seed1"] / EXPLANATIONS_FILE
    found = read_explanations(path)
    assert [part.classes for part in found.parts] == ["base", "new"]
    assert all(part.images and part.by_class for part in found.parts)
    assert path.stat().st_size < 100_000


def test_explanations_change_no_result(run, monkeypatch):
    plain = run("base-to-new", "aape", out="with")["aape/seed1"]
    monkeypatch.setattr(running, "explain_run", lambda task, data, *, with_new: None)
    without = run("base-to-new", "aape", out="without")["aape/seed1"]
    assert not (without / EXPLANATIONS_FILE).exists()
    one, other = (
        dataclasses.replace(Result.read(folder / "result.json"), seconds={}, created="") for folder in (plain, without)
    )
    assert one == other


def test_no_result_stands_beside_another_runs_explanations(run):
    folder = run("base-to-new", "aape")["aape/seed1"]
    assert (folder / EXPLANATIONS_FILE).exists()
    run("base-to-new", "aape", overrides=["--model.aggregator", "mean"])  # which attends to nothing
    assert not (folder / EXPLANATIONS_FILE).exists()


def test_a_run_that_is_cut_short_leaves_no_half(run, monkeypatch, tmp_path):
    def stop(*_, **__):
        raise OSError("the disk is full")

    monkeypatch.setattr(running, "explain_run", stop)
    with pytest.raises(ResultError, match="the disk is full"):
        run("base-to-new", "aape")
    assert not [path for name in ("result.json", EXPLANATIONS_FILE) for path in tmp_path.rglob(name)]


@pytest.mark.parametrize(("protocol", "changes"), [("train-test", {}), ("few-shot", {"vary": {"data.shots": [2]}})])
def test_classification_over_all_classes_is_explained(run, protocol, changes):
    [folder] = run(protocol, "aape", **changes).values()
    assert [part.classes for part in read_explanations(folder / EXPLANATIONS_FILE).parts] == ["all"]


def test_a_sweep_leaves_none(run):
    [folder] = run("sweep", "aape", vary={"model.lr": [0.001]}).values()
    assert not (folder / EXPLANATIONS_FILE).exists()
