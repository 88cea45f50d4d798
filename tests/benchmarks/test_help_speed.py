"""How long help takes: each in a process of its own, against Python that does nothing.

make bench ARGS="-k help_speed"
"""

import subprocess
import sys
import time

from measuring import SMALL

ASKED = ["", "fit", "protocol", "protocol base-to-new", "classify", "data check", "cache clear", "prompts generate"]
ROUNDS = 1 if SMALL else 5
SECOND = 1.0


def seconds(*arguments):
    """The shortest of some runs."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times)


def test_help_speed(benchmark, figures):
    def measure():
        helps = {name: seconds("-m", "aape_lightning", *name.split(), "--help") for name in ASKED}
        return {"python -c pass": seconds("-c", "pass"), **helps}

    found = benchmark.pedantic(measure, rounds=1)
    for name in ASKED:
        title = f"aape {name} --help".replace("  ", " ")
        figures.add(title, found[name], "s", bound=SECOND, floor=f"{found['python -c pass']:.2f} s: python -c pass")
