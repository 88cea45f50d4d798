"""The check of datasets of captions and of questions, and of sentence files as they are in the wild."""

import json
import shutil

import pytest
import yaml
from aape_lightning.data import load_manifest
from aape_lightning.data.classes import class_names_of
from aape_lightning.data.inspection.check import check_dataset
from aape_lightning.data.manifests import read_manifest
from aape_lightning.data.sentences import sentences_of
from aape_lightning.errors import DataError, ManifestError, PromptError
from aape_lightning.prompts import curate
from PIL import Image

EMPTY_IN_VISDESC = ["donuts", "french_fries", "fried_calamari", "mussels", "oysters"]
CAPTIONS = [
    {
        "imgid": k,
        "filename": f"{k}.png",
        "split": part,
        "sentences": [{"raw": f"Caption {j} of {k}."} for j in range(2)],
    }
    for k, part in enumerate(["train", "restval", "val", "test", "test"])
]
QUESTIONS = {
    "train": "question,answer,image\nwhat is it,a chair,0\nwhat else,a table,1\n",
    "test": "question,answer,image\nhow many,2,1\n",
}


def written(folder, content):
    path = folder / f"{content['name']}.yaml"
    path.write_text(yaml.safe_dump(content))
    return read_manifest(str(path))


def rows_of(checked):
    return {name: (found, expected) for name, found, expected in checked.rows}


@pytest.fixture
def images(tmp_path):
    """A folder of five images."""
    (tmp_path / "images").mkdir()
    for k in range(5):
        Image.new("RGB", (8, 8), (40 * k, 0, 0)).save(tmp_path / "images" / f"{k}.png")
    return tmp_path / "images"


@pytest.fixture
def captions(tmp_path, images):
    """Checks a dataset of five images with two captions each; keywords are its counts."""
    (tmp_path / "notes.json").write_text(json.dumps({"images": CAPTIONS}))

    def check(decode="all", **counts):
        split = {"format": "karpathy", "file": "notes.json"}
        content = {"kind": "captions", "name": "told", "images": "images", "split": split}
        return check_dataset(
            written(tmp_path, content | ({"counts": counts} if counts else {})), tmp_path, decode=decode
        )

    return check


@pytest.fixture
def questions(tmp_path, images):
    """Checks a dataset of three questions about two images; keywords are its counts."""
    for part, text in QUESTIONS.items():
        (tmp_path / f"{part}.csv").write_text(text)

    def check(decode="all", **counts):
        split = {"format": "csv", "files": {part: f"{part}.csv" for part in QUESTIONS}}
        content = {"kind": "questions", "name": "quiz", "images": "images", "split": split}
        return check_dataset(
            written(tmp_path, content | ({"counts": counts} if counts else {})), tmp_path, decode=decode
        )

    return check


# ---- captions ------------------------------------------------------------------------------------------------------


def test_captions_and_their_images_are_counted(captions):
    checked = captions(train=2, val=1, test=2, captions=10)
    assert checked.faults == []
    assert rows_of(checked) == {
        "train": ("2", "2"), "val": ("1", "1"), "test": ("2", "2"), "captions": ("10", "10"),
        "images that are there": ("5", "5"), "images that decode": ("5", "5"),
    }  # fmt: skip


def test_without_counts_nothing_is_expected_of_them(captions):
    checked = captions()
    assert checked.faults == []
    assert rows_of(checked)["captions"] == ("10", "-")


def test_other_counts_of_captions_are_faults(captions):
    assert captions(train=2, val=1, test=3, captions=11).faults == [
        "test: 2 in the files, 3 in the manifest",
        "captions: 10 in the files, 11 in the manifest",
    ]


def test_images_of_captions_that_are_missing_or_broken_are_faults(captions, images):
    (images / "0.png").unlink()
    (images / "3.png").write_text("not found")
    missing, broken = captions().faults
    assert missing == f"No image {str(images / '0.png')!r}, though the split lists it"
    assert broken.startswith(f"{str(images / '3.png')!r} cannot be decoded")
    assert len(captions("none").faults) == 1


def test_without_its_file_there_is_nothing_to_check(captions, tmp_path):
    (tmp_path / "notes.json").unlink()
    with pytest.raises(ManifestError, match=r"told has no file 'notes\.json'"):
        captions()


@pytest.mark.shared_data
def test_the_local_flickr8k_is_sound(shared_data, tmp_path):
    content = {
        "kind": "captions",
        "name": "flickr8k",
        "folder": ["flickr8k"],
        "images": "images",
        "split": {"format": "flickr", "file": "captions.txt", "split": "split.json"},
        "counts": {"train": 6091, "val": 1000, "test": 1000, "captions": 40455},
    }
    checked = check_dataset(written(tmp_path, content), shared_data, decode="sample")
    assert checked.faults == []
    assert rows_of(checked)["images that are there"] == ("8,091", "8,091")


# ---- questions -----------------------------------------------------------------------------------------------------


def test_questions_and_their_images_are_counted(questions):
    checked = questions(train=2, test=1)
    assert checked.faults == []
    assert rows_of(checked) == {
        "train": ("2", "2"), "val": ("0", "0"), "test": ("1", "1"), "questions without answers": ("0", "-"),
        "images that are there": ("2", "2"), "images that decode": ("2", "2"),
    }  # fmt: skip


def test_other_counts_of_questions_are_faults(questions):
    assert questions(train=3, test=1).faults == ["train: 2 in the files, 3 in the manifest"]


