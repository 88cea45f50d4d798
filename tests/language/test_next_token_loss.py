import math

import torch
from aape_lightning.language import IGNORED, labels_of, next_token_loss


def plain_loss(logits, tokens, mask):
    """One token at a time."""
    losses = []
    for row in range(len(tokens)):
        for place in range(1, tokens.shape[1]):
            if mask[row, place]:
                scores = logits[row, place - 1].tolist()
                losses.append(math.log(sum(map(math.exp, scores))) - scores[tokens[row, place]])
    return sum(losses) / len(losses)


def test_it_is_the_cross_entropy_of_each_masked_token_given_those_before():
    torch.manual_seed(0)
    logits, tokens = torch.randn(3, 7, 11), torch.randint(0, 11, (3, 7))
    mask = torch.arange(7) < torch.tensor([[7], [4], [2]])
    torch.testing.assert_close(next_token_loss(logits, tokens, mask).item(), plain_loss(logits, tokens, mask))


def test_a_prefix_does_not_count_and_the_token_after_it_does():
    torch.manual_seed(0)
    logits, tokens = torch.randn(2, 5, 6), torch.randint(0, 6, (2, 5))
    mask = torch.tensor([[False, False, True, True, False]] * 2)
    torch.testing.assert_close(next_token_loss(logits, tokens, mask).item(), plain_loss(logits, tokens, mask))


def test_no_token_is_left_out_for_its_number():
    """0 is "!" for GPT-2, and the end token is often the padding as well."""
    tokens = torch.tensor([[5, 0, 7, 7, 7]])
    mask = torch.tensor([[True, True, True, True, False]])
    assert labels_of(tokens, mask).tolist() == [[5, 0, 7, 7, IGNORED]]
    wrong = torch.zeros(1, 5, 8)
    wrong[0, 0, 3] = 20.0  # certain that 3 comes where 0 does
    assert next_token_loss(wrong, tokens, mask) > 5


def test_half_precision_logits_are_summed_in_float():
    logits, tokens = torch.randn(2, 9, 500).bfloat16(), torch.randint(0, 500, (2, 9))
    mask = torch.ones(2, 9, dtype=torch.bool)
    loss = next_token_loss(logits, tokens, mask)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.item(), plain_loss(logits.float(), tokens, mask), rtol=1e-4, atol=1e-4)
