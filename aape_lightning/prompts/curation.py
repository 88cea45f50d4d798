"""What is dropped from a sentence file before it is embedded, and an account of it.

Public sentence files hold near-empty sentences (".") and in-class duplicates, and a short context cuts sentences off.
"""

from collections.abc import Callable
from dataclasses import dataclass

from aape_lightning.errors import PromptError, listed

__all__ = ["Curation", "curate"]

_SHORTEST = 3  # characters; CuPL's files hold sentences such as "." and "A."


@dataclass(frozen=True)
class Curation:
    """Curated sentences and what happened to the others.

    Attributes:
        sentences: The sentences kept, by class, in file order.
        near_empty: Sentences dropped because they have fewer than 3 characters.
        duplicates: Sentences dropped because their class already holds them, whatever their case.
        too_long: Sentences beyond the backbone's context: dropped, or kept and cut.
        truncated: Whether those were cut instead of dropped.
    """

    sentences: dict[str, list[str]]
    near_empty: int
    duplicates: int
    too_long: int
    truncated: bool

    def __str__(self) -> str:
        """One line for the log."""
        kept = sum(map(len, self.sentences.values()))
        verb = "truncated" if self.truncated else "dropped"
        return (
            f"{kept} sentences for {len(self.sentences)} classes; dropped {self.near_empty} near-empty and "
            f"{self.duplicates} duplicate ones, {verb} {self.too_long} beyond the context"
        )


def curate(
    sentences: dict[str, list[str]], *, context_length: int, token_count: Callable[[str], int], truncate: bool
) -> Curation:
    """Drop near-empty, duplicate and overlong sentences.

    Args:
        sentences: Sentences by class.
        context_length: The longest text that the text tower takes, in tokens.
        token_count: Length of a text in tokens, start and end included.
        truncate: Keep overlong sentences; the tokeniser will cut them.

    Raises:
        PromptError: If a class is left with no sentence.
    """
    kept: dict[str, list[str]] = {}
    near_empty = duplicates = too_long = 0
    for name, texts in sentences.items():
        seen: set[str] = set()
        kept[name] = []
        for text in map(str.strip, texts):
            if len(text) < _SHORTEST:
                near_empty += 1
            elif text.lower() in seen:
                duplicates += 1
            else:
                seen.add(text.lower())
                overlong = token_count(text) > context_length
                too_long += overlong
                if not overlong or truncate:
                    kept[name].append(text)
    if empty := [name for name, texts in kept.items() if not texts]:
        raise PromptError(
            f"No sentence is left for {len(empty)} classes: {listed(empty, limit=20)}. Sentences are dropped when they "
            f"are near-empty, duplicates, or longer than the backbone's context of {context_length} tokens; add "
            "sentences for them, or keep the long ones cut short with --data.truncate true."
        )
    return Curation(kept, near_empty, duplicates, too_long, truncate)
