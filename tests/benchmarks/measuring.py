"""What all benchmarks measure with: time in turns, peak memory in a fresh process, and backbones without weights.

    from measuring import DEVICE, SMALL, in_turns, peak_memory, random_clip, random_clip_path, ratio, seconds

    times = in_turns({"ours": lambda: step(ours), "plain": lambda: step(plain)}, rounds=7)
    slower = ratio(times["ours"], times["plain"])             # Ratio(median, least, most)
    peak = peak_memory(prepare, "ours")                        # prepare("ours") returns the function that is measured
    figures.add("step over the plain one", slower, "x", bound=1.25, floor="the plain step", memory=peak)

`figures` is a fixture (conftest.py): `make bench` prints its rows as one table, and a test fails whose figure lies
outside its bound. AAPE_BENCH_SMALL=1 sets SMALL: sizes that finish at once, to try a benchmark; no bound holds there.

Machines are shared and clocks change, so two things are compared round by round, the order of a round turning, and a
ratio is the median of the rounds' ratios.
"""

import contextlib
import ctypes
import gc
import os
import statistics
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
from filelock import FileLock

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SMALL = bool(os.environ.get("AAPE_BENCH_SMALL"))
KIB, MIB, GIB = 2**10, 2**20, 2**30
_BENCHMARKS = Path(__file__).parents[2] / ".benchmarks"  # not in git; `make clean` removes it
OUTPUT = _BENCHMARKS / "small" if SMALL else _BENCHMARKS  # tables and figures go here

_SAMPLE = 2e-3  # seconds between two looks at a process's memory
_CLIPS = {  # the arguments of clip.model.CLIP, as OpenAI's state dicts hold them
    "ViT-B/16": (512, 224, 12, 768, 16, 77, 49408, 512, 8, 12),
    "ViT-B/32": (512, 224, 12, 768, 32, 77, 49408, 512, 8, 12),
    "RN50": (1024, 224, (3, 4, 6, 3), 64, None, 77, 49408, 512, 8, 12),
    "tiny": (512, 32, 2, 64, 16, 77, 49408, 64, 1, 2),
}


# ---- time --------------------------------------------------------------------------------------------------------


def finish():
    """Wait until the device has computed what it was given."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def seconds(function, *arguments):
    """Seconds of one call, until the device has finished it."""
    finish()
    start = time.perf_counter()
    function(*arguments)
    finish()
    return time.perf_counter() - start


def in_turns(functions, rounds=7, *, calls=1, warm_up=1):
    """Seconds a call of each function, round by round: a list of `rounds` numbers by name.

    Args:
        functions: By name; none takes an argument.
        rounds: In each, every function is timed once, and each round begins with another one.
        calls: Calls that are timed together, for what takes less than some milliseconds.
        warm_up: Calls of each function ahead of the first round.
    """
    names = list(functions)
    for name in names:
        for _ in range(warm_up):
            functions[name]()

    def repeated(function):
        for _ in range(calls):
            function()

    times = {name: [] for name in names}
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            times[name].append(seconds(repeated, functions[name]) / calls)
    return times


@dataclass(frozen=True)
class Ratio:
    """A ratio's median over the rounds, and its least and greatest value."""

    median: float
    least: float
    most: float

    def __float__(self):
        return self.median


def ratio(over, under):
    """The ratio of two lists of seconds, round by round."""
    ratios = [a / b for a, b in zip(over, under, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


# ---- memory ------------------------------------------------------------------------------------------------------


def resident(field):
    """A field of /proc/self/status in bytes.

    VmRSS is what is resident now, VmHWM the most that was. RssAnon is the private memory of VmRSS: mapped pages of
    files are not in it.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * KIB
    raise LookupError(field)


@dataclass(frozen=True)
class Peak:
    """The most memory above what was held before, in bytes; of one process, without its children.

    Attributes:
        resident: Of the resident set, mapped pages of files included: as the kernel saw it.
        private: Of private anonymous memory: as looks every 2 ms saw it.
        device: Of CUDA's allocator; 0 on a CPU.
    """

    resident: int
    private: int
    device: int

    @property
    def bytes(self):
        """The device's where there is one, else the resident set's."""
        return self.device if DEVICE == "cuda" else self.resident


class _Watch(threading.Thread):
    """Looks at the process's memory until it is told to stop."""

    def __init__(self):
        super().__init__(daemon=True)
        self.resident = self.private = 0
        self.ended = threading.Event()

    def run(self):
        while not self.ended.is_set():
            self.look()
            self.ended.wait(_SAMPLE)

    def look(self):
        self.resident, self.private = max(self.resident, resident("VmRSS")), max(self.private, resident("RssAnon"))

    def stop(self):
        self.ended.set()
        self.join()
        self.look()


def _forget_high_water_mark():
    """Let VmHWM start again from what is resident now; false where the kernel does not let us."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _return_freed():
    """Give freed memory back to the system: a call that took it again would seem to take none."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


def peak_of(prepare, *arguments):
    """`peak_memory` in this process, whose libraries may hold what earlier calls have freed, and use it again."""
    function = prepare(*arguments)
    finish()
    _return_freed()
    if DEVICE == "cuda":
        torch.cuda.reset_peak_memory_stats()
    told = _forget_high_water_mark()
    held, private = resident("VmRSS"), resident("RssAnon")
    on_device = torch.cuda.memory_allocated() if DEVICE == "cuda" else 0
    watch = _Watch()
    watch.start()
    function()
    finish()
    watch.stop()
    most = max(watch.resident, resident("VmHWM") if told else 0)
    peak_on_device = torch.cuda.max_memory_allocated() if DEVICE == "cuda" else 0
    return Peak(most - held, watch.private - private, peak_on_device - on_device)


def peak_memory(prepare, *arguments):
    """Peak memory of the function that `prepare(*arguments)` returns, in a fresh process, as a `Peak`.

    Args:
        prepare: A function of a module (it must pickle). What it allocates before it returns is not counted; let it
            run something small first, so that libraries have set themselves up.
        arguments: For `prepare`; they must pickle.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(peak_of, prepare, *arguments).result()


# ---- backbones ---------------------------------------------------------------------------------------------------


def random_clip_path(name="ViT-B/16"):
    """The file of a CLIP of OpenAI's architecture with random weights, for `load_backbone` and `--data.backbone`.

    It does the arithmetic of the real one. Written once (half precision, 300 MB for ViT-B/16), loaded in float32.

    Args:
        name: `ViT-B/16`, `ViT-B/32`, `RN50`, or `tiny` (2 layers of width 64, 32 pixels) where the towers do not
            matter: its embeddings are as wide as those of ViT-B/16, 512.
    """
    from aape_lightning.backbones.clip import clip
    from aape_lightning.tasks.pretraining import save_openai_weights

    path = _BENCHMARKS / f"random-{name.replace('/', '-')}.pt"
    path.parent.mkdir(exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.is_file():
            with torch.random.fork_rng():
                torch.manual_seed(0)
                save_openai_weights(clip.model.CLIP(*_CLIPS[name]), path)
    return path


def random_clip(name="ViT-B/16"):
    """The `ClipBackbone` of `random_clip_path`, on DEVICE; one copy a process."""
    from aape_lightning.backbones import load_backbone

    return load_backbone(str(random_clip_path(name))).to(DEVICE)
