import json
import re

import pytest
from aape_lightning.data import load_manifest
from aape_lightning.data.classes import class_names_of
from aape_lightning.data.sentences import sentences_of
from aape_lightning.errors import PromptError
from aape_lightning.prompts import read_sentences
from aape_lightning.prompts.descriptors import are_descriptors, compose


@pytest.fixture
def read(tmp_path):
    """Reads a file of this content."""

    def sentences(content, **settings):
        path = tmp_path / "prompts.json"
        path.write_text(json.dumps(content))
        return read_sentences(path, **settings)

    return sentences


# ---- sentences from phrases ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "phrase", "sentence"),
    [
        ("hen", "a red comb", "hen, which is a red comb."),
        ("hen", "an orange beak", "hen, which is an orange beak."),
        ("hen", "used for eggs", "hen, which is used for eggs."),
        ("hen", "has feathers", "hen, which has feathers."),
        ("hen", "often brown", "hen, which often brown."),
        ("hen", "typically small", "hen, which typically small."),
        ("hen", "may be white", "hen, which may be white."),
        ("hen", "can fly a little", "hen, which can fly a little."),
        ("hen", "two legs", "hen, which has two legs."),
        ("hen", "apples beside it", "hen, which has apples beside it."),
        ("hen", "  feathers. ", "hen, which has feathers."),
        ("apple_pie", "a golden crust", "apple pie, which is a golden crust."),
    ],
)
def test_a_phrase_becomes_a_sentence_by_its_first_word(name, phrase, sentence):
    assert compose(name, phrase) == sentence


def test_empty_phrases_make_no_sentence(read):
    found = read({"hen": ["", " . ", "two legs"], "owl": []}, format="descriptors")
    assert found == {"hen": ["hen, which has two legs."], "owl": []}


# ---- what is taken for phrases -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"dog": ["a photo of a dog"], "cat": ["a photo of a cat"]}, id="a template"),
        pytest.param({"dog": ["a photo of dogs", "itap of two dogs"]}, id="of several"),
        pytest.param({"yin_yang": ["a photo of a yin-yang"], "Yin Yang": ["yin and yang"]}, id="in other spelling"),
        pytest.param({"2012 Audi TTS": ["a photo of a 2012 audi tts"]}, id="with numbers"),
        pytest.param({"dog": ["A dog", "It has four legs", "Barks at night"]}, id="upper case without full stops"),
        pytest.param({"dog": ["a dog has four legs.", "it barks!", "is it a wolf?"]}, id="lower case with full stops"),
        pytest.param({"dog": ["four legs", "A dog has fur."], "cat": ["whiskers", "A cat purrs."]}, id="half and half"),
        pytest.param({"dog": ["", "  "], "cat": []}, id="nothing"),
    ],
)  # fmt: skip
def test_sentences_stay_sentences(content, read):
    assert not are_descriptors(content)
    assert read(content) == content


def test_every_set_of_lower_case_templates_stays_sentences(read):
    from aape_lightning.data.manifests.templates import chosen_templates

    for name in ("imagenet-7", "imagenet-80"):
        templates = chosen_templates(load_manifest("imagenet"), name)
        content = {word: [text.replace("{}", word).rstrip(".") for text in templates] for word in ("tench", "hen")}
        assert read(content) == content


@pytest.mark.parametrize(
    "content",
    [
        {"hen": ["two legs", "a red comb"], "owl": []},
        {"hen": ["2 legs", "\u00e9clat"]},
        {"hen": ["feathers"] * 19 + ["A hen."]},
    ],
)
def test_phrases_are_composed(content, read):
    assert are_descriptors(content)
    assert read(content) == {name: [compose(name, phrase) for phrase in group] for name, group in content.items()}


def test_a_named_form_is_not_guessed(read):
    phrases, sentences = {"hen": ["two legs"]}, {"hen": ["A hen has two legs."]}
    assert read(phrases, format="sentences") == phrases
    assert read(sentences, format="descriptors") == {"hen": ["hen, which has A hen has two legs."]}


# ---- files of several datasets -------------------------------------------------------------------------------------

SEVERAL = {"birds": {"hen": ["A hen."]}, "vtab/Caltech-101": {"dog": ["four legs"]}, "plain": ["a photo of a {c}."]}


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("birds", {"hen": ["A hen."]}),
        ("BIRDS", {"hen": ["A hen."]}),
        ("caltech101", {"dog": ["dog, which has four legs."]}),
    ],
)
@pytest.mark.parametrize("format", [None, "by-dataset"])
def test_one_dataset_of_several_is_read(dataset, expected, format, read):
    assert read(SEVERAL, format=format, dataset=dataset) == expected


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("bird", r"holds the datasets 'birds', .* and none is 'bird'\. Did you mean 'birds'\?.*`dataset`"),
        ("", r".* and none is ''\."),
        ("plain", "has templates for 'plain', not sentences"),
    ],
)
def test_another_dataset_is_an_error_that_lists_them(dataset, message, read, tmp_path):
    with pytest.raises(PromptError, match=f"{re.escape(repr(str(tmp_path / 'prompts.json')))} {message}"):
        read(SEVERAL, dataset=dataset)


def test_a_file_of_one_dataset_has_not_several(read):
    with pytest.raises(PromptError, match="holds the datasets 'hen', and none is 'birds'"):
        read({"hen": ["A hen."]}, format="by-dataset", dataset="birds")


# ---- real files ----------------------------------------------------------------------------------------------------


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["cupl/cal", "cupl/cars", "cupl/sun", "eurosat", "pacs"])
def test_real_sentences_are_read_as_they_are(name, shared_data):
    [path] = (shared_data / "prompts").glob(f"{name}_*.json")
    assert read_sentences(path) == json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.shared_data
@pytest.mark.parametrize(("dataset", "classes", "filled"), [("food101", 101, 96), ("dtd", 47, 47)])
def test_visdescs_files_are_known_for_descriptors_and_cover_their_dataset(dataset, classes, filled, shared_data):
    manifest, path = load_manifest(dataset), shared_data / "prompts" / "visdesc" / f"descriptors_{dataset}.json"
    found = sentences_of(manifest, shared_data, class_names_of(manifest, shared_data), str(path))
    assert (len(found), sum(map(bool, found.values()))) == (classes, filled)
    phrases = json.loads(path.read_text(encoding="utf-8"))
    assert sum(map(len, found.values())) == sum(map(len, phrases.values()))
    for name, texts in found.items():
        assert all(re.fullmatch(rf"{re.escape(name.replace('_', ' '))}, which .*[^.]\.", text, re.I) for text in texts)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("dataset", "source", "classes"),
    [
        ("eurosat", "sentences", 10),
        ("stanford_cars", "cupl", 196),
        ("caltech101", "cupl", 100),
        ("sun397", "cupl", 397),
    ],
)
def test_public_sentences_cover_every_class(dataset, source, classes, shared_data):
    manifest = load_manifest(dataset)
    found = sentences_of(manifest, shared_data, class_names_of(manifest, shared_data), source)
    assert sum(map(bool, found.values())) == len(found) == classes
