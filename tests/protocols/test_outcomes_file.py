"""`outcomes.json`: written by a run, read by the report."""

import json

import pytest
from aape_lightning.baselines import ZeroShotTask
from aape_lightning.errors import ResultError
from aape_lightning.protocols.base_to_new import measure
from aape_lightning.protocols.outcomes import PartOutcomes, read_outcomes, write_outcomes
from aape_lightning.protocols.train_test import measure as measure_all

BINS = ([1, 5], [0.3, 4.0], [0, 4])


def part(**changes):
    fields = {
        "classes": ["a", "b"],
        "images": [3, 3],
        "correct": [2, 2],
        "confusions": [(0, 1, 1), (1, 0, 1)],
        "reliability": BINS,
    }
    return PartOutcomes(**fields | changes)


def test_what_was_written_is_read(tmp_path):
    parts = {"base": part(), "new": part(classes=["c", "<d>"])}
    path = write_outcomes(tmp_path, parts)
    assert read_outcomes(path) == parts
    assert json.loads(path.read_text())["base"]["confusions"] == [[0, 1, 1], [1, 0, 1]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": [3]}, "2 classes, but 1 counts"),
        ({"confusions": [(0, 2, 1)]}, "beyond the 2"),
        ({"reliability": ([1], [0.3, 4.0], [0, 4])}, "different numbers of bins"),
    ],
)
def test_counts_that_disagree_are_refused(change, said, tmp_path):
    path = write_outcomes(tmp_path, {"base": part()})
    fields = json.loads(path.read_text())
    fields["base"] |= change
    path.write_text(json.dumps(fields))
    with pytest.raises(ResultError, match=said) as error:
        read_outcomes(path)
    assert "run the protocol again" in str(error.value)


def test_no_json_is_refused(tmp_path):
    path = tmp_path / "outcomes.json"
    path.write_text("{")
    with pytest.raises(ResultError, match="not a file of outcomes"):
        read_outcomes(path)


def test_a_measurement_holds_the_outcomes_of_its_parts(toy_data, quiet_trainer):
    found = measure(ZeroShotTask(), toy_data(classes="base"), quiet_trainer())
    assert {name: len(part.classes) for name, part in found.outcomes.items()} == {"base": 3, "new": 2}
    for name, outcomes in found.outcomes.items():
        assert sum(outcomes.correct) / sum(outcomes.images) == pytest.approx(found.metrics[f"{name}/accuracy"])
        wrong = sum(count for _, _, count in outcomes.confusions)
        assert sum(outcomes.correct) + wrong == sum(outcomes.images) == sum(outcomes.reliability.images)


def test_a_test_of_everything_is_one_part(toy_data, quiet_trainer):
    assert set(measure_all(ZeroShotTask(), toy_data(), quiet_trainer()).outcomes) == {"all"}
