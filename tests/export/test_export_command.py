"""`aape export` and `aape share` as a user types them."""

import dataclasses
import importlib.util
import json
import subprocess
import sys

import pytest
import torch
from aape_lightning import load
from aape_lightning.__main__ import main
from aape_lightning.commands.export import _SUFFIXES, _WHATS
from aape_lightning.export import check, program, write
from aape_lightning.inference.folder import write_folder


@pytest.fixture
def aape(capsys, monkeypatch, tmp_path):
    """Runs `aape` in an empty folder; returns exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capsys.readouterr()
        code = main([*map(str, arguments)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.mark.parametrize("command", ["export", "share"])
def test_help_answers_without_heavy_libraries(command):
    code = (
        "import sys\nfrom aape_lightning.__main__ import main\n"
        f"try: main(['{command}', '--help'])\nexcept SystemExit as stop: assert stop.code == 0\n"
        "print(sorted({'torch', 'lightning', 'pydantic', 'huggingface_hub', 'onnx'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert f"aape {command} runs/" in printed
    assert printed.splitlines()[-1] == "[]"


def test_the_choices_of_the_command_are_those_of_the_package():
    assert set(_WHATS) == set(program.WHATS)
    assert _SUFFIXES == write.SUFFIXES


# ---- aape export -----------------------------------------------------------------------------------------------------


def test_it_writes_checks_and_says_so(aape, shared_folder, tmp_path):
    code, out, err = aape("export", shared_folder, "--what", "head", "--out", "deep/head.onnx")
    assert (code, err) == (0, "")
    assert "image_embedding (batch, 32), class_embeddings (classes, 32) -> logits (batch, classes)" in out
    assert "Largest difference from PyTorch: " in out
    assert "Written: deep/head.onnx (" in out
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {
        "head.onnx", "head.onnx.json", "head.onnx.safetensors"
    }  # fmt: skip


def test_without_a_name_it_is_called_after_what_it_is(aape, shared_folder, tmp_path):
    assert aape("export", shared_folder, "--what", "head", "--format", "torch")[0] == 0
    assert (tmp_path / "head.pt2").is_file()


def test_a_runs_checkpoint_is_exported_as_its_folder_is(aape, toy_data, quiet_trainer, tmp_path):
    from aape_lightning.callbacks import RunFiles
    from aape_lightning.tasks import ClassificationTask

    trainer = quiet_trainer(max_epochs=2, callbacks=[RunFiles(str(tmp_path / "run"))])
    trainer.fit(ClassificationTask(aggregator_epochs=1), datamodule=toy_data())
    for source in ("run/aape.ckpt", "run"):
        code, _, err = aape("export", source, "--what", "head", "--format", "torch")
        assert (code, err) == (0, "")
    facts = json.loads((tmp_path / "head.pt2.json").read_text())
    assert facts["class_names"] == load("run", device="cpu").class_names
    assert len(facts["class_names"]) == 5


def test_the_opset_is_the_one_asked_for(aape, shared_folder, tmp_path):
    import onnx

    assert aape("export", shared_folder, "--what", "head", "--opset", 20)[0] == 0
    assert {entry.domain: entry.version for entry in onnx.load(tmp_path / "head.onnx").opset_import}[""] == 20


@pytest.mark.parametrize("opset", [5, 99])
def test_an_opset_that_cannot_be_written_is_refused(opset, aape, shared_folder, tmp_path):
    code, _, err = aape("export", shared_folder, "--what", "head", "--opset", opset)
    assert code == 1
    assert f"torch cannot write opset {opset} (--opset)" in err
    assert [path.name for path in tmp_path.iterdir()] == ["shared"]


def test_tokens_are_told_for_the_text_tower(aape, shared_folder, tmp_path, tiny_backbone):
    assert aape("export", shared_folder, "--what", "text", "--format", "torch")[0] == 0
    told = json.loads((tmp_path / "text.pt2.json").read_text())["tokenizer"]
    assert told["tokens"] == tiny_backbone.tokenize([told["text"]])[0].tolist()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "x.pt2"], "A file of --format onnx ends in .onnx, and 'x.pt2' (--out) does not."),
        (["--what", "query"], "A ClassificationTask has no 'query' to export (--what): that takes a retrieval run."),
        (["--backbone", "ViT-B16"], "No backbone 'ViT-B16'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments, words, aape, shared_folder, tmp_path):
    code, out, err = aape("export", shared_folder, *arguments)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert words in err
    assert [path.name for path in tmp_path.iterdir()] == ["shared"]


def test_a_retrieval_run_has_no_classifier(aape, saved_of, tiny_backbone, tmp_path):
    write_folder(saved_of(tiny_backbone, "RetrievalTask"), tmp_path / "r")
    code, _, err = aape("export", "r")
    assert code == 1
    assert "A RetrievalTask has no 'classifier' to export" in err


def test_a_file_that_disagrees_is_not_written(aape, shared_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("aape_lightning.export.run.largest_difference", lambda *_: float("nan"))
    code, _, err = aape("export", shared_folder, "--what", "head", "--format", "torch")
    assert code == 1
    assert "differs from PyTorch by nan" in err
    assert [path.name for path in tmp_path.iterdir()] == ["shared"]


def test_without_onnxruntime_it_says_that_nothing_was_checked(aape, shared_folder, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(check, "find_spec", lambda name: None if name == "onnxruntime" else find(name))
    code, out, _ = aape("export", shared_folder, "--what", "head")
    assert code == 0
    assert "Note: Not checked" in out
    assert "aape-lightning[export]" in out
    assert "Largest difference" not in out


def test_without_onnx_it_says_what_to_install(aape, shared_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    code, _, err = aape("export", shared_folder, "--what", "head")
    assert code == 1
    assert "--format onnx needs onnxscript, which is not installed: pip install 'aape-lightning[export]'" in err


def test_a_checkpoint_without_class_embeddings_says_so(aape, saved, tmp_path):
    write_folder(dataclasses.replace(saved, inference={}, tensors={}), tmp_path / "old")
    code, out, _ = aape("export", "old", "--what", "head", "--format", "torch")
    assert code == 0
    assert "Note: The checkpoint records no class embeddings" in out
    assert {path.name for path in tmp_path.iterdir()} == {"old", "head.pt2", "head.pt2.json"}


def test_programs_of_one_name_and_shared_weights_keep_what_lies_beside_them(aape, shared_folder, saved, tmp_path):
    for suffix, form in ((".onnx", "onnx"), (".pt2", "torch")):
        out = shared_folder / f"model{suffix}"
        assert aape("export", shared_folder, "--what", "head", "--format", form, "--out", out)[0] == 0
    told = [json.loads((shared_folder / f"model{suffix}.json").read_text())["format"] for suffix in (".onnx", ".pt2")]
    assert told == ["onnx", "torch"]
    assert load(shared_folder, device="cpu").saved.state_dict.keys() == saved.state_dict.keys()


# ---- aape share ------------------------------------------------------------------------------------------------------


def test_a_shared_folder_is_loaded_as_it_says(aape, shared_folder, saved, tmp_path):
    code, out, err = aape("share", shared_folder, "again", "--licence", "mit")
    assert (code, err) == (0, "")
    assert 'Load it with: aape_lightning.load("again")' in out
    assert "license: mit" in (tmp_path / "again" / "README.md").read_text()
    again = load("again", device="cpu").saved
    assert all(torch.equal(again.state_dict[name], tensor) for name, tensor in saved.state_dict.items())


def test_results_stand_in_the_card(aape, shared_folder, saved, tmp_path):
    from aape_lightning.protocols.results import Result

    Result(
        protocol="test", recipe="toy", dataset="toy", method="aape", seed=1, metrics={"accuracy": 0.5},
        config_hash="x", backbone=dict(saved.backbone_spec),
    ).write(tmp_path / "test")  # fmt: skip
    assert aape("share", shared_folder, "again", "--results", "test/result.json")[0] == 0
    assert "| toy | accuracy | 0.5000 |" in (tmp_path / "again" / "README.md").read_text()


@pytest.mark.parametrize(("name", "words"), [("aape.ckpt", "a run's folder"), ("config.json", "of something else")])
def test_a_folder_of_something_else_is_left_alone(name, words, aape, shared_folder, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / name).write_text('{"model_type": "clip"}')
    code, _, err = aape("share", shared_folder, "taken")
    assert code == 1
    assert "'taken' cannot be shared from: it" in err
    assert words in err
    assert [path.name for path in (tmp_path / "taken").iterdir()] == [name]


def test_nothing_to_share_is_an_error(aape, tmp_path):
    code, _, err = aape("share", "gone.ckpt", "again")
    assert code == 1
    assert "No trained task can be read from 'gone.ckpt'" in err
    assert not (tmp_path / "again").exists()
