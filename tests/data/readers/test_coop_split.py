import json
import re

import pytest
from aape_lightning.data import Item, load_manifest, read_split
from aape_lightning.data.readers.split import read_coop_split
from aape_lightning.errors import DataError, ManifestError

ROW = ["a/0.png", 0, "a"]
WHOLE = {"train": [ROW, ["b/0.png", 1, "b"]], "val": [], "test": [ROW]}


def written(folder, parts):
    path = folder / "split.json"
    path.write_text(parts if isinstance(parts, str) else json.dumps(parts))
    return path


def test_reads_names_by_label_and_parts_in_file_order(tmp_path):
    parts = {"train": [["x/1.png", 1, "x"], ["y/0.png", 0, "Y y"]], "val": [["y/1.png", 0, "Y y"]], "test": [ROW]}
    parts["test"] = [["z/0.png", 2, "z"]]
    split = read_coop_split(written(tmp_path, parts))
    assert split.class_names == ["Y y", "x", "z"]
    assert split.part("train") == [Item("x/1.png", 1), Item("y/0.png", 0)]
    assert split.part("val") == [Item("y/1.png", 0)]
    assert split.part("test") == [Item("z/0.png", 2)]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ("{train:", "is not JSON"),
        ("\udcff", "is not JSON"),
        ([], "must hold the keys train, val and test"),
        ({"train": [ROW], "test": [ROW]}, "must hold the keys train, val and test"),
        (WHOLE | {"val": None}, "val is None, not a list"),
        (WHOLE | {"test": 3}, "test is 3, not a list"),
        (WHOLE | {"val": {"a": ROW}}, "val is {'a': .*, not a list"),
        (WHOLE | {"train": [ROW, ["b/0.png", "1", "b"]]}, r"train\[1\] is \['b/0.png', '1', 'b'\], not \[path, label"),
        (WHOLE | {"train": [ROW, ["b/0.png", 1]]}, r"train\[1\] is"),
        (WHOLE | {"train": [ROW, ["b/0.png", 1.0, "b"]]}, r"train\[1\] is"),
        (WHOLE | {"train": [ROW, ["b/0.png", True, "b"]]}, r"train\[1\] is"),
        (WHOLE | {"train": [ROW, [1, 1, "b"]]}, r"train\[1\] is"),
        (WHOLE | {"train": [ROW, "b"]}, r"train\[1\] is 'b'"),
        (WHOLE | {"val": [["b/0.png", -1, "b"]]}, r"val\[0\] is \['b/0.png', -1, 'b'\]"),
        (WHOLE | {"test": [ROW, ["a/1.png", 0, "A"]]}, r"label 0 is both 'a' and 'A' \(test\[1\]\)"),
        (WHOLE | {"train": [ROW, ["c/0.png", 3, "c"]]}, "no image has label 1"),
        (WHOLE | {"train": [ROW, ["b/0.png", 1, "a"]]}, "labels 0 and 1 are both named 'a'"),
        (WHOLE | {"train": []}, "the part 'train' is empty"),
        (WHOLE | {"test": []}, "the part 'test' is empty"),
    ],
)
def test_a_malformed_split_is_an_error_that_names_file_and_place(parts, message, tmp_path):
    path = tmp_path / "split.json"
    if parts == "\udcff":
        path.write_bytes(b"\xff\xfe\x00")
    else:
        written(tmp_path, parts)
    with pytest.raises(DataError, match=f"{re.escape(str(path))}.*{message}"):
        read_coop_split(path)


def test_a_byte_order_mark_leaves_no_trace(tmp_path):
    (tmp_path / "split.json").write_text(json.dumps(WHOLE), encoding="utf-8-sig")
    assert read_coop_split(tmp_path / "split.json").class_names == ["a", "b"]


def test_an_empty_validation_part_is_fine(tmp_path):
    assert read_coop_split(written(tmp_path, WHOLE)).val == []


def test_the_manifest_says_where_the_split_lies(toy_root):
    split = read_split(load_manifest(str(toy_root / "toy.yaml")), toy_root)
    assert split.class_names[1] == "Blue Boat"
    assert (len(split.train), len(split.val), len(split.test)) == (30, 15, 20)


def test_another_split_file_may_be_named_and_then_no_dataset_is_needed(toy_root, tmp_path):
    split = read_split(load_manifest(str(toy_root / "toy.yaml")), tmp_path / "nowhere", written(tmp_path, WHOLE))
    assert split.class_names == ["a", "b"]


def test_a_missing_split_file_is_an_error_that_says_where_it_belongs(own_toy_root):
    path = own_toy_root / "toy" / "split_toy.json"
    path.unlink()
    with pytest.raises(ManifestError, match=f"No split file {str(path)!r} for Toy.*--split-file"):
        read_split(load_manifest(str(own_toy_root / "toy.yaml")), own_toy_root)


def test_the_shapes_world_needs_no_files(tmp_path):
    split = read_split(load_manifest("shapes"), tmp_path / "nowhere")
    assert (len(split.class_names), len(split.train), len(split.test)) == (80, 2560, 2000)
