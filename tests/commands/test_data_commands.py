"""`aape data list|check|init|draw` as a user types them, and the road from a folder to a result without Python."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from aape_lightning.__main__ import main
from aape_lightning.data import draw, load_manifest, read_split
from aape_lightning.protocols.results import Result
from aape_lightning.resources import manifest_names

QUICK = [
    "--data.num_workers=0",
    "--data.views=0",
    "--data.shots=4",
    "--model.aggregator_epochs=1",
    "--trainer.max_epochs=2",
    "--trainer.check_val_every_n_epoch=1",
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
]


@pytest.fixture
def aape(capsys, monkeypatch):
    """Runs a command; returns exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.mark.parametrize("command", ["list", "check --manifest shapes --decode none", "draw --manifest M --from D"])
def test_looking_at_data_needs_no_model(command, own_toy_root):
    draws = own_toy_root / "draw.json"
    draws.write_text('{"train": [], "val": []}')
    words = {"M": str(own_toy_root / "toy.yaml"), "D": str(draws)}
    arguments = ["data", *(words.get(word, word) for word in command.split()), "--root", str(own_toy_root)]
    code = (
        f"import sys\nfrom aape_lightning.__main__ import main\nassert main({arguments!r}) == 0\n"
        "print(sorted({'torch', 'lightning', 'clip', 'transformers'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed.splitlines()[-1] == "[]"


# ---- list ----------------------------------------------------------------------------------------------------------


def test_list_as_a_table_and_as_json(aape, tmp_path):
    (tmp_path / "eurosat").mkdir()
    code, out, err = aape("data", "list", "--root", tmp_path)
    assert (code, err) == (0, "")
    assert re.search(r"eurosat +classes +10 +13,500 +5,400 +8,100 +eurosat", out)
    code, out, _ = aape("data", "list", "--root", tmp_path, "--json")
    datasets = {dataset["name"]: dataset for dataset in json.loads(out)}
    assert code == 0
    assert datasets["eurosat"]["folder"] == str(tmp_path / "eurosat")
    assert datasets["food101"]["folder"] is None
    assert datasets["coco"]["kind"] == "captions"
    assert {name.split("/")[0] for name in datasets} == set(manifest_names())


def test_list_of_a_root_that_is_no_folder_is_an_error(aape, tmp_path):
    code, out, err = aape("data", "list", "--root", tmp_path / "no")
    assert (code, out) == (1, "")
    assert err == f"aape: error: The data root {str(tmp_path / 'no')!r} is no folder. Name yours with --root.\n"


# ---- check ---------------------------------------------------------------------------------------------------------


def test_a_sound_dataset_is_a_table_and_exit_code_0(aape, toy_root):
    code, out, err = aape("data", "check", "--manifest", toy_root / "toy.yaml", "--root", toy_root)
    assert (code, err) == (0, "")
    assert re.search(r"images that decode\W+65\W+65", out)


def test_faults_are_listed_with_exit_code_1(aape, own_toy_root):
    shutil.rmtree(own_toy_root / "toy" / "images" / "red_car")
    arguments = ["data", "check", "--manifest", own_toy_root / "toy.yaml", "--root", own_toy_root]
    code, out, err = aape(*arguments)
    assert code == 1
    assert re.search(r"images that are there\W+52\W+65", out)
    assert err.startswith("aape: error: 13 faults in Toy:\n  No image '")
    code, out, _ = aape(*arguments, "--json", "--decode", "none")
    assert code == 1
    content = json.loads(out)
    assert len(content["faults"]) == 13
    assert content["rows"]["images that are there"] == {"found": "52", "expected": "65"}


def test_a_long_list_of_faults_is_shortened_on_the_terminal_and_whole_in_json(aape, own_toy_root):
    shutil.rmtree(own_toy_root / "toy" / "images")
    (own_toy_root / "toy" / "images").mkdir()
    arguments = ["data", "check", "--manifest", own_toy_root / "toy.yaml", "--root", own_toy_root]
    _, _, err = aape(*arguments)
    assert err.startswith("aape: error: 65 faults in Toy:\n")
    assert err.endswith("\n  and 45 more\n")
    assert len(json.loads(aape(*arguments, "--json")[1])["faults"]) == 65


def test_what_was_not_checked_is_said(aape, toy_root):
    code, out, _ = aape("data", "check", "--manifest", toy_root / "toy" / "images")
    assert code == 0
    assert "Note: only the images were checked: the manifest names no sentences." in out


@pytest.mark.shared_data
def test_a_subset_of_pacs_is_told_by_its_counts(aape, shared_data):
    arguments = ["data", "check", "--manifest", "pacs/photo", "--root", shared_data, "--decode", "none"]
    code, out, err = aape(*arguments, "--json")
    assert code == 1
    content = json.loads(out)
    assert content["title"] == "PACS, photo"
    assert content["faults"] == [
        "train: 525 in the files, 835 in the manifest",
        "val: 210 in the files, 333 in the manifest",
        "test: 315 in the files, 502 in the manifest",
    ]
    assert content["rows"]["classes"] == {"found": "7", "expected": "7"}
    assert err.startswith("aape: error: 3 faults in PACS, photo:\n  train: 525 in the files")


@pytest.mark.shared_data
def test_captions_and_questions_are_checked_by_the_same_command(aape, shared_data):
    code, out, _ = aape("data", "check", "--manifest", "daquar", "--root", shared_data, "--decode", "none")
    assert code == 0
    assert re.search(r"train\W+9,974\W+9,974", out)


def test_an_unknown_manifest_is_an_error_with_the_closest(aape):
    code, _, err = aape("data", "check", "--manifest", "eurosta")
    assert code == 1
    assert "No manifest 'eurosta'. Did you mean 'eurosat'?" in err


# ---- draw ----------------------------------------------------------------------------------------------------------


def test_a_draw_is_printed_and_read_again(aape, toy_root, tmp_path):
    manifest = ["--manifest", toy_root / "toy.yaml", "--root", toy_root]
    code, out, _ = aape("data", "draw", *manifest, "--shots", 2, "--seed", 3)
    assert code == 0
    expected = draw(read_split(load_manifest(str(toy_root / "toy.yaml")), toy_root), 2, 3)
    assert json.loads(out)["train"] == [item.path for item in expected.train]
    (tmp_path / "draw.json").write_text(out)
    assert aape("data", "draw", *manifest, "--from", tmp_path / "draw.json")[1] == out


def test_a_draw_of_a_folder_needs_no_manifest(aape, toy_root):
    code, out, _ = aape("data", "draw", "--manifest", toy_root / "toy" / "images", "--shots", 1, "--seed", 1)
    assert code == 0
    assert [path.split("/")[0] for path in json.loads(out)["train"]] == [
        "Blue_Boat", "green_tree", "grey_stone", "red_car", "yellow_sun",
    ]  # fmt: skip


def test_a_draw_without_its_numbers_is_an_error(aape, toy_root):
    code, _, err = aape("data", "draw", "--manifest", toy_root / "toy.yaml", "--root", toy_root, "--shots", 2)
    assert code == 1
    assert "needs --shots and --seed, or --from FILE" in err


# ---- the whole road, without a line of Python ----------------------------------------------------------------------


@pytest.fixture
def photo(shared_data):
    """Photographs of PACS, sentences about them, and the small CLIP."""
    prompts, clip = shared_data / "prompts" / "pacs_sentences.json", shared_data / "pretrained" / "small_clip.pt"
    return shared_data / "pacs" / "photo", prompts, clip


def result_of(aape, run):
    """The result of testing what a run has left."""
    code, _, err = aape("test", "--config", run / "config.yaml", "--ckpt_path", run / "aape.ckpt")
    assert code == 0, err
    return Result.read(run / "test-all" / "result.json")


@pytest.mark.shared_data
def test_from_a_folder_to_a_result_by_a_manifest(aape, photo, tmp_path):
    images, prompts, clip = photo
    manifest, run = tmp_path / "photo.yaml", tmp_path / "run"
    assert aape("data", "init", images, "--prompts", prompts, "--out", manifest)[0] == 0
    assert aape("data", "check", "--manifest", manifest, "--decode", "sample")[0] == 0
    chosen = [f"--data.manifest={manifest}", f"--data.backbone={clip}", f"--run={run}"]
    code, _, err = aape("fit", "--config", "own", *chosen, *QUICK)
    assert code == 0, err
    result = result_of(aape, run)
    assert 0 < result.metrics["test/accuracy"] <= 1
    assert yaml.safe_load((run / "config.yaml").read_text())["data"]["init_args"]["prompts"] is None


@pytest.mark.shared_data
def test_from_a_folder_to_a_result_without_a_manifest(aape, photo, tmp_path):
    images, prompts, clip = photo
    chosen = [f"--data.images={images}", f"--data.prompts={prompts}", f"--data.backbone={clip}"]
    code, _, err = aape("fit", "--config", "own", *chosen, f"--run={tmp_path / 'run'}", *QUICK)
    assert code == 0, err
    one = result_of(aape, tmp_path / "run")
    assert aape("data", "init", images, "--prompts", prompts, "--out", tmp_path / "photo.yaml")[0] == 0
    chosen = [f"--data.manifest={tmp_path / 'photo.yaml'}", f"--data.backbone={clip}"]
    assert aape("fit", "--config", "own", *chosen, f"--run={tmp_path / 'other'}", *QUICK)[0] == 0
    assert result_of(aape, tmp_path / "other").metrics == one.metrics  # the same data by another road


@pytest.mark.shared_data
def test_without_sentences_the_error_says_what_to_name_and_templates_do(aape, photo, tmp_path):
    images, _, clip = photo
    chosen = ["--config", "own", f"--data.images={images}", f"--data.backbone={clip}", *QUICK]
    code, _, err = aape("fit", *chosen, f"--run={tmp_path / 'run'}")
    assert code == 1
    assert "The manifest of photo names no sentences" in err
    assert "--data.prompts templates" in err
    code, _, err = aape("fit", *chosen, "--data.prompts=templates", f"--run={tmp_path / 'run'}")
    assert code == 0, err
