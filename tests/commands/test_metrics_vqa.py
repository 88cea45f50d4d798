"""`aape metrics vqa` as a user types it."""

import json
import re

import pytest
from aape_lightning.__main__ import main


def annotation(number, answers, question_type="how many", answer_type="number"):
    answers = [{"answer": text, "answer_confidence": "yes", "answer_id": k} for k, text in enumerate(answers, start=1)]
    return {"question_id": number, "answers": answers, "question_type": question_type, "answer_type": answer_type}


ANNOTATIONS = [annotation(1, ["2"] * 7 + ["two", "3", "4"]), annotation(2, ["yes"] * 10, "is the", "yes/no")]
PREDICTIONS = [{"question_id": 2, "answer": "no"}, {"question_id": 1, "answer": "3"}]


@pytest.fixture
def vqa(tmp_path, monkeypatch, capsys):
    """Scores predictions; returns exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def run(predictions, *arguments, annotations=ANNOTATIONS):
        (tmp_path / "p.json").write_text(json.dumps(predictions))
        (tmp_path / "a.json").write_text(json.dumps({"info": {}, "annotations": annotations}))
        capsys.readouterr()
        code = main(["metrics", "vqa", "--predictions", "p.json", "--annotations", "a.json", *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_a_table_and_json_at_full_precision(vqa, tmp_path):
    code, out, err = vqa(PREDICTIONS, "--out", "scores.json")
    assert (code, err) == (0, "")
    assert out.startswith("Answers to 2 questions\n")
    assert re.search(r"all +2 +15\.00 +50\.00", out)
    assert re.search(r"answer_type/number +1 +30\.00 +100\.00", out)
    assert re.search(r"question_type/is the +1 +0\.00 +0\.00", out)
    found = json.loads((tmp_path / "scores.json").read_text())
    assert (found["questions"], found["questions_in_annotations"]) == (2, 2)
    assert found["scores"]["accuracy"] == 0.15
    assert found["scores"]["question_type/how many/accuracy"] == 0.3


def test_without_ten_answers_there_is_no_accuracy(vqa):
    code, out, _ = vqa([{"question_id": 1, "answer": "cup"}], annotations=[annotation(1, ["a cup", "spoon"])])
    assert code == 0
    assert "accuracy" not in out
    assert re.search(r"all +1 +100\.00", out)


def test_some_of_the_questions_alone(vqa):
    assert vqa(PREDICTIONS[:1], "--partial")[1].startswith("Answers to 1 of 2 questions\n")


def test_an_empty_answer_is_legal(vqa):
    code, out, _ = vqa([PREDICTIONS[0], {"question_id": 1, "answer": ""}])
    assert code == 0
    assert re.search(r"all +2 +0\.00 +0\.00", out)


@pytest.mark.parametrize(
    ("predictions", "annotations", "message"),
    [
        (PREDICTIONS[:1], ANNOTATIONS, "'p.json' has no prediction for 1 of the 2 questions in 'a.json': '1'."),
        ([{"question_id": 3, "answer": ""}], ANNOTATIONS, "for questions that are not in 'a.json': '3'."),
        (PREDICTIONS, [], "'a.json': there is no annotation."),
        (PREDICTIONS, ANNOTATIONS * 2, "'a.json', annotations[2]: the question_id 1 stands twice."),
        (PREDICTIONS, [annotation(1, [])], "'a.json', annotations[0]: the question 1 has no answer."),
        (PREDICTIONS, [annotation(1, [3])], "'a.json', annotations[0]: 'answers' must be a list of texts, not "),
    ],
)
def test_bad_files_are_one_line(vqa, predictions, annotations, message):
    code, out, err = vqa(predictions, annotations=annotations)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("aape: error: ")
    assert message in err