def test_an_image_of_several_questions_is_told_once(questions, images):
    (images / "1.png").write_bytes(b"")
    [fault] = questions().faults
    assert fault.startswith(f"{str(images / '1.png')!r} cannot be decoded")


@pytest.mark.shared_data
def test_the_local_daquar_is_sound(shared_data):
    checked = check_dataset(read_manifest("daquar"), shared_data, decode="sample")
    assert checked.faults == []
    rows = rows_of(checked)
    assert (rows["train"], rows["test"], rows["questions without answers"][0]) == (
        ("9,974", "9,974"), ("2,494", "2,494"), "0",
    )  # fmt: skip


# ---- sentences -----------------------------------------------------------------------------------------------------


def test_a_manifest_without_sentences_says_that_only_images_were_checked(own_toy_root):
    content = yaml.safe_load((own_toy_root / "toy.yaml").read_text())
    del content["prompts"]
    checked = check_dataset(written(own_toy_root, content), own_toy_root)
    assert checked.faults == []
    assert checked.notes == ["only the images were checked: the manifest names no sentences"]
    assert rows_of(checked)["sentences"] == ("the manifest names none", "-")


@pytest.fixture
def sources(own_toy_root):
    """Checks the toy dataset with these sources of sentences beside its own."""

    def check(**prompts):
        content = yaml.safe_load((own_toy_root / "toy.yaml").read_text())
        content["prompts"] |= prompts
        return check_dataset(written(own_toy_root, content), own_toy_root)

    return check


def test_every_source_of_sentences_that_is_there_is_checked(sources):
    checked = sources(again={"file": "toy_prompts.json"})
    [fault] = checked.faults
    assert fault.startswith("sentences 'again': 1 of 5 classes have no sentences: 'grey stone'")
    assert rows_of(checked)["classes with sentences (llm)"] == ("5", "5")


def test_a_source_that_is_not_there_is_noted_where_another_is(sources, own_toy_root):
    checked = sources(mine={"file": "no.json"})
    assert checked.faults == []
    assert checked.notes == [f"the sentences 'mine' are not there: {own_toy_root / 'no.json'}"]


def test_where_no_source_is_there_every_one_is_a_fault(sources, own_toy_root):
    (own_toy_root / "toy_prompts.json").unlink()
    llm, mine = sources(mine={"file": "no.json"}).faults
    assert llm.startswith(f"sentences 'llm': No prompt file {str(own_toy_root / 'toy_prompts.json')!r}")
    assert mine.startswith(f"sentences 'mine': No prompt file {str(own_toy_root / 'no.json')!r}")


def test_a_fault_is_one_line_that_holds_the_whole_path(own_toy_root):
    """Breeds such as "St. Bernard" have a full stop in the names of their folders."""
    images = own_toy_root / "toy" / "images"
    shutil.move(images / "red_car", images / "St. Bernard")
    split = (own_toy_root / "toy" / "split_toy.json").read_text()
    (own_toy_root / "toy" / "split_toy.json").write_text(split.replace("red_car/", "St. Bernard/"))
    (images / "St. Bernard" / "0000.png").unlink()
    (images / "St. Bernard" / "0001.png").write_text("no")
    missing, broken = check_dataset(load_manifest(str(own_toy_root / "toy.yaml")), own_toy_root).faults
    assert missing == f"No image {str(images / 'St. Bernard' / '0000.png')!r}, though the split lists it"
    assert broken.startswith(f"{str(images / 'St. Bernard' / '0001.png')!r} cannot be decoded (")
    assert "aape data check" not in broken


@pytest.fixture
def visdesc(shared_data):
    """VisDesc's sentences of Food-101; keywords as for `sentences_of`."""
    manifest, path = load_manifest("food101"), shared_data / "prompts" / "visdesc" / "descriptors_food101.json"
    return lambda **settings: sentences_of(
        manifest, shared_data, class_names_of(manifest, shared_data), str(path), **settings
    )


@pytest.mark.shared_data
def test_the_five_classes_that_visdesc_left_empty_are_named(visdesc):
    found = visdesc()
    assert [name for name, texts in found.items() if not texts] == EMPTY_IN_VISDESC
    assert found["apple_pie"][0] == "apple pie, which is a pie dish."
    with pytest.raises(PromptError) as caught:
        curate(found, context_length=77, token_count=len, truncate=True)
    assert "No sentence is left for 5 classes: " + ", ".join(map(repr, EMPTY_IN_VISDESC)) in str(caught.value)


@pytest.mark.shared_data
def test_templates_may_stand_in_for_them(visdesc):
    found, plain = visdesc(templates_for_missing=True), visdesc()
    assert {name: found[name] for name in EMPTY_IN_VISDESC} == {
        name: [f"a photo of {name.replace('_', ' ')}, a type of food."] for name in EMPTY_IN_VISDESC
    }
    assert all(found[name] == texts for name, texts in plain.items() if texts)
    assert list(found) == list(plain)


def test_a_dataset_without_a_folder_is_an_error_whatever_its_kind(tmp_path):
    for name in ("flickr8k", "daquar", "food101"):
        with pytest.raises(ManifestError, match=f"expected a folder '{read_manifest(name).folder[0]}'"):
            check_dataset(read_manifest(name), tmp_path)


def test_a_malformed_file_is_an_error_and_not_a_fault(captions, tmp_path):
    (tmp_path / "notes.json").write_text("{")
    with pytest.raises((DataError, PromptError), match="notes"):
        captions()
