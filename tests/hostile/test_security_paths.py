"""Paths that a file names cannot leave the folder that they are relative to; links of the user may."""

import json
import os

import pytest
import yaml
from aape_lightning.data.images import FolderImages
from aape_lightning.data.manifests import read_manifest
from aape_lightning.data.readers.captions import read_caption_split
from aape_lightning.data.readers.questions import read_question_split
from aape_lightning.data.readers.split import read_split
from aape_lightning.errors import DataError, ImageError, ManifestError
from aape_lightning.formats.inside import leads_out
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

OUTSIDE = [
    "../secret.png",
    "/secret.png",
    "cats/../../secret.png",
    "cats/../cats/1.png",
    "C:/secret.png",
    "\\secret.png",
]
INSIDE = ["cats/1.png", "cats/..more/1..2.png", "./cats/3.png"]
SENTENCES = [{"raw": "a cat."}]


@given(st.lists(st.sampled_from(["..", ".", "a", "b", "..a", ""]), max_size=6), st.sampled_from("/\\"))
def test_what_stays_inside_does_so_whatever_the_system(steps, slash):
    path = slash.join(steps)
    if not leads_out(path):
        folder = os.path.abspath("folder")
        reached = os.path.normpath(os.path.join(folder, path.replace("\\", "/")))
        assert reached == folder or reached.startswith(folder + os.sep)
        assert ".." not in steps


@pytest.mark.parametrize("path", [*OUTSIDE, "\\secret.png", "..\\secret.png", "x\0/etc/passwd"])
def test_an_image_is_opened_inside_its_folder_only(path, tmp_path):
    (tmp_path / "images" / "cats").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "secret.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "images" / "cats" / "1.png")
    images = FolderImages(tmp_path / "images")
    for use in (images.open, images.size):
        with pytest.raises(ImageError, match="lies outside"):
            use(path)
    assert images.open("cats/1.png").size == (4, 4)


def test_a_link_that_the_user_made_may_lead_elsewhere(tmp_path):
    (tmp_path / "scratch").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "scratch" / "1.png")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "cats").symlink_to(tmp_path / "scratch")
    assert FolderImages(tmp_path / "images").open("cats/1.png").size == (4, 4)


def manifest(root, **content):
    path = root / "x.yaml"
    path.write_text(yaml.safe_dump({"name": "x", "images": "images", **content}))
    return read_manifest(str(path))


def coop(root, path):
    rows = {part: [["cats/1.png", 0, "cat"]] for part in ("train", "val")} | {"test": [[path, 0, "cat"]]}
    (root / "split.json").write_text(json.dumps(rows))
    return read_split(manifest(root, split={"format": "coop", "file": "split.json"}), root)


def table(root, path):
    (root / "x.csv").write_text(f"path,label,split\ncats/2.png,cat,train\n{path},cat,test\n")
    return read_split(manifest(root, split={"format": "csv", "file": "x.csv", "split": "split"}), root)


def other_split_file(root, path):
    coop(root, "cats/1.png")
    rows = {part: [[path, 0, "cat"]] for part in ("train", "val", "test")}
    (root / "other.json").write_text(json.dumps(rows))
    return read_split(read_manifest(str(root / "x.yaml")), root, root / "other.json")


def captions_of(root, **split):
    return read_caption_split(manifest(root, kind="captions", split=split), root)


def captions_table(root, path):
    (root / "x.csv").write_text(f"path,caption,split\n{path},a cat.,train\n")
    return captions_of(root, format="csv", file="x.csv")


def karpathy(root, path):
    image = {"filename": path, "split": "train", "sentences": SENTENCES, "imgid": 1}
    (root / "x.json").write_text(json.dumps({"images": [image]}))
    return captions_of(root, format="karpathy", file="x.json")


def karpathy_folder(root, path):
    folder, _, name = path.replace("\\", "/").rpartition("/")
    image = {"filepath": folder or "/", "filename": name, "split": "train", "sentences": SENTENCES, "imgid": 1}
    (root / "x.json").write_text(json.dumps({"images": [image]}))
    return captions_of(root, format="karpathy", file="x.json")


def coco(root, path):
    content = {"images": [{"id": 1, "file_name": path}], "annotations": [{"image_id": 1, "caption": "a cat."}]}
    (root / "x.json").write_text(json.dumps(content))
    return captions_of(root, format="coco", files={"train": "x.json"})


