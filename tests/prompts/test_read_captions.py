import json
import re

import pytest
from aape_lightning.errors import DataError, ManifestError, PromptError
from aape_lightning.prompts.captions import CAPTION_FORMATS, read_captions

TWO = {"b.jpg": ["A dog , a ball .", 'The "best" dog.'], "a.jpg": ["Ein Hund läuft 犬 🐕."]}
COCO = {
    "info": {"year": 2014},
    "images": [{"id": 7, "file_name": "b.jpg", "license": 1}, {"id": 3, "file_name": "a.jpg"}],
    "annotations": [
        {"image_id": 7, "id": 1, "caption": " A dog , a ball .\n"},
        {"image_id": 3, "id": 2, "caption": "Ein Hund läuft 犬 🐕."},
        {"image_id": 7, "id": 3, "caption": 'The "best" dog.'},
    ],
}
KARPATHY = {
    "dataset": "coco",
    "images": [
        {
            "filename": name,
            "filepath": "val2014",
            "imgid": k,
            "cocoid": 100 + k,
            "split": "restval",
            "sentids": [0, 1],
            "sentences": [{"tokens": text.split(), "raw": f"{text} ", "imgid": k, "sentid": 0} for text in texts],
        }
        for k, (name, texts) in enumerate(TWO.items())
    ],
}
CSV = 'image,caption\nb.jpg,"A dog , a ball ."\na.jpg,Ein Hund läuft 犬 🐕.\nb.jpg,"The ""best"" dog."\n'
NUMBERED = (
    'image_name,comment_number,comment\nb.jpg,0," A dog , a ball ."\na.jpg,0,Ein Hund läuft 犬 🐕.\n'
    'b.jpg,1,"The ""best"" dog."\n'
)
BARS = (
    "image_name| comment_number| comment\nb.jpg| 0| A dog , a ball .\na.jpg| 0| Ein Hund läuft 犬 🐕.\n"
    'b.jpg| 1   The "best" dog.\n'  # as in line 20,000 of Flickr30k's results.csv: the second bar is missing
)
TOKEN = 'b.jpg#0\tA dog , a ball .\na.jpg#0\tEin Hund läuft 犬 🐕.\nb.jpg#1\tThe "best" dog.\n'
FORMS = {
    "coco": json.dumps(COCO),
    "karpathy": json.dumps(KARPATHY, ensure_ascii=False),
    "csv": CSV,
    "bars": BARS,
    "token": TOKEN,
}


def written(folder, content, name="captions.txt"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("form", CAPTION_FORMATS)
def test_every_format_is_read_by_name_and_by_its_content(form, named, tmp_path):
    read = read_captions(written(tmp_path, FORMS[form]), form if named else None)
    assert read == TWO
    assert list(read) == list(TWO)


@pytest.mark.parametrize("content", [*FORMS.values(), NUMBERED])
@pytest.mark.parametrize(
    "changed",
    [
        lambda content: "\ufeff" + content,
        lambda content: content.replace("\n", "\r\n"),
        lambda content: content.replace("\n", "\n\n"),
        lambda content: content.rstrip("\n"),
    ],
    ids=["byte order mark", "carriage returns", "blank lines", "no last newline"],
)
def test_marks_line_ends_and_blank_lines_change_nothing(content, changed, tmp_path):
    assert read_captions(written(tmp_path, changed(content))) == TWO


def test_characters_that_only_look_like_line_ends_stay_in_the_caption(tmp_path):
    assert read_captions(written(tmp_path, "a.jpg#0\tone\u2028two\x85three\n")) == {"a.jpg": ["one\u2028two\x85three"]}


def test_a_caption_of_a_csv_may_span_lines(tmp_path):
    assert read_captions(written(tmp_path, 'image,caption\na.jpg,"one\ntwo"\n')) == {"a.jpg": ["one\ntwo"]}


def test_a_number_or_a_bar_in_a_caption_stays_there(tmp_path):
    content = "image_name| comment_number| comment\na.jpg| 0| 3 dogs | 2 cats\n"
    assert read_captions(written(tmp_path, content)) == {"a.jpg": ["3 dogs | 2 cats"]}


def test_long_single_lined_json_is_recognised(tmp_path):
    images = [{"id": k, "file_name": f"{k:012d}.jpg"} for k in range(500)]
    notes = [{"image_id": k, "caption": f"caption {k}"} for k in range(500)]
    read = read_captions(written(tmp_path, json.dumps({"images": images, "annotations": notes})))
    assert len(read) == 500
    assert read["000000000499.jpg"] == ["caption 499"]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
                "annotations": [{"image_id": 1, "caption": text} for text in ("", "A.", " \n")],
            }
        ),
        json.dumps(
            {
                "images": [
                    {
                        "filename": "a.jpg",
                        "imgid": 1,
                        "split": "val",
                        "sentences": [{"raw": t} for t in ("", "A.", " ")],
                    },
                    {"filename": "b.jpg", "imgid": 2, "split": "val", "sentences": []},
                ]
            }
        ),
    ],
)
def test_empty_captions_are_dropped_and_counted_and_their_images_stay(content, tmp_path):
    with pytest.warns(UserWarning, match=r"captions\.txt': 2 empty captions are dropped"):
        assert read_captions(written(tmp_path, content)) == {"a.jpg": ["A."], "b.jpg": []}


