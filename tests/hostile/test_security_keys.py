"""Keys reach no file and no line, even where a server repeats them, and whatever logger a run has."""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pytest
from aape_lightning.__main__ import main

from prompts.generation.chat_server import refuse, running, say

KEY = "sk-a-secret-of-the-user-0123456789"
PASSWORD = "a-password-in-an-address"
NAMES = (
    "OPENAI_API_KEY", "WANDB_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY",
)  # fmt: skip


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    """An environment in which every known key has the same value, and a current folder in which nothing lies yet."""
    for name in NAMES:
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def told_and_left(folder, *command):
    """The exit code, and where one of the secrets is: in what was said, or in files."""
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = main(list(command))
    secrets = (KEY.encode(), PASSWORD.encode())
    files = [path for path in folder.rglob("*") if path.is_file()]
    found = [str(path) for path in files if any(secret in path.read_bytes() for secret in secrets)]
    lines = [line for line in said.getvalue().splitlines() if KEY in line or PASSWORD in line]
    return code, said.getvalue(), found + lines


FAULTS = {
    "a refusal": refuse(401, f"Incorrect API key provided: {KEY}"),
    "a page": say(f"<html>Authorization: Bearer {KEY}</html>".encode(), "text/html"),
    "no such model": refuse(404, f"no model for {KEY}"),
    "an error inside": refuse(500, f"traceback: {{'Authorization': 'Bearer {KEY}'}}"),
}


@pytest.mark.enable_socket
@pytest.mark.allow_hosts(["127.0.0.1"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_server_that_repeats_the_key(fault, surroundings, toy_root, monkeypatch):
    monkeypatch.setattr("aape_lightning.prompts.generation.backoff.Backoff.wait", lambda *given: None)
    with running(answer=lambda question, k: f"Your key is {KEY}, and here is an answer {k} to {question}.") as server:
        server.faults.extend([fault] * 3)
        address = server.url.replace("//", f"//user:{PASSWORD}@")
        manifest = ["--manifest", str(toy_root / "toy.yaml"), "--root", str(toy_root), "--out", "s.json"]
        asked = ["--model", "llm", "--question", "Describe {}", "--n", "2", "--base-url"]
        code, said, found = told_and_left(surroundings, "prompts", "generate", *manifest, *asked, address)
        again = told_and_left(surroundings, "prompts", "generate", *manifest, *asked, server.url)
    assert found == again[2] == []
    assert (code, again[0]) == (1, 0), said + again[1]
    assert f"Bearer {KEY}" in server.keys
    assert "Your key is , and here is an answer 0" in (surroundings / "s.json").read_text()


@pytest.mark.parametrize("logger", ["wandb", "mlflow", "tensorboard"])
def test_a_run_with_any_logger(logger, surroundings, toy_recipe, monkeypatch):
    pytest.importorskip(logger)
    # MLflow keeps a folder by the name that it first had in the process, which from here would be another folder.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{surroundings / 'mlruns'}")
    command = ["fit", "--config", str(toy_recipe), "--config", logger, "--run", "run"]
    code, said, found = told_and_left(surroundings, *command)
    assert code == 0, said
    assert found == []
    assert (surroundings / "run" / "run.json").is_file()
