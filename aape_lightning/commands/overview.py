"""`aape --help`: all commands, by what they are for."""

import argparse
from collections.abc import Mapping, Sequence

from aape_lightning import __version__
from aape_lightning.commands.help_format import examples
from aape_lightning.commands.parsing import CommandParser

__all__ = ["GROUPS", "OverviewParser"]

GROUPS: Mapping[str, Sequence[str]] = {
    "train and evaluate": ("fit", "validate", "test", "predict", "protocol"),
    "use what was trained": ("classify", "embed", "retrieve", "caption", "answer", "export", "share"),
    "data and sentences": ("data", "prompts"),
    "results": ("report", "metrics"),
    "housekeeping": ("cache", "info", "completion"),
}
_REST = "further commands"

_EPILOG = f"""\
{
    examples(
        "aape fit --config shapes",
        "aape data init ~/birds --prompts birds_sentences.json --out birds.yaml",
        "aape fit --config own --data.manifest birds.yaml --run runs/birds",
        "aape test --config runs/birds/config.yaml --ckpt_path runs/birds/aape.ckpt",
        "aape classify runs/birds/aape.ckpt photo.jpg",
    )
}

Recipes, methods and manifests go by short name or by path.

Exit codes:
  0    done
  1    an error that you can mend; it is told in a line or two
  2    wrong usage: a command or an option that there is not
  130  interrupted by Ctrl-C
  141  whatever read the output has gone, as after: aape data list | head -1
  143  terminated (SIGTERM)

Help on a command: aape COMMAND --help"""


class OverviewParser(CommandParser):
    """The parser of `aape` itself."""

    def __init__(self) -> None:
        super().__init__(
            prog="aape",
            usage="aape COMMAND [options]",
            description="Adapt a frozen CLIP with a few labelled images and sentences about the classes (AAPE).",
            epilog=_EPILOG,
        )
        self.add_argument(
            "--version", action="version", version=f"aape_lightning {__version__}", help="print the version"
        )

    def format_help(self) -> str:
        """All commands in groups, the options, the commonest examples, and the exit codes."""
        formatter = self._get_formatter()
        self._add_usage(formatter)
        formatter.add_text(self.description)
        commands = self._told_commands()
        grouped = {name for names in GROUPS.values() for name in names}
        rest = [name for name in commands if name not in grouped]
        for title, names in {**GROUPS, _REST: rest}.items():
            formatter.start_section(title)
            formatter.add_arguments([commands[name] for name in names if name in commands])
            formatter.end_section()
        formatter.start_section("options")
        formatter.add_arguments([action for action in self._actions if action.option_strings])
        formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()

    def _told_commands(self) -> dict[str, argparse.Action]:
        """Each command's line of help, by its name."""
        commands = self._commands()
        return {} if commands is None else {action.dest: action for action in commands._get_subactions()}
