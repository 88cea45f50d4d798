import re

import pytest
import torch
from aape_lightning.errors import LanguageModelError
from aape_lightning.language import IGNORED, embed_segments, load_language_model


def tokens_of(language, text):
    return language.tokenizer(text, add_special_tokens=False).input_ids


def looked_up(language, text):
    return language.model.get_input_embeddings().weight[tokens_of(language, text)]


@pytest.fixture
def soft():
    torch.manual_seed(0)
    return [torch.randn(length, 32) for length in (3, 1, 5)]


def test_a_row_is_its_segments_one_behind_the_other(language, soft):
    shot = [soft[0], " Q: red? A: a dog!", soft[1], soft[2], " Q: blue?"]
    batch = embed_segments(language, [shot, [soft[1]], [" big"]])
    rows = [
        torch.cat([soft[0], looked_up(language, shot[1]), soft[1], soft[2], looked_up(language, shot[4])]),
        soft[1],
        looked_up(language, " big"),
    ]
    assert batch.embeddings.shape == (3, len(rows[0]), 32)
    assert batch.labels is None
    for embedded, mask, row in zip(batch.embeddings, batch.attention_mask, rows, strict=True):
        assert torch.equal(embedded[: len(row)], row)
        assert mask.tolist() == [1] * len(row) + [0] * (len(mask) - len(row))


def test_padding_for_generation_is_on_the_left(language, soft):
    rows = [[soft[0], " a big red dog!"], [soft[1]]]
    right, left = (embed_segments(language, rows, side=side) for side in ("right", "left"))
    assert torch.equal(left.attention_mask, right.attention_mask.flip(1))
    for row in range(2):
        kept = [batch.embeddings[row][batch.attention_mask[row].bool()] for batch in (left, right)]
        assert torch.equal(*kept)


def test_labels_are_the_targets_with_their_ends_and_nothing_else(language, soft):
    end = language.tokenizer.eos_token_id
    assert end == language.tokenizer.pad_token_id == 0  # which masks padding, and which says "!" in other models
    rows = [[soft[0], " a dog"], [soft[2]], [soft[1], " a big red dog! a"]]
    targets = ["!", " a big red dog!", ""]
    batch = embed_segments(language, rows, targets)
    lengths = [3 + len(tokens_of(language, " a dog")), 5, 1 + len(tokens_of(language, " a big red dog! a"))]
    for labels, mask, length, target in zip(batch.labels, batch.attention_mask, lengths, targets, strict=True):
        said = [*tokens_of(language, target), end]
        rest = len(labels) - length - len(said)
        assert labels.tolist() == [IGNORED] * length + said + [IGNORED] * rest
        assert mask.tolist() == [1] * (length + len(said)) + [0] * rest
    assert batch.targets_from == min(lengths)


def test_what_is_labelled_is_also_read(language, soft):
    batch = embed_segments(language, [[soft[0], " a"]], [" big red dog!"])
    labelled = batch.labels[0] != IGNORED
    table = language.model.get_input_embeddings().weight
    assert torch.equal(batch.embeddings[0][labelled], table[batch.labels[0][labelled]])


def test_the_end_token_may_stand_in_a_text(language, soft):
    batch = embed_segments(language, [[soft[1], " a dog!<|endoftext|>", soft[0]]])
    count = len(tokens_of(language, " a dog!"))
    assert batch.attention_mask.sum() == 1 + count + 1 + 3
    end = language.model.get_input_embeddings().weight[language.tokenizer.eos_token_id]
    assert torch.equal(batch.embeddings[0, 1 + count], end)


def test_no_segment_begins_anew(language, soft):
    """Their tokeniser begins each text with a token, as OPT's does."""
    assert language.tokenizer(" big").input_ids == [0, *tokens_of(language, " big")]
    batch = embed_segments(language, [[soft[1], " big", " red"]], [" dog"])
    assert (
        batch.attention_mask.sum() == 1 + sum(len(tokens_of(language, text)) for text in (" big", " red", " dog")) + 1
    )


def test_a_half_precision_model_gets_half_precision_embeddings(small_lm):
    language = load_language_model(str(small_lm), dtype=torch.bfloat16)
    soft = torch.randn(2, 16, requires_grad=True)
    batch = embed_segments(language, [[soft, " a dog"]])
    assert batch.embeddings.dtype == torch.bfloat16
    batch.embeddings.float().sum().backward()
    assert torch.equal(soft.grad, torch.ones(2, 16))


# ---- wrong input ---------------------------------------------------------------------------------------------------


def test_a_row_beyond_the_context_names_the_lengths(language):
    soft, prompt, target = torch.zeros(40, 32), " a big", " red dog!"
    prompts, said = len(tokens_of(language, prompt)), len(tokens_of(language, target)) + 1
    rows = [[torch.zeros(1, 32)], [soft, prompt, torch.zeros(8 - prompts - said, 32)]]
    assert embed_segments(language, rows, ["", target]).attention_mask[1].sum() == 48
    rows[1].append(torch.zeros(1, 32))
    message = (
        f"Row 1 takes 49 tokens, {49 - prompts - said} of them soft, {prompts} of prompts and {said} of its target"
    )
    with pytest.raises(LanguageModelError, match=f"{message}.*{re.escape(language.name)}.* takes 48 at once"):
        embed_segments(language, rows, ["", target])


@pytest.mark.parametrize("row", [[], [""], [torch.zeros(0, 32), ""]])
def test_an_empty_row_is_refused(row, language):
    with pytest.raises(ValueError, match="Row 1 holds neither"):
        embed_segments(language, [[" a"], row], ["a", "b"])


def test_a_prefix_of_another_width_is_refused(language):
    with pytest.raises(ValueError, match=r"31 wide.*takes 32"):
        embed_segments(language, [[torch.zeros(2, 31), " a"]])


def test_targets_are_one_a_row_and_padded_on_the_right(language):
    with pytest.raises(ValueError, match="1 targets for 2 rows"):
        embed_segments(language, [[" a"], [" b"]], ["a"])
    with pytest.raises(ValueError, match="on the left; it must be"):
        embed_segments(language, [[" a"]], ["a"], side="left")
