"""What a checkpoint of a stranger names: nothing is downloaded that the user has not named, and no file runs."""

import hashlib

import pytest
import torch
from aape_lightning.backbones import load, load_backbone
from aape_lightning.backbones.recorded import recorded_backbone
from aape_lightning.checkpoints import check_checkpoint
from aape_lightning.errors import BackboneNotFoundError, LanguageModelError
from aape_lightning.language.load import refuse_unasked


@pytest.fixture
def loaded(monkeypatch, tmp_path):
    """The names that were loaded, with an empty cache of the Hub and an empty current folder."""
    names = []

    def note(name):
        names.append(name)
        raise BackboneNotFoundError("stopped here")

    monkeypatch.setattr("aape_lightning.backbones.recorded.load_backbone", note)
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    return names


def spec(name):
    return {"name": name, "fingerprint": "f" * 64, "embed_dim": 32, "logit_scale": 1.0}


def archive(path):
    """A file of TorchScript, whose code would run as it is loaded."""
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    return path


def ask(name, asked=None):
    with pytest.raises(BackboneNotFoundError) as found:
        recorded_backbone(spec(name), asked, "evil.ckpt")
    return str(found.value)


@pytest.mark.parametrize("name", ["st:someone/clip", "st:../../etc", "st:/no/such/folder"])
def test_a_repository_of_somebody_is_not_downloaded_unless_it_is_named(name, loaded):
    assert "which would be downloaded" in ask(name)
    assert f"--backbone {name}" in ask(name)
    assert loaded == []
    ask(name, name)
    assert loaded == [name]


def test_a_repository_that_is_here_is_used(loaded, tmp_path):
    snapshot = tmp_path / "hub" / "models--someone--clip" / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "modules.json").write_text("[]")
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("a" * 40)
    ask("st:someone/clip")
    assert loaded == ["st:someone/clip"]


@pytest.mark.parametrize("name", ["ViT-B/16", "shapes-tiny", "st:clip-ViT-B-32", "open_clip:ViT-B-16/openai", "no.pt"])
def test_names_that_everybody_knows_are_used(name, loaded):
    ask(name)
    assert loaded == [name]


def test_a_file_with_code_is_not_opened_unless_it_is_named(loaded, tmp_path):
    archive(tmp_path / "clip.pt")
    for name in ("clip.pt", str(tmp_path / "clip.pt")):
        assert "is a file that holds more than weights" in ask(name)
    assert loaded == []
    ask("clip.pt", "clip.pt")
    assert loaded == ["clip.pt"]


def test_a_file_of_openais_is_known_by_its_hash(loaded, tmp_path, monkeypatch):
    file = archive(tmp_path / "clip.pt")
    published = hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setitem(load.MODEL_URLS, "ViT-B/16", f"https://somewhere/{published}/ViT-B-16.pt")
    ask("clip.pt")
    assert loaded == ["clip.pt"]


def test_a_state_dict_is_used(loaded, tiny_clip):
    ask(str(tiny_clip))
    assert loaded == [str(tiny_clip)]


def test_a_known_name_is_never_a_file_of_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archive(tmp_path / "RN50")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(BackboneNotFoundError, match="could not be downloaded"):
        load_backbone("RN50")


def test_a_language_model_of_somebody_is_not_downloaded_unless_it_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("someone/model", "../x", "/no/such"):
        with pytest.raises(LanguageModelError, match=r"^evil asks for language model .*--language-model.*hf download"):
            refuse_unasked(name, "evil")
    (tmp_path / "someone" / "model").mkdir(parents=True)
    for name in ("someone/model", "gpt2", "shapes-lm", None, 5):
        refuse_unasked(name, "evil")


def test_the_command_line_loads_the_language_model_of_its_recipe_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    held = {"state_dict": {}, "hyper_parameters": {"language_model": "someone/model"}}
    torch.save(held | {"pytorch-lightning_version": "2.6.6"}, tmp_path / "evil.ckpt")
    with pytest.raises(LanguageModelError, match=r"evil.ckpt' \(--ckpt_path\) asks for language model"):
        check_checkpoint(tmp_path / "evil.ckpt", None, "gpt2", resumes=False)
    check_checkpoint(tmp_path / "evil.ckpt", None, "someone/model", resumes=False)
