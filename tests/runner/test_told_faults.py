"""What is wrong with a method is wrong under every seed, and is told once."""

import pytest
from aape_lightning.__main__ import main


@pytest.fixture
def words(toy_recipe, method, tmp_path):
    """A protocol of two seeds whose one method has a key that its task does not take."""
    faulty = method("faulty", {"model": {"class_path": "KgCoOpTask", "init_args": {"contxt": "a"}}})
    out = tmp_path / "out"
    given = ("protocol", "base-to-new", "--recipe", toy_recipe, "--method", faulty, "--seeds", 1, 2, "--out", out)
    return [str(word) for word in given]


def test_an_error_stands_once_with_every_job_that_it_ended(words, capsys):
    assert main(words) == 1
    told = capsys.readouterr().err
    assert "2 of 2 jobs failed" in told
    assert "  toy, faulty, seed 1; toy, faulty, seed 2: model 'aape_lightning.baselines.KgCoOpTask'" in told
    assert told.count("Option 'contxt' is not accepted. Did you mean 'context'?") == 1


def test_a_dry_run_tells_it_once(words, capsys):
    assert main([*words, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert told.count("Option 'contxt' is not accepted") == 1
    assert "toy/faulty/seed2  cannot run: as above\n" in told
    assert "2 jobs: 2 cannot run" in told


def test_a_server_that_cannot_be_reached_is_no_fault_of_a_folder(words, capsys, monkeypatch):
    def unreachable(*given):
        raise ConnectionError("huggingface.co does not answer")

    monkeypatch.setattr("aape_lightning.runner.run.PreparedJob", unreachable)
    assert main(words) == 1
    told = capsys.readouterr().err
    assert "seed 2: huggingface.co does not answer\n" in told
    assert "Folders are chosen" not in told
