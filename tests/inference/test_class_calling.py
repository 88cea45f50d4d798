"""What classes are called by, and what a result says of it."""

import aape_lightning
import pytest
import torch
from aape_lightning.errors import DataError, PromptError
from aape_lightning.inference.classes import ClassCaller


def unit(vectors):
    return torch.nn.functional.normalize(vectors, dim=-1)


@pytest.fixture
def embedded(tiny_backbone):
    """The unit-norm mean of some texts' embeddings."""
    return lambda *texts: unit(tiny_backbone.encode_text(tiny_backbone.tokenize(texts)).mean(0))


@pytest.fixture
def named(by_template):
    return aape_lightning.load(by_template, device="cpu")


@pytest.fixture
def told(by_sentences):
    return aape_lightning.load(by_sentences, device="cpu")


def close(actual, expected):
    torch.testing.assert_close(actual, torch.stack(expected), atol=1e-5, rtol=0)


def test_classes_of_the_run_have_their_recorded_embeddings_in_any_order(told):
    recorded, names = told.saved.tensors["class_embeddings"], told.class_names
    assert torch.equal(told.call_classes().embeddings, recorded)
    assert torch.equal(told.call_classes([names[2], names[0]]).embeddings, recorded[[2, 0]])
    assert told.call_classes([names[2]]).note is None


def test_new_names_go_by_the_template_of_the_run(named, embedded):
    called = named.call_classes(["red_car", "purple cow"])
    assert (called.names, called.note) == (["red_car", "purple cow"], None)
    close(called.embeddings, [embedded("a photo of a red car."), embedded("a photo of a purple cow.")])


def test_new_names_without_sentences_change_what_all_are_called_by_and_that_is_told(told, embedded, test_images):
    called = told.call_classes(["red_car", "purple cow"])
    templates = ("a photo of a {}.", "a drawing of a {}.")
    close(
        called.embeddings,
        [embedded(*(text.replace("{}", name) for text in templates)) for name in ("red car", "purple cow")],
    )
    assert "none for 'purple cow': all classes are called by the template 'a photo of a {}.'" in called.note
    with pytest.warns(UserWarning, match="there are none for 'purple cow'"):
        result = told.classify(test_images[:1], ["red_car", "purple cow"])
    assert result.note == called.note


def test_sentences_speak_for_their_classes_and_the_run_for_its_own(told, named, embedded):
    sentences = {"purple cow": ["A cow.", "It is purple."]}
    close(told.call_classes(sentences=sentences).embeddings, [embedded("A cow.", "It is purple.")])
    both = told.call_classes(["red_car", "purple cow"], sentences=sentences)
    close(both.embeddings, [told.saved.tensors["class_embeddings"][0], embedded("A cow.", "It is purple.")])
    assert both.note is None
    for model, classes in ((told, ["dog", "purple cow"]), (named, ["red_car", "purple cow"])):
        with pytest.raises(PromptError, match=f"no sentences for '{classes[0]}'; given are those for 'purple cow'"):
            model.call_classes(classes, sentences=sentences)


def test_sentences_are_curated_as_in_training(told, embedded):
    long = "word " * 40
    assert torch.allclose(
        told.call_classes(sentences={"cow": ["A cow.", ".", "a cow.", long]}).embeddings[0],
        embedded("A cow."),
        atol=1e-5,
    )
    assert told.call_classes(sentences={"cow": [long]}).embeddings.isfinite().all()
    with pytest.raises(PromptError, match="No sentence is left"):
        told.call_classes(sentences={"cow": ["."]})


def test_templates_that_are_given_have_the_last_word(told, embedded, test_images):
    called = told.call_classes(templates=["a {}", "the {}"])
    close(called.embeddings, [embedded(f"a {name}", f"the {name}") for name in ("red car", "Blue Boat", "green tree")])
    one = told.classify(test_images[:2], templates="a {}")
    assert torch.equal(one.probabilities, told.classify(test_images[:2], templates=["a {}"]).probabilities)
    with pytest.raises(PromptError, match=r"has no \{\} for the class name"):
        told.call_classes(templates=["a thing"])
    with pytest.raises(DataError, match="both are given"):
        told.call_classes(templates=["a {}"], sentences={"a": ["A cow."]})


def test_a_class_list_that_makes_no_sense_is_refused(named):
    with pytest.raises(DataError, match="'cow' is named twice"):
        named.call_classes(["cow", "dog", "cow "])
    for classes in ([], ["cow", " "]):
        with pytest.raises(DataError, match="one name or more, and none of them is empty"):
            named.call_classes(classes)


def test_a_text_is_one_text_and_no_list_of_letters(told, embedded):
    close(told.call_classes("cow", "a {}").embeddings, [embedded("a cow")])
    close(told.call_classes(sentences={"cow": "It is purple."}).embeddings, [embedded("It is purple.")])
    close(told.embed_texts("a cow"), [embedded("a cow")])


def test_two_classes_of_one_name_stay_two(tiny_backbone):
    names, recorded = ["missile", "boat", "missile"], torch.eye(3, 32)
    caller = ClassCaller(tiny_backbone, torch.device("cpu"), names, recorded, "a {}")
    assert torch.equal(caller.call().embeddings, recorded)
    assert torch.equal(caller.call(names).embeddings, recorded)
    assert torch.equal(caller.call(["missile", "boat"]).embeddings, recorded[:2])


# ---- results -------------------------------------------------------------------------------------------------------


def test_a_result_is_read_in_several_ways(named, test_images):
    result = named.classify(test_images[:4], top=2)
    assert result.images == test_images[:4]
    torch.testing.assert_close(result.probabilities.sum(1), torch.ones(4))
    best = result.probabilities.argmax(1).tolist()
    assert result.names == [named.class_names[k] for k in best] == [prediction.name for prediction in result]
    first = result[0]
    assert (first.image, first.probability) == (test_images[0], result.probabilities[0].max().item())
    assert [len(top) for top in result.top()] == [2] * 4
    assert [len(top) for top in result.top(99)] == [3] * 4
    table = result.table()
    assert list(table) == ["image", "class_1", "probability_1", "class_2", "probability_2"]
    assert list(table["class_1"]) == result.names
    assert (table["probability_1"] >= table["probability_2"]).all()
    assert result.as_dicts()[0]["top"][0] == {"class": first.name, "probability": first.probability}
    assert first.name in repr(result)
    assert "4 images among 3 classes" in repr(result)
    with pytest.raises(DataError, match="classes to show is 0"):
        named.classify(test_images, top=0)


def test_texts_are_read_in_several_ways(captioner, test_images):
    captions = aape_lightning.load(captioner, device="cpu").caption(test_images[:7])
    assert len(captions) == len(captions.table()) == 7
    assert captions.as_dicts()[1] == {"image": test_images[1], "caption": captions[1].caption}
    assert "and 2 more" in repr(captions)
