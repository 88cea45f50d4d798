import json
import re

import pytest
import yaml
from aape_lightning.data import load_question_manifest
from aape_lightning.data.readers.questions import Question, read_question_split
from aape_lightning.data.splits import PARTS
from aape_lightning.errors import DataError, ManifestError

QUESTIONS = [
    {"image_id": 42, "question": "What is this? ", "question_id": 42000},
    {"image_id": 42, "question": "Is it a dog?", "question_id": 42001},
    {"image_id": 262148, "question": "How many?", "question_id": 262148000},
]


def annotation(number, answers, kind="other", **more):
    return {
        "question_id": number,
        "image_id": number // 1000,
        "question_type": "what is",
        "answer_type": kind,
        "multiple_choice_answer": answers[0],
        "answers": [
            {"answer": text, "answer_confidence": "yes", "answer_id": k} for k, text in enumerate(answers, start=1)
        ],
    } | more


TEN = ["net"] * 7 + ["netting", "fishing net ", "Net"]
ANNOTATIONS = [
    annotation(262148000, ["2"] * 10, "number"),
    annotation(42000, TEN),
    annotation(42001, ["yes"] * 9 + ["no"], "yes/no", question_type="is it a"),
]
VQA = {
    "format": "vqa",
    "questions": {"train": "q.json"},
    "annotations": {"train": "a.json"},
    "images": {"train": "train2014/COCO_train2014_{:012d}.jpg"},
}
CSV = {"format": "csv", "files": {"train": "train.csv", "test": "test.csv"}}
ONE = {"format": "csv", "files": {"train": "train.csv"}}


@pytest.fixture
def dataset(tmp_path):
    """Writes a dataset's files and its manifest; reads the questions."""

    def make(split, files, **manifest):
        content = {"kind": "questions", "name": "quiz", "title": "Quiz", "folder": ["quiz"], "split": split} | manifest
        (tmp_path / "quiz.yaml").write_text(yaml.safe_dump(content))
        for name, text in files.items():
            path = tmp_path / "quiz" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(
                text if isinstance(text, bytes) else (text if isinstance(text, str) else json.dumps(text)).encode()
            )
        return read_question_split(load_question_manifest(str(tmp_path / "quiz.yaml")), tmp_path)

    return make


# ---- VQA's JSON ----------------------------------------------------------------------------------------------------


def test_vqas_answers_are_kept_one_a_person_and_in_order(dataset):
    parts = dataset(VQA, {"q.json": {"questions": QUESTIONS}, "a.json": {"annotations": ANNOTATIONS}})
    assert parts.train == [
        Question(
            path="train2014/COCO_train2014_000000000042.jpg",
            question="What is this?",
            answers=("net",) * 7 + ("netting", "fishing net", "Net"),
            question_id=42000,
            question_type="what is",
            answer_type="other",
        ),
        Question(parts.train[0].path, "Is it a dog?", ("yes",) * 9 + ("no",), 42001, "is it a", "yes/no"),
        Question("train2014/COCO_train2014_000000262148.jpg", "How many?", ("2",) * 10, 262148000, "what is", "number"),
    ]
    assert parts.val == parts.test == []


def test_a_part_without_annotations_has_questions_only(dataset):
    split = VQA | {
        "questions": VQA["questions"] | {"test": "test.json"},
        "images": VQA["images"] | {"test": "test2015/COCO_test2015_{:012d}.jpg"},
    }
    files = {"q.json": {"questions": QUESTIONS}, "a.json": {"annotations": ANNOTATIONS}}
    parts = dataset(split, files | {"Questions/test.json": {"questions": QUESTIONS[:1]}})
    assert len(parts.train) == 3
    assert parts.test == [Question("test2015/COCO_test2015_000000000042.jpg", "What is this?", (), 42000, None, None)]


def changed(entries, index, **fields):
    return [entry | fields if i == index else entry for i, entry in enumerate(entries)]


