"""Questions about scenes, answered again from the words of the question and the things of the scene alone."""

import math
import re
from collections import Counter, defaultdict

import pytest
from aape_lightning.data import load_question_manifest
from aape_lightning.data.readers import read_question_split
from aape_lightning.data.shapes import COLOURS, SHAPES, shapes_questions, shapes_scene
from aape_lightning.data.splits import PARTS

ALL = {part: shapes_questions(part) for part in PARTS}
TEST = [(shapes_scene(path), asked) for path, questions in ALL["test"].items() for asked in questions]
SIDES = {"left of": ("x", -1), "right of": ("x", 1), "above": ("y", -1), "below": ("y", 1)}
WHERE = "|".join(SIDES)


def only(scene, words):
    """The one thing that "the ..." names."""
    *size, shape = words.split()
    found = [thing for thing in scene.things if thing.shape == shape and size in ([], [thing.size])]
    assert len(found) == 1, words
    return found[0]


def offset(one, word, other):
    """How far `one` lies on that side of `other`, and how far it lies off the axis."""
    axis, sign = SIDES[word]
    dx, dy = one.x - other.x, one.y - other.y
    return sign * (dx if axis == "x" else dy), abs(dy if axis == "x" else dx)


def answer(scene, question):
    """What is true, with an error where the question has no one answer."""
    if match := re.fullmatch(r"is there an? (\w+) (\w+)\?", question):
        colour, shape = match.groups()
        there = any((thing.colour, thing.shape) == (colour, shape) for thing in scene.things)
        near = [
            math.dist(COLOURS[thing.colour].rgb, COLOURS[colour].rgb) for thing in scene.things if thing.shape == shape
        ]
        assert there or all(distance > 0.3 for distance in near), "nearly there"
        return "yes" if there else "no"
    if match := re.fullmatch(r"how many (small )?things are there\?", question):
        return str(sum(thing.radius < 10 for thing in scene.things) if match[1] else len(scene.things))
    if match := re.fullmatch(r"what colour is the ([\w ]+)\?", question):
        return only(scene, match[1]).colour
    if match := re.fullmatch(r"is the (\w+) larger than the (\w+)\?", question):
        one, other = (only(scene, words).radius for words in match.groups())
        assert max(one, other) > 1.25 * min(one, other), "nearly alike"
        return "yes" if one > other else "no"
    if match := re.fullmatch(rf"is the (\w+) ({WHERE}) the (\w+)\?", question):
        along, across = offset(only(scene, match[1]), match[2], only(scene, match[3]))
        assert abs(along) > 1.4 * across, "aslant"
        return "yes" if along > 0 else "no"
    match = re.fullmatch(rf"what is ({WHERE}) the (\w+)\?", question)
    landmark = only(scene, match[2])
    [there] = [thing for thing in scene.things if offset(thing, match[1], landmark)[0] > 0]
    along, across = offset(there, match[1], landmark)
    assert along > 1.4 * across, "aslant"
    return there.shape


def test_every_answer_is_the_one_that_the_scene_gives():
    for part in PARTS:
        for path, questions in ALL[part].items():
            scene = shapes_scene(path)
            for asked in questions:
                assert asked.answer == answer(scene, asked.question), (path, asked)


def test_kinds_and_types_say_what_is_asked():
    starts = {"is there": "existence", "how many": "count", "what colour": "colour", "what is": "relation"}
    for _, asked in TEST:
        expected = next((kind for start, kind in starts.items() if asked.question.startswith(start)), None)
        expected = expected or ("comparison" if "larger" in asked.question else "relation")
        assert asked.question_type == expected
        kind = {"yes": "yes/no", "no": "yes/no"}.get(asked.answer, "number" if asked.answer.isdigit() else "other")
        assert asked.answer_type == kind


@pytest.mark.parametrize("part", PARTS)
def test_yes_is_right_half_of_the_time_for_every_kind(part):
    answers = defaultdict(Counter)
    for questions in ALL[part].values():
        for asked in questions:
            if asked.answer_type == "yes/no":
                answers[asked.question_type][asked.answer] += 1
    assert answers.keys() == {"existence", "comparison", "relation"}
    assert all(abs(counts["yes"] - counts["no"]) <= 1 for counts in answers.values())


def test_the_words_of_a_question_do_not_tell_yes_from_no():
    """Naive Bayes over the words, learned on the training part, is at chance."""
    words = defaultdict(Counter)
    for questions in ALL["train"].values():
        for asked in questions:
            if asked.answer_type == "yes/no":
                words[asked.answer].update(enumerate(asked.question.split()))

    def score(label, question):
        return sum(
            math.log((words[label][place] + 1) / (words[label].total() + 500)) for place in enumerate(question.split())
        )

    asked = [asked for _, asked in TEST if asked.answer_type == "yes/no"]
    right = sum((score("yes", each.question) > score("no", each.question)) == (each.answer == "yes") for each in asked)
    assert 0.44 < right / len(asked) < 0.56


def test_no_answer_is_a_good_guess():
    for kind in ("count", "colour"):
        counts = Counter(asked.answer for _, asked in TEST if asked.question_type == kind)
        assert counts.most_common(1)[0][1] < 0.4 * counts.total()
    assert {asked.answer for _, asked in TEST if asked.question_type == "colour"} == set(COLOURS)
    assert len({asked.answer for _, asked in TEST if asked.answer in SHAPES}) > 12


def test_a_scene_is_asked_at_most_one_question_of_a_kind():
    for questions in ALL["test"].values():
        kinds = [asked.question_type for asked in questions]
        assert len(set(kinds)) == len(kinds) >= 2


def test_the_manifest_gives_them_without_files(tmp_path):
    manifest = load_question_manifest("shapes_questions")
    split = read_question_split(manifest, tmp_path / "no")
    for part in PARTS:
        assert len(split.part(part)) == getattr(manifest.counts, part)
        assert len({question.question_id for question in split.part(part)}) == len(split.part(part))
    first = split.test[0]
    asked = ALL["test"][first.path][0]
    assert (first.question, first.question_type, first.answer_type) == (
        asked.question, asked.question_type, asked.answer_type,
    )  # fmt: skip


def test_the_only_answer_is_worth_one_by_vqas_rule(tmp_path):
    """The mean over ten persons left out of min(how many of the other nine agree / 3, 1)."""
    for question in read_question_split(load_question_manifest("shapes_questions"), tmp_path).test[:50]:
        for given, worth in ((question.answers[0], 1.0), ("something else", 0.0)):
            left_out = [
                min(sum(other == given for k, other in enumerate(question.answers) if k != out) / 3, 1)
                for out in range(10)
            ]
            assert sum(left_out) / 10 == worth
