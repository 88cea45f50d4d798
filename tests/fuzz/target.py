"""Fuzz one parser: `python tests/fuzz/target.py NAME EXECUTIONS FOLDER`; what it did is left in FOLDER/NAME.json.

Coverage guides which files are tried further; files are made by the mutations of tests/hostile, or by libFuzzer's own.
An error that is not typed is kept once for each place that raised it, with the file that led there.
"""

import json
import random
import sys
import traceback
import warnings
from pathlib import Path

import atheris

_TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(_TESTS.parent), str(_TESTS / "hostile")]
with atheris.instrument_imports(include=["aape_lightning"]):
    from aape_lightning.errors import AAPEError
    from strangers_files import parsers

SECONDS = 10  # for one file, beyond which it counts as a hang
MEGABYTES = 4096


def main():
    name, executions, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    parser, place = parsers()[name], folder / name
    (place / "corpus").mkdir(parents=True, exist_ok=True)
    for held, content in parser.beside:
        (place / held).write_bytes(content)
    for number, seed in enumerate(parser.seeds):
        (place / "corpus" / f"seed-{number}").write_bytes(seed)
    warnings.simplefilter("ignore")
    tried, refused, crashes = 0, 0, {}

    def read(content):
        nonlocal tried, refused
        path = place / parser.file
        path.write_bytes(content)
        try:
            parser.read(path)
        except AAPEError:
            refused += 1
        except Exception as error:
            where = f"{type(error).__name__}: {error}"[:200], traceback.format_exc().splitlines()[-3:]
            if (key := f"{type(error).__name__} {where[1][0]}") not in crashes:
                crashes[key] = where
                (place / f"crash-{len(crashes)}").write_bytes(content)
        tried += 1
        if tried % 1000 == 0 or tried >= executions:
            told = {"executions": tried, "refused": refused, "crashes": crashes}
            (folder / f"{name}.json").write_text(json.dumps(told, indent=1))

    def mutate(content, largest, seed):
        chance = random.Random(seed)
        whole = chance.choice(parser.seeds) if chance.random() < 0.3 else content
        changed = atheris.Mutate(content, largest) if chance.random() < 0.2 else parser.mutate(whole, chance)
        return changed[:largest]

    options = [f"-runs={executions}", f"-timeout={SECONDS}", f"-rss_limit_mb={MEGABYTES}", "-max_len=300000", "-seed=1",
               f"-artifact_prefix={place}/", str(place / "corpus")]  # fmt: skip
    atheris.Setup([sys.argv[0], *options], read, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
