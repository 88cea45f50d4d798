"""What may stand behind an option, for completion: names that are known, keys of recipes. Nothing heavy is imported."""

import argparse
import ast
import importlib.util
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from aape_lightning.commands.keys import KEY_PREFIXES
from aape_lightning.commands.trainer import TRAINER_COMMANDS
from aape_lightning.resources import manifest_names, method_names, recipe_names, written_names

__all__ = ["BACKBONES", "add_completers", "recipe_keys"]

_PACKAGE = Path(__file__).parents[1]

# As clip-anytorch names them, whose import takes seconds, and ours.
BACKBONES = (
    "RN50", "RN101", "RN50x4", "RN50x16", "RN50x64", "ViT-B/32", "ViT-B/16", "ViT-L/14", "ViT-L/14@336px",
    "shapes-tiny",
)  # fmt: skip

_NAMES: dict[str, Callable[[], Iterable[str]]] = {
    "--recipe": recipe_names,
    "--config": recipe_names,
    "--method": method_names,
    "--manifest": manifest_names,
    "--data.manifest": manifest_names,
    "--targets": manifest_names,
    "--backbone": lambda: BACKBONES,
    "--data.backbone": lambda: BACKBONES,
    "--data.classes": lambda: ("all", "base", "new"),
    "--model.help": lambda: _names_of_classes("tasks", "baselines"),
    "--data.help": lambda: _names_of_classes("data"),
    "--model": lambda: _names_of_classes("tasks", "baselines"),
    "--data": lambda: _names_of_classes("data"),
}


def add_completers(parser: argparse.ArgumentParser, typed: str) -> None:
    """Say of each option of each command what may stand behind it.

    A command that passes keys of a recipe on gets an option for each of them, where an option is being typed: to read
    them from the sources takes half a second.

    Args:
        parser: The parser of the whole command line, of which only completions are asked from now on.
        typed: The command line so far.
    """
    words = typed.split(" ")
    for name, command in _leaves(parser):
        takes_keys = name in TRAINER_COMMANDS or command.get_default("overrides") is not None
        if takes_keys and name in words and words[-1].startswith("--"):
            _add_keys(command)
        for action in command._actions:
            for option in action.option_strings or [f"{name} {action.dest}"]:
                if option in _NAMES:
                    action.completer = _completer(_NAMES[option])  # type: ignore[attr-defined]
                elif option == "run file":
                    action.completer = _completer(written_names)  # type: ignore[attr-defined]


def _completer(names: Callable[[], Iterable[str]]) -> Callable[..., list[str]]:
    """Names that fit what is typed, and where none does the files of a folder, since names may be paths as well."""

    def completed(prefix: str, **_: object) -> list[str]:
        from argcomplete.completers import FilesCompleter

        known = [name for name in names() if name.startswith(prefix)]
        files: list[str] = FilesCompleter()(prefix)
        return known or files

    return completed


def _leaves(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        yield name, parser
    for action in inner:
        for word, command in action.choices.items():
            yield from _leaves(command, word)


def _add_keys(parser: argparse.ArgumentParser) -> None:
    for key in recipe_keys():
        if key not in parser._option_string_actions:
            parser.add_argument(key, help="a key of the recipe")


def recipe_keys() -> list[str]:
    """Every key of a recipe that some task, DataModule or the Trainer takes, read from their sources.

    Example:
        >>> "--data.shots" in recipe_keys(), "--trainer.max_epochs" in recipe_keys()
        (True, True)
    """
    found = {f"--data.{name}" for name in _parameters(_sources("data"), "DataModule")}
    found |= {f"--model.{name}" for name in _parameters(_sources("tasks", "baselines"), "Task")}
    lightning = importlib.util.find_spec("lightning")
    if lightning is not None and lightning.origin is not None:
        source = Path(lightning.origin).parent / "pytorch" / "trainer" / "trainer.py"
        found |= {f"--trainer.{name}" for name in _parameters([source], "Trainer")}
    assert all(key.startswith(KEY_PREFIXES) for key in found)
    return sorted([*found, "--data.help", "--model.help"])


def _sources(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((_PACKAGE / package).rglob("*.py"))]


def _classes(sources: Iterable[Path], ending: str) -> Iterator[ast.ClassDef]:
    for path in sources:
        text = path.read_text(encoding="utf-8")
        if f"{ending}(" not in text and f"{ending}:" not in text:
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and node.name.endswith(ending):
                yield node


def _parameters(sources: Iterable[Path], ending: str) -> Iterator[str]:
    """What the constructors of these classes take."""
    for node in _classes(sources, ending):
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                arguments = method.args
                yield from (one.arg for one in [*arguments.args[1:], *arguments.kwonlyargs])


def _names_of_classes(*packages: str) -> list[str]:
    ending = "DataModule" if packages == ("data",) else "Task"
    return [node.name for node in _classes(_sources(*packages), ending)]
