"""Fuzz every parser of strangers' files, one after another, and print what became of it.

python tests/fuzz/run.py --executions 100000 [--only NAME ...] [--out FOLDER]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

_TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(_TESTS.parent), str(_TESTS / "hostile")]
TARGET = Path(__file__).with_name("target.py")


def fuzzed(name, executions, folder):
    """What one parser's process left: executions, refusals, and crashes by their place."""
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        code = subprocess.run(
            [sys.executable, str(TARGET), name, str(executions), str(folder)], stdout=out, stderr=out, check=False
        ).returncode
    told = folder / f"{name}.json"
    found = json.loads(told.read_text()) if told.is_file() else {"executions": 0, "refused": 0, "crashes": {}}
    if code:  # libFuzzer ends the process of a hang, of too much memory, and of a fault below Python
        lines = log.read_text(errors="replace").splitlines()
        found["crashes"]["process"] = next((line for line in lines if "ERROR: libFuzzer" in line), f"status {code}")
    return found


def main():
    from strangers_files import parsers

    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--executions", type=int, default=100_000, help="files tried for each parser")
    arguments.add_argument("--only", nargs="+", choices=sorted(parsers()), default=sorted(parsers()), metavar="NAME")
    arguments.add_argument("--out", type=Path, help="folder of what is found; a temporary one by default")
    asked = arguments.parse_args()
    folder = asked.out or Path(tempfile.mkdtemp(prefix="aape-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{'parser':<22}{'executions':>12}{'refused':>10}{'crashes':>9}", flush=True)
    crashes = 0
    for name in asked.only:
        found = fuzzed(name, asked.executions, folder)
        print(f"{name:<22}{found['executions']:>12,}{found['refused']:>10,}{len(found['crashes']):>9}", flush=True)
        for place, told in found["crashes"].items():
            print(f"    {place}: {told}", flush=True)
        crashes += len(found["crashes"])
    print(f"{crashes} crashes; files and logs in {folder}")
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
