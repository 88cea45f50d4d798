"""`aape classify`, `embed`, `caption` and `answer` as a user types them."""

import json
import subprocess
import sys

import aape_lightning
import numpy as np
import pandas as pd
import pytest
import torch
from aape_lightning.__main__ import main
from safetensors import safe_open

COMMANDS = ("classify", "embed", "caption", "answer")


@pytest.fixture
def aape(capsys, monkeypatch, tmp_path):
    """Runs `aape` in a folder of its own; returns exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capsys.readouterr()
        code = main(list(map(str, arguments)))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def photos(tmp_path, test_images):
    """A folder with three of the toy's images."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, path in zip("abc", test_images[::8], strict=True):
        (folder / f"{name}.png").symlink_to(path)
    return "photos"


@pytest.fixture
def damaged(photos, tmp_path):
    """The same folder with a file that is no image."""
    (tmp_path / photos / "bad.png").write_text("no image")
    return photos


def test_classes_are_printed_with_their_probabilities_and_the_runtime(aape, by_template, photos):
    code, out, err = aape("classify", by_template, photos, "--top", 2, "--device", "cpu")
    assert (code, err) == (0, "")
    result = aape_lightning.load(by_template, device="cpu").classify(photos, top=2)
    assert "3 images among 3 classes" in out
    for prediction in result:
        assert prediction.image in out
        assert all(name in out and f"{value:.1%}" in out for name, value in prediction.top)
    assert "3 images in " in out
    assert " images/s)" in out


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_classes_are_written_at_full_precision(suffix, aape, by_template, photos, tmp_path):
    code, out, _ = aape("classify", by_template / "aape.ckpt", photos, "--out", f"deep/o{suffix}", "--device", "cpu")
    assert code == 0
    assert f"Written: deep/o{suffix}" in out
    result = aape_lightning.load(by_template, device="cpu").classify(photos)
    if suffix == ".json":
        written = json.loads((tmp_path / "deep" / "o.json").read_text())
        assert written["images"] == result.as_dicts()
        assert written["task"] == "ClassificationTask"
        assert written["runtime"]["images_per_second"] > 0
        return
    table = pd.read_csv(tmp_path / "deep" / "o.csv")
    assert list(table["image"]) == result.images
    assert list(table["class_1"]) == result.names
    assert table["probability_3"].to_numpy() == pytest.approx(result.table()["probability_3"].to_numpy())
    assert (table["seconds_per_image"] > 0).all()


def test_json_alone_is_on_standard_output(aape, by_sentences, damaged):
    code, out, err = aape("classify", by_sentences, damaged, "--classes", "red_car", "cow", "--json", "--out", "o.csv")
    found = json.loads(out)
    assert code == 1
    assert [entry["image"] for entry in found["images"]] == [f"photos/{name}.png" for name in "abc"]
    assert found["classes"] == 2
    assert "none for 'cow'" in found["note"]
    assert found["skipped"][0]["image"] == "photos/bad.png"
    assert "aape: warning: The run called its classes by sentences" in err
    assert "aape: skipped: The image 'photos/bad.png' cannot be read" in err
    assert "Written: o.csv" in err
    assert "aape: error: 1 of 4 images cannot be read; the others are done." in err


def test_a_link_to_nothing_in_a_folder_is_left_out_as_damaged_images_are(aape, by_template, photos, tmp_path):
    (tmp_path / photos / "gone.png").symlink_to("nowhere.png")
    code, out, err = aape("classify", by_template, photos, "--json")
    assert code == 1
    assert len(json.loads(out)["images"]) == 3
    assert "aape: skipped: The image 'photos/gone.png' cannot be read: there is no such file." in err


def test_damaged_images_alone_are_an_error_and_nothing_is_written(aape, by_template, damaged, tmp_path):
    for command, out in (("classify", "o.csv"), ("embed", "o.npy")):
        code, printed, err = aape(command, by_template, "photos/bad.png", "--out", out)
        assert (code, printed) == (1, "")
        assert "None of the 1 images can be read" in err
        assert not (tmp_path / out).exists()


def test_class_lists_come_as_names_and_files(aape, by_template, photos, tmp_path):
    (tmp_path / "names.txt").write_text("\ufeffpurple cow\n\n  red_car \n", encoding="utf-8")
    (tmp_path / "said.json").write_text(json.dumps({"owl": ["An owl.", "It is white."], "wren": ["A wren."]}))
    model = aape_lightning.load(by_template, device="cpu")
    said = {"owl": ["An owl.", "It is white."], "wren": ["A wren."]}
    cases = [
        (["--classes", "names.txt", "dog"], model.classify(photos, ["purple cow", "red_car", "dog"])),
        (["--classes", "said.json"], model.classify(photos, sentences=said)),
        (["--templates", "a {}", "the {}"], model.classify(photos, templates=["a {}", "the {}"])),
        (["--classes", "cow", "owl", "--templates", "imagenet-7"], None),
    ]
    for arguments, expected in cases:
        code, out, _ = aape("classify", by_template, photos, *arguments, "--json", "--device", "cpu")
        assert code == 0
        if expected is not None:
            assert json.loads(out)["images"] == expected.as_dicts()


