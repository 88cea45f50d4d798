import re

import pytest
import yaml
from aape_lightning.errors import PromptError
from aape_lightning.prompts.generation import plan, question_set
from aape_lightning.prompts.generation.articles import article
from aape_lightning.prompts.generation.questions import fill_question

CUPL_COUNTS = {
    "caltech101": 3,
    "dtd": 6,
    "fgvc_aircraft": 2,
    "food101": 3,
    "imagenet": 5,
    "oxford_flowers": 2,
    "oxford_pets": 2,
    "stanford_cars": 9,
    "sun397": 3,
    "ucf101": 5,
}


@pytest.mark.parametrize(("dataset", "count"), CUPL_COUNTS.items())
def test_a_dataset_has_as_many_questions_as_in_cupl(dataset, count):
    questions = question_set("cupl", dataset)
    assert questions.name == f"cupl/{dataset}"
    assert len(set(questions.templates)) == len(questions.templates) == count


@pytest.mark.parametrize("dataset", [*CUPL_COUNTS, "eurosat", "pacs", "shapes", "general"])
def test_every_shipped_question_makes_a_whole_question(dataset):
    for template in question_set("cupl", dataset).templates:
        question = fill_question(template, "red_apple")
        assert "red apple" in question
        assert not re.search(r"[{}_]|\s{2}|\ba an?\b", question)


def test_another_dataset_is_asked_the_general_questions_and_they_say_so():
    questions = question_set("cupl", "my_mushrooms")
    assert questions.name == "cupl/general"
    assert [fill_question(template, "otter") for template in questions.templates] == [
        "Describe what an otter looks like",
        "How can you identify an otter?",
        "What does an otter look like?",
        "Describe an image from the internet of an otter",
        "A caption of an image of an otter:",
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("q.txt", "# mine\n\nDescribe {a} {}\n  What is {}? \n"),
        ("q.yaml", yaml.safe_dump(["Describe {a} {}", "What is {}?"])),
        ("q.yml", yaml.safe_dump({"general": ["x {}"], "toy": ["Describe {a} {}", "What is {}?"]})),
    ],
)
def test_questions_come_from_a_file(name, content, tmp_path):
    (tmp_path / name).write_text(content)
    questions = question_set(str(tmp_path / name), "toy")
    assert questions.templates == ("Describe {a} {}", "What is {}?")
    assert questions.name.startswith(str(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.txt", "Describe a dog\n", "'Describe a dog' is no question with {}"),
        ("q.txt", "# nothing\n", "must hold a list of questions"),
        ("q.yaml", "a: [", "is not YAML"),
        ("q.yaml", "5", "must hold a list of questions, not 5"),
        ("q.yaml", "[1, 2]", "1 is no question"),
        ("q.yaml", "pets: ['Describe {}']", "no questions for 'toy'.*'pets'"),
        ("q.yaml", "toy: 'Describe {}'", "must hold a list of questions"),
        ("q.txt", b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_a_file_of_another_form_is_an_error_that_names_it(name, content, message, tmp_path):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PromptError, match=message) as caught:
        question_set(str(path), "toy")
    assert name in str(caught.value)


def test_an_unknown_source_names_the_known():
    with pytest.raises(PromptError, match=r"No questions 'cupel'.*'cupl'.*Did you mean 'cupl'\?"):
        question_set("cupel", "toy")


def test_braces_in_a_class_name_are_left_alone():
    assert fill_question("Is {a} {} {a} {}?", "odd_{a}{}") == "Is an odd {a}{} an odd {a}{}?"


def test_a_question_without_a_place_for_the_name_is_an_error():
    with pytest.raises(PromptError, match=r"'Describe a dog' has no \{\}"):
        fill_question("Describe a dog", "dog")


def test_a_name_that_occurs_twice_is_asked_once_and_order_is_kept():
    requests = plan(["missile", "tank", "missile"], ["1 {}", "2 {}"])
    assert [request.question for request in requests] == ["1 missile", "2 missile", "1 tank", "2 tank"]


AN = (
    *("abbey", "apple pie", "hourglass", "honest man", "umbrella", "uninteresting thing", "usher", "onion", "urn"),
    *("A320", "MD-80", "F-16A", "SUV", "AM General Hummer", "8-track", "18-wheeler", "11th hour", "Eiffel tower"),
)
A = (
    *("beagle", "honeycomb", "house", "unicycle", "uniform", "ukulele", "utensil", "user", "euphonium", "Europe map"),
    *("one-way street", "urinal", "DC-10", "UFO", "BMW", "707-320", "1100", "2012 Audi", "Forest"),
)


@pytest.mark.parametrize(("expected", "name"), [*(("an", name) for name in AN), *(("a", name) for name in A)])
def test_the_article_goes_with_the_sound(expected, name):
    assert article(name) == expected
