import dataclasses
import json
import math
import re

import pytest
from aape_lightning.errors import ResultError
from aape_lightning.protocols.results import RESULT_FILE, Result, read_results

LEAST = {
    "protocol": "base-to-new",
    "recipe": "toy",
    "dataset": "toy",
    "method": "aape",
    "seed": 1,
    "metrics": {"base/accuracy": 1 / 3, "new/accuracy": 0.1 + 0.2},
    "config_hash": "ab12",
}
WHOLE = LEAST | {
    "backbone": {"name": "täny", "fingerprint": "00ff", "embed_dim": 32, "logit_scale": 14.285714285714286},
    "diagnostics": {"cosine/aape": 0.1234567890123456789},
    "curves": {"train/loss": [3.0, 2.0, 1e-300]},
    "seconds": {"fit": 1.5},
    "setting": {"data.shots": 4, "model.query": "image", "model.lr": 0.001, "data.prompts": None},
    "overrides": ["--model.lr", "1e-3"],
    "config": {"model": {"class_path": "A", "init_args": {"lr": 1e-3, "names": ["ä", None, True]}}},
    "versions": {"torch": "2.13.0"},
    "created": "2026-01-01T00:00:00+00:00",
}


@pytest.mark.parametrize("fields", [LEAST, WHOLE])
def test_what_is_read_is_what_was_written(fields, tmp_path):
    result = Result(**fields)
    path = result.write(tmp_path / "a" / "seed1")
    assert path == tmp_path / "a" / "seed1" / RESULT_FILE
    assert Result.read(path) == result
    assert dataclasses.asdict(Result.read(path)) == dataclasses.asdict(result)


def test_a_result_is_plain_json_with_every_field(tmp_path):
    held = json.loads(Result(**WHOLE).write(tmp_path).read_text(encoding="utf-8"))
    assert held == WHOLE
    assert set(held) == {field.name for field in dataclasses.fields(Result)}


def test_whole_numbers_and_numbers_that_are_none_are_read(tmp_path):
    path = Result(**LEAST | {"curves": {"loss": [math.inf, math.nan]}}).write(tmp_path)
    path.write_text(path.read_text().replace(str(1 / 3), "1"))
    read = Result.read(path)
    assert read.metrics["base/accuracy"] == 1.0
    assert read.curves["loss"][0] == math.inf
    assert math.isnan(read.curves["loss"][1])


def test_writing_leaves_one_file_and_replaces_an_older_one(tmp_path):
    Result(**LEAST).write(tmp_path)
    Result(**LEAST | {"seed": 2}).write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [RESULT_FILE]
    assert Result.read(tmp_path / RESULT_FILE).seed == 2


def test_a_result_that_cannot_be_written_leaves_the_older_one(tmp_path):
    path = Result(**LEAST).write(tmp_path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        Result(**LEAST | {"config": {"path": tmp_path}}).write(tmp_path)
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [RESULT_FILE]


MALFORMED = {
    "cut short": json.dumps(LEAST)[:-9],
    "empty": "",
    "not text": "\udcff",
    "a list": "[]",
    "a number": "3",
    "null": "null",
    "a field is missing": json.dumps({name: value for name, value in LEAST.items() if name != "metrics"}),
    "a field is unknown": json.dumps(LEAST | {"accuracy": 0.5}),
    "a list of pairs": json.dumps([["seed", 1]]),
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_file_is_an_error_that_names_it(content, tmp_path):
    path = tmp_path / RESULT_FILE
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ResultError, match=f"^{re.escape(repr(str(path)))} is not a result file .*Remove it and run"):
        Result.read(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": "1"},
        {"seed": 1.5},
        {"metrics": [0.5]},
        {"metrics": {"base/accuracy": "0.5"}},
        {"curves": {"loss": 1.0}},
        {"metrics": {"base/accuracy": math.nan}},
        {"metrics": {"base/accuracy": -math.inf}},
    ],
)
def test_a_field_of_another_type_is_an_error_that_names_the_file(changes, tmp_path):
    path = tmp_path / RESULT_FILE
    path.write_text(json.dumps(LEAST | changes))
    [field] = changes
    with pytest.raises(ResultError, match=f"{re.escape(repr(str(path)))} is not a result file .*{field}"):
        Result.read(path)


def test_results_are_found_at_any_depth_and_ordered(tmp_path):
    names = [("toy", "zero-shot", 2), ("toy", "aape", 10), ("shapes", "zero-shot", 1), ("toy", "aape", 9)]
    for place, (dataset, method, seed) in enumerate(names):
        folder = tmp_path.joinpath(*["deep"] * place, str(place))
        Result(**LEAST | {"dataset": dataset, "method": method, "seed": seed}).write(folder)
    (tmp_path / "other.json").write_text("{}")
    found = [(result.dataset, result.method, result.seed) for result in read_results(tmp_path)]
    assert found == sorted(names)
    assert found[1:3] == [("toy", "aape", 9), ("toy", "aape", 10)], "seeds are ordered as numbers"


def test_one_malformed_result_stops_the_reading(tmp_path):
    Result(**LEAST).write(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / RESULT_FILE).write_text("{")
    with pytest.raises(ResultError, match=re.escape(str(tmp_path / "b" / RESULT_FILE))):
        read_results(tmp_path)


@pytest.mark.parametrize("name", ["", "missing"])
def test_a_folder_without_results_is_an_error_with_the_command_that_makes_some(name, tmp_path):
    folder = tmp_path / name
    with pytest.raises(ResultError, match=rf"No result.json under {re.escape(repr(str(folder)))}.*aape protocol"):
        read_results(folder)


def test_a_folder_by_a_results_name_is_an_error_that_names_it(tmp_path):
    (tmp_path / "a" / RESULT_FILE).mkdir(parents=True)
    with pytest.raises(ResultError, match=rf"{re.escape(str(tmp_path / 'a' / RESULT_FILE))}.*cannot be read"):
        read_results(tmp_path)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_metric_that_is_no_number_is_not_written(value, tmp_path):
    with pytest.raises(ResultError, match=r"'base/cross_entropy'.*diverged.*--model\.lr"):
        Result(**LEAST | {"metrics": {"base/accuracy": 0.5, "base/cross_entropy": value}}).write(tmp_path)
    assert not list(tmp_path.iterdir())
