import json
import re
from pathlib import Path

import pytest
from aape_lightning.data import load_manifest, read_split
from aape_lightning.data.classes import class_names_of
from aape_lightning.data.manifests.guess import guess_manifest
from aape_lightning.data.places import data_root, image_folder
from aape_lightning.data.splits import PARTS
from aape_lightning.errors import ManifestError
from aape_lightning.resources import manifest_path

TABLE = "path,label,split\na/0.jpg,ant,train\nb/0.jpg,bee,val\na/1.jpg,ant,test\n"
COOP = {"train": [["a/0.jpg", 0, "ant"], ["b/0.jpg", 1, "bee"]], "val": [], "test": [["a/1.jpg", 0, "ant"]]}


@pytest.fixture
def place(tmp_path):
    """Puts files into a folder: images without content, and texts by name."""

    def put(*images, **texts):
        folder = tmp_path / "birds"
        folder.mkdir(exist_ok=True)
        for path in images:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()
        for name, text in texts.items():
            (folder / name.replace("__", ".")).write_text(text if isinstance(text, str) else json.dumps(text))
        return folder

    return put


def images_of(*classes, before="", count=10):
    return [f"{before}{name}/{k}.jpg" for name in classes for k in range(count)]


def guessed(place):
    """The manifest of a place and its split; a folder's is the same by the name that a user gives."""
    manifest = guess_manifest(place)
    if place.is_dir():
        assert load_manifest(str(place)) == manifest
    return manifest, read_split(manifest, data_root(manifest, None))


def sizes(split):
    return [len(split.part(part)) for part in PARTS]


# ---- folders -------------------------------------------------------------------------------------------------------


def test_class_folders_are_cut_by_coops_rule(place):
    folder = place(*images_of("bee", "ant"), "README.txt", ".git/x.jpg", "bee/notes.txt")
    manifest, split = guessed(folder)
    assert (manifest.name, manifest.title, manifest.root) == ("birds", "birds", str(folder))
    assert (split.class_names, sizes(split)) == (["ant", "bee"], [10, 4, 6])
    assert manifest.split.cut.seed == 1
    assert image_folder(manifest, data_root(manifest, None)) == folder


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("train", "val", "test"), [10, 10, 10]),
        (("training", "Validation", "TESTING"), [10, 10, 10]),
        (("train", "dev", "eval"), [10, 10, 10]),
        (("train", "test"), [8, 2, 10]),  # a fifth of the training images validates
        (("train", "val"), [7, 10, 3]),
        (("train",), [5, 2, 3]),
        (("test",), [0, 0, 10]),
        (("val", "test"), [0, 10, 10]),
    ],
)
def test_folders_of_parts(parts, expected, place):
    folder = place(*(path for part in parts for path in images_of("ant", before=f"{part}/")))
    _, split = guessed(folder)
    assert (split.class_names, sizes(split)) == (["ant"], expected)


def test_no_test_image_is_trained_on_where_train_is_cut(place):
    folder = place(*images_of("ant", "bee", before="train/", count=7), *images_of("ant", "bee", before="test/"))
    _, split = guessed(folder)
    assert {item.path.split("/")[0] for item in split.test} == {"test"}
    assert {item.path.split("/")[0] for item in split.train + split.val} == {"train"}
    assert len({item.path for part in PARTS for item in split.part(part)}) == 14 + 20


def test_classes_may_be_called_as_parts_are(place):
    """A train is a vehicle, and its folder holds images, not class folders."""
    _, split = guessed(place(*images_of("bus", "train", "car")))
    assert split.class_names == ["bus", "car", "train"]


@pytest.mark.parametrize(
    "others",
    [
        pytest.param(images_of("test"), id="test images without class folders"),
        pytest.param(images_of("annotations"), id="a folder of something else"),
        pytest.param(images_of("ant", before="training/"), id="two folders of one part"),
    ],
)
def test_parts_beside_folders_that_are_none_are_an_error_and_not_classes(others, place):
    folder = place(*images_of("ant", "bee", before="train/"), *others)
    with pytest.raises(
        ManifestError, match=r"holds parts with class folders .*beside folders that are none .*Name the"
    ):
        guess_manifest(folder)
    assert guessed(folder / "train")[1].class_names[0] == "ant"


# ---- tables --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_a_table_in_the_folder_comes_before_its_class_folders(start, place):
    folder = place(*images_of("a", "b", count=2), birds__csv=start + TABLE)
    manifest, split = guessed(folder)
    assert (manifest.split.format, manifest.images, split.class_names) == ("csv", ["."], ["ant", "bee"])
    assert sizes(split) == [1, 1, 1]


def test_a_table_may_be_named_itself(place):
    folder = place(*images_of("a", "b", before="jpg/"), birds__csv=TABLE, notes__CSV="path,remark\nx,y\n")
    manifest, split = guessed(folder / "birds.csv")
    assert (manifest.name, manifest.root, manifest.images) == ("birds", str(folder), ["jpg"])
    assert sizes(split) == [1, 1, 1]


def test_a_table_is_found_by_its_relative_name(place, monkeypatch):
    folder = place(*images_of("a", "b"), birds__csv=TABLE)
    monkeypatch.chdir(folder)
    manifest = guess_manifest(Path("birds.csv"))
    monkeypatch.chdir("/")
    assert sizes(read_split(manifest, data_root(manifest, None))) == [1, 1, 1]


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("image,class,split", ("image", "class", "split")),
        ("Set, Category ,FileName", ("FileName", " Category ", "Set")),
        ("impath,target,subset", ("impath", "target", "subset")),
        ("id,filename,label,path", ("path", "label", None)),
        ("image_path,classname", ("image_path", "classname", None)),
    ],
)
def test_columns_are_known_by_their_usual_names(header, columns, place):
    row = ",".join({"split": "train", "set": "train", "subset": "train"}.get(name.strip().lower(), "x") for name in
                   header.split(","))  # fmt: skip
    source = guess_manifest(place("x", a__csv=f"{header}\n{row}\n") / "a.csv").split
    assert (source.path, source.label, source.split) == columns
    assert (source.cut is None) == (source.split is not None)


