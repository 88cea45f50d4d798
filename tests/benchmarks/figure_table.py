"""Figures of benchmarks with their bounds, and the table that shows them: on a terminal, as Markdown, as JSON."""

import io
import json
import math
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from measuring import MIB, SMALL, Peak, Ratio
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_COLUMNS = ("figure", "measured", "bound", "within", "floor", "peak memory")


@dataclass(frozen=True)
class Figure:
    """One row; `memory` is in bytes."""

    test: str
    name: str
    value: float
    least: float
    most: float
    unit: str = ""
    bound: float | tuple[float, float] | None = None
    better: str = "lower"
    floor: str = ""
    memory: int | None = None

    @property
    def within(self):
        """Whether the value lies within its bound; None where it has none."""
        if self.bound is None:
            return None
        least, most = self.limits
        return least <= self.value <= most

    @property
    def limits(self):
        """The least and the most that the value may be."""
        if isinstance(self.bound, tuple):
            return self.bound
        return (-math.inf, self.bound) if self.better == "lower" else (self.bound, math.inf)

    def told(self):
        """The value, with its range where it has one."""
        spread = f" ({_short(self.least)} to {_short(self.most)})" if self.least != self.most else ""
        return f"{_with_unit(_short(self.value), self.unit)}{spread}"

    def told_bound(self):
        """The bound in words."""
        if self.bound is None:
            return ""
        if isinstance(self.bound, tuple):
            return " to ".join(_with_unit(_short(limit), self.unit) for limit in self.bound)
        return f"{'at most' if self.better == 'lower' else 'at least'} {_with_unit(_short(self.bound), self.unit)}"

    def cells(self):
        """The row in the order of the table's columns."""
        within = "" if SMALL else {None: "", True: "yes", False: "NO"}[self.within]
        memory = "" if self.memory is None else f"{self.memory / MIB:,.0f} MiB"
        return self.name, self.told(), self.told_bound(), within, self.floor, memory


class Figures:
    """What one test has found."""

    def __init__(self, test):
        self.test = test
        self.rows = []

    def add(self, name, value, unit="", *, bound=None, better="lower", floor="", memory=None):
        """Record one figure; conftest.py says what the arguments mean."""
        if better not in ("lower", "higher"):
            raise ValueError(f"better is {better!r}; it must be 'lower' or 'higher'")
        spread = value if isinstance(value, Ratio) else Ratio(value, value, value)
        held = memory.bytes if isinstance(memory, Peak) else memory
        found = (float(spread.median), float(spread.least), float(spread.most))
        self.rows.append(Figure(self.test, name, *found, unit, bound, better, floor, held))

    def check(self):
        """Fail where a figure lies outside its bound."""
        outside = [
            f"{row.name}: {row.told()}, and it must be {row.told_bound()}" for row in self.rows if row.within is False
        ]
        assert not outside, "\n".join(outside)


def _short(number):
    """Three digits, as people read them."""
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def _with_unit(number, unit):
    return f"{number}{'' if unit in ('%', '') else ' '}{unit}" if unit != "x" else f"{number}x"


def machine():
    """The machine and the versions, in words."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return {
        "device": gpu or "CPU",
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _cpu_name():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _caption(about):
    small = "Small sizes: no bound holds. " if SMALL else ""
    gpu = "" if about["device"] == "CPU" else f"{about['device']}; "
    return f"{small}{gpu}{_cores(about)}; torch {about['torch']}, Python {about['python']}"


def _cores(about):
    threads = "" if about["threads"] == about["cores"] else f", {about['threads']} threads"
    return f"{about['cpu']}, {about['cores']} cores{threads}"


def rich_table(rows, about, width):
    """The table for a terminal, as text."""
    table = Table(title="Figures", caption=escape(_caption(about)))
    for column in _COLUMNS:
        table.add_column(column, overflow="fold", justify="right" if column in ("measured", "peak memory") else "left")
    for row in rows:
        style = "bold red" if row.within is False and not SMALL else None
        table.add_row(*map(escape, row.cells()), style=style)
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue()


def markdown(rows, about):
    """The table for PERFORMANCE.md."""
    lines = [_COLUMNS, ["---"] * len(_COLUMNS), *(row.cells() for row in rows)]
    text = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
    return f"{text}\n\n{_caption(about)}.\n"


def write_json(path, rows, about):
    """All figures at full precision."""
    figures = [asdict(row) | {"within": row.within} for row in rows]
    path.write_text(json.dumps({"machine": about, "figures": figures}, indent=1), encoding="utf-8")
