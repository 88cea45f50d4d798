import json
import re

import pytest
import yaml
from aape_lightning.data import load_caption_manifest, load_manifest
from aape_lightning.data.readers.captions import CaptionedImage, read_caption_split
from aape_lightning.data.splits import PARTS
from aape_lightning.errors import DataError, ManifestError

KARPATHY = [("a.jpg", "train", 5), ("b.jpg", "restval", 6), ("c.jpg", "val", 7), ("d.jpg", "test", 8)]


def karpathy(rows=KARPATHY, **more):
    return {
        "images": [
            {"filename": name, "split": part, "imgid": k, "sentences": [{"raw": f" {name} {part} ", "tokens": []}]}
            | more
            for name, part, k in rows
        ]
    }


def coco(*names, ids=range(1000)):
    images = [{"id": k, "file_name": name} for k, name in zip(ids, names, strict=False)]
    return {"images": images, "annotations": [{"image_id": i["id"], "caption": f"of {i['file_name']}"} for i in images]}


@pytest.fixture
def dataset(tmp_path):
    """Writes a dataset's files and its manifest; reads the split."""

    def make(split, files, **manifest):
        content = {
            "kind": "captions",
            "name": "album",
            "title": "Album",
            "folder": ["album"],
            "split": split,
        } | manifest
        (tmp_path / "album.yaml").write_text(yaml.safe_dump(content))
        for name, text in files.items():
            path = tmp_path / "album" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(
                text if isinstance(text, bytes) else (text if isinstance(text, str) else json.dumps(text)).encode()
            )
        load = load_manifest if content["kind"] == "classes" else load_caption_manifest
        return read_caption_split(load(str(tmp_path / "album.yaml")), tmp_path)

    return make


def paths(parts):
    return [[image.path for image in parts.part(part)] for part in PARTS]


# ---- Karpathy's JSON -----------------------------------------------------------------------------------------------

KARPATHY_SPLIT = {"format": "karpathy", "file": "dataset.json"}


def test_karpathys_restval_is_training(dataset):
    parts = dataset(KARPATHY_SPLIT, {"dataset.json": karpathy()})
    assert paths(parts) == [["a.jpg", "b.jpg"], ["c.jpg"], ["d.jpg"]]
    assert parts.train[1] == CaptionedImage("b.jpg", 6, ("b.jpg restval",))


def test_karpathys_coco_names_folders_and_cocos_own_ids(dataset):
    parts = dataset(KARPATHY_SPLIT, {"dataset.json": karpathy(KARPATHY[:1], filepath="train2014", cocoid=57870)})
    assert parts.train == [CaptionedImage("train2014/a.jpg", 57870, ("a.jpg train",))]


def test_the_file_may_lie_in_a_folder_inside_the_datasets(dataset):
    assert len(dataset(KARPATHY_SPLIT, {"annotations/dataset.json": karpathy()}).train) == 2


def test_of_two_such_files_none_is_preferred(dataset):
    with pytest.raises(
        ManifestError, match=r"Album has several files 'dataset.json': .*a/dataset.json.*b/dataset.json"
    ):
        dataset(KARPATHY_SPLIT, {"a/dataset.json": karpathy(), "b/dataset.json": karpathy()})


def test_an_unknown_part_is_an_error_that_names_the_image(dataset):
    with pytest.raises(DataError, match=r"dataset\.json', images\[0\]: 'restvall' is no part"):
        dataset(KARPATHY_SPLIT, {"dataset.json": karpathy([("a.jpg", "restvall", 1)])})


def test_an_image_without_captions_is_an_error_that_names_it(dataset):
    with pytest.raises(
        DataError, match=r"'dataset.json': 4 images have no caption: 'a.jpg', 'b.jpg', 'c.jpg', 'd.jpg'"
    ):
        dataset(KARPATHY_SPLIT, {"dataset.json": karpathy(sentences=[])})


@pytest.mark.filterwarnings("ignore:.*1 empty captions")
def test_an_image_with_empty_captions_alone_is_the_same_error(dataset):
    with pytest.raises(DataError, match=r"1 images have no caption: 'a.jpg'"):
        dataset(KARPATHY_SPLIT, {"dataset.json": karpathy(KARPATHY[:1], sentences=[{"raw": " \n"}])})


def test_a_file_without_images_is_an_error(dataset):
    with pytest.raises(DataError, match=r"'dataset.json' holds no image"):
        dataset(KARPATHY_SPLIT, {"dataset.json": {"images": []}})


def test_a_missing_file_is_an_error_that_says_where_to_get_it(dataset):
    with pytest.raises(
        ManifestError, match=r"Album has no file 'dataset.json' in '.*album'.* Get it from example\.org"
    ):
        dataset(KARPATHY_SPLIT, {"other.json": {}}, source="example.org")


# ---- COCO's JSON ---------------------------------------------------------------------------------------------------


