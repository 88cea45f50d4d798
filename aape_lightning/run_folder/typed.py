"""The command line as it was typed, without what nobody else should read."""

import re
import shlex
from collections.abc import Sequence

__all__ = ["typed_command"]

_SECRET = re.compile(r"(?i)^--[\w.+-]*(?:key|token|secret|password|credential)s?$")
_LOGIN = re.compile(r"(?<=://)[^/@\s]+(?=@)")  # of an address
_HIDDEN = "***"


def typed_command(args: Sequence[str]) -> str:
    """A command of `aape` for a shell.

    Values of options that are called a key, a token or a password are hidden, and so is who logs in at an address.

    Args:
        args: The arguments behind `aape`.

    Example:
        >>> typed_command(["fit", "--config", "shapes", "--trainer.logger.api_key=abc"])
        "aape fit --config shapes '--trainer.logger.api_key=***'"
    """
    words: list[str] = []
    hide_next = False
    for arg in args:
        name, equals, _ = arg.partition("=")
        if hide_next and not arg.startswith("--"):
            words.append(_HIDDEN)
        elif _SECRET.match(name) and equals:
            words.append(f"{name}={_HIDDEN}")
        else:
            words.append(_LOGIN.sub(_HIDDEN, arg))
        hide_next = bool(_SECRET.match(name)) and not equals
    return shlex.join(["aape", *words])