@pytest.mark.parametrize(
    ("questions", "annotations", "message"),
    [
        (QUESTIONS[:2], ANNOTATIONS, r"q\.json' and .*a\.json' do not belong together: 1 question ids .*'262148000'"),
        (QUESTIONS, ANNOTATIONS[1:], r"do not belong together: 1 question ids .*'262148000'"),
        (QUESTIONS, changed(ANNOTATIONS, 0, question_id="42"), "do not belong together: 2 question ids"),
        ([*QUESTIONS, QUESTIONS[1]], ANNOTATIONS, r"q\.json', questions\[3\]: the question id 42001 stands twice"),
        (QUESTIONS, [*ANNOTATIONS, ANNOTATIONS[1]], r"a\.json', annotations\[3\]: the question id 42000 stands twice"),
        (changed(QUESTIONS, 1, question=None), ANNOTATIONS, r"questions\[1\]: 'question' must be text, not None"),
        (changed(QUESTIONS, 1, image_id="x"), ANNOTATIONS, r"questions\[1\]: the image id 'x' does not fit 'train"),
        (changed(QUESTIONS, 1, image_id=None), ANNOTATIONS, r"questions\[1\]: 'image_id' must be a whole number"),
        ({"0": QUESTIONS[0]}, ANNOTATIONS, r"q\.json': 'questions' must be a list"),
        (QUESTIONS, changed(ANNOTATIONS, 0, answers="2"), r"a\.json', annotations\[0\]: 'answers' must be a list"),
        (QUESTIONS, changed(ANNOTATIONS, 0, answers=[{"text": "2"}]), r"annotations\[0\]: 'answers' must be a list"),
        (QUESTIONS, changed(ANNOTATIONS, 0, answers=[{"answer": 2}]), r"annotations\[0\]: 'answers' must be a list"),
        (QUESTIONS, changed(ANNOTATIONS, 2, answer_type=3), r"annotations\[2\]: 'answer_type' must be text, not 3"),
    ],
)  # fmt: skip
def test_a_breach_of_vqas_form_is_an_error_that_names_file_and_place(questions, annotations, message, dataset):
    with pytest.raises(DataError, match=message):
        dataset(VQA, {"q.json": {"questions": questions}, "a.json": {"annotations": annotations}})


def test_annotations_may_have_an_answer_of_their_own_beside_the_ten(dataset):
    annotated = [entry | {"answer": "x"} for entry in ANNOTATIONS]
    parts = dataset(VQA, {"q.json": {"questions": QUESTIONS}, "a.json": {"annotations": annotated}})
    assert parts.train[2].answers == ("2",) * 10


@pytest.mark.parametrize("content", ["{", b"\xff\xfe\x00", "[]", '{"question": []}'])
def test_a_file_of_another_form_is_an_error_that_names_it(content, dataset):
    with pytest.raises(DataError, match=r"q\.json'"):
        dataset(VQA, {"q.json": content, "a.json": {"annotations": []}})


def test_missing_annotations_are_an_error_that_says_where_to_get_them(dataset):
    with pytest.raises(ManifestError, match=r"Quiz has no file 'a.json' in .*Get it from example\.org"):
        dataset(VQA, {"q.json": {"questions": QUESTIONS}}, source="example.org")


@pytest.mark.parametrize("image", ["train.jpg", "{name}.jpg", "{}-{}.jpg"])
def test_an_image_path_without_a_place_for_the_number_breaks_the_schema(image, dataset):
    with pytest.raises(ManifestError, match=re.escape(image)):
        dataset(VQA | {"images": {"train": image}}, {})


# ---- tables --------------------------------------------------------------------------------------------------------


def test_a_table_has_a_question_a_row(dataset):
    rows = '\ufeffimage,question,answer\r\nx\\a.PNG,"What, then?", Nothing. \r\n\r\nb.jpg,Où ?,"oui, ici"\r\n'
    parts = dataset(CSV, {"train.csv": rows, "test.csv": "answer,image,question\nyes,b.jpg,Really?\n"})
    assert parts.train == [
        Question("x/a.PNG", "What, then?", ("Nothing.",), "train-0"),
        Question("b.jpg", "Où ?", ("oui, ici",), "train-1"),
    ]
    assert parts.test == [Question("b.jpg", "Really?", ("yes",), "test-0")]


