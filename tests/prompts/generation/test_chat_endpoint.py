import email.utils
import itertools
import re
import sys
import time
from contextlib import ExitStack

import pytest
from aape_lightning.errors import PromptError
from aape_lightning.prompts.generation import Backoff, Endpoint, Sampling
from aape_lightning.prompts.generation.requests import CHAT_STYLE, Request

from prompts.generation.chat_server import cut, hang_up, question_of, refuse, running, say, wait

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])]

KEY = "sk-a-secret-of-the-user"
QUICK = Backoff(attempts=4, first=0.02, longest=0.05)
SAMPLING = Sampling(temperature=0.99, max_tokens=50)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def serve():
    """Starts a server; keywords as `ChatServer`'s."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running(**settings))


def requests(count):
    return [Request(f"class {k}", f"Describe class {k}") for k in range(count)]


def ask(server, wanted, **settings):
    """The answers to each request, and the outcome."""
    answers = {}

    def record(request, reply):
        answers.setdefault(request, []).extend(answer.text for answer in reply.answers)

    model = Endpoint("llm", server.url, **{"backoff": QUICK} | settings)
    return answers, model.ask(wanted, SAMPLING, record)


def expected(request, n):
    return [f"Answer {k} to: {request.question}." for k in range(n)]


def test_each_request_is_sent_once_with_its_number_of_answers_and_the_sampling(serve):
    server, wanted = serve(), list(zip(requests(5), [3, 1, 2, 3, 3], strict=True))
    answers, outcome = ask(server, wanted)
    assert answers == {request: expected(request, n) for request, n in wanted}
    assert (outcome.retries, outcome.failures) == (0, [])
    assert set(server.keys) == {f"Bearer {KEY}"}
    sent = {question_of(body): body for body in server.bodies}
    assert len(sent) == len(server.bodies) == 5
    for request, n in wanted:
        assert sent[request.question] == {
            "model": "llm",
            "messages": [{"role": "user", "content": f"{request.question}\n{CHAT_STYLE}"}],
            "temperature": 0.99,
            "max_tokens": 50,
        } | ({"n": n} if n > 1 else {})


def test_tokens_and_the_end_of_an_answer_are_handed_on(serve):
    server, replies = serve(), []
    choice = {"message": {"content": "A long"}, "finish_reason": "length"}
    refused = {"message": {"content": None, "refusal": "No."}, "finish_reason": "stop"}
    filtered = {"message": {"content": None}, "finish_reason": "content_filter"}
    empty = {"message": {"content": None}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 12, "completion_tokens": 34}
    server.faults.append(say({"choices": [choice, refused, filtered, empty], "usage": usage}))
    Endpoint("llm", server.url).ask([(requests(1)[0], 4)], SAMPLING, lambda _, reply: replies.append(reply))
    assert [(reply.tokens_in, reply.tokens_out) for reply in replies] == [(12, 34)]
    assert [(answer.text, answer.finish) for answer in replies[0].answers] == [
        ("A long", "length"),
        ("No.", "refused"),
        ("", "refused"),
        ("", "stop"),
    ]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(refuse(429, "slow down"), id="429"),
        pytest.param(refuse(408), id="408"),
        pytest.param(refuse(500), id="500"),
        pytest.param(refuse(503, "<html>busy</html>"), id="503"),
        pytest.param(say(b'{"choices": [{"message": {"con'), id="half-json"),
        pytest.param(say(b"<html>try again</html>", "text/html"), id="page"),
        pytest.param(say({"error": {"message": "overloaded"}}), id="error-as-answer"),
        pytest.param(say({"choices": []}), id="no-choices"),
        pytest.param(say({"choices": [None]}), id="choice-of-nothing"),
        pytest.param(say(b""), id="nothing"),
        pytest.param(wait(1.0), id="late"),
        pytest.param(cut, id="cut"),
        pytest.param(hang_up, id="hang-up"),
    ],
)
def test_what_may_pass_is_asked_again(fault, serve):
    server, wanted = serve(), [(request, 2) for request in requests(3)]
    server.faults.extend([fault, fault])
    answers, outcome = ask(server, wanted, timeout=0.4)
    assert answers == {request: expected(request, 2) for request, _ in wanted}
    assert (outcome.retries, outcome.failures) == (2, [])
    assert len(server.bodies) == 5


def test_a_server_that_is_gone_fails_the_requests_and_is_left_alone(serve):
    with running() as server:
        pass
    answers, outcome = ask(server, [(request, 1) for request in requests(50)], concurrency=1)
    assert answers == {}
    assert len(outcome.failures) == 5
    assert "connection failed" in outcome.failures[0]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_for(form, serve):
    server = serve()
    # A date has whole seconds, so that of two seconds from now is more than one away.
    after = "0.3" if form == "seconds" else email.utils.formatdate(time.time() + 2, usegmt=True)
    server.faults.append(refuse(429, headers=[("Retry-After", after)]))
    _, outcome = ask(server, [(requests(1)[0], 1)])
    first, second = server.times
    assert outcome.retries == 1
    assert second - first >= (0.3 if form == "seconds" else 0.9)


def test_a_wait_beyond_ones_patience_is_not_begun(serve):
    server = serve()
    server.faults.append(refuse(429, "come tomorrow", headers=[("Retry-After", "86400")]))
    answers, outcome = ask(server, [(request, 1) for request in requests(2)], concurrency=1)
    assert list(answers) == requests(2)[1:]
    assert outcome.retries == 0
    assert "come tomorrow" in outcome.failures[0]


def test_a_request_that_fails_for_good_leaves_the_others(serve):
    server, wanted = serve(), [(request, 1) for request in requests(3)]
    server.faults.extend([refuse(500, "out of order")] * QUICK.attempts)
    answers, outcome = ask(server, wanted, concurrency=1)
    assert list(answers) == requests(3)[1:]
    assert outcome.failures == ["Error code: 500 - out of order"]
    assert outcome.retries == QUICK.attempts - 1


def test_failures_that_are_not_in_a_row_do_not_end_the_run(serve):
    server, wanted = serve(), [(request, 1) for request in requests(16)]
    server.faults.extend(itertools.chain(*([refuse(500), None] for _ in range(8))))
    answers, outcome = ask(server, wanted, concurrency=1, backoff=Backoff(attempts=1))
    assert (len(answers), len(outcome.failures)) == (8, 8)


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (401, "invalid_api_key", " .*environment variable OPENAI_API_KEY"),
        (403, None, " .*environment variable OPENAI_API_KEY"),
        (404, "model_not_found", " .*ends in /v1"),
        (422, None, "$"),
        (400, None, "$"),
        (429, "insufficient_quota", " .*quota is used up"),
    ],
)
def test_what_will_not_pass_ends_the_run_at_once(status, code, advice, serve):
    server = serve()
    server.faults.extend([refuse(status, "no such thing", code=code)] * 99)
    with pytest.raises(PromptError, match=rf"127\.0\.0\.1.*--model 'llm': .*{status} - no such thing\.{advice}"):
        ask(server, [(request, 1) for request in requests(50)], concurrency=3)
    assert len(server.bodies) <= 3


@pytest.mark.parametrize(
    "fault",
    [refuse(401, f"wrong key {KEY}"), refuse(500, f"wrong key {KEY}"), say(f"wrong key {KEY}".encode(), "text/plain")],
    ids=["refused", "passing", "no-completion"],
)
def test_the_key_is_in_no_message_even_where_a_server_repeats_it(fault, serve):
    server = serve()
    server.faults.extend([fault] * 99)
    try:
        said = ask(server, [(requests(1)[0], 1)])[1].failures[0]
    except PromptError as error:
        said = str(error)
    assert "wrong key ***" in said
    assert KEY not in said


def test_the_key_is_in_no_answer_even_where_a_server_repeats_it(serve):
    server, request = serve(answer=lambda question, k: f"My key is {KEY}."), requests(1)[0]
    answers, _ = ask(server, [(request, 1)])
    assert answers == {request: ["My key is ***."]}


def test_a_server_that_gives_one_answer_at_a_time_is_asked_until_there_are_enough(serve):
    server, wanted = serve(takes_n=False), [(request, 3) for request in requests(2)]
    answers, _ = ask(server, wanted)
    assert [len(texts) for texts in answers.values()] == [3, 3]
    assert set(server.asked.values()) == {3}


def test_a_server_that_refuses_several_answers_is_asked_for_one_at_a_time(serve):
    server = serve()
    server.faults.append(refuse(400, "'n' : number must be at most 1"))
    answers, outcome = ask(server, [(request, 3) for request in requests(2)], concurrency=1)
    assert [len(texts) for texts in answers.values()] == [3, 3]
    assert [body.get("n") for body in server.bodies] == [3] + [None] * 6
    assert outcome.failures == []


def test_a_model_that_has_renamed_the_limit_gets_the_new_name(serve):
    server = serve()
    server.faults.append(refuse(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."))
    answers, _ = ask(server, [(request, 2) for request in requests(2)], concurrency=1)
    assert [len(texts) for texts in answers.values()] == [2, 2]
    assert [sorted(set(body) & {"max_tokens", "max_completion_tokens"}) for body in server.bodies] == [
        ["max_tokens"],
        ["max_completion_tokens"],
        ["max_completion_tokens"],
    ]


def test_requests_together_that_meet_a_refusal_of_several_answers_all_adapt(serve):
    server = serve(pause=0.05)
    server.faults.extend([refuse(400, "one choice only")] * 4)
    answers, _ = ask(server, [(request, 2) for request in requests(4)], concurrency=4)
    assert [len(texts) for texts in answers.values()] == [2] * 4


@pytest.mark.parametrize("limit", [1, 4])
def test_there_are_never_more_requests_in_flight_than_allowed(limit, serve):
    server = serve(pause=0.03)
    server.faults.extend([refuse(500), None, cut, None, refuse(429)])
    answers, _ = ask(server, [(request, 1) for request in requests(20)], concurrency=limit)
    assert len(answers) == 20
    assert server.most_at_once == limit


def test_an_error_while_recording_ends_the_run(serve):
    def record(request, reply):
        raise PromptError("the disk is full")

    server = serve()
    with pytest.raises(PromptError, match="the disk is full"):
        Endpoint("llm", server.url, concurrency=2).ask([(r, 1) for r in requests(20)], SAMPLING, record)
    assert len(server.bodies) <= 4


class TestKey:
    def ask_once(self, base_url=None):
        Endpoint("llm", base_url, backoff=QUICK).ask([(requests(1)[0], 1)], SAMPLING, lambda *_: None)

    @pytest.mark.parametrize("key", ["", "  \n"])
    def test_without_a_key_openai_is_not_asked(self, key, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        with pytest.raises(PromptError, match=r"environment variable OPENAI_API_KEY.*--base-url"):
            self.ask_once()

    def test_a_server_of_ones_own_needs_none(self, serve, monkeypatch):
        monkeypatch.delenv("OPENAI_API_KEY")
        server = serve()
        self.ask_once(server.url)
        assert len(server.keys) == 1

    def test_a_line_end_behind_a_key_is_none_of_it(self, serve, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
        server = serve()
        self.ask_once(server.url)
        assert server.keys == [f"Bearer {KEY}"]

    @pytest.mark.parametrize("key", ["sk-half\nsk-half", "sk—dash"])
    def test_a_key_that_cannot_be_sent_is_an_error_that_does_not_show_it(self, key, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        with pytest.raises(PromptError, match="OPENAI_API_KEY holds characters that no key has") as caught:
            self.ask_once()
        assert "sk" not in str(caught.value)

    @pytest.mark.parametrize("url", ["localhost:8000", "http://localhost:PORT/v1", "http:///v1", "http://[::1/v1"])
    def test_what_is_no_address_is_an_error(self, url):
        with pytest.raises(PromptError, match=f"--base-url is {re.escape(repr(url))}"):
            self.ask_once(url)

    def test_the_address_may_come_from_the_environment_as_openais_client_has_it(self, serve, monkeypatch):
        server = serve()
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        self.ask_once()
        assert len(server.bodies) == 1

    def test_without_the_client_the_extra_is_named(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "openai", None)
        with pytest.raises(PromptError, match=r"pip install 'aape-lightning\[generate\]'"):
            self.ask_once()
