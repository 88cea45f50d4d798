"""`aape prompts`: sentences about classes: asked of a language model, curated, looked at, embedded."""

import argparse

from aape_lightning.commands.help_format import examples
from aape_lightning.commands.prompts.curate import add_curate
from aape_lightning.commands.prompts.embed import add_embed
from aape_lightning.commands.prompts.generate import add_generate
from aape_lightning.commands.prompts.show import add_show

__all__ = ["add_parser"]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape prompts` and its commands to the command line."""
    prompts = commands.add_parser(
        "prompts",
        help="generate, curate, show and embed sentences about classes",
        description="Sentences about classes: ask a language model for them, find those that mislead, look at a "
        "class's, embed them ahead of training.",
        epilog=examples(
            "aape prompts generate --manifest birds.yaml --model NAME --out birds_sentences.json",
            "aape prompts curate --manifest caltech101 --root $DATA --drop misplaced off-topic --out curated.json",
            "aape prompts show --manifest caltech101 --root $DATA --class yin_yang --backbone ViT-B/16",
        ),
    )
    subcommands = prompts.add_subparsers(required=True, metavar="COMMAND")
    add_generate(subcommands)
    add_curate(subcommands)
    add_show(subcommands)
    add_embed(subcommands)
