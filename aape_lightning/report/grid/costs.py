"""Cost: parameters, operations, speed, time and memory, each in its own unit."""

from collections.abc import Sequence

from aape_lightning.protocols.results import Result
from aape_lightning.report.grid.panels import GridColumn, Panel
from aape_lightning.report.grid.scales import CostScale
from aape_lightning.report.train_test.values import Values

__all__ = ["COSTS", "cost_panels"]

_COUNT, _SECONDS = CostScale(unit="count", lower_is_better=True), CostScale(unit="seconds", lower_is_better=True)
_FEWER, _MORE = CostScale(lower_is_better=True), CostScale()

# Headings and scales, in order of display.
COSTS = {
    "cost/parameters": ("Trained parameters", _COUNT),
    "cost/gflops": ("GFLOPs, inference", _FEWER),
    "cost/train_gflops": ("GFLOPs, training", _FEWER),
    "cost/images_per_second": ("Images/s, inference", _MORE),
    "cost/train_images_per_second": ("Images/s, training", _MORE),
    "cost/train_seconds": ("Training time", _SECONDS),
    "cost/peak_memory_mib": ("Peak memory, MiB", _COUNT),
}


def cost_panels(runs: Sequence[Result], values: Values) -> list[Panel]:
    """One table of every cost that was measured.

    Args:
        runs: The results on one dataset.
        values: What was measured.
    """
    named = [*COSTS, *sorted({name for run in runs for name in run.metrics} - COSTS.keys())]
    columns = [_column(name) for name in named if name in values]
    return [Panel("Cost", columns, compared=False)]


def _column(name: str) -> GridColumn:
    heading, scale = COSTS.get(name) or (name.removeprefix("cost/").replace("_", " "), _FEWER)
    return GridColumn(heading, name, name, given=scale)