@pytest.mark.parametrize(
    "content",
    [
        "image,caption\na.jpg,\nb.jpg,B.\n",
        "a.jpg#0\t\nb.jpg#0\tB.\n",
        "image_name| comment_number| comment\na.jpg| 0|\nb.jpg| 0| B.\n",
    ],
)
def test_an_image_whose_captions_are_all_empty_is_not_lost(content, tmp_path):
    with pytest.warns(UserWarning, match="1 empty captions"):
        assert read_captions(written(tmp_path, content)) == {"a.jpg": [], "b.jpg": ["B."]}


def without(records, key, index=1):
    return [{k: v for k, v in entry.items() if i != index or k != key} for i, entry in enumerate(records)]


IMAGES, NOTES = COCO["images"], COCO["annotations"]


@pytest.mark.parametrize(
    ("format", "content", "message"),
    [
        ("coco", b"{", "is not JSON"),
        ("coco", b'{"images": [1', "is not JSON"),
        ("coco", b"[]", r"must hold a JSON object, not \[\]"),
        ("coco", {"images": IMAGES}, "'annotations' is missing; the keys are 'images'"),
        ("coco", COCO | {"images": {"id": 1}}, r"'images' must be a list, not \{'id': 1\}"),
        ("coco", COCO | {"images": without(IMAGES, "id")}, r"images\[1\]: 'id' is missing; the keys are 'file_name'"),
        ("coco", COCO | {"images": without(IMAGES, "file_name")}, r"images\[1\]: 'file_name' is missing"),
        ("coco", COCO | {"images": [IMAGES[0], "x"]}, r"images\[1\] must be an object, not 'x'"),
        ("coco", COCO | {"images": [{"id": 7.0, "file_name": "c.jpg"}]}, r"images\[0\]: 'id' must be a whole number"),
        ("coco", COCO | {"images": [{"id": True, "file_name": "c.jpg"}]}, r"images\[0\]: 'id' must be a whole number"),
        ("coco", COCO | {"images": [*IMAGES, IMAGES[0]]}, r"images\[2\]: the image id 7 stands twice"),
        ("coco", COCO | {"images": [*IMAGES, {"id": 1, "file_name": "a.jpg"}]}, "several images are called 'a.jpg'"),
        ("coco", COCO | {"annotations": without(NOTES, "caption")}, r"annotations\[1\]: 'caption' is missing"),
        ("coco", COCO | {"annotations": [{"image_id": 3, "caption": 4}]}, r"annotations\[0\]: 'caption' must be text"),
        ("coco", COCO | {"annotations": [{"image_id": 8, "caption": "x"}]}, r"annotations\[0\]: no image has the id 8"),
        ("coco", COCO | {"annotations": [{"image_id": "7", "caption": "x"}]}, "no image has the id '7'"),
        ("karpathy", {"images": without(KARPATHY["images"], "sentences")}, r"images\[1\]: 'sentences' is missing"),
        ("karpathy", {"images": without(KARPATHY["images"], "filename", 0)}, r"images\[0\]: 'filename' is missing"),
        ("karpathy", {"images": without(KARPATHY["images"], "split")}, r"images\[1\]: 'split' is missing"),
        ("karpathy", {"images": [KARPATHY["images"][0] | {"sentences": [{"raw": 3}]}]}, "'sentences' must be a list"),
        ("karpathy", {"images": KARPATHY["images"] * 2}, "several images are called 'b.jpg', 'a.jpg'"),
        ("csv", "image,caption\n,A dog.\n", "row 2: the cell of 'image' is empty"),
        ("csv", "image,caption\na.jpg,A dog.\na.jpg\n", "row 3: the row lacks cells"),
        ("csv", "image,caption\na.jpg,A dog.\na.jpg,A dog, a ball.\n", "row 3: there are more cells .*double quotes"),
        ("csv", 'image,caption\na.jpg,"A dog.\n', "cannot be read as a UTF-8 CSV"),
        ("csv", "image,caption\n", "has no row"),
        ("bars", "a.jpg| 0| A dog.\na.jpg, 1, A dog.\n", r"line 2: 'a.jpg, 1, A dog.' is not of the form: image_name"),
        ("token", "a.jpg#0\tA dog.\n\na.jpg#1 A dog.\n", "line 3: 'a.jpg#1 A dog.' is not of the form: lines of"),
    ],
)  # fmt: skip
def test_a_breach_of_the_format_is_an_error_that_names_file_and_place(format, content, message, tmp_path):
    path = written(tmp_path, json.dumps(content) if isinstance(content, dict) else content)
    with pytest.raises(DataError, match=f"{re.escape(repr(str(path)))}.*{message}"):
        read_captions(path, format)


