"""The vocabulary of answers that a classifier chooses from, and what questions' answers are in it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from aape_lightning.data.readers.questions import Question
from aape_lightning.metrics import normalise_answer

__all__ = ["AnswerShares", "answer_vocabulary"]


def answer_vocabulary(questions: Sequence[Question], size: int) -> list[str]:
    """The most frequent answers, the most frequent first; of equally frequent ones the first that stands there.

    Answers that the official normalisation makes equal are one, and written as most often in the questions: so the
    classifier's answer counts, too, where all people agree and the official accuracy compares what is written.

    Args:
        questions: Questions with answers.
        size: The most answers.
    """
    frequency: Counter[str] = Counter()
    spellings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for spelling, count in Counter(answer for question in questions for answer in question.answers).items():
        answer = normalise_answer(spelling)
        frequency[answer] += count
        spellings[answer][spelling] += count
    return [spellings[answer].most_common(1)[0][0] for answer, _ in frequency.most_common(size)]


@dataclass(frozen=True)
class AnswerShares:
    """Which answers of a vocabulary the people gave to each question, and what share of them; ragged, so padded.

    Attributes:
        answers: Positions in the vocabulary; 0 at padding.
        shares: The share of the question's answers that they are, a fraction; 0 at padding.
        size: Size of the vocabulary.
    """

    answers: Int[Tensor, "n m"]
    shares: Float[Tensor, "n m"]
    size: int

    @classmethod
    def of(cls, questions: Sequence[Question], vocabulary: Sequence[str], device: torch.device) -> "AnswerShares":
        """The shares of some questions, on a device."""
        place = {normalise_answer(answer): k for k, answer in enumerate(vocabulary)}
        said = {answer for question in questions for answer in question.answers}
        known = {answer: place.get(normalise_answer(answer)) for answer in said}
        rows = [_shares([known[answer] for answer in question.answers]) for question in questions]
        width = max(1, *map(len, rows))
        answers = [[*row, *[0] * (width - len(row))] for row in rows]
        shares = [[*row.values(), *[0.0] * (width - len(row))] for row in rows]
        return cls(torch.tensor(answers, device=device), torch.tensor(shares, device=device), len(vocabulary))

    def gather(self, index: Int[Tensor, " b"]) -> Float[Tensor, "b a"]:
        """The share of each of the vocabulary's answers; a row sums to 1 where all of its answers are in it."""
        dense = self.shares.new_zeros(len(index), self.size)
        return dense.scatter_add_(1, self.answers[index], self.shares[index])

    @property
    def unanswerable(self) -> int:
        """How many questions have no answer in the vocabulary."""
        return int((self.shares.sum(1) == 0).sum())


def _shares(places: Sequence[int | None]) -> dict[int, float]:
    counts = Counter(place for place in places if place is not None)
    return {place: count / len(places) for place, count in counts.items()}
