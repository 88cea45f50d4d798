"""What is known of the sentences in a bank: which are faithful, which mislead, and which were injected."""

from collections.abc import Sequence

from aape_lightning.data.bank_rows import rows_by_key
from aape_lightning.data.places import is_built_in
from aape_lightning.data.schema import ClassManifest
from aape_lightning.data.shapes import sentence_truth, shapes_sentences
from aape_lightning.prompts import PromptBank

__all__ = ["sentence_kinds"]


def sentence_kinds(manifest: ClassManifest, bank: PromptBank, own: Sequence[int]) -> list[list[str]]:
    """The kind of each sentence of a bank, by class; empty where none is known.

    The shapes world knows which of its own sentences are `faithful`, `redundant`, `irrelevant` or `wrong`. In any
    dataset, sentences that `inject` has put behind a class's own are `injected`; its own are then `own` where their
    kinds are not known.

    Args:
        manifest: The dataset.
        bank: The sentences.
        own: How many of each class's sentences are its own.
    """
    rows = rows_by_key(bank)
    texts = [[bank.texts[row] for row in of_class[:count]] for of_class, count in zip(rows, own, strict=True)]
    injected = [len(of_class) - count for of_class, count in zip(rows, own, strict=True)]
    kinds = _true_kinds(bank.keys, texts) if is_built_in(manifest) else []
    if not kinds and not any(injected):
        return []
    kinds = kinds or [["own"] * count for count in own]
    return [[*of_class, *["injected"] * count] for of_class, count in zip(kinds, injected, strict=True)]


def _true_kinds(names: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[str]]:
    """The kinds of the shapes world's sentences; empty where some are not its own."""
    kinds = {
        (name, text): kind
        for name, written in shapes_sentences().items()
        for text, kind in zip(written, sentence_truth()[name], strict=True)
    }
    found = [[kinds.get((name, text)) for text in of_class] for name, of_class in zip(names, texts, strict=True)]
    return [[kind for kind in row if kind] for row in found] if all(map(all, found)) else []
