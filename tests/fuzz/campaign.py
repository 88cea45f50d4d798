"""What has been fuzzed so far, as the notes in a folder tell it: what is left to do, and the table of it all."""

import json
from collections import defaultdict
from dataclasses import dataclass, field

__all__ = ["HEADER", "Campaign", "Done"]

HEADER = ("parser", "executions", "refused", "accepted", "crashes", "executions a second", "core hours", "slowest, s")

_MOST_ENDS = 5  # processes of a parser that hung or took too much memory, after which it is left alone
_COUNTS = ("executions", "accepted", "refused", "seconds")


@dataclass
class Done:
    """What has been done with one parser.

    Attributes:
        executions: Files tried.
        accepted: Files read.
        refused: Files refused with a typed error.
        seconds: How long that took, in seconds of one core.
        slowest: How long the file took that took longest, in seconds.
        crashes: What is said of each place that raised another error, and of each process that libFuzzer ended.
        pieces: Processes so far.
    """

    executions: int = 0
    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    crashes: dict[str, str] = field(default_factory=dict)
    pieces: int = 0

    @property
    def rate(self):
        """Executions a second of one core; None where nothing has been done."""
        return self.executions / self.seconds if self.seconds > 1 else None


class Campaign:
    """The notes in a folder: one file a piece, which is a number of executions of one parser in one process.

    Args:
        folder: The folder; another run with the same one goes on.
        names: The parsers.
        executions: How many executions each is to have.
    """

    def __init__(self, folder, names, executions):
        self.notes, self.kept, self.logs = (folder / name for name in ("notes", "crashes", "logs"))
        for place in (self.notes, self.kept, self.logs):
            place.mkdir(parents=True, exist_ok=True)
        self.folder, self.names, self.wanted = folder, names, executions
        self.running = {}  # executions of each piece that runs, by its parser and seed

    def done(self):
        """What has been done with each parser."""
        found = defaultdict(Done)
        for note in sorted(self.notes.glob("*.json")):
            told = json.loads(note.read_text())
            done = found[told["parser"]]
            done.pieces += 1
            for count in _COUNTS:
                setattr(done, count, getattr(done, count) + told[count])
            done.slowest = max(done.slowest, told.get("slowest", 0.0))
            for where, crash in told["crashes"].items():
                done.crashes.setdefault(where, f"{crash['told']} [{crash['file']}]")
        return {name: found[name] for name in self.names}

    def next(self, piece):
        """The parser that most time is left for, a new seed, and how many executions; None where none is left."""
        best = None
        for name, done in self.done().items():
            under_way = [count for (parser, _), count in self.running.items() if parser == name]
            ended = sum(where.startswith("process") for where in done.crashes)
            left = self.wanted - done.executions - sum(under_way) + self._begun(name)
            if left <= 0 or ended >= _MOST_ENDS:
                continue
            unknown = done.rate is None and not under_way
            longest = (unknown, left / (done.rate or 100))
            if best is None or longest > best[0]:
                best = longest, name, min(left, piece)
        return best and (best[1], self._new_seed(best[1]), best[2])

    def _begun(self, name):
        """Executions that are noted already of pieces that run."""
        notes = [self.note(parser, seed) for parser, seed in self.running if parser == name]
        return sum(json.loads(note.read_text())["executions"] for note in notes if note.is_file())

    def _new_seed(self, name):
        taken = {int(note.stem.rpartition("-")[2]) for note in self.notes.glob(f"{name}-[0-9]*.json")}
        taken |= {seed for parser, seed in self.running if parser == name}
        return max(taken, default=0) + 1

    def note(self, name, seed):
        """Where a piece notes what it has done."""
        return self.notes / f"{name}-{seed}.json"

    def ended_badly(self, name, seed, status):
        """Note that libFuzzer, or the system, has ended a process: a hang, too much memory, a fault below Python."""
        note, log = self.note(name, seed), self.logs / f"{name}-{seed}.log"
        told = {"parser": name, "crashes": {}} | dict.fromkeys(_COUNTS, 0)
        if note.is_file():
            told = json.loads(note.read_text())
        lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
        fault = next((line for line in lines if "ERROR: libFuzzer" in line), f"status {status}")
        files = [path.name for path in self.kept.glob(f"{name}-{seed}-*-*")]
        told["crashes"][f"process {seed}"] = {"told": fault, "file": ", ".join(files)}
        note.write_text(json.dumps(told, indent=1))

    # ---- what is told --------------------------------------------------------------------------------------------

    def table(self):
        """A row a parser and one for all, under `HEADER`."""
        done = self.done()
        rows = [(name, *_cells(one)) for name, one in done.items()]
        whole = Done(**{count: sum(getattr(one, count) for one in done.values()) for count in _COUNTS})
        whole.slowest = max(one.slowest for one in done.values())
        whole.crashes = {f"{name} {where}": told for name, one in done.items() for where, told in one.crashes.items()}
        return [*rows, (f"all {len(rows)}", *_cells(whole))]

    def write(self):
        """Write `fuzz.json` and `fuzz.md`: the table, and the crashes."""
        rows, done = self.table(), self.done()
        lines = [HEADER, ("---", *["---:"] * (len(HEADER) - 1)), *rows]
        text = "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
        (self.folder / "fuzz.md").write_text(text + "\n")
        found = {name: vars(one) for name, one in done.items()}
        (self.folder / "fuzz.json").write_text(json.dumps(found, indent=1))


def _cells(done):
    rate = f"{done.rate:,.0f}" if done.rate else "-"
    numbers = (done.executions, done.refused, done.accepted, len(done.crashes))
    return (*(f"{number:,}" for number in numbers), rate, f"{done.seconds / 3600:.2f}", f"{done.slowest:.1f}")
