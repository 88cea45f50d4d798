"""Where a grid's numbers come from, and the command that makes them again."""

from collections.abc import Sequence
from pathlib import Path

from aape_lightning.protocols.names import BASE_TO_NEW, DOMAIN_GENERALIZATION, FEW_SHOT, SWEEP, TRAIN_TEST, TRANSFERS
from aape_lightning.protocols.results import Result
from aape_lightning.report.about import command, facts
from aape_lightning.report.grid.settings import SHOTS, value_text
from aape_lightning.report.grid.study import GridStudy
from aape_lightning.report.grid.transfer import SOURCE, targets
from aape_lightning.report.scores import BASE
from aape_lightning.resources import manifest_names

__all__ = ["grid_command", "grid_facts"]


def grid_facts(study: GridStudy) -> list[tuple[str, str]]:
    """Names and values for the head of a grid's part of the report, with what was varied."""
    varied = [(f"Varied: {axis.key}", ", ".join(map(value_text, axis.values))) for axis in study.axes]
    by_columns = sorted(study.runs, key=lambda run: [axis.values.index(run.setting[axis.key]) for axis in study.axes])
    once = {"Shots"} if any(axis.key == SHOTS for axis in study.axes) else set()
    head, *tail = [fact for fact in facts(by_columns) if fact[0] not in once]
    return [head, *varied, *tail]


def grid_command(study: GridStudy, folder: Path) -> str:
    """The command that makes a grid's results again, one option a line.

    Args:
        study: The grid.
        folder: Where the results lie; an absolute path is shortened to its name.
    """
    return command(study.runs, folder, _own_options(study))


def _own_options(study: GridStudy) -> list[list[str]]:
    typed = [[axis.key, *map(value_text, axis.values)] for axis in study.axes]
    if study.protocol == FEW_SHOT:
        return [["--shots", *values] for _, *values in typed]
    if study.protocol == SWEEP:
        over = _swept(study.runs)
        return [["--over", over], *(["--vary", *words] for words in typed), *_targets(study.runs, over)]
    return _targets(study.runs, study.protocol)


def _swept(runs: Sequence[Result]) -> str:
    """The protocol that a sweep's jobs followed, by what they measured."""
    names = {name for run in runs for name in run.metrics}
    if BASE in names:
        return BASE_TO_NEW
    return DOMAIN_GENERALIZATION if any(name.startswith(f"{SOURCE}/") for name in names) else TRAIN_TEST


def _targets(runs: Sequence[Result], protocol: str) -> list[list[str]]:
    return [["--targets", *map(_manifest, targets(runs))]] if protocol in TRANSFERS else []


def _manifest(target: str) -> str:
    """The manifest of a target by its name in results: a shipped one, a domain of a shipped one, or the name itself."""
    known = list(manifest_names())
    domains = [f"{name}/{target.removeprefix(f'{name}-')}:target" for name in known if target.startswith(f"{name}-")]
    return target if target in known or not domains else domains[0]
