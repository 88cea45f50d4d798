"""`aape retrieve` as a user types it: on the toy dataset, on a folder, and on photographs."""

import base64
import io
import json
import re
import shutil
import statistics

import pytest
import yaml
from aape_lightning.__main__ import main
from aape_lightning.callbacks import RunFiles
from aape_lightning.data import RetrievalDataModule
from aape_lightning.search import QueryEncoder, SearchIndex, images_of
from aape_lightning.tasks import RetrievalTask
from PIL import Image


@pytest.fixture
def aape(capsys, monkeypatch):
    """Runs `aape retrieve`; returns exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments):
        capsys.readouterr()
        code = main(["retrieve", *map(str, arguments)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def toy(toy_captions, toy_root, tiny_clip):
    """The arguments that name the toy's captions."""
    return ["--manifest", toy_captions, "--root", toy_root, "--backbone", tiny_clip]


@pytest.fixture
def trained(toy_captions, toy_root, tiny_clip, quiet_trainer, tmp_path):
    """The aape.ckpt of a short run."""
    data = RetrievalDataModule(str(toy_captions), root=str(toy_root), backbone=str(tiny_clip), num_workers=0)
    trainer = quiet_trainer(max_epochs=3, callbacks=[RunFiles(str(tmp_path / "h"))])
    trainer.fit(RetrievalTask(aggregator_epochs=1), datamodule=data)
    return tmp_path / "h" / "aape.ckpt"


def first_by_hand(encoder, images, query):
    """Paths of the images, the nearest to a query first, by a plain loop."""
    scores = {path: float(encoder.image(images.open(path)) @ query) for path in images.paths}
    return sorted(scores, key=lambda path: -scores[path]), scores


# ---- what is found -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_checkpoint", [False, True])
def test_a_text_finds_what_a_plain_loop_finds(with_checkpoint, aape, toy, trained, toy_captions, toy_root, tmp_path):
    out = tmp_path / "found.json"
    options = ["--ckpt", trained] if with_checkpoint else []
    code, printed, err = aape("--query", "a grey stone", *toy, *options, "--top", 7, "--out", out)
    assert (code, err) == (0, "")
    encoder = QueryEncoder.load(trained if with_checkpoint else None, str(toy[-1]))
    order, scores = first_by_hand(encoder, images_of(str(toy_captions), toy_root), encoder.text("a grey stone"))
    found = json.loads(out.read_text())
    assert [hit["image"] for hit in found["hits"]] == order[:7]
    assert [hit["score"] for hit in found["hits"]] == pytest.approx([scores[path] for path in order[:7]], abs=1e-5)
    assert [hit["rank"] for hit in found["hits"]] == list(range(1, 8))
    assert found["query"] == {"text": "a grey stone"}
    assert (found["find"], found["among"]) == ("images", "Toy captions, test (20 images)")
    assert found["encoder"] == str(encoder)
    assert re.search(rf" 1 +{scores[order[0]]:.4f} +{order[0]} ", printed)
    assert printed.splitlines()[-1] == f"Written: {out}"


def test_an_image_finds_captions_where_there_are_some(aape, toy, tmp_path, toy_root):
    image = toy_root / "toy" / "images" / "red_car" / "0009.png"
    code, printed, err = aape("--image", image, *toy, "--top", 3, "--out", tmp_path / "found.json")
    assert (code, err) == (0, "")
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["find"], found["query"]) == ("captions", {"image": str(image)})
    encoder = QueryEncoder.load(backbone=str(toy[-1]))
    query = encoder.image(Image.open(image).convert("RGB"))
    captions = {text: path for path, own in zip(*_said(toy), strict=True) for text in own}
    scores = {text: float(encoder.text(text) @ query) for text in captions}
    assert [hit["text"] for hit in found["hits"]] == sorted(scores, key=lambda text: -scores[text])[:3]
    assert all(captions[hit["text"]] == hit["image"] for hit in found["hits"])
    assert re.search(r"Rank +Score +Caption +Image", printed)


def _said(toy):
    images = images_of(str(toy[1]), toy[3])
    return images.paths, images.said


