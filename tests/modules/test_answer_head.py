import math

import pytest
import torch
from aape_lightning.modules import AnswerHead, answer_loss
from torch.nn import functional as F


def unit(*shape):
    return F.normalize(torch.randn(shape), dim=-1)


@pytest.mark.parametrize("with_aape", [True, False])
def test_logits_are_those_of_two_plain_layers(with_aape):
    head = AnswerHead(8, 5, with_aape=with_aape, hidden=12).eval()
    x, q, h = unit(3, 8), unit(3, 8), unit(3, 8)
    first, last = head.layers[0], head.layers[3]
    inputs = [x, h, q] if with_aape else [x, q]
    hidden = F.gelu(math.sqrt(8) * torch.cat(inputs, dim=1) @ first.weight.T + first.bias)
    torch.testing.assert_close(head(x, q, *([h] if with_aape else [])), hidden @ last.weight.T + last.bias)


def test_sizes_are_those_asked_for():
    head = AnswerHead(16, 7, with_aape=True, hidden=20)
    assert sum(parameter.numel() for parameter in head.parameters()) == 3 * 16 * 20 + 20 + 20 * 7 + 7


def test_hidden_numbers_are_dropped_in_training_alone():
    head, x, q = AnswerHead(8, 5, with_aape=False, hidden=400, dropout=0.5), unit(2, 8), unit(2, 8)
    torch.manual_seed(0)
    first, second = head(x, q), head(x, q)
    assert not torch.equal(first, second)
    head.eval()
    assert torch.equal(head(x, q), head(x, q))


def test_the_loss_is_cross_entropy_with_shares_row_by_row():
    logits = torch.randn(4, 3)
    share = torch.tensor([[1.0, 0.0, 0.0], [0.6, 0.4, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 0.0]])
    rows = [
        sum(-share[b, a] * torch.log(logits[b].exp()[a] / logits[b].exp().sum()) for a in range(3)) for b in range(3)
    ]
    torch.testing.assert_close(answer_loss(logits, share), sum(rows) / 3)
    torch.testing.assert_close(answer_loss(logits[:1], share[:1]), F.cross_entropy(logits[:1], torch.tensor([0])))
    torch.testing.assert_close(answer_loss(logits[:2], share[:2]), F.cross_entropy(logits[:2], share[:2]))


def test_questions_outside_the_vocabulary_have_no_gradient():
    logits = torch.randn(3, 4, requires_grad=True)
    answer_loss(logits, torch.eye(4)[:3] * torch.tensor([[1.0], [0.0], [1.0]])).backward()
    assert logits.grad[1].abs().max() == 0
    assert logits.grad[[0, 2]].abs().max() > 0
    only = torch.randn(2, 4, requires_grad=True)
    loss = answer_loss(only, torch.zeros(2, 4))
    loss.backward()
    assert loss == 0
    assert only.grad.abs().max() == 0
