"""`aape`: the one door. Heavy libraries are imported once the command is known, so that help is quick."""

import argparse
import os
import sys
from collections.abc import Sequence

from aape_lightning.commands.exits import exit_code_of, leaving_on_sigterm, one_voice
from aape_lightning.commands.parsing import QUIET, is_completing

__all__ = ["main", "parser"]


def main(args: Sequence[str] | None = None) -> int:
    """Run `aape` with these arguments (the command line's where not given).

    Returns:
        The exit code: 0 done, 1 an error that a user can mend (one screen, no traceback), 130 interrupted, 141 the
        reader of the output has gone, 143 terminated.

    Raises:
        SystemExit: With code 0 after help, with code 2 for wrong usage.
    """
    words = list(sys.argv[1:] if args is None else args)
    # OpenMP's threads spin while they wait for one another, by default so long that beside any other load small steps
    # took 20 times as long; without any spinning they take twice as long on an idle machine. This much costs neither.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    with leaving_on_sigterm(), one_voice():
        return exit_code_of(lambda: _run(words))


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; it imports no heavy library."""
    from aape_lightning import commands
    from aape_lightning.commands.overview import OverviewParser

    made: argparse.ArgumentParser = OverviewParser()
    commands.add_parsers(made.add_subparsers(required=True, metavar="COMMAND"))
    return made


def _run(words: list[str]) -> None:
    if is_completing():
        from aape_lightning.commands.completion import complete

        complete(parser())
    words = _asking_for_help(_without_quiet(words))
    options = parser().parse_args(words)
    options.run(options)


def _without_quiet(words: list[str]) -> list[str]:
    """The arguments without `--quiet`, which may stand anywhere before a `--`, and is heeded here."""
    from aape_lightning.messages import set_quiet

    end = words.index("--") if "--" in words else len(words)
    set_quiet(QUIET in words[:end])
    return [word for word in words[:end] if word != QUIET] + words[end:]


def _asking_for_help(words: list[str]) -> list[str]:
    """`aape help data check` is `aape data check --help`."""
    return [*words[1:], "--help"] if words[:1] == ["help"] else words


if __name__ == "__main__":
    sys.exit(main())
