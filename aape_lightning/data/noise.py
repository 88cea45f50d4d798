"""Sentences of wrong classes among a class's own: noise at a known rate, to see what an aggregator makes of it."""

from collections.abc import Collection, Sequence

from aape_lightning.data.bank_rows import bank_of_rows, rows_by_key
from aape_lightning.data.shapes.chance import pick, random_of
from aape_lightning.errors import PromptError
from aape_lightning.prompts import PromptBank

__all__ = ["inject"]


def inject(bank: PromptBank, rate: float, seed: int) -> PromptBank:
    """Put sentences of other classes behind each class's own, all of which stay.

    A class of n sentences gets round(n r / (1 - r)) more, so that they are the share r of what it then has. They are
    drawn from the sentences of the bank's other classes by seed and class name alone: neither the order of the classes
    nor that of their sentences matters, and a higher rate adds to what a lower one has drawn. No sentence is drawn
    twice for a class before each has been drawn once, and none that the class has itself, whatever its case.

    Args:
        bank: The sentences of the classes in use; 0 gives the very same bank back.
        rate: The share r, from 0 to below 1.
        seed: Seed of the draw.

    Raises:
        PromptError: If the rate is out of its range, the bank has a single class, or a class has every sentence of the
            others itself.
    """
    if not 0 <= rate < 1:
        raise PromptError(f"noise is {rate}; it is a share of each class's sentences, from 0 to below 1.")
    if not rate:
        return bank
    row_of: dict[str, int] = {}
    for row in sorted(range(len(bank.texts)), key=bank.texts.__getitem__):
        row_of.setdefault(bank.texts[row].lower(), row)
    pool, rows = sorted(row_of), []
    for name, own_rows in zip(bank.keys, rows_by_key(bank), strict=True):
        own = {bank.texts[row].lower() for row in own_rows}
        if len(own) == len(pool):
            raise PromptError(
                f"No class has a sentence that {name!r} lacks, so none can be injected at the noise {rate}. The class "
                f"list holds {len(set(bank.keys))} name(s); use more classes (--data.classes), or --data.noise 0."
            )
        drawn = _drawn(pool, own, round(len(own_rows) * rate / (1 - rate)), f"noise {seed} {name}")
        rows.append([*own_rows, *(row_of[text] for text in drawn)])
    return bank_of_rows(bank, rows)


def _drawn(pool: Sequence[str], own: Collection[str], count: int, key: str) -> list[str]:
    """Texts of the pool that are not a class's own, each once before any comes again."""
    random, drawn = random_of(key), dict[str, None]()
    distinct = min(count, len(pool) - len(own))
    while len(drawn) < distinct:
        text = pick(random, pool)
        if text not in own:
            drawn.setdefault(text)
    texts = list(drawn)
    return [texts[place % distinct] for place in range(count)]
