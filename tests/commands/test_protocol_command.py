"""`aape protocol`: what is refused before any job, and what Ctrl-C says."""

import pytest
from aape_lightning.__main__ import main

WORDS = ["--recipe", "shapes", "--method", "zero-shot", "--out", "out"]


@pytest.mark.parametrize("count", ["0", "-1", "two", "1.5"])
def test_what_is_no_number_of_jobs(count, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["protocol", "base-to-new", *WORDS, f"--jobs={count}"])
    assert f"'{count}' is not a number of jobs; 1 is the least" in capsys.readouterr().err


def test_a_varied_key_without_values_is_refused(capsys):
    assert main(["protocol", "sweep", *WORDS, "--vary", "model.lr"]) == 1
    assert "--vary model.lr V1 V2 ..." in capsys.readouterr().err


def _interrupted(*_, **__):
    raise KeyboardInterrupt


def _interrupted_in_training(*_, **__):
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise SystemExit(1)  # noqa: B904 - as Lightning does


@pytest.mark.parametrize("ends", [_interrupted, _interrupted_in_training])
def test_an_interrupted_protocol_says_that_it_goes_on(ends, monkeypatch, capsys):
    monkeypatch.setattr("aape_lightning.runner.run_protocol", ends)
    with pytest.raises(SystemExit, match="130"):
        main(["protocol", "base-to-new", *WORDS])
    assert "the same command runs what is missing" in capsys.readouterr().err


def test_another_end_of_the_program_is_its_own(monkeypatch, capsys):
    def leave(*_, **__):
        raise SystemExit(3)

    monkeypatch.setattr("aape_lightning.runner.run_protocol", leave)
    with pytest.raises(SystemExit, match="3"):
        main(["protocol", "base-to-new", *WORDS])
    assert capsys.readouterr().err == ""
