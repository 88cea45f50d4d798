"""What scripts read: `--json` on standard output, and nothing beside results with `--quiet`."""

import json

import pytest
from aape_lightning.__main__ import main
from aape_lightning.messages import is_quiet, set_quiet
from aape_lightning.progress import progress


@pytest.fixture(autouse=True)
def loud_again():
    yield
    set_quiet(False)


def test_json_is_all_of_standard_output(fit, tmp_path, capsys):
    folder = fit(tmp_path / "run", "--json")
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert (told["command"], told["run"]) == ("fit", str(folder))
    assert told["metrics"]["val/accuracy"] == json.loads((folder / "run.json").read_text())["metrics"]["val/accuracy"]
    assert set(told["files"]) == {path.name for path in folder.iterdir()}
    assert "Run folder" in said.err
    test = ["test", f"--config={folder}/config.yaml", f"--ckpt_path={folder}/aape.ckpt", "--json"]
    assert main(test) == 0
    told = json.loads(capsys.readouterr().out)
    result = json.loads((folder / "test-all" / "result.json").read_text())
    assert told["metrics"] == result["metrics"]
    assert "result.json" in told["files"]


def test_an_error_leaves_standard_output_empty(capsys):
    assert main(["fit", "--config=shapes", "--json", "--data.shots=-3"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "aape: error:" in said.err


def test_quiet_prints_the_result_alone(fit, tmp_path, capfd):
    folder = fit(tmp_path / "run", "--quiet")
    said = capfd.readouterr()
    assert said.out == f"Run folder: {folder}\n"
    assert "Seed set" not in said.err
    assert "Prompts" not in said.err


def test_quiet_draws_no_bar(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    assert not progress().disable
    set_quiet()
    assert is_quiet()
    assert progress().disable
