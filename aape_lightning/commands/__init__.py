"""The commands beside LightningCLI's; each module imports its heavy libraries when it runs."""

import argparse

from aape_lightning.commands import cache, data, metrics, prompts, protocol, report, retrieve

__all__ = ["add_parsers"]


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add every command of this package to the command line."""
    for module in (protocol, cache, report, retrieve, metrics, data, prompts):
        module.add_parser(commands)