@pytest.mark.parametrize(
    "content", [b"a.jpg#0\tcaf\xe9\n", b"image,caption\na.jpg,caf\xe9\n", b"\xff\xfea", b'{"\xe9": 1}']
)
def test_a_file_that_is_not_utf8_is_an_error_that_names_it(content, tmp_path):
    path = written(tmp_path, content)
    with pytest.raises(DataError, match=f"{re.escape(repr(str(path)))}.*UTF-8"):
        read_captions(path)


def test_bytes_that_are_not_utf8_are_found_far_into_the_file(tmp_path):
    with pytest.raises(DataError, match="UTF-8"):
        read_captions(written(tmp_path, b"a.jpg#0\tA dog.\n" * 5000 + b"a.jpg#1\tcaf\xe9\n"))


@pytest.mark.parametrize("content", ["", "\n\n", "hello\n", "path,label\na,b\n", "[1]", '{"a": 1}', "a.jpg\tA dog.\n"])
def test_an_unknown_form_is_an_error_that_lists_the_formats(content, tmp_path):
    path = written(tmp_path, content)
    with pytest.raises(PromptError, match=f"{re.escape(repr(str(path)))} is no caption file") as caught:
        read_captions(path)
    assert all(f"\n  {name}: " in str(caught.value) for name in CAPTION_FORMATS)


def test_an_unknown_format_is_an_error_with_the_closest_one(tmp_path):
    with pytest.raises(PromptError, match=r"No caption format 'karpaty'. Did you mean 'karpathy'\?"):
        read_captions(written(tmp_path, TOKEN), "karpaty")


def test_a_table_with_other_columns_is_an_error_that_names_them(tmp_path):
    with pytest.raises(ManifestError, match=r"columns 'path', 'text'; captions need one of 'image', 'image_name'"):
        read_captions(written(tmp_path, "path,text\na,b\n"), "csv")


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(PromptError, match=f"No caption file {str(tmp_path / 'no.json')!r}"):
        read_captions(tmp_path / "no.json")


@pytest.mark.shared_data
def test_flickr8ks_captions_are_all_read(shared_data):
    path = shared_data / "flickr8k" / "captions.txt"
    read = read_captions(path)
    assert len(read) == 8091
    assert {len(texts) for texts in read.values()} == {5}
    assert read["1012212859_01547e3f17.jpg"][0] == "A dog shakes its head near the shore , a red ball next to it ."
    assert set(read) == {file.name for file in (path.parent / "images").iterdir()}
