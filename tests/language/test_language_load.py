import json
import shutil

import pytest
import torch
from aape_lightning.errors import LanguageModelError
from aape_lightning.language import (
    labels_of,
    load_language_model,
    new_language_model,
    save_language_model,
    train_tokenizer,
)
from small_texts import TEXTS
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast


@pytest.fixture
def copied(small_lm, tmp_path):
    """A copy of the small model's folder that a test may damage."""
    return shutil.copytree(small_lm, tmp_path / "copy")


def test_a_folder_is_loaded_frozen_and_in_float(small_lm):
    loaded = load_language_model(str(small_lm))
    assert (loaded.name, loaded.width, loaded.context) == (str(small_lm), 16, 24)
    assert not loaded.model.training
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}


def test_its_numbers_are_those_of_transformers(small_lm):
    loaded = load_language_model(str(small_lm))
    tokens = loaded.tokenizer(["a big red dog!"], return_tensors="pt").input_ids
    with torch.no_grad():
        expected = AutoModelForCausalLM.from_pretrained(small_lm, dtype=torch.float32)(tokens).logits
        torch.testing.assert_close(loaded.model(tokens).logits, expected)


def test_another_dtype_is_another_fingerprint(small_lm):
    first, again = (load_language_model(str(small_lm)) for _ in range(2))
    other = load_language_model(str(small_lm), dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in other.model.parameters()} == {torch.bfloat16}
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_the_fingerprint_is_that_of_the_files_and_not_of_their_place(small_lm, copied):
    assert load_language_model(str(copied)).fingerprint == load_language_model(str(small_lm)).fingerprint


def test_the_fingerprint_knows_the_number_of_heads(small_lm, copied):
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {"n_head": 4}))
    assert load_language_model(str(copied)).fingerprint != load_language_model(str(small_lm)).fingerprint


def test_texts_of_one_batch_are_padded_on_the_right(small_lm):
    batch = load_language_model(str(small_lm)).tokenizer(["a dog!", "a big red dog!"], padding=True)
    assert batch["attention_mask"][0] == sorted(batch["attention_mask"][0], reverse=True)


def test_without_a_padding_token_the_end_stands_in_and_no_real_token_is_lost(small_tokenizer, small_lm, copied):
    bare = PreTrainedTokenizerFast(tokenizer_object=small_tokenizer.backend_tokenizer, eos_token="<|endoftext|>")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (copied / name).unlink()
    bare.save_pretrained(copied)
    loaded = load_language_model(str(copied))
    end = loaded.tokenizer.eos_token_id
    assert loaded.tokenizer.pad_token_id == end == loaded.model.generation_config.pad_token_id
    assert len(loaded.tokenizer) == len(small_tokenizer)
    batch = loaded.tokenizer(["a dog!<|endoftext|>", "a big red dog!<|endoftext|>"], padding=True, return_tensors="pt")
    labels = labels_of(batch.input_ids, batch.attention_mask.bool())
    assert (labels == end).sum() == 2  # one real end a text; the padding, of the same number, is ignored
    assert (labels == -100).sum() == (batch.attention_mask == 0).sum() > 0


def test_a_tokeniser_without_an_end_is_refused(small_tokenizer, copied):
    bare = PreTrainedTokenizerFast(tokenizer_object=small_tokenizer.backend_tokenizer)
    (copied / "tokenizer_config.json").unlink()
    bare.save_pretrained(copied)
    with pytest.raises(LanguageModelError, match="neither a padding nor an end token"):
        load_language_model(str(copied))


def test_generation_says_nothing_about_padding(small_lm, caplog, capsys):
    loaded = load_language_model(str(small_lm))
    batch = loaded.tokenizer(["a big"], return_tensors="pt")
    loaded.model.generate(**batch, max_new_tokens=3, do_sample=False)
    assert "pad_token_id" not in caplog.text + "".join(capsys.readouterr())


def test_a_folders_own_habits_of_generation_are_left_out(copied):
    habits = {"do_sample": True, "num_beams": 3, "repetition_penalty": 1.5, "max_new_tokens": 7, "eos_token_id": 5}
    (copied / "generation_config.json").write_text(json.dumps(habits))
    loaded = load_language_model(str(copied))
    config = loaded.model.generation_config
    assert not any(getattr(config, name) for name in habits if name != "eos_token_id")
    assert config.eos_token_id == loaded.tokenizer.eos_token_id


def test_loading_is_silent(copied, capsys):
    load_language_model(str(copied))
    assert capsys.readouterr() == ("", "")


# ---- wrong input ---------------------------------------------------------------------------------------------------


def test_a_folder_without_a_tokeniser_is_refused(copied):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (copied / name).unlink()
    with pytest.raises(LanguageModelError, match=r"tokenizer of language model .*copy.*tokenizer\.json"):
        load_language_model(str(copied))


def test_another_models_tokeniser_is_refused(copied):
    train_tokenizer([*TEXTS, "a great many more words"], 320, 24).save_pretrained(copied)
    with pytest.raises(LanguageModelError, match="another model's"):
        load_language_model(str(copied))


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("config.json", None, r"config\.json of language model"),
        ("config.json", "{", r"config\.json of language model"),
        ("model.safetensors", None, "The weights of language model"),
        ("model.safetensors", "not weights", "The weights of language model"),
    ],
)
def test_a_missing_or_damaged_file_is_named(file, content, named, copied):
    if content is None:
        (copied / file).unlink()
    else:
        (copied / file).write_text(content)
    with pytest.raises(LanguageModelError, match=named):
        load_language_model(str(copied))


def test_weights_of_fewer_layers_are_refused(small_tokenizer, copied):
    config = json.loads((copied / "config.json").read_text())
    save_language_model(
        new_language_model(small_tokenizer, width=16, layers=1, heads=2, context=24), small_tokenizer, copied
    )
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(LanguageModelError, match=r"lack .*h\.1\..*and 9 more"):
        load_language_model(str(copied))


def test_a_model_that_is_not_causal_is_refused(copied):
    (copied / "config.json").write_text(json.dumps({"model_type": "clip"}))
    with pytest.raises(LanguageModelError, match="a clip"):
        load_language_model(str(copied))


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_an_unknown_name_says_what_can_be_done():
    with pytest.raises(LanguageModelError, match=r"'shapes-ln'.*Did you mean 'shapes-lm'.*hf download.*causal_lm"):
        load_language_model("shapes-ln")


def test_code_that_lies_beside_a_model_is_neither_run_nor_asked_about(copied, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked whether to run it"))
    config = json.loads((copied / "config.json").read_text())
    named = {
        "model_type": "theirs",
        "auto_map": {"AutoConfig": "theirs.Config", "AutoModelForCausalLM": "theirs.Model"},
    }
    (copied / "config.json").write_text(json.dumps(config | named))
    (copied / "theirs.py").write_text(f"open({str(copied / 'ran')!r}, 'w')\n")
    with pytest.raises(LanguageModelError, match=r"config\.json of language model"):
        load_language_model(str(copied))
    assert not (copied / "ran").exists()
