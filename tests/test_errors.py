import pickle

import pytest
from aape_lightning import errors
from aape_lightning.errors import AAPEError, DataError, ImageError, did_you_mean, listed

TYPES = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]


@pytest.mark.parametrize("error", TYPES)
def test_every_error_is_one_that_the_command_line_prints(error):
    assert issubclass(error, AAPEError)


@pytest.mark.parametrize("error", TYPES)
def test_every_error_survives_the_way_out_of_a_worker_process(error):
    copy = pickle.loads(pickle.dumps(error("what is wrong")))
    assert (type(copy), str(copy)) == (error, "what is wrong")


def test_a_broken_image_is_broken_data():
    assert issubclass(ImageError, DataError)


@pytest.mark.parametrize(
    ("names", "limit", "expected"),
    [
        ([], 8, ""),
        (["a"], 8, "'a'"),
        (["a", "it's"], 2, "'a', \"it's\""),
        ("abc", 2, "'a', 'b' and 1 more"),
        ((str(k) for k in range(10)), 3, "'0', '1', '2' and 7 more"),
        ({"x": 1, "y": 2}, 1, "'x' and 1 more"),
    ],
)
def test_a_list_of_names_is_cut_and_says_how_much(names, limit, expected):
    assert listed(names, limit) == expected


def test_only_a_close_name_is_a_hint():
    known = {"caltech101": 1, "eurosat": 2}
    assert did_you_mean("caltech-101", known) == " Did you mean 'caltech101'?"
    assert did_you_mean("imagenet", known) == ""
    assert did_you_mean("caltech101", []) == ""
