"""`aape data init`: what it shows, what it writes, and what becomes of that."""

import json
import os
import re
import shutil

import pytest
import yaml
from aape_lightning.__main__ import main
from aape_lightning.data import load_manifest, read_split
from aape_lightning.data.inspection.check import check_dataset
from aape_lightning.data.manifests.guess import guess_manifest
from aape_lightning.data.places import data_root
from aape_lightning.data.sentences import sentences_of
from PIL import Image

COLOURS = {"ant": (200, 0, 0), "bee": (0, 200, 0)}
TABLE = "image,class,split\nant/0.png,ant,train\nbee/0.png,bee,train\nbee/1.png,bee,val\nant/1.png,ant,test\n"
SENTENCES = {"Ant": ["An ant has six legs."], "bee": ["A bee makes honey."]}
YAML_TRAPS = ["001", "1e3", "null", "yes", "~", "a: b", "#x", "Été 树", "{}", "- x", "[a]"]


def images(folder, classes=COLOURS, count=10):
    """A folder of images a class."""
    for name in classes:
        (folder / name).mkdir(parents=True)
        for k in range(count):
            Image.new("RGB", (8 + k, 8), COLOURS.get(name, (0, 0, 0))).save(folder / name / f"{k}.png")
    return folder


@pytest.fixture
def birds(tmp_path):
    return images(tmp_path / "birds")


