"""The commands; each module imports its heavy libraries when it runs."""

import argparse

from aape_lightning.commands import (
    answer,
    cache,
    caption,
    classify,
    completion,
    data,
    embed,
    export,
    info,
    metrics,
    prompts,
    protocol,
    report,
    retrieve,
    share,
    trainer,
)

__all__ = ["add_parsers"]

_MODULES = (
    trainer, protocol, classify, embed, retrieve, caption, answer, export, share, data, prompts, report, metrics,
    cache, info, completion,
)  # fmt: skip


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add every command to the command line."""
    for module in _MODULES:
        module.add_parser(commands)