def test_coco_has_a_file_a_part_and_prefixes(dataset):
    split = {"format": "coco", "files": {"train": "t.json", "val": "v.json"}, "prefixes": {"train": "train2014"}}
    parts = dataset(split, {"t.json": coco("a.jpg", "b.jpg"), "v.json": coco("c.jpg")})
    assert paths(parts) == [["train2014/a.jpg", "train2014/b.jpg"], ["c.jpg"], []]
    assert parts.val == [CaptionedImage("c.jpg", 0, ("of c.jpg",))]


def test_coco_captions_follow_their_image_whatever_their_order(dataset):
    content = coco("a.jpg", "b.jpg")
    content["annotations"] = [{"image_id": k, "caption": f"{k}{n}"} for n in range(3) for k in (1, 0)]
    parts = dataset({"format": "coco", "files": {"test": "t.json"}}, {"t.json": content})
    assert [image.captions for image in parts.test] == [("00", "01", "02"), ("10", "11", "12")]


def test_a_coco_image_in_two_parts_is_an_error_that_names_it(dataset):
    split = {"format": "coco", "files": {"train": "t.json", "val": "v.json"}}
    with pytest.raises(DataError, match=r"t\.json.*v\.json.*: 'a.jpg' is in train and in val"):
        dataset(split, {"t.json": coco("a.jpg"), "v.json": coco("b.jpg", "a.jpg")})


def test_prefixes_of_parts_without_a_file_break_the_schema(dataset):
    with pytest.raises(ManifestError, match="`prefixes` may name the parts of `files` only"):
        dataset({"format": "coco", "files": {"train": "t.json"}, "prefixes": {"val": "x"}}, {})


# ---- Flickr's files ------------------------------------------------------------------------------------------------

FLICKR = {"format": "flickr", "file": "captions.txt", "split": "split.json"}
FLICKR_CAPTIONS = "image,caption\n" + "".join(f'{name}.jpg,"{name} , {k}"\n' for name in "abcd" for k in range(2))


@pytest.mark.parametrize("captions", [FLICKR_CAPTIONS, FLICKR_CAPTIONS.replace("\n", "\r\n")])
def test_flickrs_lists_choose_images_and_order(captions, dataset):
    split = {"dev": ["c.jpg"], "train": ["d.jpg", "a.jpg"], "test": []}
    parts = dataset(FLICKR, {"captions.txt": captions, "split.json": split})
    assert paths(parts) == [["d.jpg", "a.jpg"], ["c.jpg"], []]
    assert parts.val == [CaptionedImage("c.jpg", "c.jpg", ("c , 0", "c , 1"))]


def test_flickrs_lists_may_be_text_files_without_suffixes(dataset):
    token = "".join(f"{name}.jpg#{k}\t{name} {k}\n" for name in "abc" for k in range(2)) + "c.jpg.1#0\tnot listed\n"
    lists = {"train": "Flickr_8k.trainImages.txt", "test": "Flickr_8k.testImages.txt"}
    files = {"Flickr8k.token.txt": token, lists["train"]: "\ufeffb.jpg\r\na.jpg\r\n\r\n", lists["test"]: "c"}
    parts = dataset({"format": "flickr", "file": "Flickr8k.token.txt", "split": lists}, files)
    assert paths(parts) == [["b.jpg", "a.jpg"], [], ["c.jpg"]]


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"train": ["a.jpg"], "rest": ["b.jpg"]}, r"split\.json'.*'rest' is no part"),
        ({"train": ["a.jpg"], "val": "b.jpg"}, r"split\.json': 'val' must be a list of texts, not 'b\.jpg'"),
        ({"train": ["a.jpg", 3]}, "'train' must be a list of texts"),
        ({"train": ["e.jpg", "a.jpg", "f"]}, r"split\.json', train lists 2 images of which .*: 'e\.jpg', 'f'"),
        ({"train": ["a.jpg"], "test": ["b.jpg", "a.jpg"]}, r"split\.json': 'a\.jpg' is in train and in test"),
        ({"train": ["a.jpg", "b.jpg", "a.jpg"]}, r"split\.json': listed twice: 'a\.jpg'"),
        ({"train": []}, r"split\.json' holds no image"),
        ("[]", r"split\.json' must hold a JSON object"),
        ("{", r"split\.json' is not JSON"),
    ],
)
def test_a_wrong_list_is_an_error_that_names_file_and_place(split, message, dataset):
    with pytest.raises(DataError, match=message):
        dataset(FLICKR, {"captions.txt": FLICKR_CAPTIONS, "split.json": split})


def test_a_list_that_is_not_utf8_is_an_error_that_names_it(dataset):
    with pytest.raises(DataError, match=r"t\.txt' is not UTF-8"):
        dataset(FLICKR | {"split": {"test": "t.txt"}}, {"captions.txt": FLICKR_CAPTIONS, "t.txt": b"caf\xe9.jpg"})


