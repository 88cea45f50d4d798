"""Notes on one class's sentences, as its file has them: what curation would drop, and what repeats what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aape_lightning.prompts.review.reviewer import curate_known

__all__ = ["Note", "note_sentences"]


@dataclass(frozen=True)
class Note:
    """One sentence, and what is to be said of it.

    Attributes:
        number: Its place in the file, from 1.
        sentence: The sentence.
        near_empty: Whether it is too short to say anything.
        duplicate_of: The number of the earlier sentence that it equals.
        near_duplicate_of: The number of the earlier sentence that it nearly repeats.
        cosine: Its cosine to that sentence.
        tokens: Its length for the backbone, start and end included.
    """

    number: int
    sentence: str
    near_empty: bool = False
    duplicate_of: int | None = None
    near_duplicate_of: int | None = None
    cosine: float | None = None
    tokens: int | None = None


def note_sentences(
    texts: Sequence[str],
    repeats: Mapping[int, tuple[int, float]],
    token_count: Callable[[str], int] | None = None,
) -> list[Note]:
    """Note on each sentence of a class.

    Args:
        texts: The class's sentences, before any curation.
        repeats: What `near_duplicates` returned for the curated sentences of this class alone.
        token_count: Length of a text in the backbone's tokens.
    """
    curated = curate_known({"": texts})[0].sentences.get("", [])
    first: dict[str, int] = {}
    numbers: list[int] = []  # of the curated sentences, which keep the file's order
    notes = []
    for number, text in enumerate(map(str.strip, texts), start=1):
        tokens = token_count(text) if token_count else None
        if text.lower() in first:
            notes.append(Note(number, text, duplicate_of=first[text.lower()], tokens=tokens))
        elif curated[len(numbers) : len(numbers) + 1] == [text]:
            earlier, cosine = repeats.get(len(numbers), (None, None))
            repeated = None if earlier is None else numbers[earlier]
            notes.append(Note(number, text, near_duplicate_of=repeated, cosine=cosine, tokens=tokens))
            first[text.lower()] = number
            numbers.append(number)
        else:
            notes.append(Note(number, text, near_empty=True, tokens=tokens))
    return notes
