"""Banks made of some sentences of another bank, so that nothing is embedded anew."""

from collections.abc import Sequence
from itertools import pairwise

import torch

from aape_lightning.errors import PromptError
from aape_lightning.prompts import PromptBank

__all__ = ["bank_of_rows", "first_sentences", "rows_by_key"]


def rows_by_key(bank: PromptBank) -> list[range]:
    """The rows of each key's sentences, in the order of the keys."""
    return [range(start, end) for start, end in pairwise(bank.offsets.tolist())]


def bank_of_rows(bank: PromptBank, rows: Sequence[Sequence[int]]) -> PromptBank:
    """The bank that holds, for each key, some rows of another one.

    Args:
        bank: The bank to choose from.
        rows: The rows of each key, of whichever key they were; at least one a key.
    """
    flat = [row for of_key in rows for row in of_key]
    offsets = torch.tensor([0, *map(len, rows)]).cumsum(0).to(bank.offsets.device)
    return PromptBank(bank.embeddings[flat], offsets, bank.keys, [bank.texts[row] for row in flat])


def first_sentences(bank: PromptBank, count: int | None) -> PromptBank:
    """The bank of each key's first sentences.

    Args:
        bank: The bank to choose from.
        count: Sentences a key at the most; None for all.

    Raises:
        PromptError: If that is below 1.
    """
    if count is None:
        return bank
    if count < 1:
        raise PromptError(f"prompts_per_class is {count}; it must be 1 or more, or null for all sentences.")
    return bank_of_rows(bank, [of_key[:count] for of_key in rows_by_key(bank)])
