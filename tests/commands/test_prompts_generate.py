import argparse
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack

import pytest
from aape_lightning.commands.prompts.generate import add_generate
from aape_lightning.errors import ManifestError, PromptError
from aape_lightning.prompts import read_sentences

from prompts.generation.chat_server import refuse, running
from prompts.generation.test_local_model import save_model

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])]

KEY = "sk-a-secret-of-the-user"
CLASSES = ["red_car", "Blue Boat", "green tree", "yellow sun", "grey stone"]
SCRIPT = """
import argparse, sys
from aape_lightning.commands.prompts.generate import add_generate
from aape_lightning.errors import AAPEError
parser = argparse.ArgumentParser()
add_generate(parser.add_subparsers())
options = parser.parse_args(sys.argv[1:])
try:
    options.run(options)
except AAPEError as error:
    sys.exit(f"error: {error}")
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def serve():
    """Starts a server; keywords as `ChatServer`'s."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running(**settings))


@pytest.fixture
def out(tmp_path):
    return tmp_path / "toy_sentences.json"


@pytest.fixture
def arguments(toy_root, out):
    """The command's arguments for the toy dataset."""

    def make(*others, server=None):
        model = [] if server is None else ["--model", "llm", "--base-url", server.url]
        dataset = ["--manifest", toy_root / "toy.yaml", "--root", toy_root, "--out", out]
        return [str(argument) for argument in ("generate", *dataset, *model, *others)]

    return make


@pytest.fixture
def generate(arguments, capsys):
    """Runs the command in this process; returns what it printed on standard output."""

    def run(*others, server=None):
        parser = argparse.ArgumentParser()
        add_generate(parser.add_subparsers())
        options = parser.parse_args(arguments(*others, server=server))
        options.run(options)
        return capsys.readouterr().out

    return run


@pytest.fixture
def start(arguments):
    """Starts the command as a process of its own; what is still running at the end of the test is killed."""
    started = []

    def run(*others, server):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *arguments(*others, server=server)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A test run in the background may have been told to ignore Ctrl-C, and so would its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def journal_lines(out):
    """The whole lines of the journal so far."""
    path = out.with_name(f"{out.name}.journal.jsonl")
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]] if path.exists() else []


def wait_for_lines(count, out, process):
    while len(journal_lines(out)) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def test_sentences_are_written_for_every_class_in_its_order(generate, serve, out):
    server = serve()
    printed = generate("--question", "Describe {a} {}", "--question", "What is {}?", "--n", 2, server=server)
    found = read_sentences(out)
    assert list(found) == CLASSES
    assert found["red_car"] == [
        "Answer 0 to: Describe a red car.",
        "Answer 1 to: Describe a red car.",
        "Answer 0 to: What is red car?.",
        "Answer 1 to: What is red car?.",
    ]
    assert set(server.asked.values()) == {1}
    assert "Sentences  20; dropped 0 empty and 0 refused answers" in printed
    assert "Tokens     200 in, 140 out" in printed
    assert printed.endswith(f"Written: {out}\n")
    assert "complete already; nothing was asked" in generate(
        "--question", "Describe {a} {}", "--question", "What is {}?", "--n", 2, server=server
    )
    assert len(server.bodies) == 10


def test_the_summary_as_json_holds_the_cost(generate, serve, out):
    server = serve()
    server.faults.append(refuse(429, headers=[("Retry-After", "0")]))
    printed = generate(
        *("--question", "Describe {}", "--n", 3, "--price-in", 1, "--price-out", 10, "--json"), server=server
    )
    found = json.loads(printed)
    assert found.pop("seconds") > 0
    assert found == {
        "out": str(out),
        "classes": 5,
        "sentences": 15,
        "empty": 0,
        "refused": 0,
        "asked": 5,
        "requests": 5,
        "retries": 1,
        "tokens_in": 100,
        "tokens_out": 105,
        "cost": pytest.approx((100 + 1050) / 1e6),
        "unchanged": False,
    }


def test_a_dry_run_asks_nothing_needs_no_key_and_writes_nothing(generate, serve, out, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    server = serve()
    priced = ("--price-in", 0.5, "--price-out", 2)
    printed = generate("--dry-run", *priced, server=server)
    assert server.bodies == []
    assert list(out.parent.iterdir()) == []
    assert "Classes    5\nQuestions  5 (cupl/general)\nRequests   25, 25 of them to be asked for 250 answers" in printed
    assert "at most 12,500 out" in printed
    assert "Describe what a red car looks like" in printed
    plan = json.loads(generate("--dry-run", "--json", *priced, server=server))
    assert (plan["requests"], plan["to_ask"], plan["answers"], plan["tokens_out"]) == (25, 25, 250, 12_500)
    assert len(plan["examples"]) == 3
    assert plan["cost"] == pytest.approx((plan["tokens_in"] * 0.5 + 12_500 * 2) / 1e6)
    # Four characters a token: between a third and a fifth of the characters, and what a chat adds.
    assert 25 * 10 < plan["tokens_in"] < 25 * 40


def test_a_dry_run_counts_what_the_journal_lacks(generate, serve):
    server = serve()
    generate("--question", "Describe {}", "--n", 2, "--classes", "red car", server=server)
    plan = json.loads(generate("--question", "Describe {}", "--n", 3, "--dry-run", "--json", server=server))
    assert (plan["requests"], plan["to_ask"], plan["answers"]) == (5, 5, 13)


def test_classes_are_chosen_by_name_and_keep_the_datasets_order(generate, serve, out):
    generate("--question", "Describe {}", "--n", 1, "--classes", "grey stone", "red car", server=serve())
    assert list(read_sentences(out)) == ["red_car", "grey stone"]


def test_an_unknown_class_is_an_error_that_names_the_closest(generate, serve):
    with pytest.raises(PromptError, match=r"no classes 'red cat'.*Did you mean 'red_car'\?"):
        generate("--classes", "red cat", server=serve())


def test_a_local_model_answers_through_the_same_journal(generate, out, tmp_path):
    name = save_model(tmp_path / "model", ends_with="dog")
    local = ("--local", name, "--max-tokens", 4, "--question", "Describe {}", "--n", 3)
    generate(*local)
    assert read_sentences(out) == {name: ["dog dog dog dog."] * 3 for name in CLASSES}
    assert {line["model"] for line in journal_lines(out)} == {name}
    assert "nothing was asked" in generate(*local)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (("--local", "m", "--base-url", "http://x"), "--base-url is a server's address"),
        (("--local", "m", "--temperature", 0), "all 10 answers"),
        (("--local", "m", "--price-in", 1), "needs both prices"),
        (("--local", "m", "--out", "x.txt"), "--out is 'x.txt'.*json"),
        (("--local", "m", "--question", "Describe it"), "'Describe it' has no"),
    ],
)
def test_options_that_contradict_each_other_are_errors(others, message, generate):
    with pytest.raises(PromptError, match=message):
        generate(*others)


