"""Runs `aape ARGUMENTS` on a machine that lists every folder backwards."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # this tree's package, whichever is installed

from aape_lightning.__main__ import main


class Backwards:
    """An `os.scandir` that has been turned round."""

    def __init__(self, entries):
        self.entries = iter(list(entries)[::-1])

    def __iter__(self):
        return self.entries

    def __next__(self):
        return next(self.entries)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def close(self):
        pass


def turn_round():
    """List every folder in the reverse order of names, which code that does not sort would follow."""
    listdir, scandir = os.listdir, os.scandir
    os.listdir = lambda *place: sorted(listdir(*place), reverse=True)
    os.scandir = lambda *place: Backwards(sorted(scandir(*place), key=lambda entry: entry.name))


if __name__ == "__main__":
    turn_round()
    sys.exit(main(sys.argv[1:]))
