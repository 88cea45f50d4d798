import pytest
from aape_lightning.data.conditions import Condition, conditions
from aape_lightning.errors import DataError


@pytest.mark.parametrize(
    ("condition", "prefix"),
    [
        (Condition(), ""),
        (Condition("blur"), "blur/"),
        (Condition("none", 0), "0-shot/"),
        (Condition("occlusion", 4), "4-shot/occlusion/"),
    ],
)
def test_the_prefix_says_what_is_not_plain(condition, prefix):
    assert condition.prefix == prefix


def test_every_number_of_examples_meets_every_degradation_once():
    found = conditions(["none", "blur", "none"], [0, 2])
    assert found == [Condition("none", 0), Condition("blur", 0), Condition("none", 2), Condition("blur", 2)]


@pytest.mark.parametrize(
    ("degradations", "shots", "told"),
    [
        (["blurr"], [None], "No degradation 'blurr'.*'blur'.*Did you mean 'blur'"),
        (["none"], [0, -1], "examples holds -1; .* 0 or more"),
        ([], [0], "at least one condition"),
        (["none"], [], "at least one condition"),
    ],
)
def test_what_is_no_condition_is_told(degradations, shots, told):
    with pytest.raises(DataError, match=told):
        conditions(degradations, shots)
