"""Every grid of a folder: one a dataset, and their average where several datasets vary the same keys."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from aape_lightning.errors import ResultError
from aape_lightning.protocols.results import Result
from aape_lightning.report.grid.average import average_values, left_out
from aape_lightning.report.grid.protocols import GRIDS, OVER_SETTINGS
from aape_lightning.report.grid.runs import Block, grid_blocks
from aape_lightning.report.grid.study import GridStudy, measured_values
from aape_lightning.report.methods import choose_reference, last_method, method_order

__all__ = ["Grids", "grids"]


@dataclass(frozen=True)
class Grids:
    """Grids that vary the same keys.

    Attributes:
        studies: One a dataset.
        average: Their average; None of one dataset, or where averaging says nothing (transfer, cost).
        left_out: What the average lacks, in sentences.
    """

    studies: Sequence[GridStudy]
    average: GridStudy | None = None
    left_out: Sequence[str] = ()


def grids(results: Iterable[Result], reference: str | None = None) -> list[Grids]:
    """The grids of every result of a protocol that makes grids.

    Args:
        results: Results of one such protocol; others are left out.
        reference: The method that the others are compared with; `aape` by default, else the last in order of display.

    Raises:
        ResultError: If there is none, results do not belong in one grid, or none is of the reference asked for.
    """
    kept = [result for result in results if result.protocol in GRIDS]
    if not kept:
        raise ResultError(f"None of the results is of a protocol that makes grids: {', '.join(GRIDS)}.")
    choose_reference((result.method for result in kept), reference)
    by_keys: dict[tuple[str, ...], list[GridStudy]] = {}
    for block in grid_blocks(kept):
        by_keys.setdefault(block.keys, []).append(_study(block, reference))
    return [_with_average(studies, reference) for studies in by_keys.values()]


def _study(block: Block, reference: str | None) -> GridStudy:
    methods = {run.method for run in block.runs}
    own = last_method(methods, reference if reference in methods else None)
    return GridStudy(block.name, block.runs, measured_values(block.runs), own)


def _with_average(studies: Sequence[GridStudy], reference: str | None) -> Grids:
    if len(studies) < 2 or studies[0].protocol not in OVER_SETTINGS:
        return Grids(studies)
    of_datasets = {study.dataset: study.values for study in studies}
    values = average_values(list(of_datasets.values()))
    runs = [run for study in studies for run in study.runs]
    told = left_out(values, of_datasets, method_order(run.method for run in runs))
    averaged = GridStudy(f"Average over {len(studies)} datasets", runs, values, "", is_average=True)
    if not averaged.methods:
        return Grids(studies, None, told)
    own = last_method(averaged.methods, reference if reference in averaged.methods else None)
    return Grids(studies, replace(averaged, reference=own), told)
