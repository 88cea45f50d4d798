import pytest
import torch
from aape_lightning.data.bank_rows import bank_of_rows, first_sentences, rows_by_key
from aape_lightning.errors import PromptError
from aape_lightning.prompts import PromptBank


@pytest.fixture
def bank():
    texts = ["a0", "a1", "a2", "b0", "c0", "c1"]
    embeddings = torch.arange(12.0).view(6, 2)
    return PromptBank(embeddings, torch.tensor([0, 3, 4, 6]), ["a", "b", "c"], texts)


def test_rows_are_those_of_each_keys_sentences(bank):
    assert [[bank.texts[row] for row in rows] for rows in rows_by_key(bank)] == [
        ["a0", "a1", "a2"], ["b0"], ["c0", "c1"],
    ]  # fmt: skip


def test_rows_of_any_key_may_go_to_any_other(bank):
    made = bank_of_rows(bank, [[5, 0], [3, 3], [1]])
    assert [made.sentences(key) for key in "abc"] == [["c1", "a0"], ["b0", "b0"], ["a1"]]
    assert torch.equal(made.embeddings, bank.embeddings[[5, 0, 3, 3, 1]])
    prompts, mask = made.gather(torch.tensor([2, 0]))
    assert mask.tolist() == [[True, False], [True, True]]
    assert torch.equal(prompts[1], bank.embeddings[[5, 0]])


@pytest.mark.parametrize(("count", "kept"), [(1, [1, 1, 1]), (2, [2, 1, 2]), (9, [3, 1, 2])])
def test_the_first_sentences_are_kept(count, kept, bank):
    made = first_sentences(bank, count)
    assert [made.sentences(key) for key in "abc"] == [bank.sentences(k)[:n] for k, n in zip("abc", kept, strict=True)]


def test_without_a_number_the_bank_is_the_same(bank):
    assert first_sentences(bank, None) is bank


@pytest.mark.parametrize("count", [0, -3])
def test_a_number_below_one_is_refused(count, bank):
    with pytest.raises(PromptError, match=rf"prompts_per_class is {count}; it must be 1 or more"):
        first_sentences(bank, count)
