"""`aape completion`: scripts that the shells accept, and what they complete, asked through bash itself."""

import os
import shutil
import subprocess
import sys

import pytest
from aape_lightning.__main__ import main
from aape_lightning.backbones.load import MODEL_URLS, SHIPPED
from aape_lightning.commands.completers import BACKBONES, recipe_keys
from aape_lightning.data import ClassificationDataModule
from aape_lightning.tasks import ClassificationTask

ASK = """
source "$1"
line="$2"
COMP_LINE="$line"; COMP_POINT=${#line}; COMP_TYPE=9; COMP_WORDS=($line); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_python_argcomplete aape
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The script of bash, and an `aape` beside it."""
    folder = tmp_path_factory.mktemp("completion")
    (folder / "aape").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m aape_lightning "$@"\n')
    (folder / "aape").chmod(0o755)
    command = [sys.executable, "-m", "aape_lightning", "completion", "bash"]
    (folder / "aape.bash").write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return folder / "aape.bash"


@pytest.fixture
def completed(script, tmp_path):
    """What bash offers for a line."""

    def ask(line: str) -> list[str]:
        path = f"{script.parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", ASK, "bash", str(script), line],
            capture_output=True, text=True, check=True, cwd=tmp_path, env={**os.environ, "PATH": path},
        )  # fmt: skip
        assert done.stderr == ""
        return [word.strip() for word in done.stdout.splitlines() if word]

    return ask


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_reads_its_script(shell, capsys, tmp_path):
    assert main(["completion", shell]) == 0
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    assert "aape" in script.read_text()
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    checked = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, check=True)
    assert checked.stderr == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("aape pro", {"protocol", "prompts"}),
        ("aape cache ", {"build", "list", "clear"}),
        ("aape protocol few", {"few-shot"}),
        ("aape cache clear --ki", {"--kind"}),
        ("aape cache clear --kind fe", {"features"}),
        ("aape data check --manifest calt", {"caltech101"}),
        ("aape protocol base-to-new --method aape-n", {"aape-names", "aape-no-distill"}),
        ("aape protocol run lamb", {"lambda"}),
        ("aape fit --config calt", {"caltech101"}),
        ("aape fit --config shapes --data.backbone RN5", {"RN50", "RN50x4", "RN50x16", "RN50x64"}),
        ("aape fit --config shapes --data.sho", {"--data.shots"}),
        ("aape protocol base-to-new --recipe shapes --trainer.max_ep", {"--trainer.max_epochs"}),
        ("aape classify run.ckpt --backbone shapes", {"shapes-tiny"}),
    ],
)
def test_commands_options_and_names_are_completed(line, words, completed):
    assert set(completed(line)) == words


def test_a_path_may_stand_for_a_name(completed, tmp_path):
    (tmp_path / "mine.yaml").touch()
    assert completed("aape fit --config mi") == ["mine.yaml"]


def test_the_keys_are_those_that_the_classes_take():
    """Read from the sources; here by the classes themselves."""
    import inspect

    from lightning.pytorch import Trainer

    keys = set(recipe_keys())
    for prefix, cls in {"data": ClassificationDataModule, "model": ClassificationTask, "trainer": Trainer}.items():
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        named = {one.name for one in parameters if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)}
        assert {f"--{prefix}.{name}" for name in named} <= keys
    assert "--model.self" not in keys


def test_the_backbones_are_those_that_load():
    assert set(BACKBONES) == {*MODEL_URLS, *SHIPPED}


def test_without_argcomplete_the_error_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    assert main(["completion", "bash"]) == 1
    assert "pip install argcomplete" in capsys.readouterr().err
