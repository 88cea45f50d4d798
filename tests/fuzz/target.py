"""Fuzz one parser in this process: files are tried until there have been enough, or time is up.

Coverage guides which files are tried further; files are made by the mutations of tests/hostile, or by libFuzzer's own.
An error that is not typed is kept once for each place that raised it, with the file that led there.
"""

import json
import os
import random
import sys
import time
import traceback
import warnings
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import atheris

_TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(_TESTS.parent), str(_TESTS / "hostile")]
with redirect_stderr(StringIO()), atheris.instrument_imports(include=["aape_lightning"]):
    from aape_lightning.errors import AAPEError
    from file_parser import place_beside
    from strangers_files import parsers

__all__ = ["fuzz"]

SECONDS = 10  # for one file, beyond which it counts as a hang
MEGABYTES = 4096
_NOTE_EVERY = 2.0  # seconds between two notes of how far it is
_LONG = 20_000  # bytes of a file that is seldom tried further: what it says is said by shorter ones


class Attempts:
    """What becomes of the files that one parser is given.

    Args:
        name: The parser.
        enough: How many files are tried.
        until: When it ends in any case, as `time.time` counts.
        place: The folder that files are written to.
        note: Where to note what has been done, as JSON.
        kept: The folder of files that led to crashes.
    """

    def __init__(self, name, enough, until, place, note, kept):
        self.name, self.parser, self.enough, self.until = name, parsers()[name], enough, until
        self.path, self.note, self.kept = place / self.parser.file, note, kept
        self.tried = self.accepted = self.refused = 0
        self.slowest = 0.0
        self.crashes = {}
        self.began = self.noted = time.time()

    def read(self, content):
        """Try one file; the process ends with the last."""
        self.path.write_bytes(content)
        started = time.time()
        try:
            self.parser.read(self.path)
            self.accepted += 1
        except AAPEError:
            self.refused += 1
        except Exception as error:
            self._keep(error, content)
        self.tried += 1
        now = time.time()
        self.slowest = max(self.slowest, now - started)
        if self.tried >= self.enough or now >= self.until:
            self._write(now)
            os._exit(0)
        if now - self.noted > _NOTE_EVERY:
            self._write(now)

    def _keep(self, error, content):
        steps = traceback.extract_tb(error.__traceback__)
        where = f"{type(error).__name__} at {Path(steps[-1].filename).name}:{steps[-1].lineno}"
        if where in self.crashes:
            return
        file = f"{self.note.stem}-{len(self.crashes)}"
        (self.kept / file).write_bytes(content)
        ours = next((step for step in reversed(steps) if "aape_lightning" in Path(step.filename).parts), steps[-1])
        told = f"{str(error)[:200]} (in {Path(ours.filename).name}:{ours.lineno}, {ours.name})"
        self.crashes[where] = {"told": told, "file": file}

    def _write(self, now):
        told = {"parser": self.name, "executions": self.tried, "accepted": self.accepted, "refused": self.refused}
        told |= {"seconds": round(now - self.began, 2), "slowest": round(self.slowest, 2), "crashes": self.crashes}
        self.note.with_suffix(".new").write_text(json.dumps(told, indent=1))
        self.note.with_suffix(".new").replace(self.note)
        self.noted = now


def fuzz(name, enough, until, seed, scratch, note, kept):
    """Fuzz until the process ends, as `Attempts` says; `scratch` is a folder of this parser's, shared with others."""
    place, corpus = scratch / str(seed), scratch / "corpus"
    place.mkdir(parents=True)
    corpus.mkdir(exist_ok=True)
    attempts = Attempts(name, enough, until, place, note, kept)
    parser = attempts.parser
    place_beside(parser, place)
    for number, whole in enumerate(parser.seeds):
        (corpus / f"seed-{number}").write_bytes(whole)
    warnings.simplefilter("ignore")

    def mutate(content, largest, seed):
        chance = random.Random(seed)
        whole = chance.choice(parser.seeds) if chance.random() < (0.95 if len(content) > _LONG else 0.3) else content
        changed = atheris.Mutate(content, largest) if chance.random() < 0.2 else parser.mutate(whole, chance)
        return changed[:largest]

    options = ["-runs=-1", f"-timeout={SECONDS}", f"-rss_limit_mb={MEGABYTES}", "-max_len=300000", f"-seed={seed}",
               f"-artifact_prefix={kept}/{note.stem}-", str(corpus)]  # fmt: skip
    atheris.Setup([sys.argv[0], *options], attempts.read, custom_mutator=mutate)
    atheris.Fuzz()
