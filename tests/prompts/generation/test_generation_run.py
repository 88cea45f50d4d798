import json

import pytest
from aape_lightning.errors import PromptError
from aape_lightning.prompts import read_sentences
from aape_lightning.prompts.generation import Price, Sampling, generate, plan
from aape_lightning.prompts.generation.requests import Answer, Outcome, Reply

SAMPLING = Sampling(0.99, 50)
REQUESTS = plan(["zebra", "ant_hill"], ["Describe {a} {}", "What is {a} {}?"])


class Scripted:
    """A language model that answers at once, in two replies where it can; `answer` makes the texts."""

    name = "scripted"

    def __init__(self, answer=lambda request, k: f"{request.question} {k}.", fails=()):
        self.answer, self.fails = answer, set(fails)
        self.asked = []

    def ask(self, wanted, sampling, record):
        outcome = Outcome(retries=4)
        for request, count in wanted:
            self.asked.append((request.question, count))
            if request.question in self.fails:
                outcome.failures.append("out of order")
                continue
            answers = [Answer(self.answer(request, k), "stop") for k in range(count)]
            for part in filter(None, (answers[:1], answers[1:])):
                record(request, Reply(part, tokens_in=10, tokens_out=5 * len(part)))
        return outcome


@pytest.fixture
def out(tmp_path):
    return tmp_path / "sentences.json"


def run(out, model=None, *, requests=REQUESTS, n=2, **settings):
    return generate(model or Scripted(), requests, out, n=n, sampling=SAMPLING, **settings)


def test_the_file_holds_each_classs_sentences_in_the_order_of_classes_and_questions(out):
    summary = run(out, price=Price(1.0, 10.0))
    expected = {
        "zebra": ["Describe a zebra 0.", "Describe a zebra 1.", "What is a zebra? 0.", "What is a zebra? 1."],
        "ant_hill": [
            *("Describe an ant hill 0.", "Describe an ant hill 1."),
            *("What is an ant hill? 0.", "What is an ant hill? 1."),
        ],
    }
    assert list(json.loads(out.read_text()).items()) == list(expected.items())
    assert read_sentences(out) == expected
    assert (summary.classes, summary.sentences, summary.asked, summary.requests) == (2, 8, 4, 4)
    assert (summary.retries, summary.tokens_in, summary.tokens_out) == (4, 80, 40)
    assert summary.cost == pytest.approx((80 * 1.0 + 40 * 10.0) / 1e6)


def test_a_second_run_asks_nothing_and_says_so(out):
    first, again = run(out), Scripted()
    before = out.stat().st_mtime_ns
    summary = run(out, again)
    assert again.asked == []
    assert summary.unchanged
    assert not first.unchanged
    assert (summary.asked, summary.retries, summary.tokens_in) == (0, 0, first.tokens_in)
    assert "complete already; nothing was asked" in summary.verdict(out)
    assert out.stat().st_mtime_ns == before


def test_more_answers_classes_and_questions_ask_only_for_what_is_new(out):
    model = Scripted()
    run(out, model, requests=plan(["ant_hill"], ["Describe {a} {}"]), n=1)
    run(out, model, requests=plan(["zebra", "ant_hill"], ["Describe {a} {}"]), n=1)
    run(out, model, n=2)
    assert sorted(model.asked) == sorted(
        [
            ("Describe an ant hill", 1),
            ("Describe a zebra", 1),
            ("Describe an ant hill", 1),
            ("Describe a zebra", 1),
            ("What is a zebra?", 2),
            ("What is an ant hill?", 2),
        ]
    )
    assert {name: len(texts) for name, texts in json.loads(out.read_text()).items()} == {"zebra": 4, "ant_hill": 4}


def test_fewer_answers_need_no_question_and_take_the_first(out):
    run(out, n=3)
    model = Scripted()
    summary = run(out, model, n=1)
    assert model.asked == []
    assert not summary.unchanged
    assert json.loads(out.read_text())["zebra"] == ["Describe a zebra 0.", "What is a zebra? 0."]


def test_what_failed_for_good_leaves_no_file_and_is_all_that_is_asked_again(out):
    with pytest.raises(
        PromptError, match=r"1 of 4 requests lack answers.*out of order.*asks only these again.*is not written"
    ):
        run(out, Scripted(fails=["What is a zebra?"]))
    assert not out.exists()
    model = Scripted()
    run(out, model)
    assert model.asked == [("What is a zebra?", 2)]
    assert len(json.loads(out.read_text())["zebra"]) == 4


def test_a_failure_leaves_the_earlier_file_alone(out):
    run(out, requests=REQUESTS[:1])
    before = out.read_bytes()
    with pytest.raises(PromptError):
        run(out, Scripted(fails=["What is a zebra?"]))
    assert out.read_bytes() == before


def test_empty_answers_and_refusals_are_counted_and_dropped(out):
    texts = {0: "", 1: "I'm sorry, but no.", 2: "**Stripes**"}
    summary = run(out, Scripted(lambda request, k: texts[k]), n=3)
    assert (summary.sentences, summary.empty, summary.refused) == (4, 4, 4)
    assert json.loads(out.read_text())["zebra"] == ["Stripes.", "Stripes."]


def test_a_class_without_a_sentence_is_an_error_that_more_answers_mend(out):
    mute = Scripted(lambda request, k: "" if request.class_name == "zebra" else "An ant hill.")
    with pytest.raises(PromptError, match=r"4 answers were empty.*1 of 2 classes without a sentence: 'zebra'.*--n"):
        run(out, mute)
    assert not out.exists()
    assert run(out, n=3).sentences == 2 + 6  # the first two answers about zebras stay empty


def test_a_file_of_another_origin_is_not_overwritten(out):
    out.write_text("{}")
    model = Scripted()
    with pytest.raises(PromptError, match=r"exists, and no journal.*--out"):
        run(out, model)
    assert out.read_text() == "{}"
    assert model.asked == []


def test_a_model_that_stops_the_run_leaves_what_was_answered(out):
    class Stopping(Scripted):
        def ask(self, wanted, sampling, record):
            super().ask(wanted[:1], sampling, record)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(out, Stopping())
    model = Scripted()
    run(out, model)
    assert [question for question, _ in model.asked] == [request.question for request in REQUESTS[1:]]
