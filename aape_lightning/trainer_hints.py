"""Numbers of the Trainer's options that count things are read as whole numbers, whatever was imported before."""

import functools
import inspect
import operator
from typing import get_args

from lightning.pytorch import Trainer

__all__ = ["read_whole_numbers_first"]


def read_whole_numbers_first() -> None:
    """Have `--trainer.limit_train_batches 1` be one batch, and not 1.0, which is all of them.

    `typing` has one object for equal unions, in the order of whoever in the process wrote it first: where another
    library has written `Optional[Union[float, int]]`, that is Lightning's annotation too, and a parser of command lines
    tries its types in their order.
    """
    hints = inspect.unwrap(Trainer.__init__).__annotations__
    for name, hint in hints.items():
        kinds = get_args(hint)
        if int in kinds and float in kinds:
            hints[name] = functools.reduce(operator.or_, sorted(kinds, key=lambda kind: kind is not int))