@pytest.fixture
def init(capsys, monkeypatch):
    """Runs `aape data init`; returns exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments):
        code = main(["data", "init", *map(str, arguments)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def split_of(path):
    manifest = load_manifest(str(path))
    return read_split(manifest, data_root(manifest, None))


def test_without_out_the_manifest_is_printed_and_nothing_written(init, birds, tmp_path):
    code, out, err = init(birds)
    assert (code, err) == (0, "")
    assert os.listdir(tmp_path) == ["birds"]
    assert out.startswith("# Guessed by `aape data init birds`.")
    assert yaml.safe_load(out) == {
        "name": "birds",
        "title": "birds",
        "root": str(birds),
        "images": ".",
        "split": {"format": "folders", "cut": {"train": 0.5, "val": 0.2, "seed": 1}},
        "class_names": {"ant": "ant", "bee": "bee"},
        "counts": {"classes": 2, "train": 10, "val": 4, "test": 6},
    }


def test_it_shows_what_was_guessed_and_what_comes_next(init, birds, tmp_path):
    code, out, _ = init(birds, "--out", tmp_path / "birds.yaml")
    assert code == 0
    for words in (r"classes\W+2: 'ant', 'bee'", r"train images\W+10", r"val images\W+4", r"test images\W+6",
                  r"each class cut at random \(seed 1\): 50% train, 20% val, 30% test", r"sentences\W+none",
                  f"aape data check --manifest {tmp_path / 'birds.yaml'}",
                  f"aape fit --config own --data.manifest {tmp_path / 'birds.yaml'}"):  # fmt: skip
        assert re.search(words, out)


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("folders", "each class cut at random"),
        ("parts", "by folders"),
        ("train and test", "80% train, 20% val"),
        ("csv", "by the column 'split' of birds.csv"),
        ("csv itself", "by the column 'split' of birds.csv"),
        ("coop", "as split.json says"),
    ],
)
def test_what_is_written_loads_and_splits_as_was_guessed(kind, rule, init, tmp_path):
    place = images(tmp_path / "birds") if "part" not in kind and "and" not in kind else tmp_path / "birds"
    if kind in ("parts", "train and test"):
        for part in ("train", "val", "test") if kind == "parts" else ("train", "test"):
            images(place / part)
    if "csv" in kind:
        (place / "birds.csv").write_text(TABLE)
        place = place / "birds.csv" if kind == "csv itself" else place
    if kind == "coop":
        rows = [["ant/0.png", 0, "ant"], ["bee/0.png", 1, "bee"]]
        (place / "split.json").write_text(json.dumps({"train": rows, "val": [], "test": [["ant/1.png", 0, "ant"]]}))
    code, out, _ = init(place, "--out", tmp_path / "birds.yaml")
    assert code == 0
    assert rule in out
    guessed = guess_manifest(place)
    assert split_of(tmp_path / "birds.yaml") == read_split(guessed, data_root(guessed, None))
    written = load_manifest(str(tmp_path / "birds.yaml"))
    assert check_dataset(written, data_root(written, None)).faults == (
        ["class 'bee' has no test image"] if "csv" in kind or kind == "coop" else []
    )


def test_classes_are_written_as_text_whatever_yaml_would_take_them_for(init, tmp_path):
    images(tmp_path / "birds", YAML_TRAPS)
    assert init(tmp_path / "birds", "--out", tmp_path / "birds.yaml")[0] == 0
    manifest = load_manifest(str(tmp_path / "birds.yaml"))
    assert manifest.class_names == {name: name for name in sorted(YAML_TRAPS)}
    assert split_of(tmp_path / "birds.yaml").class_names == sorted(YAML_TRAPS)


def test_a_name_may_be_given(init, birds, tmp_path):
    init(birds, "--out", tmp_path / "birds.yaml", "--name", "garden")
    assert load_manifest(str(tmp_path / "birds.yaml")).name == "garden"


@pytest.mark.parametrize("inside", [False, True])
def test_a_manifest_beside_its_images_and_sentences_moves_with_them(inside, init, tmp_path):
    here = tmp_path / "here"
    birds = images(here / "birds")
    sentences = (birds if inside else here) / "sentences.json"
    sentences.write_text(json.dumps(SENTENCES))
    out = (birds if inside else here) / "birds.yaml"
    assert init(birds, "--out", out, "--prompts", sentences)[0] == 0
    assert yaml.safe_load(out.read_text())["root"] == ("." if inside else "birds")
    before = split_of(out)
    shutil.move(here, tmp_path / "there")
    moved = tmp_path / "there" / out.relative_to(here)
    assert split_of(moved) == before
    manifest = load_manifest(str(moved))
    checked = check_dataset(manifest, data_root(manifest, None))
    assert checked.faults == []
    assert ("classes with sentences (sentences)", "2", "2") in checked.rows


def test_a_manifest_elsewhere_names_its_images_and_sentences_in_full(init, birds, tmp_path, monkeypatch):
    (tmp_path / "mine.json").write_text(json.dumps(SENTENCES))
    monkeypatch.chdir(tmp_path)
    assert init("birds", "--out", "notes/deep/birds.yaml", "--prompts", "mine.json")[0] == 0
    content = yaml.safe_load((tmp_path / "notes" / "deep" / "birds.yaml").read_text())
    assert (content["root"], content["prompts"]["sentences"]["file"]) == (str(birds), str(tmp_path / "mine.json"))
    monkeypatch.chdir("/")
    assert split_of(tmp_path / "notes" / "deep" / "birds.yaml").class_names == ["ant", "bee"]


def test_sentences_are_matched_at_once_and_kept(init, birds, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")  # a narrow table folds long paths
    (tmp_path / "mine.json").write_text(json.dumps(SENTENCES))
    code, out, _ = init(birds, "--out", tmp_path / "birds.yaml", "--prompts", tmp_path / "mine.json")
    assert code == 0
    assert "mine.json" in out
    manifest = load_manifest(str(tmp_path / "birds.yaml"))
    found = sentences_of(manifest, data_root(manifest, None), ["ant", "bee"], None)
    assert found == {"ant": ["An ant has six legs."], "bee": ["A bee makes honey."]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"ant": ["An ant."], "bees": ["Bees."]}, r"1 of 2 classes have no sentences: 'bee' \(closest: 'bees'\)"),
        (SENTENCES | {"bee": []}, r"mine\.json' has no sentences for 'bee'"),
        ([], "must hold"),
        (None, "No prompt file"),
    ],
)
def test_sentences_that_do_not_cover_a_class_are_an_error_and_nothing_is_written(content, message, init, birds):
    if content is not None:
        (birds.parent / "mine.json").write_text(json.dumps(content))
    out = birds.parent / "birds.yaml"
    code, printed, err = init(birds, "--out", out, "--prompts", birds.parent / "mine.json")
    assert (code, printed) == (1, "")
    assert re.match(f"aape: error: .*{message}", err)
    assert not out.exists()


def test_what_is_there_is_overwritten_only_by_force(init, birds, tmp_path):
    out = tmp_path / "birds.yaml"
    out.write_text("mine")
    code, printed, err = init(birds, "--out", out)
    assert (code, printed) == (1, "")
    assert err == f"aape: error: {str(out)!r} is there already. Name another --out, or overwrite it with --force.\n"
    assert out.read_text() == "mine"
    assert init(birds, "--out", out, "--force")[0] == 0
    assert split_of(out).class_names == ["ant", "bee"]


def test_a_place_without_a_dataset_is_an_error(init, tmp_path):
    code, _, err = init(tmp_path, "--out", tmp_path / "birds.yaml")
    assert code == 1
    assert "holds no dataset" in err
    assert not (tmp_path / "birds.yaml").exists()


def test_a_class_too_small_to_be_cut_is_an_error_before_anything_is_written(init, tmp_path):
    images(tmp_path / "birds", count=2)
    code, _, err = init(tmp_path / "birds", "--out", tmp_path / "birds.yaml")
    assert code == 1
    assert "has 2 images, too few to be cut" in err
    assert not (tmp_path / "birds.yaml").exists()


def test_a_class_with_brackets_in_its_name_is_shown_as_it_is(init, tmp_path):
    images(tmp_path / "birds", ["owl [small]", "owl [large]"])
    code, out, _ = init(tmp_path / "birds", "--out", tmp_path / "birds.yaml")
    assert code == 0
    assert "'owl [large]', 'owl [small]'" in out
