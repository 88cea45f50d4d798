"""Recipes, as the command line reads them: keys, types and classes are checked, and nothing is built."""

import contextlib
import io
from functools import cache
from unittest.mock import patch

from aape_lightning import cli
from aape_lightning.arguments import expand_recipes
from file_parser import Parser

_RECIPE = b"""\
model:
  class_path: ClassificationTask
  init_args: {lr: 1.0e-3, query: mean}
data:
  class_path: ClassificationDataModule
  init_args: {manifest: shapes, shots: 16, backbone: shapes-tiny, noise: 0.1}
trainer: {max_epochs: 2, precision: 32-true, callbacks: null}
seed_everything: 0
epochs_on: {imagenet: 50}
"""


class _Built(Exception):
    pass


@cache
def _parser():
    """The parser of `aape fit`, which takes half a second to make."""
    found = []

    class Stopped(cli.AAPECLI):
        def parse_arguments(self, parser, args):
            found.append(parser)
            raise _Built

    with contextlib.suppress(_Built):
        Stopped(["fit"])
    return found[0]._subcommands_action._name_parser_map["fit"]


def _read(path):
    """What `aape fit --config` makes of a file before it builds anything, with the errors as they are told."""
    parse, unbuilt = _parser().parse_args, object.__new__(cli.AAPECLI)

    def parsed(args, **_):
        parse(expand_recipes(args))
        return unbuilt

    with patch.object(cli, "AAPECLI", parsed), contextlib.redirect_stderr(io.StringIO()):
        return cli._parsed(["--config", str(path)])


def recipe_parsers():
    return {"recipe": Parser("r.yaml", (_RECIPE,), _read)}
