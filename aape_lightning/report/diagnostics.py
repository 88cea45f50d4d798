"""What the methods did, over seeds: attention by kind of sentence, cosines with the image, seconds by phase."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aape_lightning.protocols.results import Result
from aape_lightning.report.statistics import MeanInterval, mean_interval

__all__ = ["COSINES", "Shares", "attention_shares", "cosines", "phase_seconds"]

COSINES = {
    "cosine/prompt_mean": "mean sentence",
    "cosine/summary": "summary",
    "cosine/aape": "AAPE",
}
_ATTENTION, _UNIFORM = "attention/", "attention/uniform/"
_KINDS = (
    "faithful",
    "redundant",
    "irrelevant",
    "wrong",
)  # from useful to harmful; kinds of other datasets follow by name
_PHASES = ("prepare", "fit", "test")


class Shares(NamedTuple):
    """Attention on one kind of sentence.

    Attributes:
        values: Of each seed.
        attention: Their mean.
        uniform: The kind's share among the sentences, which uniform attention would give it; a count of 0 where it was
            not recorded.
    """

    values: list[float]
    attention: MeanInterval
    uniform: MeanInterval


def attention_shares(runs: Sequence[Result]) -> dict[str, dict[str, Shares]]:
    """By method and kind of sentence; methods without an aggregator, or without known kinds, are absent."""
    shares: dict[str, dict[str, Shares]] = {}
    for method, of_method in _by_method(runs):
        names = {name for run in of_method for name in run.diagnostics}
        kinds = {name.removeprefix(_ATTENTION) for name in names if name.startswith(_ATTENTION)}
        for kind in sorted((kind for kind in kinds if "/" not in kind), key=_kind_order):
            values = _values(of_method, _ATTENTION + kind)
            uniform = mean_interval(_values(of_method, _UNIFORM + kind))
            shares.setdefault(method, {})[kind] = Shares(values, mean_interval(values), uniform)
    return shares


def _kind_order(kind: str) -> tuple[int, str]:
    return (_KINDS.index(kind) if kind in _KINDS else len(_KINDS)), kind


def cosines(runs: Sequence[Result]) -> dict[str, dict[str, MeanInterval]]:
    """By method and name in `COSINES`; what was not recorded is absent."""
    found: dict[str, dict[str, MeanInterval]] = {}
    for method, of_method in _by_method(runs):
        for name in COSINES:
            if values := _values(of_method, name):
                found.setdefault(method, {})[name] = mean_interval(values)
    return found


def phase_seconds(runs: Sequence[Result]) -> dict[str, dict[str, float]]:
    """Mean seconds by phase, in the order of a run, and method, over the seeds that recorded the phase."""
    phases = dict.fromkeys([*_PHASES, *(phase for run in runs for phase in run.seconds)])
    found: dict[str, dict[str, float]] = {}
    for phase in phases:
        for method, of_method in _by_method(runs):
            if values := [run.seconds[phase] for run in of_method if phase in run.seconds]:
                found.setdefault(phase, {})[method] = mean_interval(values).mean
    return found


def _by_method(runs: Sequence[Result]) -> Iterator[tuple[str, list[Result]]]:
    grouped: dict[str, list[Result]] = defaultdict(list)
    for run in runs:
        grouped[run.method].append(run)
    yield from grouped.items()


def _values(runs: Sequence[Result], name: str) -> list[float]:
    return [run.diagnostics[name] for run in runs if name in run.diagnostics]
