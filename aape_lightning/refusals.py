"""What the recipe parser refuses, in two lines; its own message tells every type that it tried."""

import inspect
import re
from pydoc import ErrorDuringImport, locate

from aape_lightning.errors import did_you_mean
from aape_lightning.resources import recipe_names

__all__ = ["refusal"]

_KEY = re.compile(r'Parser key "(\w+)"')
_PROBLEM = re.compile(r"Problem with given class_path '([^']+)':\n")
_BEHIND = re.compile(r"^\s*(?:- Expected a <class|Given value)", re.MULTILINE)
_FAULT = re.compile(r"^ +- (?!Expected a <class)(.+)$", re.MULTILINE)
_OPTION = re.compile(r"Option '(\w+)' is not accepted")


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
        told = f"{part}: {faults[-1]}."
    recipes = f" Recipes for --config: a path, or {', '.join(recipe_names())}." if part == "config" else ""
    return f"{told}\nList every key with: aape fit --help; a task's with: --model.help NAME.{recipes}"


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
