"""Files that fuzzing found to end in another library's error: each is refused by its name, and says what is wrong."""

import numpy as np
import pytest
from aape_lightning.errors import AAPEError
from file_parser import place_beside
from strangers_files import parsers
from strangers_folders import npy

CONFIG = parsers()["shared-config"].seeds[0]
ARRAY = npy(np.ones((2, 4), np.float32))

# parser, file, what is said of it
REFUSED = {
    "a header that never closes": ("embeddings-npy", ARRAY.replace(b"(2, 4)", b"(((((("), "no array of numbers"),
    "numbers of an empty kind": ("embeddings-npy", ARRAY.replace(b"'<f4'", b"()   "), "no array of numbers"),
    "numbers of half a kind": ("owner-npy", ARRAY.replace(b"'<f4'", b"('a',)"), "no array of numbers"),
    "a header whose keys are lists": ("store-array", ARRAY.replace(b"'descr'", b"[1]    "), "cannot be read"),
    "a header whose keys are tuples": ("store-array", ARRAY.replace(b"'descr'", b"(1, 2) "), "cannot be read"),
    "owners that are no rows": ("owner-json", b"[0, -1]", "belong to images -1 to 0"),
    "a recipe that is a word": ("recipe-manifest", b"shapes", "names no manifest"),
    "a recipe that is no YAML": ("recipe-manifest", b"data: {init_args: {manifest: [}}", "is not YAML"),
    "a recipe with a tag of Python's": ("recipe-manifest", b"data: !!python/name:os.system x", "is not YAML"),
    "half a byte-order mark": ("recipe", b"\xef", "is not YAML"),
    "a recipe nested too deeply": ("recipe-manifest", b"data: " + b"[" * 900, "nested too deeply"),
    "a recipe of a manifest with a long name": (
        "recipe-manifest",
        b"data: {init_args: {manifest: " + b"x" * 3000 + b"}}",
        "No manifest",
    ),
    "a task that there is not": ("shared-config", CONFIG.replace(b"ClassificationTask", b"Evil"), "of a task 'Evil'"),
    "weights of another form": (
        "shared-config",
        CONFIG.replace(b'"residual"', b'"full"'),
        "not those of a ClassificationTask: Missing key",
    ),
}


@pytest.mark.parametrize(("name", "content", "words"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_by_its_name(name, content, words, tmp_path):
    parser = parsers()[name]
    place_beside(parser, tmp_path)
    path = tmp_path / parser.file
    path.write_bytes(content)
    with pytest.raises(AAPEError) as refused:
        parser.read(path)
    assert str(tmp_path) in str(refused.value)
    assert words in str(refused.value)


@pytest.mark.parametrize("header", [b"((((((", b"(2.0,)", b"[[]]"])
def test_a_damaged_array_in_the_cache_is_listed_as_damaged(header, tmp_path):
    parser = parsers()["cache-array"]
    place_beside(parser, tmp_path)
    path = tmp_path / parser.file
    path.write_bytes(ARRAY.replace(b"(2, 4)", header.ljust(6)))
    assert [entry.state for entry in parser.read(path)] == ["damaged"]