def flickr(root, path):
    (root / "x.csv").write_text(f"image,caption\n{path},a cat.\n")
    (root / "train.txt").write_text(f"{path}\n")
    return captions_of(root, format="flickr", file="x.csv", split={"train": "train.txt"})


def questions_table(root, path):
    (root / "x.csv").write_text(f"image,question,answer\n{path},what is it?,a cat\n")
    split = {"format": "csv", "files": {"train": "x.csv"}}
    return read_question_split(manifest(root, kind="questions", split=split), root)


def vqa(root, path):
    question = {"question_id": 1, "image_id": path.removesuffix(".png"), "question": "what is it?"}
    (root / "x.json").write_text(json.dumps({"questions": [question]}))
    split = {"format": "vqa", "questions": {"train": "x.json"}, "images": {"train": "{}.png"}}
    return read_question_split(manifest(root, kind="questions", split=split), root)


READERS = (
    coop, table, other_split_file, captions_table, karpathy, karpathy_folder, coco, flickr, questions_table, vqa,
)  # fmt: skip


@pytest.fixture
def root(tmp_path):
    (tmp_path / "images" / "cats").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_a_file_cannot_name_an_image_outside(read, root):
    for path in OUTSIDE:
        with pytest.raises(DataError, match=r"outside the dataset's image folder: .*symbolic link"):
            read(root, path)
    for path in INSIDE:
        read(root, path)


def test_aircrafts_lists_cannot_either(root):
    (root / "variants.txt").write_text("F-16A/B\n")
    for part in ("train", "val", "test"):
        (root / f"images_variant_{part}.txt").write_text(f"{'1' if part == 'train' else '../secret'} F-16A/B\n")
    with pytest.raises(DataError, match=r"'\.\./secret\.jpg'"):
        read_split(manifest(root, split={"format": "fgvc"}), root)


COOP = {"format": "coop", "file": "split.json"}
CLIMBING = {
    "a folder": {"folder": ["../x"], "split": COOP},
    "images above the root": {"images": "../images", "split": COOP},
    "images above the root from a folder": {"folder": ["x"], "images": ["ok", "../../y"], "split": COOP},
    "absolute images": {"images": "/images", "split": COOP},
    "a split": {"split": COOP | {"file": "../split.json"}},
    "an absolute split": {"split": COOP | {"file": "/etc/passwd"}},
    "parts": {"split": {"format": "folders", "parts": {"train": "../train"}}},
    "a table": {"split": {"format": "csv", "file": "../x.csv", "split": "split"}},
    "domains": {"split": {"format": "folders", "cut": {}}, "domains": {"../../y": {"classes": 1}}},
    "class names": {"split": COOP, "class_names": "../names.txt"},
    "absolute class names": {"split": COOP, "class_names": "/etc/passwd"},
    "karpathy": {"kind": "captions", "split": {"format": "karpathy", "file": "../x.json"}},
    "coco": {"kind": "captions", "split": {"format": "coco", "files": {"train": "../x.json"}}},
    "coco's prefixes": {
        "kind": "captions",
        "split": {"format": "coco", "files": {"train": "x.json"}, "prefixes": {"train": ".."}},
    },
    "flickr": {"kind": "captions", "split": {"format": "flickr", "file": "../x", "split": "y.json"}},
    "flickr's lists": {"kind": "captions", "split": {"format": "flickr", "file": "x", "split": {"train": "/y"}}},
    "captions": {"kind": "captions", "split": {"format": "csv", "file": "../x.csv"}},
    "questions": {"kind": "questions", "split": {"format": "csv", "files": {"train": "../x.csv"}}},
    "vqa": {
        "kind": "questions",
        "split": {"format": "vqa", "questions": {"train": "x.json"}, "images": {"train": "../{:012d}.jpg"}},
    },
    "annotations": {
        "kind": "questions",
        "split": {
            "format": "vqa",
            "questions": {"train": "x"},
            "annotations": {"train": "../x"},
            "images": {"train": "{}.jpg"},
        },
    },
}  # fmt: skip


@pytest.mark.parametrize("content", CLIMBING.values(), ids=CLIMBING)
def test_a_manifest_cannot_name_a_place_outside(content, tmp_path):
    with pytest.raises(ManifestError, match=r"x\.yaml[^\0]* leads out of the"):
        manifest(tmp_path, **content)


def test_a_manifest_may_use_the_images_of_another_dataset_under_the_root(tmp_path):
    assert manifest(tmp_path, folder=["x"], images=["../coco", "."], split=COOP).images == ["../coco", "."]
