"""Every help: what it is for, an example that parses, defaults; quick, and without a word on standard error.

All commands are found by walking the parser, so that a new one is tested as well. That help is quick is tested by what
it imports: the libraries that take seconds are not among it.
"""

import argparse
import io
import json
import re
import shlex
import subprocess
import sys
from itertools import pairwise

import pytest
from aape_lightning.__main__ import main, parser
from aape_lightning.arguments import RUN_OPTIONS
from aape_lightning.commands.help_format import coloured, examples, is_coloured
from aape_lightning.commands.overview import GROUPS
from aape_lightning.commands.trainer import TRAINER_COMMANDS, _refuse_unknown
from aape_lightning.resources import manifest_path, method_path, recipe_path

HEAVY = {
    "torch", "lightning", "numpy", "pandas", "matplotlib", "pydantic", "rich", "transformers", "PIL", "yaml", "jinja2",
    "scipy", "jsonargparse", "onnx", "huggingface_hub", "argcomplete",
}  # fmt: skip
WALK = """
import contextlib, io, json, sys
from aape_lightning.__main__ import main
found = {}
for words in json.loads(sys.argv[1]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            main([*words, "--help"])
        except SystemExit as stop:
            found[" ".join(words)] = (stop.code, out.getvalue())
print(json.dumps([found, sorted(sys.modules)]))
"""


def walk(made: argparse.ArgumentParser, words: tuple[str, ...] = ()):
    """Every command of the command line, those that only hold others too, with its parser."""
    yield words, made
    for action in made._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from walk(inner, (*words, name))


COMMANDS = {" ".join(words): made for words, made in walk(parser())}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What every `--help` prints in 80 columns, and the modules that were imported for all of them."""
    asked = json.dumps([name.split() for name in COMMANDS])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WALK, asked],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "80", "HOME": str(tmp_path_factory.mktemp("home"))},
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


def examples_in(text: str) -> list[list[str]]:
    """The commands of a help, as a shell splits them."""
    lines = text.partition("\nExamples:\n")[2].replace(" \\\n", " ").split("\n")
    return [shlex.split(line) for line in lines if re.match(r"  (aape|torchrun) ", line)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_says_what_for_and_how(name, told):
    code, text = told[0][name]
    assert code == 0
    assert text.startswith(f"usage: aape {name}".rstrip())
    description = text.split("\n\n")[1]
    assert description[0].isupper()
    assert description.rstrip().endswith((".", ")"))
    assert examples_in(text), "it shows no example"
    assert max(map(len, text.split("\n"))) <= 80 or "  aape" in max(text.split("\n"), key=len)
    assert "--help" in text


def test_no_help_imports_what_takes_seconds(told):
    assert {module.partition(".")[0] for module in told[1]} & HEAVY == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_typed_as_they_work(name, told):
    for words in examples_in(told[0][name][1]):
        own = words[words.index("aape_lightning") + 1 :] if words[0] == "torchrun" else words[1:]
        if ">" in own:  # into a file
            own = own[: own.index(">")]
        options = parser().parse_args(own)
        if own[0] in TRAINER_COMMANDS:
            _refuse_unknown(options.parser, options.words)
        for option, word in pairwise(own):
            if "/" in word or word.endswith(".yaml"):
                continue
            if option in ("--recipe", "--config"):
                recipe_path(word)
            if option == "--method":
                method_path(word)
            if option in ("--manifest", "--data.manifest"):
                manifest_path(word)


@pytest.mark.parametrize("name", [name for name, made in COMMANDS.items() if made._commands() is None])
def test_every_option_is_explained_with_its_default(name, told):
    text = " ".join(told[0][name][1].split())
    for action in COMMANDS[name]._actions:
        assert action.help, action.dest
        assert "  " not in action.help.strip("\n") or "\n" in action.help
        if not action.option_strings:
            continue
        assert action.option_strings[0] in text
        if action.default not in (None, False, argparse.SUPPRESS, []) and "default:" not in action.help:
            assert "(default: " in text
        assert not re.search(r"\((?!default)[\d.]+( [\d.]+)*\)", action.help), "a default is told twice"


def test_every_command_has_its_group():
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(name for name in COMMANDS if name and " " not in name)
    assert len(set(grouped)) == len(grouped)


def test_the_overview_fits_a_screen_or_two(told):
    text = told[0][""][1]
    assert len(text.split("\n")) <= 80
    assert all(f"\n{title}:\n" in text for title in GROUPS)
    assert "further commands" not in text


# ---- LightningCLI's own --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRAINER_COMMANDS)
def test_the_whole_help_of_lightnings_commands_is_free_of_warnings(name, capsys, recwarn):
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help-all"])
    captured = capsys.readouterr()
    assert captured.err == ""
    assert not recwarn.list
    assert "--trainer.max_epochs" in captured.out
    options = set(re.findall(r"^  (?:-\w,? ?\w*,? ?)?(--[a-z_]+)", captured.out, re.MULTILINE))
    ours = set(RUN_OPTIONS) - {"--json"}
    assert options - ours == set()
    of_some = {"--weights_only", "--verbose", "--return_predictions"}
    assert ours - of_some <= options | {"--help", "--config"}


# ---- its form ------------------------------------------------------------------------------------------------------


def test_long_examples_go_on_in_the_next_line_as_a_shell_reads_them():
    command = "aape data check --manifest caltech101 --root $DATA --decode sample --json --quiet"
    text = examples(command, width=46)
    assert max(map(len, text.split("\n"))) <= 46
    assert text.count("\\\n") == 2
    assert shlex.split(text.removeprefix("Examples:\n").replace("\\\n", "")) == shlex.split(command)


def test_colours_change_nothing_but_colours(told):
    for _, text in told[0].values():
        shown = coloured(text)
        assert re.sub(r"\033\[\d+m", "", shown) == text
        assert "\033[1mExamples:\033[0m" in shown


class Terminal:
    def isatty(self):
        return True


def test_colours_are_for_terminals_that_want_them(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert is_coloured(Terminal())
    assert not is_coloured(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not is_coloured(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not is_coloured(Terminal())
