"""`aape`: the one door. Heavy libraries are imported once the command is known, so that help is quick."""

import argparse
import os
import sys
from collections.abc import Sequence

from aape_lightning import __version__
from aape_lightning.errors import AAPEError

__all__ = ["main"]

_RECIPE_KEYS = ("--data.", "--model.", "--trainer.", "--seed_everything")
_PASS_KEYS_ON = ("protocol", "cache")
_TRAINER_COMMANDS = {
    "fit": "train a task: aape fit --config caltech101 --data.root $DATA",
    "validate": "evaluate on the validation images",
    "test": "evaluate on the test images: aape test --config RUN/config.yaml --ckpt_path RUN/aape.ckpt",
    "predict": "write predictions for the test images",
}


def main(args: Sequence[str] | None = None) -> int:
    """Run `aape` with these arguments (the command line's where not given).

    Returns:
        The exit code: 0 done, 1 an error that a user can mend (one screen, no traceback), 2 wrong usage.
    """
    args = list(sys.argv[1:] if args is None else args)
    # OpenMP's threads spin while they wait for one another, by default so long that beside any other load small steps
    # took 20 times as long; without any spinning they take twice as long on an idle machine. This much costs neither.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    try:
        if args and args[0] in _TRAINER_COMMANDS:
            from aape_lightning.cli import main as trainer_main

            trainer_main(args)
        else:
            own, keys = _without_keys(args)
            options = _parser().parse_args(own, argparse.Namespace(overrides=keys))
            options.run(options)
    except AAPEError as error:
        print(f"aape: error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.filename is None:
            raise  # not a file that a user could name
        print(
            f"aape: error: {str(error.filename)!r}: {error.strerror}. Folders are chosen by --run, --out, "
            "--data.cache_dir and $AAPE_CACHE.",
            file=sys.stderr,
        )
        return 1
    return 0


def _without_keys(args: list[str]) -> tuple[list[str], list[str]]:
    """A command's own arguments, and the keys of a recipe among them, for the commands that pass such keys on.

    The keys may stand anywhere, or all of them behind a `--`. argparse would take what follows a command's own
    positional argument for the beginning of such a list.
    """
    if not args or args[0] not in _PASS_KEYS_ON:
        return args, []
    if "--" in args:
        place = args.index("--")
        return args[:place], args[place + 1 :]
    own: list[str] = []
    keys: list[str] = []
    taker = own
    for arg in args:
        if arg.startswith("--"):
            taker = keys if arg.startswith(_RECIPE_KEYS) else own
        taker.append(arg)
    return own, keys


def _parser() -> argparse.ArgumentParser:
    from aape_lightning import commands

    parser = argparse.ArgumentParser(
        prog="aape",
        description="AAPE: adapt CLIP with a few labelled images and natural-language prompts.",
        epilog="Each command has its own --help. Recipes and manifests go by short name or by path.",
    )
    parser.add_argument("--version", action="version", version=f"aape_lightning {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, purpose in _TRAINER_COMMANDS.items():
        subparsers.add_parser(name, help=purpose, add_help=False)
    commands.add_parsers(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
