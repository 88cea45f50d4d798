"""`aape completion`: what a shell needs to complete commands, options and names.

The script asks `aape` itself at each Tab, so that it knows new recipes and manifests at once.
"""

import argparse
import os
from typing import Any

from aape_lightning.commands.help_format import examples

__all__ = ["add_parser", "complete", "run_completion"]

_SHELLS = ("bash", "zsh", "fish")
_INSTALL = """\
To have it in every shell:
  bash   echo 'eval "$(aape completion bash)"' >> ~/.bashrc
  zsh    echo 'eval "$(aape completion zsh)"' >> ~/.zshrc, below compinit
  fish   aape completion fish > ~/.config/fish/completions/aape.fish"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape completion` to the command line."""
    parser = commands.add_parser(
        "completion",
        help="print a script for bash, zsh or fish that completes commands and names",
        description="Print a shell script that completes commands, options, keys of recipes, and the names of recipes, "
        "methods, manifests and backbones.",
        epilog=f"{_INSTALL}\n\n{examples('aape completion bash')}",
    )
    parser.add_argument("shell", choices=_SHELLS, help="the shell")
    parser.set_defaults(run=run_completion)


def run_completion(options: argparse.Namespace) -> None:
    """Print the script.

    Raises:
        AAPEError: If argcomplete is not installed.
    """
    print(_argcomplete().shellcode(["aape"], shell=options.shell).strip())


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks for completions, and leave; its question is in the environment.

    Args:
        parser: The parser of the whole command line.
    """
    from aape_lightning.commands.completers import add_completers

    add_completers(parser, os.environ["COMP_LINE"][: int(os.environ["COMP_POINT"])])
    _argcomplete().autocomplete(parser, always_complete_options=False)


def _argcomplete() -> Any:  # noqa: ANN401 - a module
    try:
        import argcomplete
    except ImportError as error:
        from aape_lightning.errors import AAPEError

        raise AAPEError("Completion needs argcomplete: pip install argcomplete") from error
    return argcomplete