def test_columns_of_captions_are_known_too(place):
    folder = place(a__csv="path,label,caption_1,Caption_2,text,url\nx.jpg,ant,An ant.,B,C,D\n")
    assert guess_manifest(folder).split.captions == ["caption_1", "Caption_2", "text"]


@pytest.mark.parametrize("cell", ["ant/0.jpg", "ant\\0.jpg", " ant/0.jpg"])
def test_images_are_looked_for_in_a_folder_inside(cell, place):
    folder = place(*images_of("ant", before="images/"), "masks/0.png", a__csv=f"path,label\n{cell},ant\n")
    assert guess_manifest(folder).images == ["images"]


def test_several_tables_are_an_error_that_lists_them(place):
    folder = place(train__csv=TABLE, test__csv=TABLE, sentences__json={"ant": ["An ant."]})
    with pytest.raises(ManifestError, match=r"holds several lists of images: 'test\.csv', 'train\.csv'\. Name the one"):
        guess_manifest(folder)
    assert guess_manifest(folder / "train.csv").split.file == "train.csv"


# ---- CoOp's JSON ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", ["", "2750/"])
def test_coops_split_with_images_beside_it_or_in_a_folder_inside(inside, place):
    folder = place(
        *images_of("a", "b", before=inside), split_zhou_Birds__json=COOP, cat_to_name__json={"1": "x"}, bad__json="{"
    )
    for there in (folder, folder / "split_zhou_Birds.json"):
        manifest, split = guessed(there)
        assert (manifest.split.format, manifest.images) == ("coop", [inside.rstrip("/") or "."])
        assert (split.class_names, sizes(split)) == (["ant", "bee"], [2, 0, 1])
        assert class_names_of(manifest, data_root(manifest, None)) == ["ant", "bee"]


def test_a_byte_order_mark_in_coops_split_leaves_no_trace(place):
    folder = place(*images_of("a", "b", before="jpg/"), split__json="\ufeff" + json.dumps(COOP))
    assert (guessed(folder)[0].images, sizes(guessed(folder)[1])) == (["jpg"], [2, 0, 1])


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("folder", "classes", "expected"),
    [
        ("caltech-101", 100, [4128, 1649, 2465]),
        ("pacs/photo", 7, [525, 210, 315]),
    ],
)
def test_real_folders_need_no_manifest(folder, classes, expected, shared_data):
    manifest, split = guessed(shared_data / folder)
    assert (len(split.class_names), sizes(split)) == (classes, expected)
    first = image_folder(manifest, data_root(manifest, None)) / split.train[0].path
    assert first.is_file()


@pytest.mark.shared_data
def test_in_coops_data_root_a_short_name_is_the_manifest_and_a_path_the_folder(shared_data, monkeypatch):
    monkeypatch.chdir(shared_data)
    assert load_manifest("eurosat") == load_manifest(str(manifest_path("eurosat")))
    assert load_manifest("pacs/photo").counts.train == 835
    assert load_manifest("pacs/photo:target").counts.test == 1670
    for folder in ("./pacs/photo", "pacs/photo/"):
        assert load_manifest(folder).counts is None
    assert load_manifest("caltech-101").split.format == "coop"
    with pytest.raises(ManifestError, match=r"'daquar' has no domains, so .*'\./daquar/images'"):
        load_manifest("daquar/images")


# ---- no dataset ----------------------------------------------------------------------------------------------------


def test_a_place_that_is_not_there_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ManifestError, match=f"No folder {re.escape(repr(str(tmp_path / 'no')))}"):
        guess_manifest(tmp_path / "no")


@pytest.mark.parametrize(
    ("images", "texts", "holds"),
    [
        ([], {}, "nothing"),
        (["1.jpg", "2.jpg"], {}, "'1.jpg', '2.jpg'"),
        (["docs/a.txt", "src/b.py"], {"sentences__json": {"ant": ["An ant."]}}, "'docs', 'sentences.json', 'src'"),
        ([], {"a__csv": "id,breed\n1,x\n", "b__csv": ""}, "'a.csv', 'b.csv'"),
        (["train/x.txt"], {}, "'train'"),
    ],
)
def test_a_folder_without_a_dataset_is_an_error_that_says_what_is_there(images, texts, holds, place):
    with pytest.raises(ManifestError, match=f"holds no dataset: it needs a folder of images .*CSV.* It holds {holds}"):
        guess_manifest(place(*images, **texts))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("birds__txt", "ant"),
        ("birds__csv", "id,breed\n1,x\n"),
        ("birds__csv", ""),
        ("birds__json", {"ant": ["An ant."]}),
        ("birds__json", "{"),
        ("birds__json", [1]),
        ("birds__json", {"train": [], "val": [], "test": []}),
        ("birds__json", {"train": {"a": 1}, "val": [], "test": []}),
    ],
)
def test_a_file_of_another_kind_is_an_error_that_names_it(name, content, place):
    path = place(**{name: content}) / name.replace("__", ".")
    with pytest.raises(ManifestError, match=f"{re.escape(repr(str(path)))} is neither a CSV of images and labels nor"):
        guess_manifest(path)


@pytest.mark.parametrize("name", ["birds.csv", "birds.json"])
def test_a_file_that_is_no_text_is_an_error(name, place):
    path = place() / name
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ManifestError, match="is neither a CSV"):
        guess_manifest(path)
