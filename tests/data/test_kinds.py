import pytest
import torch
from aape_lightning.data import load_manifest
from aape_lightning.data.kinds import sentence_kinds
from aape_lightning.data.shapes import CLASS_NAMES, sentence_truth, shapes_sentences
from aape_lightning.prompts import PromptBank

NAMES = CLASS_NAMES[:3]


def bank_of(groups):
    texts = [text for _, group in groups for text in group]
    offsets = torch.tensor([0, *(len(group) for _, group in groups)]).cumsum(0)
    return PromptBank(torch.zeros(len(texts), 2), offsets, [name for name, _ in groups], texts)


@pytest.fixture
def shapes():
    return load_manifest("shapes")


@pytest.fixture
def toy(toy_root):
    return load_manifest(str(toy_root / "toy.yaml"))


def world(more=0):
    """Sentences of three classes, with some of the next class behind them."""
    sentences = shapes_sentences()
    return [
        (name, [*sentences[name], *sentences[other][:more]])
        for name, other in zip(NAMES, [*NAMES[1:], NAMES[0]], strict=True)
    ]


def test_the_shapes_world_knows_its_own_sentences_and_those_injected_behind_them(shapes):
    kinds = sentence_kinds(shapes, bank_of(world(5)), [24, 24, 24])
    assert kinds == [[*sentence_truth()[name], *["injected"] * 5] for name in NAMES]
    assert sentence_kinds(shapes, bank_of(world()), [24, 24, 24]) == [sentence_truth()[name] for name in NAMES]


def test_every_style_knows_them():
    kinds = sentence_kinds(load_manifest("shapes/sketch"), bank_of(world()), [24, 24, 24])
    assert kinds == [sentence_truth()[name] for name in NAMES]


def test_elsewhere_sentences_are_own_or_injected(toy, shapes):
    groups = [("a", ["x", "y", "z"]), ("b", ["u", "x"])]
    expected = [["own", "own", "injected"], ["own", "injected"]]
    assert sentence_kinds(toy, bank_of(groups), [2, 1]) == expected
    assert sentence_kinds(shapes, bank_of(groups), [2, 1]) == expected


def test_elsewhere_nothing_is_known_where_nothing_is_injected(toy, shapes):
    groups = [("a", ["x", "y"]), ("b", ["u"])]
    assert sentence_kinds(toy, bank_of(groups), [2, 1]) == []
    assert sentence_kinds(shapes, bank_of(groups), [2, 1]) == []


def test_classes_of_one_name_are_told_apart_by_their_place(toy):
    groups = [("missile", ["x", "y"]), ("missile", ["x", "y", "z"])]
    assert sentence_kinds(toy, bank_of(groups), [1, 1]) == [["own", "injected"], ["own", "injected", "injected"]]
