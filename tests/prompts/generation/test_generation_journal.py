import json
from pathlib import Path

import pytest
from aape_lightning.errors import PromptError
from aape_lightning.prompts.generation import Sampling
from aape_lightning.prompts.generation.journal import Journal, journal_path, open_journal
from aape_lightning.prompts.generation.requests import Answer, Reply, Request

SAMPLING = Sampling(0.99, 50)
DOG, CAT = Request("dog", "Describe a dog"), Request("cat", "Describe a cat")


def reply(*texts):
    return Reply([Answer(text, "stop") for text in texts], tokens_in=5, tokens_out=len(texts))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "out.json.journal.jsonl"


def write(path, *pairs, model="llm", sampling=SAMPLING):
    with open_journal(path, model, sampling) as journal:
        for request, answered in pairs:
            journal.add(request, answered)


def test_it_lies_beside_the_file_of_sentences():
    assert journal_path(Path("a/food.json")) == Path("a/food.json.journal.jsonl")


def test_what_is_added_is_in_the_file_at_once_and_read_again(path):
    texts = ("a «dog»\nbarks", "犬", "")
    with open_journal(path, "llm", SAMPLING) as journal:
        journal.add(DOG, reply(*texts))
        assert [json.loads(line)["class_name"] for line in path.read_text().splitlines()] == ["dog"]
        assert journal.replies(DOG) == Journal(path, "llm", SAMPLING).replies(DOG) == [reply(*texts)]


def test_answers_of_several_replies_are_in_order_and_no_more_than_asked_for(path):
    write(path, (DOG, reply("1", "2")), (CAT, reply("x")))
    write(path, (DOG, reply("3")))
    journal = Journal(path, "llm", SAMPLING)
    assert [answer.text for answer in journal.answers(DOG, 10)] == ["1", "2", "3"]
    assert [answer.text for answer in journal.answers(DOG, 2)] == ["1", "2"]
    assert journal.wanted([DOG, CAT], 3) == [(CAT, 2)]
    assert journal.wanted([DOG, CAT], 4) == [(DOG, 1), (CAT, 3)]
    assert journal.wanted([DOG, CAT], 1) == []


@pytest.mark.parametrize(
    ("model", "sampling"),
    [("other", SAMPLING), ("llm", Sampling(1.0, 50)), ("llm", Sampling(0.99, 60))],
    ids=["model", "temperature", "max-tokens"],
)
def test_answers_of_another_model_or_sampling_are_kept_and_not_used(model, sampling, path):
    write(path, (DOG, reply("1")))
    with open_journal(path, model, sampling) as journal:
        assert journal.wanted([DOG], 1) == [(DOG, 1)]
        journal.add(DOG, reply("2"))
    assert Journal(path, "llm", SAMPLING).answers(DOG, 9) == [Answer("1", "stop")]
    assert Journal(path, model, sampling).answers(DOG, 9) == [Answer("2", "stop")]


def test_the_class_and_the_question_both_count(path):
    write(path, (DOG, reply("1")))
    others = [Request("dog", CAT.question), Request("cat", DOG.question)]
    assert len(Journal(path, "llm", SAMPLING).wanted(others, 1)) == 2


@pytest.mark.parametrize("left", [1, 20, -1], ids=["first-byte", "middle", "all-but-the-end"])
def test_a_half_written_last_line_is_dropped_and_what_follows_is_whole(left, path):
    write(path, (DOG, reply("1")), (CAT, reply("2")))
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:left])
    assert Journal(path, "llm", SAMPLING).wanted([DOG, CAT], 1) == [(CAT, 1)]
    write(path, (CAT, reply("3")))
    assert [json.loads(line)["answers"][0]["text"] for line in path.read_text().splitlines()] == ["1", "3"]


@pytest.mark.parametrize("line", [b"{}", b"half a line", b"\xff", b"", b'{"model": 1}'])
def test_another_line_is_an_error_that_says_where(line, path):
    write(path, (DOG, reply("1")))
    path.write_bytes(path.read_bytes() + line + b"\n" + path.read_bytes())
    before = path.read_bytes()
    with (
        pytest.raises(PromptError, match=r"Line 2 of .*journal\.jsonl.*Delete that line"),
        open_journal(path, "llm", SAMPLING),
    ):
        pass
    assert path.read_bytes() == before


def test_two_cannot_write_at_once_and_the_next_can(path):
    with (
        open_journal(path, "llm", SAMPLING),
        pytest.raises(PromptError, match=r"Another process is writing.*--out"),
        open_journal(path, "llm", SAMPLING),
    ):
        pass
    write(path, (DOG, reply("1")))
    assert len(Journal(path, "llm", SAMPLING).replies(DOG)) == 1


def test_a_reader_needs_no_lock_and_makes_no_file(path):
    assert Journal(path, "llm", SAMPLING).wanted([DOG], 1) == [(DOG, 1)]
    assert not path.parent.exists()


def test_a_full_disk_is_an_error_and_the_reply_does_not_count(path):
    with open_journal(path, "llm", SAMPLING) as journal, open("/dev/full", "ab", buffering=0) as full:
        journal._file = full
        with pytest.raises(PromptError, match=r"cannot be written: No space left on device.*goes on"):
            journal.add(DOG, reply("1"))
        assert journal.replies(DOG) == []
