import math

import pytest
import torch
from aape_lightning.language import embed_segments, load_language_model, prefix_loss

TARGETS = ["!", " a big red dog!", " a small blue cat! a small blue cat!"]


def rows_of(language, *, requires_grad=False):
    torch.manual_seed(1)
    soft = [torch.randn(length, language.width, requires_grad=requires_grad) for length in (3, 7, 1)]
    return [[soft[0], " a picture of"], [soft[1]], [soft[2], " Q: a? A: b!<|endoftext|>", soft[0], " Q:"]]


def plain_losses(language, row, target):
    """One token at a time, each row alone and without padding: -log p of each token of the target and of the end."""
    table, tokenizer = language.model.get_input_embeddings(), language.tokenizer
    read = [
        table(torch.tensor(tokenizer(part, add_special_tokens=False).input_ids)) if isinstance(part, str) else part
        for part in row
    ]
    read, losses = torch.cat([part.to(table.weight.dtype) for part in read]), []
    for token in [*tokenizer(target, add_special_tokens=False).input_ids, tokenizer.eos_token_id]:
        with torch.no_grad():
            scores = language.model(inputs_embeds=read[None]).logits[0, -1].double().tolist()
        most = max(scores)
        losses.append(most + math.log(sum(math.exp(score - most) for score in scores)) - scores[token])
        read = torch.cat([read, table(torch.tensor([token]))])
    return losses


def test_it_is_the_mean_cross_entropy_of_the_targets_tokens(language):
    rows = rows_of(language)
    losses = [loss for row, target in zip(rows, TARGETS, strict=True) for loss in plain_losses(language, row, target)]
    loss = prefix_loss(language, embed_segments(language, rows, TARGETS))
    torch.testing.assert_close(loss.item(), sum(losses) / len(losses), rtol=1e-5, atol=1e-5)


def test_the_end_of_a_target_counts(language):
    """Of an empty target it is all that counts."""
    row = rows_of(language)[:1]
    loss = prefix_loss(language, embed_segments(language, row, [""]))
    torch.testing.assert_close(loss.item(), plain_losses(language, row[0], "")[0], rtol=1e-5, atol=1e-5)


def test_the_shipped_model_knows_which_caption_is_english():
    language, rows = load_language_model("shapes-lm"), [["<|endoftext|>"]]
    english = "a large red circle left of a green star"
    text, shuffled = (
        prefix_loss(language, embed_segments(language, rows, [target])).item()
        for target in (english, "of star a large a circle green left red")
    )
    assert text < 3 < shuffled
    losses = plain_losses(language, rows[0], english)
    torch.testing.assert_close(text, sum(losses) / len(losses), rtol=1e-5, atol=0)


def test_the_gradient_reaches_the_soft_prefixes_alone(language):
    rows = rows_of(language, requires_grad=True)
    prefix_loss(language, embed_segments(language, rows, TARGETS)).backward()
    for soft in (part for row in rows for part in row if not isinstance(part, str)):
        assert (soft.grad.abs().sum(-1) > 0).all()
    assert all(parameter.grad is None for parameter in language.model.parameters())


def test_the_gradient_is_that_of_the_plain_loss(language):
    rows, step = rows_of(language, requires_grad=True), 1e-2
    prefix_loss(language, embed_segments(language, rows[:1], TARGETS[1:2])).backward()
    soft = rows[0][0]
    direction = soft.grad / soft.grad.norm()
    up, down = (
        sum(losses) / len(losses)
        for sign in (1, -1)
        for losses in [plain_losses(language, [soft.detach() + sign * step * direction, rows[0][1]], TARGETS[1])]
    )
    torch.testing.assert_close((up - down) / (2 * step), soft.grad.norm().item(), rtol=2e-2, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_half_precision_model_trains_a_prefix_in_float(small_lm, dtype):
    exact, half = (load_language_model(str(small_lm), dtype=kind) for kind in (torch.float32, dtype))
    soft = torch.randn(2, 16, requires_grad=True)
    losses = [
        prefix_loss(language, embed_segments(language, [[soft, " a"]], [" red dog!"])) for language in (exact, half)
    ]
    losses[1].backward()
    assert losses[1].dtype == soft.grad.dtype == torch.float32
    assert soft.grad.abs().min() > 0
    torch.testing.assert_close(losses[1], losses[0], rtol=2e-2, atol=0)


def test_rows_without_targets_have_no_loss(language):
    with pytest.raises(ValueError, match="without targets"):
        prefix_loss(language, embed_segments(language, rows_of(language)))
