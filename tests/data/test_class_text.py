import json
import logging

import pytest
import torch
from aape_lightning.backbones import load_backbone
from aape_lightning.data import load_manifest
from aape_lightning.data.class_text import ClassText, load_sentences
from aape_lightning.errors import BackboneMismatchError, PromptError
from aape_lightning.prompts import PromptBank
from torch.nn import functional as F

NAMES = ["red_car", "Blue Boat", "green tree", "yellow sun", "grey stone"]
CPU = torch.device("cpu")


@pytest.fixture
def text(tiny_backbone, tmp_path):
    return ClassText(tiny_backbone, tmp_path / "banks", CPU)


@pytest.fixture
def toy(toy_root):
    return load_manifest(str(toy_root / "toy.yaml"))


@pytest.fixture
def bank_file(text, tiny_backbone, tmp_path):
    """A prompt bank of three classes, in a file."""
    bank = PromptBank.build(tiny_backbone, {name: [f"A {name}.", "One more."] for name in NAMES[:3]}, CPU)
    bank.save(tmp_path / "mine.safetensors", tiny_backbone)
    return tmp_path / "mine.safetensors"


def embedded(backbone, *texts):
    return backbone.encode_text(backbone.tokenize(texts))


def test_a_template_names_each_class_in_words(text, tiny_backbone):
    expected = embedded(tiny_backbone, "a sketch of red car.", "a sketch of Blue Boat.")
    torch.testing.assert_close(text.embed_classes(NAMES[:2], ["a sketch of {}."]), expected)


def test_several_templates_give_their_normalised_mean(text, tiny_backbone):
    templates = ["a photo of a {}.", "{}", "a drawing of a {}."]
    expected = [
        F.normalize(embedded(tiny_backbone, *(template.format(name) for template in templates)).mean(0), dim=0)
        for name in ("red car", "Blue Boat")
    ]
    torch.testing.assert_close(text.embed_classes(NAMES[:2], templates), torch.stack(expected))


def test_classes_of_one_name_have_equal_embeddings_each_at_its_own_label(text, tiny_backbone):
    """ImageNet has two classes "missile" and two "sunglasses"; an embedding lost would shift every later label."""
    names = ["dog", "missile", "cat", "missile", "sunglasses"]
    expected = embedded(tiny_backbone, *(f"a {name}." for name in names))
    torch.testing.assert_close(text.embed_classes(names, ["a {}."]), expected)


def test_classes_of_one_name_share_their_sentences(text):
    bank = text.bank({"missile": ["A rocket.", "It flies."], "dog": ["It barks."]}, ["missile", "dog", "missile"])
    assert bank.keys == ["missile", "dog", "missile"]
    prompts, mask = bank.gather(torch.tensor([0, 1, 2]))
    assert torch.equal(prompts[0], prompts[2])
    assert mask.sum(1).tolist() == [2, 1, 2]


def test_embeddings_are_kept_in_the_cache(text, tiny_backbone, monkeypatch):
    expected = text.embed_classes(NAMES, ["a {}."])
    calls = []
    monkeypatch.setattr(tiny_backbone, "encode_text", calls.append)
    assert torch.equal(text.embed_classes(NAMES, ["a {}."]), expected)
    assert not calls


def test_sentences_are_found_curated_and_embedded(text, toy, own_toy_root, caplog):
    path = own_toy_root / "toy_prompts.json"
    sentences = json.loads(path.read_text())
    sentences["Blue Boat"] += [".", "It looks like a BLUE BOAT number 0.", "long " * 30]
    path.write_text(json.dumps(sentences))
    with caplog.at_level(logging.INFO):
        bank = load_sentences(text, toy, own_toy_root, NAMES, "llm")
    assert bank.keys == NAMES
    assert [len(bank.sentences(name)) for name in NAMES] == [3, 4, 5, 6, 7]
    assert bank.sentences("grey stone")[0] == "It looks like a grey stone number 0."
    assert "dropped 1 near-empty and 1 duplicate ones, dropped 1 beyond the context" in caplog.text


def test_overlong_sentences_may_be_kept(text, toy, own_toy_root):
    path = own_toy_root / "toy_prompts.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"Blue Boat": ["long " * 30]}))
    with pytest.raises(PromptError, match=r"for 1 classes: 'Blue Boat'.*context of 24 tokens"):
        load_sentences(text, toy, own_toy_root, NAMES, "llm")
    bank = load_sentences(text, toy, own_toy_root, NAMES, "llm", truncate=True)
    assert bank.sentences("Blue Boat") == [("long " * 30).strip()]


def test_a_bank_file_is_opened_for_the_asked_classes(text, toy, toy_root, bank_file):
    bank = load_sentences(text, toy, toy_root, ["green tree", "red_car"], str(bank_file))
    assert bank.keys == ["green tree", "red_car"]
    assert bank.sentences("green tree") == ["A green tree.", "One more."]


def test_a_class_that_a_bank_file_lacks_is_an_error_that_lists_it(text, toy, toy_root, bank_file):
    with pytest.raises(PromptError, match=r"mine.safetensors' has no sentences for 'yellow sun', 'grey stone'"):
        load_sentences(text, toy, toy_root, NAMES, str(bank_file))


def test_a_bank_file_of_another_backbone_is_refused(toy, toy_root, bank_file, other_clip, tmp_path):
    other = ClassText(load_backbone(str(other_clip)), tmp_path / "banks", CPU)
    with pytest.raises(BackboneMismatchError, match=r"mine.safetensors"):
        load_sentences(other, toy, toy_root, NAMES[:3], str(bank_file))