WRONG = {
    "no such names": (["--classes", "gone.txt"], "No file 'gone.txt' (--classes)"),
    "no such sentences": (["--classes", "gone.json"], "No file 'gone.json' (--classes)"),
    "no such templates": (["--templates", "imagenet-8"], "No set of templates 'imagenet-8'"),
    "a class twice": (["--classes", "cow", "cow"], "The class 'cow' is named twice"),
    "an unknown kind of file": (["--out", "o.xlsx"], "'o.xlsx' (--out) must end in .csv or .json"),
    "a template without its place": (["--templates", "a photo of a"], "has no {} for the class name"),
    "no classes to show": (["--top", 0], "The number of classes to show is 0"),
    "no such device": (["--device", "gpu"], "No device 'gpu' (--device)"),
    "no such backbone": (["--backbone", "ViT-B/17"], "Did you mean 'ViT-B/16'?"),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_told_in_a_line(arguments, words, aape, by_template, photos):
    code, out, err = aape("classify", by_template, photos, *arguments)
    assert (code, out) == (1, "")
    assert words in err
    assert "Traceback" not in err


def test_images_or_checkpoints_that_are_missing_are_told(aape, by_template, photos):
    assert "No image or folder 'gone.jpg'" in aape("classify", by_template, "gone.jpg")[2]
    assert "'gone.ckpt': there is no such file" in aape("classify", "gone.ckpt", photos)[2]
    assert "which can classify and embed, and not caption" in aape("caption", by_template, photos)[2]


def test_zero_shot_needs_no_run(aape, photos, tiny_clip):
    code, out, _ = aape("classify", "zero-shot", photos, "--backbone", tiny_clip, "--classes", "cat", "dog", "--json")
    expected = aape_lightning.load(backbone=str(tiny_clip)).classify(photos, ["cat", "dog"])
    assert code == 0
    assert json.loads(out)["images"] == expected.as_dicts()


def test_embeddings_are_written_with_their_paths(aape, by_template, damaged, tmp_path):
    expected = aape_lightning.load(by_template, device="cpu").embed([f"photos/{name}.png" for name in "abc"])
    paths = [f"photos/{name}.png" for name in "abc"]
    for name in ("e.npy", "e.safetensors", "e.csv"):
        code, out, err = aape("embed", by_template, damaged, "--out", name, "--device", "cpu")
        assert code == 1, "an image was left out"
        assert "3 embeddings of width 32 (aape)" in out
        assert "skipped" in err
    assert np.array_equal(np.load("e.npy"), expected.numpy())
    assert (tmp_path / "e.paths.txt").read_text().splitlines() == paths
    with safe_open("e.safetensors", framework="pt") as file:
        assert torch.equal(file.get_tensor("embeddings"), expected)
        assert json.loads(file.metadata()["paths"]) == paths
        assert file.metadata()["kind"] == "aape"
    table = pd.read_csv("e.csv")
    assert list(table["image"]) == paths
    assert table.drop(columns="image").to_numpy() == pytest.approx(expected.numpy(), abs=1e-6)


def test_what_is_embedded_can_be_chosen(aape, retriever, by_template, photos):
    model = aape_lightning.load(retriever, device="cpu")
    for kind in ("image", "query", "aape"):
        code, out, _ = aape("embed", retriever, photos, "--kind", kind, "--out", "e.npy", "--json", "--device", "cpu")
        assert code == 0
        assert json.loads(out)["kind"] == kind
        assert np.array_equal(np.load("e.npy"), model.embed(photos, kind).numpy())


def test_embeddings_need_a_file(aape, by_template, photos, capsys):
    with pytest.raises(SystemExit) as stop:
        aape("embed", by_template, photos)
    assert stop.value.code == 2
    assert "required: --out" in capsys.readouterr().err
    assert "'o.txt' (--out) must end in .npy" in aape("embed", by_template, photos, "--out", "o.txt")[2]


def test_captions_are_printed_and_written(aape, captioner, photos):
    code, out, _ = aape("caption", captioner, photos, "--decoding", "max_new_tokens=3", "--out", "c.csv")
    captions = aape_lightning.load(captioner, device="cpu").caption(photos, decoding={"max_new_tokens": 3})
    assert code == 0
    assert all(entry.caption in out for entry in captions)
    assert list(pd.read_csv("c.csv", keep_default_na=False)["caption"]) == [entry.caption for entry in captions]
    assert "NAME=VALUE" in aape("caption", captioner, photos, "--decoding", "beam")[2]
    assert "decoding has no 'beam'" in aape("caption", captioner, photos, "--decoding", "beam=3")[2]


@pytest.mark.parametrize("source", ["answerer", "chooser"])
def test_each_question_is_answered_about_each_image(source, request, aape, photos):
    folder = request.getfixturevalue(source)
    code, out, _ = aape("answer", folder, photos, "--question", "what is there?", "is it red?", "--json")
    expected = aape_lightning.load(folder, device="cpu").answer(photos, ["what is there?", "is it red?"])
    assert code == 0
    assert json.loads(out)["answers"] == expected.as_dicts()
    assert len(expected) == 6


def test_a_language_model_may_have_moved(aape, captioner, changed, photos):
    def move(checkpoint):
        checkpoint["hyper_parameters"]["language_model"] = "gone"

    moved = changed(captioner / "aape.ckpt", move)
    assert "No language model 'gone'" in aape("caption", moved, photos)[2]
    code, out, _ = aape("caption", moved, photos, "--language-model", "shapes-lm", "--json")
    assert code == 0
    assert json.loads(out)["images"] == aape_lightning.load(captioner, device="cpu").caption(photos).as_dicts()


def test_helps_tell_what_a_damaged_image_does_and_import_nothing_heavy():
    code = (
        "import sys\nfrom aape_lightning.__main__ import main\n"
        f"for command in {COMMANDS!r}:\n"
        "    try: main([command, '--help'])\n"
        "    except SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'torch', 'lightning', 'pandas', 'numpy', 'rich'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stderr == ""
    assert " ".join(told.stdout.split()).count("cannot be decoded is named on standard error") == len(COMMANDS)
    assert told.stdout.count("Examples:") == len(COMMANDS)


def test_the_package_itself_is_light():
    code = (
        "import sys, aape_lightning\nassert aape_lightning.__version__\n"
        "assert not {'torch', 'lightning', 'pydantic'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