@pytest.mark.parametrize("with_checkpoint", [False, True])
def test_an_image_finds_itself_first_among_images(with_checkpoint, aape, toy, trained):
    options = ["--ckpt", trained] if with_checkpoint else []
    _, printed, _ = aape("--image", "yellow_sun/0050.png", *toy, *options, "--find", "images", "--top", 2)
    assert re.search(r" 1 +1\.0000 +yellow_sun/0050\.png", printed)
    assert printed.startswith("Images like “yellow_sun/0050.png”")


def test_without_captions_an_image_finds_images_with_their_class(aape, toy_root, tiny_clip):
    place = ["--manifest", toy_root / "toy.yaml", "--root", toy_root, "--backbone", tiny_clip]
    _, printed, _ = aape("--image", "Blue_Boat/0013.png", *place, "--part", "train")
    assert re.search(r"Rank +Score +Image +Class", printed)
    assert re.search(r" 1 +1\.0000 +Blue_Boat/0013\.png +Blue Boat", printed)
    assert "Toy, train (30 images); zero-shot" in " ".join(printed.split())


def test_a_folder_of_images_needs_no_manifest(aape, toy_root, tiny_clip):
    folder = toy_root / "toy" / "images"
    code, printed, _ = aape("--query", "a car", "--images", folder, "--backbone", tiny_clip, "--top", 65)
    assert code == 0
    assert len(re.findall(r"\.png", printed)) == 65
    assert "Class" not in printed


def test_the_checkpoints_own_backbone_is_used(aape, trained, toy_captions, toy_root):
    code, printed, _ = aape("--query", "a car", "--manifest", toy_captions, "--root", toy_root, "--ckpt", trained)
    assert code == 0
    assert "aape.ckpt on" in " ".join(printed.split())


def test_a_text_beyond_the_context_is_cut_with_a_warning(aape, toy):
    code, _, err = aape("--query", "a very " * 40 + "long text", *toy)
    assert code == 0
    assert re.fullmatch(r"aape: warning: The text has 8\d tokens, and .*tiny.pt takes 24: it is cut\.\n", err)


# ---- files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [["--query", "cost: $5 and $6"], ["--image", "red_car/0009.png"],
                                ["--image", "red_car/0009.png", "--find", "images"]])  # fmt: skip
@pytest.mark.parametrize("top", [1, 7])
def test_a_sheet_is_a_picture_that_grows_with_what_it_shows(by, top, aape, toy, tmp_path):
    code, _, err = aape(*by, *toy, "--top", top, "--out", tmp_path / "deep" / "sheet.png")
    assert (code, err) == (0, "")
    sheet = Image.open(tmp_path / "deep" / "sheet.png")
    assert sheet.width == 1200
    assert len(sheet.convert("RGB").getcolors(2**24)) > 100
    if top > 1:
        aape(*by, *toy, "--out", tmp_path / "less.png", "--top", 1)
        assert Image.open(tmp_path / "less.png").height < sheet.height


