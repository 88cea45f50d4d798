import json
import re

import pytest
from aape_lightning.errors import ResultError
from aape_lightning.protocols.examples import EXAMPLES_FILE, make_examples, read_examples, write_examples

CAPTION = {"image": "a.png", "degradation": "blur", "caption": "ein <b>Bär</b>", "references": ["a bear"]}
ANSWER = {"image": "a.png", "degradation": "none", "question": "q?", "answer": "", "answers": ["yes"], "shots": 2}
BY_IMAGE = {
    "image": "a.png", "degradation": "none", "query": None, "truth": ["a bear"],
    "retrieved": [{"text": "a bear", "score": 0.5, "correct": True}, {"text": "two", "score": 1, "correct": False}],
}  # fmt: skip
BY_TEXT = {
    "image": "a.png", "degradation": "none", "query": "a bear", "truth": ["a.png"],
    "retrieved": [{"image": "b.png", "score": 0.1, "correct": False}],
}  # fmt: skip
KINDS = {"captioning": [CAPTION], "vqa": [ANSWER, ANSWER | {"shots": None}], "retrieval": [BY_IMAGE, BY_TEXT]}


@pytest.mark.parametrize(("kind", "examples"), KINDS.items())
def test_what_is_read_is_what_was_written(kind, examples, tmp_path):
    made = make_examples("toy", None, examples)
    path = write_examples(tmp_path / "aape" / "seed1", made)
    assert path == tmp_path / "aape" / "seed1" / EXAMPLES_FILE
    assert read_examples(path) == made
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "kind": kind, "manifest": "toy", "root": None, "examples": examples,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("examples", "fault"),
    [
        ([{"image": "a.png"}], "captioning"),  # of no kind: the kinds there are
        ([CAPTION, ANSWER], "examples: 1: question"),
        ([CAPTION | {"degradation": "fog"}], "'none', 'blur' or 'occlusion'"),
        ([CAPTION | {"caption": 3}], "caption: Input should be a valid string"),
        ([ANSWER | {"shots": 1.5}], "shots"),
        ([BY_IMAGE | {"retrieved": [{"text": "a", "score": 0.5}]}], "correct: Field required"),
    ],
)
def test_what_a_report_cannot_show_is_not_kept(examples, fault):
    with pytest.raises(ResultError, match=f"cannot be kept: .*{fault}"):
        make_examples("toy", None, examples)


WHOLE = {"kind": "vqa", "manifest": "toy", "root": None, "examples": [ANSWER]}
MALFORMED = {
    "cut short": json.dumps(WHOLE)[:-9],
    "a list": "[]",
    "another kind": json.dumps(WHOLE | {"kind": "poetry"}),
    "examples of another kind": json.dumps(WHOLE | {"examples": [CAPTION]}),
    "a field is missing": json.dumps({name: value for name, value in WHOLE.items() if name != "manifest"}),
    "a field is unknown": json.dumps(WHOLE | {"seed": 1}),
    "text for a number": json.dumps(WHOLE | {"examples": [ANSWER | {"shots": "2"}]}),
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_file_is_an_error_that_names_it(content, tmp_path):
    path = tmp_path / EXAMPLES_FILE
    path.write_text(content)
    with pytest.raises(
        ResultError, match=f"^{re.escape(repr(str(path)))} is not a file of examples .*result.json beside it"
    ):
        read_examples(path)
