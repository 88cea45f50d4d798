import subprocess

import pytest
from aape_lightning.errors import MetricError
from aape_lightning.metrics import available_tokenizer, check_tokenizer, java, tokenise
from aape_lightning.metrics.java import has_java

needs_java = pytest.mark.skipif(not has_java(), reason="there is no Java here")

TEXTS = [
    "Two dogs don't bark; one's asleep.",
    "",
    "A T-shirt costs $3.50!",
    " \u2028 ",
    "They said: \u201cHi\u201d \u2013 caf\u00e9\r\nbar",
]
WORDS = ["two dogs do n't bark one 's asleep", "", "a t-shirt costs $ 3.50", "", "they said hi caf\u00e9 bar"]


@pytest.mark.parametrize("tokenizer", ["simple", pytest.param("ptb", marks=needs_java)])
def test_both_tokenisers_on_plain_english(tokenizer):
    assert tokenise(TEXTS, tokenizer) == WORDS


@needs_java
def test_ptb_keeps_what_cocos_list_forgets():
    assert tokenise(["a dog (red)"], "ptb") == ["a dog -lrb- red -rrb-"]
    assert tokenise(["a dog (red)"], "simple") == ["a dog red"]


@needs_java
def test_ptb_of_nothing_and_in_a_foreign_locale(monkeypatch):
    assert tokenise([], "ptb") == []
    assert tokenise(["", "..."], "ptb") == ["", ""]
    monkeypatch.setenv("LC_ALL", "C")
    assert tokenise(["na\u00efve"], "ptb") == ["na\u00efve"]


@needs_java
def test_nothing_is_printed(capfd):
    tokenise(["a dog"], "ptb")
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def no_java(monkeypatch, tmp_path):
    """A machine without Java; what was known of this one is forgotten before and after."""
    monkeypatch.setenv("PATH", str(tmp_path))
    has_java.cache_clear()
    yield tmp_path
    has_java.cache_clear()


def test_without_java_ptb_is_refused_and_the_way_out_is_named(no_java):
    assert available_tokenizer() == "simple"
    with pytest.raises(MetricError, match=r"The tokenizer 'ptb' needs Java.*--tokenizer simple"):
        tokenise(["a dog"], "ptb")


def test_a_java_that_only_says_where_to_get_it_is_none(no_java):
    stub = no_java / "java"
    stub.write_text("#!/bin/sh\nexit 1\n")
    stub.chmod(0o755)
    assert not has_java()


def test_an_unknown_tokeniser_names_the_known():
    with pytest.raises(MetricError, match="No tokenizer 'bert'; there are 'ptb' and 'simple'"):
        check_tokenizer("bert")


def test_without_pycocoevalcap_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(java.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MetricError, match=r"pip install 'aape-lightning\[caption\]'"):
        tokenise(["a dog"], "simple")


def test_what_java_says_when_it_fails_is_shown(monkeypatch, tmp_path):
    failed = subprocess.CompletedProcess([], 1, b"", b"starting\nError: no memory\n")
    monkeypatch.setattr(java.subprocess, "run", lambda *args, **kwargs: failed)
    with pytest.raises(MetricError, match=r"Java failed on x\.jar: Error: no memory\."):
        java.run_java(tmp_path / "x.jar", text="")
