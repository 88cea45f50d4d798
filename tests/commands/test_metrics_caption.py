"""`aape metrics caption` as a user types it."""

import json
import re

import pytest
import torch
from aape_lightning.__main__ import main
from aape_lightning.backbones import load_backbone
from aape_lightning.commands.metrics.images import embed_images
from aape_lightning.metrics import caption_scores, clip_scores
from aape_lightning.metrics.java import has_java
from PIL import Image

CPU = torch.device("cpu")
CAPTIONS = {4: ["A dog runs.", "one dog"], 9: ["A cat sits on a mat."]}
PREDICTIONS = [{"image_id": 9, "caption": "a cat on a mat"}, {"image_id": 4, "caption": "the dog runs fast"}]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with references, images and whatever a test writes; it is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    images = [{"id": number, "file_name": f"{number:04d}.png"} for number in CAPTIONS]
    annotations = [{"image_id": number, "caption": text} for number, texts in CAPTIONS.items() for text in texts]
    (tmp_path / "r.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    (tmp_path / "images").mkdir()
    for image in images:
        Image.new("RGB", (40, 30), (image["id"] * 20, 90, 10)).save(tmp_path / "images" / image["file_name"])
    return tmp_path


@pytest.fixture
def caption(files, capsys):
    """Scores predictions; returns exit code, standard output and standard error."""

    def run(predictions, *arguments):
        (files / "p.json").write_text(predictions if isinstance(predictions, str) else json.dumps(predictions))
        capsys.readouterr()
        command = ["metrics", "caption", "--predictions", "p.json", "--references", "r.json", *arguments]
        code = main(list(map(str, command)))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_a_table_and_json_at_full_precision(caption, files):
    code, out, err = caption(PREDICTIONS, "--tokenizer", "simple", "--out", "scores.json")
    assert (code, err) == (0, "")
    assert out.startswith("Captions of 2 images\n")
    assert out.endswith("Wrote scores.json.\n")
    found = json.loads((files / "scores.json").read_text())
    texts = {entry["image_id"]: entry["caption"] for entry in PREDICTIONS}
    scores = caption_scores({number: texts[number] for number in CAPTIONS}, CAPTIONS, tokenizer="simple")
    assert found["scores"] == scores
    assert (found["images"], found["images_in_references"]) == (2, 2)
    assert found["by_image"].keys() == {"4", "9"}
    for name, score in scores.items():
        assert re.search(rf"{re.escape(name)} +{score:.4f}\n", out.replace(" \n", "\n"))


@pytest.mark.skipif(not has_java(), reason="there is no Java here")
def test_cocos_tokeniser_is_the_default(caption):
    assert "cider_d(ptb)" in caption(PREDICTIONS)[1]


def test_clip_scores_by_a_backbone_of_ones_own(caption, files, tiny_clip):
    arguments = ["--tokenizer", "simple", "--images", "images", "--backbone", tiny_clip, "--out", "s.json"]
    assert caption(PREDICTIONS, *arguments)[0] == 0
    found = json.loads((files / "s.json").read_text())["scores"]
    backbone = load_backbone(str(tiny_clip))
    images = embed_images(backbone, [files / "images" / f"{number:04d}.png" for number in CAPTIONS], CPU)
    expected = clip_scores(backbone, images, ["the dog runs fast", "a cat on a mat"], list(CAPTIONS.values()))
    for name, score in expected.items():
        assert found[f"{name}[{tiny_clip}]"] == pytest.approx(score, abs=1e-6)


def test_images_go_through_the_backbones_own_transform(files, tiny_backbone):
    path = files / "images" / "0004.png"
    alone = tiny_backbone.encode_image(tiny_backbone.transform(Image.open(path))[None])
    assert embed_images(tiny_backbone, [path] * 70, CPU)[66].tolist() == pytest.approx(alone[0].tolist(), abs=1e-6)


def test_an_empty_caption_is_legal(caption):
    code, out, _ = caption([PREDICTIONS[0], {"image_id": 4, "caption": ""}], "--tokenizer", "simple")
    assert code == 0
    assert "cider_d(simple)" in out


def test_some_of_the_images_alone(caption, files):
    code, out, _ = caption(PREDICTIONS[:1], "--tokenizer", "simple", "--partial", "--out", "s.json")
    assert code == 0
    assert out.startswith("Captions of 1 of 2 images\n")
    assert json.loads((files / "s.json").read_text())["images"] == 1


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        (PREDICTIONS[:1], "'p.json' has no prediction for 1 of the 2 images in 'r.json': '4'. Score the other 1 alone "
         "with --partial; such scores are not comparable with those of all."),
        ([*PREDICTIONS, {"image_id": 7, "caption": ""}], "'p.json': 1 of 3 predictions are for images that are not in "
         "'r.json': '7'. Is it another part?"),
        ([{"image_id": "9", "caption": ""}], "'p.json': 1 of 1 predictions are for images that are not in 'r.json': "
         "'9'. They are text in one file and numbers in the other."),
        (PREDICTIONS + PREDICTIONS[:1], "'p.json', [2]: the image_id 9 stands twice."),
        ([{"image_id": 9, "caption": 3}], "'p.json', [0]: 'caption' must be text, not 3."),
        ([{"image_id": 9}], "'p.json', [0]: 'caption' is missing; the keys are 'image_id'."),
        ([9], "'p.json', [0]: a prediction must be an object, not 9."),
        ({"9": "a cat"}, "'p.json' must hold a list of predictions, [{\"image_id\": ..., \"caption\": ...}, ...], not "
         "{'9': 'a cat'}."),
        ([], "'p.json' must hold a list of predictions, [{\"image_id\": ..., \"caption\": ...}, ...], not []."),
        ("nope", "'p.json' is not JSON: Expecting value: line 1 column 1 (char 0)."),
    ],
)  # fmt: skip
def test_bad_predictions_are_one_line(caption, predictions, message):
    assert caption(predictions, "--tokenizer", "simple") == (1, "", f"aape: error: {message}\n")


def test_an_image_without_references_is_an_error(caption, files):
    references = json.loads((files / "r.json").read_text())
    references["annotations"] = references["annotations"][:2]
    (files / "r.json").write_text(json.dumps(references))
    assert caption(PREDICTIONS)[2] == "aape: error: 'r.json': 1 of 2 images have no reference: '9'.\n"


def test_missing_files_are_named(caption, files):
    assert caption(PREDICTIONS, "--references", "no.json")[2] == "aape: error: No file 'no.json' (--references).\n"
    (files / "images" / "0009.png").unlink()
    error = caption(PREDICTIONS, "--tokenizer", "simple", "--images", "images", "--backbone", "shapes-tiny")[2]
    assert error == "aape: error: 1 of 2 images are not there (--images): 'images/0009.png'.\n"


def test_a_backbone_without_images_is_an_error(caption):
    assert "needs the images as well: --images DIR" in caption(PREDICTIONS, "--backbone", "shapes-tiny")[2]
