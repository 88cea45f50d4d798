"""Whatever lies in a file of a stranger, it is read, or refused with a typed error that names the file."""

import warnings

import pytest
from aape_lightning.errors import AAPEError
from file_parser import place_beside
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strangers_files import parsers

NAMES = sorted(parsers())
BY_DATASET = ("toy has domains", "'q, test' names")  # what is told of a dataset, which its manifest names
BY_KEY = "with: aape fit --"  # what is told of a key, which may be the recipe's, a method's or the command line's


@pytest.fixture
def placed(tmp_path):
    """Writes a file of a kind with what lies beside it, and gives its path."""

    def write(parser, content):
        place_beside(parser, tmp_path)
        path = tmp_path / parser.file
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("name", NAMES)
def test_whole_files_are_read(name, placed):
    parser = parsers()[name]
    for seed in parser.seeds:
        assert parser.read(placed(parser, seed)) is not None


@pytest.mark.parametrize("name", NAMES)
@settings(derandomize=True, max_examples=60, deadline=None, database=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(random=st.randoms(use_true_random=True), place=st.integers(0, 4))
def test_a_mutated_file_is_read_or_refused_by_its_name(name, random, place, placed):
    parser = parsers()[name]
    path = placed(parser, parser.mutate(parser.seeds[place % len(parser.seeds)], random))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parser.read(path)
    except AAPEError as error:
        told = str(error)
        assert parser.file in told or str(path.parent) in told or told.startswith(BY_DATASET) or BY_KEY in told


@pytest.mark.parametrize("name", NAMES)
@settings(derandomize=True, max_examples=30, deadline=None, database=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(content=st.binary(max_size=64))
def test_any_bytes_are_refused(name, content, placed):
    parser = parsers()[name]
    try:
        parser.read(placed(parser, content))
    except AAPEError:
        return
