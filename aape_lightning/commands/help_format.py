"""How help looks: examples that can be copied, defaults, commands with what they do, and colour on a terminal."""

import argparse
import os
import re
import shutil
import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Any

__all__ = ["HelpFormatter", "coloured", "examples", "is_coloured"]

_WIDEST = 100  # columns; longer lines are hard to read
_FIRST_COLUMN = 28
_CONTINUED = " \\\n      "
_BOLD, _CYAN, _GREEN, _PLAIN = "\033[1m", "\033[36m", "\033[32m", "\033[0m"


def examples(*commands: str, width: int = 78) -> str:
    r"""Commands under the word "Examples", each to be typed as it stands; long ones go on in the next line.

    Args:
        commands: Whole commands.
        width: Columns that a line may take.

    Example:
        >>> examples("aape data list --root $DATA", width=24)
        'Examples:\n  aape data list \\\n      --root $DATA'
    """
    return "\n".join(["Examples:", *(f"  {_broken(command, width)}" for command in commands)])


def _broken(command: str, width: int) -> str:
    """A command over several lines, broken before options, as a shell reads them."""
    lines: list[str] = []
    for part in re.split(r" (?=--)", command):
        room = width - (2 if len(lines) < 2 else 6) - 2
        if lines and len(lines[-1]) + 1 + len(part) <= room:
            lines[-1] += f" {part}"
        else:
            lines.append(part)
    return _CONTINUED.join(lines)


class HelpFormatter(argparse.HelpFormatter):
    """Paragraphs are filled and indented lines kept; each option tells its default, or that it is required."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size().columns, _WIDEST) - 2
        super().__init__(prog, max_help_position=_FIRST_COLUMN, width=width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = text.strip("\n").split("\n")
        filled: list[str] = []
        for kept, grouped in groupby(lines, key=lambda line: not line.strip() or line.startswith("  ")):
            block = list(grouped)
            filled += block if kept else textwrap.wrap(" ".join(block), width)
        return "\n".join(f"{indent}{line}" for line in filled)

    def _get_help_string(self, action: argparse.Action) -> str:
        told, default = action.help or "", action.default
        if action.required and action.option_strings:
            return f"{told} (required)"
        if "default:" in told or default in (None, False, argparse.SUPPRESS) or default == []:
            return told
        shown = " ".join(map(str, default)) if isinstance(default, list | tuple) else str(default)
        return f"{told} (default: {shown.replace('%', '%%')})"

    def _format_action(self, action: argparse.Action) -> str:
        if isinstance(action, argparse._SubParsersAction):  # each command, without a line for all of them
            return "".join(self._format_action(command) for command in self._commands(action))
        return super()._format_action(action)

    def _commands(self, action: argparse.Action) -> Iterator[argparse.Action]:
        yield from action._get_subactions()  # type: ignore[attr-defined] # argparse's own formatter asks for it too


def is_coloured(stream: Any) -> bool:  # noqa: ANN401 - whatever can be written to
    """Whether colours are wanted there: on a terminal, unless `$NO_COLOR` says otherwise (no-color.org)."""
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def coloured(text: str) -> str:
    """Help with its headings in bold, options and commands in cyan, examples in green."""
    return "\n".join(map(_coloured_line, text.split("\n")))


def _coloured_line(line: str) -> str:
    if re.fullmatch(r"\S.*:", line):
        return f"{_BOLD}{line}{_PLAIN}"
    if re.match(r"  (aape \S|torchrun \S|    --)", line):
        return f"{_GREEN}{line}{_PLAIN}"
    if found := re.match(r"(usage: )(.*)", line):
        return f"{_BOLD}{found[1]}{_PLAIN}{found[2]}"
    # The first column of a list: what stands there ends at two spaces.
    return re.sub(r"^(  |    )(-{0,2}[a-z]\S*(?: \S+)*?)(?=  |$)", rf"\1{_CYAN}\2{_PLAIN}", line)
