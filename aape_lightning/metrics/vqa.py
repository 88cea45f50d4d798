"""VQA's official soft accuracy over ten answers, exact match, and both by kinds of questions."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from aape_lightning.errors import MetricError
from aape_lightning.metrics.answers import clean_answer, normalise_answer

__all__ = ["Tally", "exact_match", "question_groups", "score_tallies", "soft_accuracy", "tally", "vqa_scores"]

_PEOPLE = 10
_TENTHS = 3  # what each person who gave the answer adds to it

Tally = list[int]
"""Of one group of questions: how many, how many with ten answers, tenths of soft accuracy, and exact matches."""


def soft_accuracy(prediction: str, answers: Sequence[str]) -> float:
    r"""VQA's accuracy of one answer, in [0, 1]: the mean over the ten sets of nine people.

    .. math:: \min(\text{people of the nine who gave this answer} / 3,\ 1)

    That is 0.3 for each of the ten who gave it, and at most 1. Where the ten differ, all are normalised; where they
    agree, the prediction must equal their answer as it is written, but for white space around it: so does the official
    evaluator, and `Yes` is wrong where ten people wrote `yes`.

    Args:
        prediction: The answer to be judged; an empty one is legal.
        answers: Those of ten people.

    Raises:
        MetricError: If there are not ten.

    Example:
        >>> soft_accuracy("Two", ["2"] * 2 + ["3"] * 8)
        0.6
    """
    if len(answers) != _PEOPLE:
        raise MetricError(f"Soft accuracy takes the answers of {_PEOPLE} people, and there are {len(answers)}.")
    return _judge(prediction, answers)[0] / 10


def exact_match(prediction: str, answers: Sequence[str]) -> bool:
    """Whether an answer is among those given, all of them normalised.

    Raises:
        MetricError: If none was given.

    Example:
        >>> exact_match("The night_stand.", ["lamp", "night stand"])
        True
    """
    return bool(_judge(prediction, answers)[1])


def _judge(prediction: str, answers: Sequence[str]) -> tuple[int, int]:
    """Tenths of soft accuracy, as if there were ten answers; and 1 for an exact match."""
    if not answers:
        raise MetricError("A question without answers cannot be scored.")
    given = Counter(clean_answer(answer) for answer in answers)
    normal = normalise_answer(prediction)
    same = {answer: normalise_answer(answer) == normal for answer in given}
    if len(given) == 1:
        people = given[clean_answer(prediction)]
    else:
        people = sum(count for answer, count in given.items() if same[answer])
    return min(_TENTHS * people, 10), int(any(same.values()))


def question_groups(answer_type: str | None, question_type: str | None) -> list[str]:
    """The groups that a question is counted in beside all: `answer_type/number`, `question_type/how many`.

    A type that is None puts it in no group.
    """
    types = {"answer_type": answer_type, "question_type": question_type}
    return [f"{kind}/{name}" for kind, name in types.items() if name is not None]


def vqa_scores(
    predictions: Sequence[str], answers: Sequence[Sequence[str]], groups: Sequence[Iterable[str]] | None = None
) -> dict[str, float]:
    """Soft accuracy and exact match, over all questions and in groups, as fractions.

    Soft accuracy is defined for ten answers a question: where a question has another number of them (DAQUAR's have one
    to seven) there is only exact match, for all.

    Args:
        predictions: An answer to each question.
        answers: What people answered.
        groups: The groups of each question, such as `question_groups` gives.

    Returns:
        `accuracy` and `exact_match`, then for each group, by name, `GROUP/accuracy` and `GROUP/exact_match`.

    Raises:
        MetricError: If there is no question, or one has no answers.

    Example:
        >>> vqa_scores(["yes", "3"], [["yes"] * 10, ["2"] * 10])
        {'accuracy': 0.5, 'exact_match': 0.5}
    """
    return score_tallies(tally(predictions, answers, groups))


def tally(
    predictions: Sequence[str], answers: Sequence[Sequence[str]], groups: Sequence[Iterable[str]] | None = None
) -> dict[str, Tally]:
    """The tallies of all questions, under the empty name, and of each group; whole numbers, so sums of them are exact.

    Takes what `vqa_scores` takes.
    """
    tallies: dict[str, Tally] = {"": [0, 0, 0, 0]}
    for prediction, given, names in zip(predictions, answers, groups or [()] * len(predictions), strict=True):
        tenths, exact = _judge(prediction, given)
        for name in ("", *names):
            sums = tallies.setdefault(name, [0, 0, 0, 0])
            for k, value in enumerate((1, len(given) == _PEOPLE, tenths, exact)):
                sums[k] += value
    return tallies


def score_tallies(tallies: Mapping[str, Tally]) -> dict[str, float]:
    """What `vqa_scores` returns, from tallies, which may be sums of several; groups without a question are left out.

    Raises:
        MetricError: If there is no question.
    """
    everything, with_ten, *_ = tallies[""]
    if not everything:
        raise MetricError("There is no question to score.")
    scores = {}
    for name in sorted(tallies):
        count, _, tenths, exact = tallies[name]
        prefix = f"{name}/" if name else ""
        if count and with_ten == everything:
            scores[f"{prefix}accuracy"] = tenths / (10 * count)
        if count:
            scores[f"{prefix}exact_match"] = exact / count
    return scores