def test_a_page_holds_its_images_and_escapes_what_it_is_given(aape, toy, tmp_path):
    aape("--query", "<b>a</b> & {{ b }}", *toy, "--top", 3, "--out", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "&lt;b&gt;a&lt;/b&gt; &amp; {{ b }}" in page
    assert "<b>" not in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert [Image.open(io.BytesIO(base64.b64decode(found))).size for found in pictures] == [(48, 40)] * 3
    aape("--image", "red_car/0009.png", *toy, "--out", tmp_path / "image.html")
    assert 'alt="The image that searches: red_car/0009.png"' in (tmp_path / "image.html").read_text()


# ---- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "one of the arguments --query --image is required"),
        (["--query", "a", "--image", "b"], "--image: not allowed with argument --query"),
        (["--query", "a", "--images", "x"], "--manifest: not allowed with argument --images"),
        (["--query", "a", "--part", "all"], "--part: invalid choice: 'all'"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments, words, aape, toy, capsys):
    with pytest.raises(SystemExit) as stop:
        aape(*arguments, *toy)
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--query", "  "], "The text to search with (--query) is empty."),
        (["--query", "a", "--top", "0"], "The number of results is 0; it must be 1 or more (--top)."),
        (["--query", "a", "--find", "captions"], "A text finds images; captions are found by an image"),
        (["--query", "a", "--out", "x.gif"], "'x.gif' (--out) must end in .png, .html, .json"),
        (["--image", "gone.png"], "No image 'gone.png' (--image): it is neither a file nor a path in Toy captions"),
        (["--query", "a", "--ckpt", "gone.ckpt"], "No trained task can be read from 'gone.ckpt'"),
        (["--query", "a", "--manifest", "flicker8k"], "Did you mean 'flickr8k'?"),
        (["--query", "a", "--backbone", "ViT-B16"], "No backbone 'ViT-B16'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments, words, aape, toy):
    code, out, err = aape(*toy, *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("aape: error: ")
    assert words in err
    assert err.count("\n") == 1


def test_json_alone_is_on_standard_output(aape, toy, trained, tmp_path):
    wanted = ["--query", "a red car", *toy, "--ckpt", trained.parent, "--out", tmp_path / "hits.json", "--json"]
    code, out, err = aape(*wanted)
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "hits.json").read_text())
    assert err.endswith(f"Written: {tmp_path / 'hits.json'}\n")


def test_options_of_a_manifest_do_not_go_with_a_folder(aape, toy_root, tiny_clip):
    for option in (["--part", "test"], ["--root", toy_root]):
        code, _, err = aape("--query", "a", "--images", toy_root, "--backbone", tiny_clip, *option)
        assert code == 1
        assert "--part and --root belong to a --manifest" in err


def test_another_backbone_than_the_checkpoints_is_refused(aape, toy, trained, other_clip):
    code, _, err = aape("--query", "a", *toy[:4], "--ckpt", trained, "--backbone", other_clip)
    assert code == 1
    assert "was trained on backbone" in err
    assert "other.pt" in err


def test_a_part_without_images_names_those_that_have_some(aape, own_toy_root, tiny_clip):
    path = own_toy_root / "toy" / "split_toy.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"val": []}))
    place = ["--manifest", own_toy_root / "toy.yaml", "--root", own_toy_root, "--backbone", tiny_clip]
    code, _, err = aape("--query", "a", *place, "--part", "val")
    assert code == 1
    assert "no images in its part 'val'; its parts are train (30), val (0), test (20) (--part)" in err


def test_nothing_is_written_where_an_image_is_missing(aape, own_toy_root, tiny_clip, tmp_path):
    shutil.rmtree(own_toy_root / "toy" / "images" / "red_car")
    place = ["--manifest", own_toy_root / "toy.yaml", "--root", own_toy_root, "--backbone", tiny_clip]
    code, out, err = aape("--query", "a", *place, "--out", tmp_path / "sheet.png")
    assert (code, out) == (1, "")
    assert "No image '" in err
    assert not (tmp_path / "sheet.png").exists()


# ---- photographs ---------------------------------------------------------------------------------------------------


@pytest.mark.shared_data
def test_photographs_of_flickr8k_are_found_by_a_text_and_by_themselves(aape, shared_data, tmp_path):
    split = json.loads((shared_data / "flickr8k" / "split.json").read_text())
    some = {"train": split["train"][:1], "val": split["val"][:1], "test": split["test"][:150]}
    (tmp_path / "flickr8k").mkdir()
    for name in ("images", "captions.txt"):
        (tmp_path / "flickr8k" / name).symlink_to(shared_data / "flickr8k" / name)
    (tmp_path / "flickr8k" / "split.json").write_text(json.dumps(some))
    described = {"format": "flickr", "file": "captions.txt", "split": "split.json"}
    manifest = {"kind": "captions", "name": "some_flickr8k", "folder": ["flickr8k"], "images": "images"}
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(manifest | {"split": described}))
    place = ["--manifest", tmp_path / "m.yaml", "--root", tmp_path]
    place += ["--backbone", shared_data / "pretrained" / "small_clip.pt", "--out", tmp_path / "found.json"]
    path = some["test"][40]
    aape("--image", shared_data / "flickr8k" / "images" / path, *place, "--find", "images")
    first = json.loads((tmp_path / "found.json").read_text())["hits"][0]
    assert (first["image"], first["score"]) == (path, pytest.approx(1, abs=1e-4))
    encoder = QueryEncoder.load(backbone=str(shared_data / "pretrained" / "small_clip.pt"))
    images = images_of(str(tmp_path / "m.yaml"), tmp_path)
    index, ranks = SearchIndex.of_images(encoder, images), []
    for path, captions in zip(images.paths, images.said, strict=True):
        found = index.search(encoder.text(captions[0]), top=150)
        ranks.append(next(hit.rank for hit in found if hit.image == path))
    assert statistics.median(ranks) < 35  # by chance 75; the model is a weak one
