import json
import re

import pytest
from aape_lightning.errors import PromptError
from aape_lightning.prompts import fill_templates, read_sentences


def test_reads_a_file_of_cupls_form_in_its_order(tmp_path):
    sentences = {"yin yang": ["Ein Zeichen: ☯.", "Two halves."], "a": [], "Été": ["x"]}
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps(sentences, ensure_ascii=False), encoding="utf-8")
    read = read_sentences(path)
    assert read == sentences
    assert list(read) == list(sentences)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[]", r"must hold .* it holds list \[\]"),
        (b"{}", r"must hold .* it holds dict \{\}"),
        (b"null", "it holds NoneType"),
        (b'{"dog": "A dog."}', "class 'dog' must hold a list of sentences, not 'A dog.'"),
        (b'{"cat": ["A cat."], "dog": ["A dog.", 3]}', "class 'dog' must hold a list of sentences"),
        (b'{"dog": null}', "class 'dog' must hold a list of sentences, not None"),
        (b'{"toy": {"a": "b"}}', "class 'a' must hold a list of sentences"),
    ],
)
def test_a_file_of_another_form_is_an_error_that_names_it(content, message, tmp_path):
    path = tmp_path / "prompts.json"
    path.write_bytes(content)
    with pytest.raises(PromptError, match=f"{re.escape(repr(str(path)))}.*{message}"):
        read_sentences(path, dataset="toy")


def test_a_missing_file_is_an_error_that_names_the_option(tmp_path):
    with pytest.raises(PromptError, match=f"No prompt file {str(tmp_path / 'no.json')!r}.*--data.prompts FILE"):
        read_sentences(tmp_path / "no.json")


def test_templates_are_filled_with_names_in_words():
    assert fill_templates(["yin_yang", "Blue Boat"], ["a photo of a {}.", "{}, a drawing of {}"]) == {
        "yin_yang": ["a photo of a yin yang.", "yin yang, a drawing of yin yang"],
        "Blue Boat": ["a photo of a Blue Boat.", "Blue Boat, a drawing of Blue Boat"],
    }


def test_braces_and_percents_in_names_are_left_alone():
    assert fill_templates(["{0} 100%"], ["a {}."]) == {"{0} 100%": ["a {0} 100%."]}


def test_a_template_without_a_place_for_the_name_is_an_error():
    with pytest.raises(PromptError, match=r"Template 'a photo' has no \{\}"):
        fill_templates(["dog"], ["a {}.", "a photo"])


def test_no_template_is_an_error():
    with pytest.raises(PromptError, match="No template"):
        fill_templates(["dog"], [])


def test_classes_that_share_a_name_share_their_sentences():
    assert fill_templates(["missile", "dog", "missile"], ["a {}."]) == {"missile": ["a missile."], "dog": ["a dog."]}


def test_a_byte_order_mark_leaves_no_trace(tmp_path):
    (tmp_path / "prompts.json").write_text('{"dog": ["A dog."]}', encoding="utf-8-sig")
    assert read_sentences(tmp_path / "prompts.json") == {"dog": ["A dog."]}


def test_names_and_sentences_are_left_as_they_stand(tmp_path):
    sentences = {" Dog (big) ": ["  A dog.  ", ""], "dog (BIG)": ["lower case without a stop about a dog big"]}
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps(sentences))
    assert read_sentences(path) == sentences


@pytest.mark.parametrize("format", ["sentences", "descriptors"])
def test_a_named_form_is_held_to(format, tmp_path):
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({"birds": {"hen": ["A hen."]}}))
    with pytest.raises(PromptError, match="class 'birds' must hold a list of sentences"):
        read_sentences(path, format=format, dataset="birds")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(PromptError, match=f"No prompt file {re.escape(repr(str(tmp_path)))}"):
        read_sentences(tmp_path)
