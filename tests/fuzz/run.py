"""Fuzz every parser of strangers' files, and print what became of it.

python tests/fuzz/run.py --executions 100000 [--jobs N] [--seconds S] [--only NAME ...] [--out FOLDER]

The package is imported once; each piece of the work is a process forked from this one. With --seconds it stops in time,
and the same command with the same --out goes on and adds up. FOLDER/fuzz.md holds the table, fuzz.json all of it.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from campaign import HEADER, Campaign

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of torch's would not survive the fork
_MEMORY = Path("/dev/shm")  # a file system in memory, where there is one


def started(target, name, enough, until, seed, scratch, campaign):
    """The process id of one piece, which ends by itself."""
    sys.stdout.flush()
    if process := os.fork():
        return process
    try:
        log = os.open(campaign.logs / f"{name}-{seed}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        target.fuzz(name, enough, until, seed, scratch / name, campaign.note(name, seed), campaign.kept)
    finally:
        os._exit(1)


def run(target, campaign, jobs, piece, until, scratch):
    """Do what is left, in so many processes at a time, or as much of it as there is time for."""
    processes = {}
    while True:
        while len(processes) < jobs and time.time() < until and (found := campaign.next(piece)):
            name, seed, enough = found
            (scratch / name).mkdir(exist_ok=True)
            processes[started(target, name, enough, until, seed, scratch, campaign)] = name, seed
            campaign.running[name, seed] = enough
        if not processes:
            return
        process, status = os.wait()
        name, seed = processes.pop(process)
        del campaign.running[name, seed]
        if status:
            campaign.ended_badly(name, seed, os.waitstatus_to_exitcode(status))
        else:
            (campaign.logs / f"{name}-{seed}.log").unlink()


def told(campaign):
    """Print the table and the crashes; the number of crashes."""
    widths = (24, 12, 10, 10, 9, 22, 12, 12)
    for row in (HEADER, *campaign.table()):
        print("".join(f"{cell:<{width}}" if not place else f"{cell:>{width}}"
                      for place, (cell, width) in enumerate(zip(row, widths, strict=True))))  # fmt: skip
    crashes = {name: done.crashes for name, done in campaign.done().items() if done.crashes}
    for name, found in crashes.items():
        print(f"{name}:", *(f"{where}: {what}" for where, what in found.items()), sep="\n    ")
    return sum(map(len, crashes.values()))


def main():
    began = time.time()
    import target

    names = sorted(target.parsers())
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--executions", type=int, default=100_000, help="files tried for each parser")
    arguments.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes at a time")
    arguments.add_argument("--seconds", type=float, default=float("inf"), help="stop after so many seconds")
    arguments.add_argument("--piece", type=int, default=10_000, help="executions of one process")
    arguments.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    arguments.add_argument("--out", type=Path, help="folder of what is found; a temporary one by default")
    asked = arguments.parse_args()
    campaign = Campaign(asked.out or Path(tempfile.mkdtemp(prefix="aape-fuzz-")), asked.only, asked.executions)
    with tempfile.TemporaryDirectory(dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as scratch:
        run(target, campaign, asked.jobs, asked.piece, began + asked.seconds, Path(scratch))
    crashes = told(campaign)
    campaign.write()
    print(f"{crashes} crashes; the table, notes and files in {campaign.folder}")
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
