"""Pushing and fetching with the Hub's own client, against a server on the loopback."""

import pytest
import torch
from aape_lightning import AdaptedCLIP
from aape_lightning.__main__ import main
from aape_lightning.errors import CheckpointError, ExportError
from aape_lightning.inference.folder import FOLDER_FILES
from aape_lightning.inference.loading import load_saved
from aape_lightning.inference.sharing import push_folder
from hub_server import COMMIT, Hub, served
from huggingface_hub import constants

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def hub(monkeypatch):
    hub = Hub()
    with served(hub) as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + template[template.index("/{repo_id}") :]
        )
        monkeypatch.setenv("HF_TOKEN", "hf_ours")
        yield hub


def test_what_is_pushed_comes_back_to_the_bit(hub, saved, tiny_backbone, tmp_path):
    model = load_saved(saved, "made", device="cpu")
    address = model.push_to_hub("me/toy", private=True, model_card_kwargs={"name": "me/toy", "licence": "mit"})
    assert address.endswith(f"/me/toy/commit/{COMMIT}")
    assert hub.repositories["me/toy"].keys() == set(FOLDER_FILES)
    assert (hub.private["me/toy"], hub.tokens) == ("private", {"Bearer hf_ours"})
    assert b"license: mit" in hub.repositories["me/toy"]["README.md"]
    again = AdaptedCLIP.from_pretrained("me/toy", cache_dir=tmp_path / "cache", device="cpu")
    assert again.class_names == model.class_names
    for name, tensor in again.saved.state_dict.items():
        assert torch.equal(tensor, saved.state_dict[name])


def test_nothing_else_of_a_repository_is_fetched(hub, saved, tmp_path):
    load_saved(saved, "made", device="cpu").push_to_hub("me/toy")
    hub.repositories["me/toy"]["aape.ckpt"] = b"a pickle of a stranger's"
    again = AdaptedCLIP.from_pretrained("me/toy", cache_dir=tmp_path / "cache", device="cpu")
    assert again.saved.task == "ClassificationTask"
    assert not list((tmp_path / "cache").rglob("aape.ckpt"))


def test_the_command_pushes_the_folder_with_the_card_that_is_there(hub, shared_folder, capsys):
    (shared_folder / "README.md").write_text("# My own card\n")
    (shared_folder / "notes.txt").write_text("mine")
    assert main(["share", str(shared_folder), str(shared_folder), "--push", "me/toy"]) == 0
    assert hub.repositories["me/toy"]["README.md"] == b"# My own card\n"
    assert hub.repositories["me/toy"].keys() == set(FOLDER_FILES)
    printed = capsys.readouterr().out
    assert f"/me/toy/commit/{COMMIT}" in printed
    assert "README.md was there and is kept" in printed
    assert 'AdaptedCLIP.from_pretrained("me/toy")' in printed


def test_a_refusal_says_how_to_log_in(hub, shared_folder):
    hub.refuses = True
    with pytest.raises(ExportError, match="hf auth login"):
        push_folder(shared_folder, "me/toy")


def test_a_repository_that_is_not_there_is_said(hub, tmp_path):
    with pytest.raises(CheckpointError, match="'me/gone' is no folder here, and no repository"):
        AdaptedCLIP.from_pretrained("me/gone", cache_dir=tmp_path)
