import pytest
from aape_lightning.__main__ import _without_keys


@pytest.mark.parametrize(
    ("typed", "own", "keys"),
    [
        ("protocol p --data.shots 4 --report", "protocol p --report", "--data.shots 4"),
        ("protocol p --model.lr=1 --out o --data.views 2 x", "protocol p --out o", "--model.lr=1 --data.views 2 x"),
        ("protocol run --data.shots 4 --out o file", "protocol run --out o file", "--data.shots 4"),
        ("cache --recipe r", "cache --recipe r", ""),
        ("protocol p --data.shots 4 -- --report", "protocol p --data.shots 4", "--report"),
        ("fit --config c --data.shots 4 --run r", "fit --config c --data.shots 4 --run r", ""),
        ("protocol p --data.seed -1 --jobs 2", "protocol p --jobs 2", "--data.seed -1"),
    ],
)
def test_keys_of_a_recipe_may_stand_anywhere(typed, own, keys):
    assert _without_keys(typed.split()) == (own.split(), keys.split())


def test_no_arguments_are_left_alone():
    assert _without_keys([]) == ([], [])
