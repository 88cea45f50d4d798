"""The parser of every command: help with examples and defaults, and "did you mean" for what is misspelt."""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from aape_lightning.commands.help_format import HelpFormatter, coloured, is_coloured
from aape_lightning.commands.keys import without_keys
from aape_lightning.errors import did_you_mean

__all__ = ["QUIET", "CommandParser", "is_completing"]

QUIET = "--quiet"
_EVERYWHERE = ("help", "quiet")  # told last
_WRONG_USAGE = 2
_OPTIONS = argparse.Action(["options"], dest="options", nargs=0)  # stands in a usage for all that may be left out

# What other programs call it.
_OTHER_WORDS = {"train": "fit", "eval": "test", "evaluate": "test", "search": "retrieve", "version": "info"}


def is_completing() -> bool:
    """Whether a shell asks for completions, and nothing is to be run or refused."""
    return "_ARGCOMPLETE" in os.environ


class CommandParser(argparse.ArgumentParser):
    """A parser whose commands are of the same kind.

    A command with `overrides` among its defaults passes keys of a recipe on: they are put there. One with `words` hands
    all its arguments to another parser. One that only holds others prints its help where none is named.
    """

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - as argparse takes them
        super().__init__(formatter_class=HelpFormatter, allow_abbrev=False, add_help=False, **kwargs)
        self._positionals.title = "arguments"
        self.add_argument("-h", "--help", action="help", help="show this help")
        self.add_argument(
            QUIET, action="store_true", default=argparse.SUPPRESS, help="print results and errors, and nothing else"
        )

    def add_subparsers(self, **kwargs: Any) -> Any:  # noqa: ANN401 - argparse's own private class
        """Add commands; their usage begins with this parser's name alone."""
        return super().add_subparsers(prog=self.prog, title="commands", parser_class=CommandParser, **kwargs)

    # ---- help ----------------------------------------------------------------------------------------------------

    def format_usage(self) -> str:
        """What must be given, in a line; everything else is `[options]`."""
        formatter = self._get_formatter()
        self._add_usage(formatter)
        return formatter.format_help()

    def _add_usage(self, formatter: argparse.HelpFormatter) -> None:
        choices = [group for group in self._mutually_exclusive_groups if group.required]
        chosen = [action for group in choices for action in group._group_actions]
        needed = [action for action in self._actions if action.required or action in chosen]
        optional = [action for action in self._actions if not action.option_strings and action not in needed]
        formatter.add_usage(self.usage, [*needed, _OPTIONS, *optional], choices)

    def format_help(self) -> str:
        """Usage, purpose, commands, arguments, options, examples."""
        formatter = self._get_formatter()
        self._add_usage(formatter)
        formatter.add_text(self.description)
        for group in self._action_groups:
            formatter.start_section(group.title)
            formatter.add_text(group.description)
            formatter.add_arguments(sorted(group._group_actions, key=lambda action: action.dest in _EVERYWHERE))
            formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()

    def print_help(self, file: Any = None) -> None:  # noqa: ANN401 - whatever can be written to
        """Print the help, in colour on a terminal."""
        stream = sys.stdout if file is None else file
        text = self.format_help()
        stream.write(coloured(text) if is_coloured(stream) else text)

    # ---- what is refused -----------------------------------------------------------------------------------------

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where to read on, and leave with exit code 2."""
        self.print_usage(sys.stderr)
        self.exit(_WRONG_USAGE, f"aape: error: {message}\nSee: {self.prog} --help\n")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse; what is not known is refused here, where it is known of which command it is no option."""
        words = list(sys.argv[1:] if args is None else args)
        commands = self._commands()
        if commands is not None and not is_completing():
            self._refuse_before_command(words, commands)
        if self.get_default("words") is not None and not is_completing():
            return self._taken_as_they_are(words, namespace), []
        keys: list[str] = []
        if takes_keys := self.get_default("overrides") is not None and not is_completing():
            words, keys = without_keys(words)
        if commands is None and not is_completing():
            self._refuse_unknown(words)
        found, rest = super().parse_known_args(words, namespace)
        if takes_keys:
            found.overrides = keys
        if rest and commands is None and not is_completing():
            self.error(f"unrecognized arguments: {' '.join(rest)}.")
        return found, rest

    def _taken_as_they_are(self, words: list[str], namespace: argparse.Namespace | None) -> argparse.Namespace:
        """The defaults, and the arguments for another parser; a call for help is answered here."""
        if not words or {"-h", "--help"} & set(words):
            self.print_help()
            self.exit()
        found = argparse.Namespace() if namespace is None else namespace
        vars(found).update(self._defaults, words=words)
        return found

    def _commands(self) -> "argparse._SubParsersAction[Any] | None":
        return next((action for action in self._actions if isinstance(action, argparse._SubParsersAction)), None)

    def _refuse_before_command(self, words: list[str], commands: "argparse._SubParsersAction[Any]") -> None:
        if not words:
            self.print_help()
            self.exit()
        if words[0].startswith("-") and words[0] not in self._option_string_actions:
            known = ", ".join(commands.choices)
            self.error(f"{words[0]!r} stands where a command must be named first: {known}.")

    def _refuse_unknown(self, words: Iterable[str]) -> None:
        for word in words:
            if word == "--":
                return
            name = word.partition("=")[0]
            if word.startswith("--") and " " not in word and name not in self._option_string_actions:
                options = [option for option in self._option_string_actions if option.startswith("--")]
                self.error(f"no option {name!r}.{did_you_mean(name, options)}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # noqa: ANN401 - whatever `type` makes
        if action.choices is None or value in action.choices:
            return
        known = list(map(str, action.choices))
        if isinstance(action, argparse._SubParsersAction):
            meant = _OTHER_WORDS.get(value)
            hint = f" Did you mean {meant!r}?" if meant in known else did_you_mean(value, known)
            raise argparse.ArgumentError(None, f"no command {value!r}.{hint} The commands are {', '.join(known)}.")
        hint = did_you_mean(str(value), known)
        raise argparse.ArgumentError(action, f"invalid choice: {value!r}.{hint} Choose from {', '.join(known)}.")
