"""What the recipe parser refuses, in two lines; its own message tells every type that it tried."""

import importlib
import inspect
import re
from pydoc import ErrorDuringImport, locate

from lightning.pytorch import Trainer

from aape_lightning.arguments import RUN_OPTIONS
from aape_lightning.errors import did_you_mean, listed
from aape_lightning.resources import recipe_names

__all__ = ["refusal"]

_CLASSES = {"model": ("aape_lightning.tasks", "aape_lightning.baselines"), "data": ("aape_lightning.data",)}
_KEY = re.compile(r'Parser key "(\w+)"')
_PROBLEM = re.compile(r"Problem with given class_path '([^']+)':\n")
_BEHIND = re.compile(r"^\s*(?:- Expected a <class|Given value)", re.MULTILINE)
_FAULT = re.compile(r"^ +- (?!Expected a <class)(.+)$", re.MULTILINE)
_OPTION = re.compile(r"Option '(\w+)' is not accepted")
_CHOICE = re.compile(r"typing\.Literal\[([^\]]+)\].*?Got value: (\S+?)\.?$")
_CLASS = re.compile(r"Expected a dot import path string: (\w+)\.?$")
_UNKNOWN = re.compile(r"unrecognized arguments: (--\S+)", re.IGNORECASE)
_UNKNOWN_IN_FILE = re.compile(r"(?:Group '(\w+)' does not accept option|Option) '([\w.]+)'")
_UNION = re.compile(r'Parser key "([\w.]+)":.*Union.*Given value: ([^\n]+)', re.DOTALL)


def refusal(told: str) -> str:
    """An error of the recipe parser, with the closest legal key and where the keys are listed.

    Args:
        told: The parser's own message.
    """
    key = _KEY.match(told)
    part = key[1] if key else ""
    *_, problem = [None, *_PROBLEM.finditer(told)]  # the innermost class is the one at fault
    if part and problem:
        fault = " ".join(_BEHIND.split(told[problem.end() :])[0].split())
        return f"{part} {problem[1]!r}: {fault}.{_hint(part, problem[1], fault)}"
    if part in ("model", "data") and (faults := _FAULT.findall(told)):
        told = _class_told(part, faults[-1])
    elif unknown := _UNKNOWN.match(told):
        told = f"{told}.{did_you_mean(unknown[1].partition('=')[0], _options_of_runs())}"
    elif unknown := _UNKNOWN_IN_FILE.match(told):
        name = ".".join(filter(None, unknown.groups()))
        known = [option.removeprefix("--") for option in _options_of_runs()]
        told = f"{told}.{did_you_mean(name if unknown[1] else name.partition('.')[0], known)}"
    elif union := _UNION.search(told):
        told = _choices_told(union[1], union[2].strip().strip("'"), told)
    recipes = f" Recipes for --config: a path, or {', '.join(recipe_names())}." if part == "config" else ""
    return f"{told}\nList every key with: aape fit --help-all; a task's with: --model.help NAME.{recipes}"


def _class_told(part: str, fault: str) -> str:
    """What is wrong with the class itself: most often its name."""
    if not (found := _CLASS.search(fault)):
        return f"{part}: {fault}."
    names = [name for package in _CLASSES[part] for name in importlib.import_module(package).__all__]
    known = [name for name in names if name.endswith(("Task", "DataModule"))]
    hint = did_you_mean(found[1], known)
    return f"{part}: no class {found[1]!r}.{hint} There are {listed(known, limit=40)}, and your own by FILE.CLASS."


def _choices_told(key: str, value: str, told: str) -> str:
    """A value of none of the forms that a key may have: the names among them, or else their types."""
    choices = list(dict.fromkeys(re.findall(r"'([\w.-]+)'", " ".join(re.findall(r"Literal\[[^\]]*\]", told)))))
    if choices:
        return f"{key}: {value!r} is none of {listed(choices, limit=20)}.{did_you_mean(value, choices)}"
    kinds = [kind.replace("NoneType", "null") for kind in re.findall(r"Expected an? <class '(\w+)'>", told)]
    return f"{key}: {value!r} is no {' or '.join(kinds)}." if kinds else told


def _options_of_runs() -> list[str]:
    """What a run takes beside keys of its task and its data."""
    trainer = [f"--trainer.{name}" for name in inspect.signature(Trainer.__init__).parameters]
    return [*RUN_OPTIONS, *trainer]


def _hint(part: str, path: str, fault: str) -> str:
    """What mends a class that is not found, or that was given what it does not take."""
    if fault.startswith("No module named"):
        return " Say where its file is: PYTHONPATH=FOLDER aape ..."
    try:
        found = locate(path)
    except ErrorDuringImport:
        return ""
    if not isinstance(found, type):
        return ""
    option = _OPTION.search(fault)
    closest = did_you_mean(option[1], _options(found)) if option else ""
    if choice := _CHOICE.search(fault):
        closest = did_you_mean(choice[2], re.findall(r"'([^']+)'", choice[1]))
    name = found.__name__ if path.startswith("aape_lightning.") else path
    return f"{closest}\nList its keys with: aape fit --{part}.help {name}"


def _options(found: type) -> list[str]:
    """The names of what a class takes, its bases' too as far as it hands them on."""
    names: list[str] = []
    for base in found.__mro__:
        if "__init__" not in vars(base):
            continue
        taken = inspect.signature(vars(base)["__init__"]).parameters.values()
        names += [one.name for one in taken if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)][1:]
        if not any(one.kind is one.VAR_KEYWORD for one in taken):
            break
    return names