@pytest.mark.shared_data
def test_flickr8k_is_read_through_a_manifest(shared_data, tmp_path):
    manifest = {
        "kind": "captions",
        "name": "flickr8k_local",
        "folder": ["flickr8k"],
        "images": "images",
        "split": {"format": "flickr", "file": "captions.txt", "split": "split.json"},
    }
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(manifest))
    parts = read_caption_split(load_caption_manifest(str(tmp_path / "m.yaml")), shared_data)
    images = [image for part in PARTS for image in parts.part(part)]
    assert [len(parts.part(part)) for part in PARTS] == [6091, 1000, 1000]
    assert sum(len(image.captions) for image in images) == 40455
    folder = shared_data / "flickr8k" / "images"
    assert {image.path for image in images} == {path.name for path in folder.iterdir()}
    listed = json.loads((shared_data / "flickr8k" / "split.json").read_text())
    assert [image.path for image in parts.test] == listed["test"]


# ---- tables --------------------------------------------------------------------------------------------------------

TABLE = {"format": "csv", "file": "table.csv"}


def test_a_table_may_have_a_row_a_caption(dataset):
    rows = 'path,caption,split\nx/a.jpg,"one, two",training\nb.jpg,three,dev\nx\\a.jpg,four,train\n'
    parts = dataset(TABLE, {"table.csv": rows})
    assert parts.train == [CaptionedImage("x/a.jpg", "x/a.jpg", ("one, two", "four"))]
    assert parts.val == [CaptionedImage("b.jpg", "b.jpg", ("three",))]


def test_a_table_may_have_several_columns_of_captions(dataset):
    rows = "file,c1,c2,set\na.jpg,one, two ,train\nb.jpg,three,,test\n"
    with pytest.warns(UserWarning, match=r"table\.csv': 1 empty captions"):
        parts = dataset(TABLE | {"path": "file", "captions": ["c1", "c2"], "split": "set"}, {"table.csv": rows})
    assert [image.captions for image in parts.train + parts.test] == [("one", "two"), ("three",)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.jpg,one,train\na.jpg,two,test\n", r"row 3: 'a\.jpg' is in test, and in train in an earlier row"),
        ("a.jpg,one,nowhere\n", r"row 2: 'nowhere' is no part"),
        (",one,train\n", r"row 2: the cell of 'path' is empty"),
        ("a.jpg,one, two,train\n", "row 2: there are more cells than columns"),
        ("", "has no row"),
    ],
)
def test_a_wrong_row_is_an_error_that_names_it(rows, message, dataset):
    with pytest.raises(DataError, match=rf"table\.csv'.*{message}"):
        dataset(TABLE, {"table.csv": f"path,caption,split\n{rows}"})


def test_a_missing_column_is_an_error_that_names_it(dataset):
    with pytest.raises(ManifestError, match=r"table\.csv' has no column 'caption'"):
        dataset(TABLE, {"table.csv": "path,captions,split\na.jpg,one,train\n"})


CLASS_ROWS = "path,label,caption\n" + "".join(f"{k}.jpg,{'ab'[k % 2]},caption {k}\n" for k in range(20))


def test_classes_with_captions_are_read_from_their_csv_whether_cut_or_not(dataset):
    split = {"format": "csv", "file": "table.csv", "captions": ["caption"], "cut": {"train": 0.5, "val": 0.2}}
    parts = dataset(split, {"table.csv": CLASS_ROWS}, kind="classes")
    assert [len(parts.part(part)) for part in PARTS] == [10, 4, 6]
    images = [image for part in PARTS for image in parts.part(part)]
    assert all(image.captions == (f"caption {image.path.removesuffix('.jpg')}",) for image in images)
    rows = "path,label,caption,split\n0.jpg,a,zero,train\n1.jpg,b,one,test\n"
    split = {"format": "csv", "file": "table.csv", "captions": ["caption"], "split": "split"}
    assert paths(dataset(split, {"table.csv": rows}, kind="classes")) == [["0.jpg"], [], ["1.jpg"]]


def test_classes_without_captions_are_an_error_that_says_what_has_some(dataset):
    for split in ({"format": "csv", "file": "table.csv", "cut": {}}, {"format": "coop", "file": "split.json"}):
        with pytest.raises(ManifestError, match=r"Album has no captions: .*kind 'captions'.*`captions`"):
            dataset(split, {"table.csv": CLASS_ROWS}, kind="classes")


def test_images_are_values(dataset):
    image = dataset(KARPATHY_SPLIT, {"dataset.json": karpathy()}).val[0]
    assert len({image, CaptionedImage("c.jpg", 7, ("c.jpg val",))}) == 1
    with pytest.raises(AttributeError, match=re.escape("path")):
        image.path = "elsewhere"
