import os
import stat

import pytest
import torch
from aape_lightning.errors import LanguageModelError
from aape_lightning.language import new_language_model, save_language_model, train_tokenizer
from small_texts import TEXTS
from transformers import AutoModelForCausalLM, AutoTokenizer


@pytest.mark.parametrize(
    "text",
    ["a big red cat!", "never seen before", "  two\tspaces\n", "caf\u00e9 \U0001f600 \u00bd", "!", "Don't 'do' it ."],
)
def test_any_text_comes_back_unchanged(small_tokenizer, text):
    assert small_tokenizer.decode(small_tokenizer(text).input_ids) == text


def test_frequent_words_become_one_token(small_tokenizer):
    assert small_tokenizer.tokenize("a big red cat!") == ["a", "Ġbig", "Ġred", "Ġcat", "!"]


def test_end_and_padding_are_different_tokens_that_no_text_is_made_of(small_tokenizer):
    assert small_tokenizer.eos_token_id != small_tokenizer.pad_token_id
    used = set(small_tokenizer("".join(map(chr, range(1, 600)))).input_ids)
    assert not used & {small_tokenizer.eos_token_id, small_tokenizer.pad_token_id}


def test_the_same_texts_give_the_same_tokeniser():
    first, again = (train_tokenizer(TEXTS, 270, 24).get_vocab() for _ in range(2))
    assert first == again
    assert len(first) == 270


def test_few_texts_give_few_tokens():
    tokenizer = train_tokenizer(["ab"], 5000, 24)
    assert len(tokenizer) == 256 + 2 + 1
    model = new_language_model(tokenizer, width=8, layers=1, heads=1, context=4)
    assert model.get_input_embeddings().num_embeddings == 259


def test_a_vocabulary_without_room_for_every_byte_is_refused():
    with pytest.raises(LanguageModelError, match=r"vocab_size is 257.*258"):
        train_tokenizer(TEXTS, 257, 24)


def test_a_width_without_whole_heads_is_refused(small_tokenizer):
    with pytest.raises(LanguageModelError, match="width is 16 and heads 3"):
        new_language_model(small_tokenizer, width=16, layers=1, heads=3, context=8)


def test_the_folder_opens_in_transformers(small_lm, small_tokenizer):
    model, tokenizer = AutoModelForCausalLM.from_pretrained(small_lm), AutoTokenizer.from_pretrained(small_lm)
    assert tokenizer.get_vocab() == small_tokenizer.get_vocab()
    assert tokenizer.model_max_length == model.config.n_positions == 24
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert next(model.parameters()).dtype == torch.float16
    assert stat.S_IMODE(os.stat(small_lm / "model.safetensors").st_mode) == 0o644 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_saving_keeps_the_models_precision_and_replaces_an_older_one(small_tokenizer, tmp_path):
    torch.manual_seed(0)
    (tmp_path / "note.txt").write_text("mine")
    for width in (8, 16):
        model = new_language_model(small_tokenizer, width=width, layers=1, heads=1, context=8)
        save_language_model(model, small_tokenizer, tmp_path)
        assert next(model.parameters()).dtype == torch.float32
    opened = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    torch.testing.assert_close(opened.state_dict(), model.state_dict(), atol=1e-3, rtol=0)
    assert (tmp_path / "note.txt").read_text() == "mine"
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
