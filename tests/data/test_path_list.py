import pickle
import sys

import pytest
from aape_lightning.data.path_list import PathList

PATHS = ["a/1.jpg", "b/été 2.jpg", "c/树.png", "", "d\udce9.jpg", "e.jpg"]


@pytest.mark.parametrize("count", range(len(PATHS) + 1))
def test_it_is_the_list(count):
    paths = PathList(PATHS[:count])
    assert len(paths) == count
    assert list(paths) == PATHS[:count]
    assert [paths[k - count] for k in range(count)] == PATHS[:count]
    assert paths[1:4] == PATHS[:count][1:4]
    assert pickle.loads(pickle.dumps(paths))[:] == PATHS[:count]


@pytest.mark.parametrize("place", [6, -7])
def test_beyond_its_end_it_ends(place):
    with pytest.raises(IndexError):
        PathList(PATHS)[place]


def test_it_holds_no_object_a_path():
    """Else a worker process would copy what it reads: Python counts references inside the objects."""
    paths = PathList([f"folder/{k:08d}.jpg" for k in range(10_000)])
    assert {type(value).__name__ for value in vars(paths).values()} == {"ndarray"}
    assert sum(value.nbytes for value in vars(paths).values()) == 10_000 * (len("folder/00000000.jpg") + 1 + 8)
    assert sys.getrefcount(paths[3]) < 5
