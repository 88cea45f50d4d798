"""Keys of a recipe among a command's own arguments: `--data.shots 4` goes through to the recipe's parser."""

from collections.abc import Sequence

__all__ = ["FURTHER_KEYS", "KEY_PREFIXES", "without_keys"]

KEY_PREFIXES = ("--data.", "--model.", "--trainer.", "--seed_everything")
FURTHER_KEYS = "Further keys of the recipe are taken as by aape fit: --data.shots 4 --trainer.max_epochs 50."


def without_keys(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """A command's own arguments, and the keys of a recipe among them, for the commands that pass such keys on.

    The keys may stand anywhere, or all of them behind a `--`. argparse would take what follows a command's own
    positional argument for the beginning of such a list.

    Example:
        >>> without_keys(["--data.shots", "4", "--report"])
        (['--report'], ['--data.shots', '4'])
    """
    if "--" in args:
        place = args.index("--")
        return list(args[:place]), list(args[place + 1 :])
    own: list[str] = []
    keys: list[str] = []
    taker = own
    for arg in args:
        if arg.startswith("--"):
            taker = keys if arg.startswith(KEY_PREFIXES) else own
        taker.append(arg)
    return own, keys