def test_several_answers_are_split_where_the_manifest_says_so(dataset):
    split = {"format": "csv", "files": {"train": "t.csv"}, "separator": ","}
    parts = dataset(split, {"t.csv": 'image,question,answer\na.jpg,What?,"cup, table,cup ,"\na.jpg,What?,pen\n'})
    assert [question.answers for question in parts.train] == [("cup", "table"), ("pen",)]


def test_an_image_without_a_suffix_is_found_whatever_it_has(dataset):
    files = {"images/image1.png": "", "images/image10.jpg": "", "images/more/v1.2.JPEG": "", "images/image1.txt": ""}
    rows = "image,question,answer\nimage1,a?,a\nimage10,b?,b\nmore/v1.2,c?,c\n"
    split = {"format": "csv", "files": {"val": "t.csv"}}
    parts = dataset(split, files | {"t.csv": rows}, images="images")
    assert [question.path for question in parts.val] == ["image1.png", "image10.jpg", "more/v1.2.JPEG"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("image3,a?,a\n", r"row 2: 'image3' names no image in '.*images'"),
        ("a.jpg,a?,a\nimage1,a?,a\n", r"row 3: 'image1' names several images: 'image1\.jpg', 'image1\.png'"),
        ("a.jpg, ,a\n", "row 2: the cell of 'question' is empty"),
        (",a?,a\n", "row 2: the cell of 'image' is empty"),
        ('a.jpg,a?,","\n', "row 2: the cell of 'answer' is empty"),
        ("a.jpg,a?,b,c\n", "row 2: there are more cells than columns"),
        ("a.jpg,a?\n", "row 2: the row lacks cells"),
        ('a.jpg,"a?,a\n', "cannot be read as a UTF-8 CSV"),
        ("", "has no row"),
    ],
)
def test_a_wrong_row_is_an_error_that_names_it(rows, message, dataset):
    split = {"format": "csv", "files": {"train": "t.csv"}, "separator": ","}
    files = {"images/image1.png": "", "images/image1.jpg": "", "t.csv": f"image,question,answer\n{rows}"}
    with pytest.raises(DataError, match=rf"t\.csv'.*{message}"):
        dataset(split, files, images="images")


def test_a_table_that_is_not_utf8_is_an_error_that_names_it(dataset):
    with pytest.raises(DataError, match=r"train\.csv' cannot be read as a UTF-8 CSV"):
        dataset(ONE, {"train.csv": b"image,question,answer\na.jpg,caf\xe9,a\n"})


def test_a_missing_column_is_an_error_that_names_it(dataset):
    with pytest.raises(ManifestError, match=r"train\.csv' has no column 'image'.*Did you mean 'image_id'"):
        dataset(ONE, {"train.csv": "image_id,question,answer\na,b,c\n"})


# ---- DAQUAR --------------------------------------------------------------------------------------------------------


@pytest.mark.shared_data
def test_daquar_is_read_through_its_manifest_and_every_image_is_there(shared_data):
    manifest = load_question_manifest("daquar")
    parts = read_question_split(manifest, shared_data)
    questions = [question for part in PARTS for question in parts.part(part)]
    assert {part: len(parts.part(part)) for part in PARTS} == dict(manifest.counts)
    images = {path.name for path in (shared_data / "daquar" / "images").iterdir()}
    assert len(images) == 1449
    assert {question.path for question in questions} <= images
    assert len({question.question_id for question in questions}) == len(questions)


@pytest.mark.shared_data
def test_daquars_answers_are_its_answer_space(shared_data):
    parts = read_question_split(load_question_manifest("daquar"), shared_data)
    space = (shared_data / "daquar" / "answer_space.txt").read_text().splitlines()
    given = {answer for part in PARTS for question in parts.part(part) for answer in question.answers}
    assert given == set(space)
    assert sum(len(question.answers) > 1 for question in parts.train) > 900
