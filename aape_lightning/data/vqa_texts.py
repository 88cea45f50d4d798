"""Questions and answers as a language model reads and writes them: LiMBeR's `[image] Q: {question} A: {answer}`."""

from collections import Counter

from aape_lightning.data.readers.questions import Question
from aape_lightning.data.text_sources import answered

__all__ = ["QUESTION_FORM", "common_answer", "cut_answer", "longest_answer", "question_prompt", "shown_text"]

QUESTION_FORM = answered("{}", "").rstrip()  # what stands behind an image, with `{}` for the question


def common_answer(question: Question) -> str:
    """The answer that most people gave; of equally common ones the first."""
    return Counter(question.answers).most_common(1)[0][0]


def question_prompt(question: Question) -> str:
    """What stands behind the image: the question, and where its answer belongs."""
    return QUESTION_FORM.replace("{}", question.question)


def shown_text(question: Question, separator: str) -> str:
    """What stands behind an example's image: its question, its most common answer, and what ends an example."""
    return answered(question.question, common_answer(question)) + separator


def longest_answer(question: Question) -> int | None:
    """Words of the longest of a question's answers; None where its answers are not public."""
    return max((len(answer.split()) for answer in question.answers), default=None)


def cut_answer(text: str, words: int | None = None) -> str:
    r"""An answer out of what was written: its first line, and of that no more than so many words.

    Args:
        text: What the language model wrote.
        words: The most words; all where not given.

    Example:
        >>> cut_answer("dark blue with dots\nQ: what", words=2)
        'dark blue'
    """
    first = text.strip().partition("\n")[0]
    return " ".join(first.split()[:words])
