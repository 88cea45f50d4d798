"""Which answered training questions are shown before a test question: random, and the same in every run of a seed."""

from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from aape_lightning.data.readers.questions import Question
from aape_lightning.data.shapes.chance import random_of
from aape_lightning.errors import DataError

__all__ = ["draw_examples"]


def draw_examples(pool: Sequence[Question], questions: Sequence[Question], count: int, seed: int) -> Int[Tensor, "n k"]:
    """Examples for each question, without replacement, by seed and question id alone.

    None is about the question's own image, which a dataset's parts may share. A draw of two begins with the draw of
    one, so that numbers of examples are compared on the same ones.

    Args:
        pool: The training questions.
        questions: The questions before which examples are shown.
        count: How many before each.
        seed: Seed of the draws.

    Returns:
        Positions in the pool.

    Raises:
        DataError: If too few training questions are about other images than a question's own.
    """
    of_image = Counter(question.path for question in pool)
    drawn = torch.empty(len(questions), count, dtype=torch.long)
    for row, question in enumerate(questions):
        if (others := len(pool) - of_image[question.path]) < count:
            raise DataError(
                f"{count} answered examples are asked for (--data.examples), and {others} training questions are about "
                f"other images than {question.path!r}."
            )
        drawn[row] = torch.tensor(_draw(pool, question, count, seed), dtype=torch.long)
    return drawn


def _draw(pool: Sequence[Question], question: Question, count: int, seed: int) -> list[int]:
    drawn: dict[int, None] = {}
    places = _places(pool, question, seed)
    while len(drawn) < count:
        drawn[next(places)] = None
    return list(drawn)


def _places(pool: Sequence[Question], question: Question, seed: int) -> Iterator[int]:
    random = random_of(f"examples {seed} {question.question_id}")
    while True:
        place = int(random.random() * len(pool))
        if pool[place].path != question.path:
            yield place
