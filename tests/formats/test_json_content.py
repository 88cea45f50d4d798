import re

import pytest
from aape_lightning.errors import PromptError
from aape_lightning.formats.json_content import parse_json


@pytest.fixture
def refused(tmp_path):
    """What is said of a file of this content."""

    def read(content):
        path = tmp_path / "x.json"
        path.write_bytes(content)
        with pytest.raises(PromptError, match=f"^{re.escape(repr(str(path)))} ") as caught:
            parse_json(path, PromptError)
        return str(caught.value)

    return read


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": [1], "b": 2, "a": [3]}', "an object has the key 'a' twice"),
        (b'[{"x": {"a": 1, "a": 1}}]', "an object has the key 'a' twice"),
        (b'{"a": NaN}', "it holds NaN, which is no number of JSON"),
        (b"[-Infinity]", "it holds -Infinity"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"a":' * 100_000, "it is nested too deeply"),
        (b'["\\ud83d"]', "half of a surrogate pair"),
        (b'{"\\udc00": 1}', "half of a surrogate pair"),
        (b'["\xed\xa0\x80"]', "is not JSON: 'utf-8' codec"),
        (b"9" * 5000, "is not JSON: Exceeds the limit"),
        (b'["\0"]', "Invalid control character"),
    ],
)
def test_what_pythons_parser_lets_through_is_refused(content, message, refused):
    assert message in refused(content)


def test_whole_surrogate_pairs_and_their_look_alikes_are_text(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b'["\\ud83d\\ude00", "\\\\ud83d"]')
    assert parse_json(path) == ["\U0001f600", "\\ud83d"]


def test_a_file_that_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(PromptError, match="cannot be read"):
        parse_json(tmp_path, PromptError)
