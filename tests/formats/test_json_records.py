import json
import re

import pytest
from aape_lightning.errors import DataError
from aape_lightning.formats import read_json

CONTENT = {
    "name": "quiz",
    "id": 42,
    "none": None,
    "tags": ["a", "b"],
    "images": [{"id": 1}, {"id": "x", "answers": [{"answer": "yes"}, {"answer": 3}]}],
}


@pytest.fixture
def record(tmp_path):
    """The outermost object of a file with this content."""

    def write(content=CONTENT, **settings):
        path = tmp_path / "notes.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return read_json(path, **settings)

    return write


def test_fields_are_given_as_they_stand(record):
    found = record()
    assert (found.text("name"), found.identity("id"), found.identity("name")) == ("quiz", 42, "quiz")
    assert (found.optional_text("name"), found.optional_text("none"), found.optional_text("no")) == ("quiz", None, None)
    assert found.texts("tags") == ["a", "b"]


def test_records_know_their_place(record):
    first, second = record().records("images")
    assert (first.place, first.identity("id")) == ("images[0]", 1)
    assert [answer.place for answer in second.records("answers")] == ["images[1].answers[0]", "images[1].answers[1]"]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda r: r.text("id"), "'id' must be text, not 42"),
        (lambda r: r.text("title"), "'title' is missing; the keys are 'name', 'id', 'none'"),
        (lambda r: r.text("none"), "'none' must be text, not None"),
        (lambda r: r.optional_text("id"), "'id' must be text, not 42"),
        (lambda r: r.identity("none"), "'none' must be a whole number or text, not None"),
        (lambda r: r.identity("tags"), r"'tags' must be a whole number or text, not \['a', 'b'\]"),
        (lambda r: r.texts("name"), "'name' must be a list of texts, not 'quiz'"),
        (lambda r: r.texts("images"), r"'images' must be a list of texts, not \[\{"),
        (lambda r: list(r.records("name")), "'name' must be a list, not 'quiz'"),
        (lambda r: list(r.records("tags")), r"tags\[0\] must be an object, not 'a'"),
        (lambda r: next(r.records("images")).text("file"), r", images\[0\]: 'file' is missing; the keys are 'id'"),
        (
            lambda r: list(list(r.records("images"))[1].records("answers"))[1].text("answer"),
            r", images\[1\]\.answers\[1\]: 'answer' must be text, not 3",
        ),
    ],
)
def test_a_field_of_another_kind_is_an_error_that_names_file_and_place(ask, message, record, tmp_path):
    with pytest.raises(DataError, match=f"{re.escape(repr(str(tmp_path / 'notes.json')))}.*{message}"):
        ask(record())


@pytest.mark.parametrize("value", [True, 1.0])
def test_neither_truth_nor_fractions_identify_anything(value, record):
    with pytest.raises(DataError, match=f"must be a whole number or text, not {value}"):
        record({"id": value}).identity("id")


def test_an_error_shows_no_more_than_a_line(record):
    with pytest.raises(DataError) as caught:
        record({"name": ["x" * 10_000]}).text("name")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not JSON"),
        (b"", "is not JSON"),
        (b"\xff\xfe{", "is not JSON"),
        (b"[1]", r"must hold a JSON object, not \[1\]"),
        (b"null", "must hold a JSON object, not None"),
    ],
)
def test_a_file_of_another_form_is_an_error_that_names_it(content, message, record):
    with pytest.raises(DataError, match=f"notes.json' {message}"):
        record(content)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_of_any_usual_encoding_is_read(encoding, record):
    assert record(json.dumps({"name": "Été 树"}, ensure_ascii=False).encode(encoding)).text("name") == "Été 树"


def test_inner_objects_may_be_reduced_as_they_are_read(record):
    reduced = record(inner=lambda fields: fields.get("answer", fields)).fields
    assert reduced["images"][1]["answers"] == ["yes", 3]
