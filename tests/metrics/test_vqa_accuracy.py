import pickle
from fractions import Fraction
from itertools import combinations

import pytest
from aape_lightning.errors import MetricError
from aape_lightning.metrics import VQAAccuracy, exact_match, question_groups, soft_accuracy, vqa_scores


def by_definition(prediction, answers):
    """The mean over all sets of nine people of min(people who gave the answer / 3, 1), on normalised answers."""
    sets = list(combinations(answers, 9))
    return sum(min(Fraction(nine.count(prediction), 3), Fraction(1)) for nine in sets) / len(sets)


@pytest.mark.parametrize("people", range(11))
def test_equals_the_definition_over_sets_of_nine(people):
    answers = ["left"] * people + ["right", "up"] * 5
    answers = answers[:10] if people else ["right"] * 5 + ["up"] * 5
    assert soft_accuracy("left", answers) == float(by_definition("left", answers))


@pytest.mark.parametrize(
    ("prediction", "answers", "by_hand"),
    [
        ("2", ["2"] * 10, 1.0),
        ("two", ["2"] * 4 + ["3"] * 6, 1.0),
        ("Two.", ["two"] * 3 + ["3"] * 7, 0.9),
        ("a dog", ["dog", "the dog"] + ["cat"] * 8, 0.6),
        ("isnt", ["isn't"] + ["is"] * 9, 0.3),
        ("black/white", ["black white", "Black, White", "black and white"] + ["grey"] * 7, 0.6),
        ("no", ["yes"] * 10, 0.0),
        ("", ["yes"] * 9 + ["no"], 0.0),
        # All agree: as written, but for white space around.
        ("two", ["2"] * 10, 0.0),
        ("Yes", ["yes"] * 10, 0.0),
        (" yes\n", ["yes", "yes\t"] * 5, 1.0),
        ("U.S.", ["U.S."] * 10, 1.0),
    ],
)
def test_worked_examples(prediction, answers, by_hand):
    assert soft_accuracy(prediction, answers) == by_hand


def test_soft_accuracy_takes_ten_answers():
    with pytest.raises(MetricError, match="takes the answers of 10 people, and there are 3"):
        soft_accuracy("yes", ["yes"] * 3)


def test_exact_match_normalises_even_where_all_agree():
    assert exact_match("Yes.", ["yes"] * 10)
    assert exact_match("night stand", ["night_stand", "lamp"])
    assert not exact_match("night stand", ["night", "stand"])
    with pytest.raises(MetricError, match="without answers"):
        exact_match("yes", [])


PREDICTIONS = ["2", "yes", "a dog", "no"]
ANSWERS = [["2"] * 3 + ["3"] * 7, ["yes"] * 10, ["dog", "dogs"] * 5, ["yes"] * 9 + ["no"]]
GROUPS = [
    question_groups("number", "how many"),
    question_groups("yes/no", "is the"),
    question_groups("other", None),
    question_groups("yes/no", "are the"),
]
BY_HAND = {
    "accuracy": (0.9 + 1.0 + 1.0 + 0.3) / 4,
    "exact_match": 1.0,
    "answer_type/number/accuracy": 0.9,
    "answer_type/other/accuracy": 1.0,
    "answer_type/yes/no/accuracy": 0.65,
    "question_type/are the/accuracy": 0.3,
    "question_type/how many/accuracy": 0.9,
    "question_type/is the/accuracy": 1.0,
}


def test_scores_in_groups_by_hand():
    found = vqa_scores(PREDICTIONS, ANSWERS, GROUPS)
    assert {name: found[name] for name in BY_HAND} == pytest.approx(BY_HAND, abs=1e-15)
    assert found.keys() - BY_HAND.keys() == {f"{name.rsplit('/', 1)[0]}/exact_match" for name in BY_HAND if "/" in name}


def test_without_ten_answers_everywhere_there_is_exact_match_alone():
    assert vqa_scores(["cup", "2"], [["cup", "spoon"], ["3"] * 10]) == {"exact_match": 0.5}


def test_nothing_to_score_is_refused():
    with pytest.raises(MetricError, match="no question to score"):
        vqa_scores([], [])
    with pytest.raises(MetricError, match="without answers"):
        vqa_scores(["yes"], [[]])


def test_the_metric_sums_over_batches_like_the_function():
    metric = VQAAccuracy({name for names in GROUPS for name in names})
    metric.update(PREDICTIONS[:3], ANSWERS[:3], GROUPS[:3])
    metric = pickle.loads(pickle.dumps(metric))
    metric.update(PREDICTIONS[3:], ANSWERS[3:], GROUPS[3:])
    assert metric.compute() == vqa_scores(PREDICTIONS, ANSWERS, GROUPS)
    metric.reset()
    metric.update(["no"], [["no"] * 10])
    assert metric.compute() == {"accuracy": 1.0, "exact_match": 1.0}  # groups without a question are left out


def test_an_unknown_group_is_named():
    with pytest.raises(MetricError, match=r"No group 'answer_type/colour'; the groups are 'answer_type/number'\."):
        VQAAccuracy(["answer_type/number"]).update(["red"], [["red"] * 10], [["answer_type/colour"]])