@pytest.mark.parametrize(
    "others",
    [
        (),
        ("--local", "m", "--model", "m"),
        ("--local", "m", "--questions", "cupl", "--question", "{}"),
        ("--local", "m", "--n", 0),
        ("--local", "m", "--concurrency", "-1"),
        ("--local", "m", "--temperature", "-1"),
        ("--local", "m", "--price-in", "nan"),
    ],
)
def test_wrong_usage_is_refused(others, generate):
    with pytest.raises(SystemExit) as caught:
        generate(*others)
    assert caught.value.code == 2


def test_an_unknown_manifest_is_an_error(generate):
    with pytest.raises(ManifestError, match="food102"):
        generate("--local", "m", "--manifest", "food102")


def test_the_key_is_written_nowhere(generate, serve, out):
    server = serve()
    generate("--question", "Describe {}", "--n", 1, server=server)
    assert set(server.keys) == {f"Bearer {KEY}"}
    for path in out.parent.rglob("*"):
        assert KEY.encode() not in path.read_bytes()


def test_a_wrong_key_ends_the_run_at_once_and_is_not_shown(start, serve, out):
    server = serve()
    server.faults.extend([refuse(401, f"Incorrect API key provided: {KEY}")] * 99)
    process = start(server=server)
    printed, said = process.communicate()
    assert process.returncode == 1
    assert "OPENAI_API_KEY" in said
    assert KEY not in printed + said
    assert len(server.bodies) <= 8
    assert not out.exists()


def test_after_a_kill_the_same_command_asks_nothing_twice_that_was_answered(start, serve, out):
    server, concurrency = serve(pause=0.05), 3
    same = ("--n", 2, "--concurrency", concurrency)
    process = start(*same, server=server)
    wait_for_lines(6, out, process)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    answered = {line["question"] for line in journal_lines(out)}
    assert 6 <= len(answered) < 25
    assert not out.exists()

    process = start(*same, server=server)
    printed, said = process.communicate()
    assert process.returncode == 0, said
    assert "Questions: cupl/general (5 a class)" in said
    assert {name: len(texts) for name, texts in read_sentences(out).items()} == dict.fromkeys(CLASSES, 10)
    assert len(server.asked) == 25
    assert {server.asked[question] for question in answered} == {1}
    twice = [question for question, count in server.asked.items() if count > 1]
    assert len(twice) <= concurrency  # in flight when the process was killed, so that no answer came
    assert max(server.asked.values()) <= 2
    assert server.most_at_once <= 2 * concurrency
    written = Counter((line["class_name"], line["question"]) for line in journal_lines(out))
    assert set(written.values()) == {1}
    assert f"Requests   25, {25 - len(answered)} of them asked now" in printed


def test_ctrl_c_stops_quickly_keeps_the_journal_and_says_how_to_go_on(start, serve, out):
    server = serve(pause=0.05)
    same = ("--n", 1, "--concurrency", 2)
    process = start(*same, server=server)
    wait_for_lines(4, out, process)
    server.gate.clear()  # who waits for the requests in flight waits for ever
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "stopped" in said
    assert "the same command goes on" in said
    assert "Traceback" not in said
    kept = len(journal_lines(out))
    assert kept >= 4
    server.gate.set()
    printed, _ = start(*same, server=server).communicate()
    assert f"Requests   25, {25 - kept} of them asked now" in printed


def test_two_processes_do_not_share_a_journal(start, serve, out):
    server = serve(pause=0.05)
    first = start("--n", 1, server=server)
    wait_for_lines(1, out, first)
    server.gate.clear()
    second = start("--n", 1, server=server)
    _, said = second.communicate()
    assert second.returncode == 1
    assert "Another process is writing" in said
    server.gate.set()
    _, said = first.communicate()
    assert first.returncode == 0, said
    assert set(server.asked.values()) == {1}


def test_help_and_a_dry_run_wait_for_no_heavy_library(arguments):
    watched = f"{SCRIPT}\nprint(sorted(sys.modules))"
    asked = subprocess.run(
        [sys.executable, "-c", watched, *arguments("--local", "m", "--dry-run")],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = asked.stdout.splitlines()[-1]
    assert "'argparse'" in loaded
    for heavy in ("torch", "transformers", "openai"):
        assert f"'{heavy}'" not in loaded
