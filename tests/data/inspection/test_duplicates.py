import hashlib
import json
import shutil

import pytest
from aape_lightning.data import load_manifest
from aape_lightning.data.inspection import duplicates
from aape_lightning.data.inspection.check import check_dataset
from aape_lightning.data.inspection.duplicates import equal_files
from aape_lightning.data.places import image_folder
from aape_lightning.data.readers import read_split


@pytest.fixture
def put(tmp_path):
    """Writes files by name; returns their folder."""

    def write(**contents):
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)
        return tmp_path

    return write


def test_pairs_are_those_of_one_content_across_the_two_lists(put):
    folder = put(a=b"one", b=b"two", c=b"one", d=b"three", x=b"one", y=b"TWO", z=b"four")
    assert equal_files(folder, ["a", "b", "c", "d"], ["z", "y", "x"]) == [("a", "x"), ("c", "x")]
    assert equal_files(folder, ["b", "d"], ["x", "y", "z"]) == []
    assert equal_files(folder, [], ["x"]) == equal_files(folder, ["a"], []) == []


def test_empty_files_are_equal(put):
    assert equal_files(put(a=b"", x=b""), ["a"], ["x"]) == [("a", "x")]


def test_files_of_one_size_and_another_content_differ(put):
    assert equal_files(put(a=b"\0" * 5000 + b"1", x=b"\0" * 5000 + b"2"), ["a"], ["x"]) == []


def test_only_files_of_one_size_are_read_and_each_once(put, monkeypatch):
    folder, read, hash_of = put(a=b"12345", b=b"123", c=b"54321", x=b"12345", y=b"1"), [], duplicates._hash
    monkeypatch.setattr(duplicates, "_hash", lambda path: read.append(path.name) or hash_of(path))
    assert equal_files(folder, ["a", "b", "c"], ["x", "y"]) == [("a", "x")]
    assert sorted(read) == ["a", "c", "x"]


# ---- in the check of a dataset -------------------------------------------------------------------------------------


@pytest.fixture
def toy(own_toy_root):
    """Copies images of the toy dataset over others; returns what the check finds."""
    manifest = load_manifest(str(own_toy_root / "toy.yaml"))
    folder, split = image_folder(manifest, own_toy_root), read_split(manifest, own_toy_root)

    def check(copies, **settings):
        for (part, k), (other, j) in copies:
            shutil.copy(folder / split.part(part)[k].path, folder / split.part(other)[j].path)
        return check_dataset(manifest, own_toy_root, **settings), split

    return check


@pytest.mark.parametrize("decode", ["all", "none"])
def test_a_training_image_under_another_name_in_test_is_noted(decode, toy):
    checked, split = toy([(("train", 3), ("test", 5)), (("train", 3), ("test", 6))], decode=decode)
    assert ("equal files in train and test", "2", "0") in checked.rows
    train, tests = split.train[3].path, [split.test[5].path, split.test[6].path]
    assert checked.notes == [f"{train!r} (train) and {test!r} (test) are the same file" for test in tests]
    assert checked.faults == []


def test_equal_images_within_a_part_and_in_validation_are_no_leak(toy):
    checked, _ = toy([(("train", 0), ("train", 1)), (("train", 0), ("val", 1)), (("test", 0), ("test", 1))])
    assert ("equal files in train and test", "0", "0") in checked.rows
    assert checked.notes == []


def test_one_path_in_both_parts_is_told_once_as_that(toy, own_toy_root):
    path = own_toy_root / "toy" / "split_toy.json"
    parts = json.loads(path.read_text())
    parts["test"][0] = parts["train"][0]
    path.write_text(json.dumps(parts))
    checked, _ = toy([])
    assert ("equal files in train and test", "0", "0") in checked.rows
    assert checked.faults == [f"{parts['train'][0][0]!r} is in train and in test"]


def test_missing_images_are_no_duplicates(toy, own_toy_root):
    checked, split = toy([])
    for item in (split.train[0], split.test[0]):
        (own_toy_root / "toy" / "images" / item.path).unlink()
    checked, _ = toy([])
    assert ("equal files in train and test", "0", "0") in checked.rows
    assert len(checked.faults) == 2


@pytest.mark.shared_data
def test_the_duplicates_of_the_local_caltech_are_those_of_a_plain_count(shared_data):
    manifest = load_manifest("caltech101")
    folder, split = image_folder(manifest, shared_data), read_split(manifest, shared_data)

    def hashes(items):
        found = {}
        for item in items:
            found.setdefault(hashlib.md5((folder / item.path).read_bytes()).digest(), []).append(item.path)
        return found

    train, test = hashes(split.train), hashes(split.test)
    expected = sorted((a, b) for key in train.keys() & test.keys() for a in train[key] for b in test[key])
    paths = ([item.path for item in part] for part in (split.train, split.test))
    assert equal_files(folder, *paths) == expected
