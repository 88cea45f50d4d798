import io
import json
import shutil

import pytest
from aape_lightning.data import load_manifest
from aape_lightning.data.inspection.check import check_dataset
from aape_lightning.errors import ManifestError
from rich.console import Console

DECODE = ["all", "sample", "none"]


@pytest.fixture
def check(own_toy_root):
    """Checks the toy dataset as it is on disk."""

    def run(decode="all"):
        return check_dataset(load_manifest(str(own_toy_root / "toy.yaml")), own_toy_root, decode=decode)

    return run


@pytest.fixture
def split(own_toy_root):
    """Changes the toy's split file."""

    def change(edit):
        path = own_toy_root / "toy" / "split_toy.json"
        parts = json.loads(path.read_text())
        edit(parts)
        path.write_text(json.dumps(parts))
        return parts

    return change


@pytest.mark.parametrize("decode", DECODE)
def test_a_sound_dataset_has_no_fault(check, decode):
    checked = check(decode)
    assert checked.faults == []
    rows = {name: (found, expected) for name, found, expected in checked.rows}
    assert rows["classes"] == ("5", "5")
    assert (rows["train"], rows["val"], rows["test"]) == (("30", "30"), ("15", "15"), ("20", "20"))
    assert rows["in train and test"] == ("0", "0")
    assert rows["images that are there"] == ("65", "65")
    assert rows["images that decode"] == (("0", "0") if decode == "none" else ("65", "65"))
    assert rows["classes with sentences (llm)"] == ("5", "5")


def test_the_table_shows_every_row(check):
    console = Console(width=100, file=io.StringIO())
    console.print(check().table())
    text = console.file.getvalue()
    assert "Toy" in text
    assert all(word in text for word in ("train", "65", "classes with sentences (llm)"))


def test_counts_that_differ_from_the_manifest_are_faults(check, split):
    split(lambda parts: (parts["train"].pop(), parts["val"].append(parts["val"][0])))
    assert check().faults == [
        "train: 29 in the files, 30 in the manifest",
        "val: 16 in the files, 15 in the manifest",
    ]


def test_another_number_of_classes_is_a_fault(check, split, own_toy_root):
    split(lambda parts: [part.__setitem__(slice(None), [row for row in part if row[1] < 4]) for part in parts.values()])
    assert "classes: 4 in the files, 5 in the manifest" in check().faults


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_class_without_an_image_is_a_fault(check, split, part):
    split(lambda parts: parts.__setitem__(part, [row for row in parts[part] if row[2] != "Blue Boat"]))
    assert f"class 'Blue Boat' has no {part} image" in check().faults


def test_every_image_in_train_and_test_is_a_fault(check, split):
    parts = split(lambda parts: parts["test"].__setitem__(slice(2), parts["train"][:2]))
    checked = check()
    assert checked.faults == [f"{row[0]!r} is in train and in test" for row in parts["train"][:2]]
    assert ("in train and test", "2", "0") in checked.rows


@pytest.mark.parametrize("decode", DECODE)
def test_every_missing_image_is_a_fault_whatever_is_decoded(check, split, own_toy_root, decode):
    parts = split(lambda parts: None)
    gone = [own_toy_root / "toy" / "images" / parts[part][1][0] for part in ("train", "val", "test")]
    for image in gone:
        image.unlink()
    checked = check(decode)
    assert sorted(checked.faults) == sorted(f"No image {str(image)!r}, though the split lists it" for image in gone)
    assert ("images that are there", "62", "65") in checked.rows


def test_every_image_that_does_not_decode_is_a_fault(check, split, own_toy_root):
    parts = split(lambda parts: None)
    empty, cut, text = (own_toy_root / "toy" / "images" / parts[part][1][0] for part in ("train", "val", "test"))
    empty.write_bytes(b"")
    cut.write_bytes(cut.read_bytes()[:200])
    text.write_text("not found")
    checked = check()
    assert len(checked.faults) == 3
    for image in (empty, cut, text):
        [fault] = [fault for fault in checked.faults if str(image) in fault]
        assert "cannot be decoded" in fault
        assert "\n" not in fault
    assert ("images that decode", "62", "65") in checked.rows
    assert check("none").faults == []


def test_classes_without_sentences_are_faults(check, own_toy_root):
    path = own_toy_root / "toy_prompts.json"
    sentences = json.loads(path.read_text())
    del sentences["green tree"]
    path.write_text(json.dumps(sentences))
    [fault] = check().faults
    assert "'llm'" in fault
    assert "1 of 5 classes have no sentences: 'green tree'" in fault


def test_classes_with_an_empty_list_of_sentences_are_faults(check, own_toy_root):
    path = own_toy_root / "toy_prompts.json"
    sentences = json.loads(path.read_text())
    path.write_text(json.dumps(sentences | {"Blue Boat": [], "pebble (grey)": []}))
    checked = check()
    assert checked.faults == ["sentences 'llm': none for 'Blue Boat', 'grey stone'"]
    assert ("classes with sentences (llm)", "3", "5") in checked.rows


def test_a_missing_sentence_file_is_a_fault_that_names_it(check, own_toy_root):
    (own_toy_root / "toy_prompts.json").unlink()
    [fault] = check().faults
    assert str(own_toy_root / "toy_prompts.json") in fault


def test_faults_of_different_kinds_come_together(check, split, own_toy_root):
    parts = split(lambda parts: parts["train"].pop())
    (own_toy_root / "toy_prompts.json").unlink()
    (own_toy_root / "toy" / "images" / parts["test"][0][0]).unlink()
    assert len(check().faults) == 3


def test_without_its_folder_there_is_nothing_to_check(check, own_toy_root):
    shutil.rmtree(own_toy_root / "toy")
    with pytest.raises(ManifestError, match="expected a folder 'toy'"):
        check()


@pytest.mark.parametrize("name", ["shapes", "shapes/crayon", "shapes/sketch:target"])
def test_the_shapes_world_is_sound(name, tmp_path):
    checked = check_dataset(load_manifest(name), tmp_path, decode="none")
    assert checked.faults == []
    found = {row: count for row, count, _ in checked.rows}
    train = "0" if name.endswith(":target") else "2,560"
    assert (found["classes"], found["train"], found["test"]) == ("80", train, "2,000")


@pytest.mark.shared_data
def test_the_local_caltech_is_sound(shared_data):
    checked = check_dataset(load_manifest("caltech101"), shared_data, decode="sample")
    assert checked.faults == []
    rows = {name: found for name, found, _ in checked.rows}
    assert (rows["images that are there"], rows["classes with sentences (cupl)"]) == ("8,242", "100")
    assert int(rows["images that decode"]) >= 200
