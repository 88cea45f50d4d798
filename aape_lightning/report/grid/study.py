"""The runs of one grid, and the tables that they make."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from aape_lightning.metrics import harmonic_mean
from aape_lightning.protocols.names import COST
from aape_lightning.protocols.results import Result
from aape_lightning.report.caveats import reads_new_sentences
from aape_lightning.report.grid.costs import cost_panels
from aape_lightning.report.grid.noise import UNIFORM
from aape_lightning.report.grid.over_settings import H_OF_MEANS, settings_axes, settings_panels, settings_values
from aape_lightning.report.grid.panels import Panel
from aape_lightning.report.grid.protocols import OVER_SETTINGS
from aape_lightning.report.grid.settings import Axis
from aape_lightning.report.grid.transfer import transfer_panels, transfer_values
from aape_lightning.report.methods import method_order
from aape_lightning.report.scores import BASE, NEW
from aape_lightning.report.statistics import MeanInterval
from aape_lightning.report.train_test.tables import Table, make_table
from aape_lightning.report.train_test.values import Values, mean_of, metric_values
from aape_lightning.report.wording import MARK

__all__ = ["GridStudy", "measured_values"]


def measured_values(runs: Sequence[Result]) -> Values:
    """What the runs on one dataset measured, by metric, method and seed, with what follows from it.

    Raises:
        ResultError: If what should be a fraction lies outside [0, 1].
    """
    if runs[0].protocol in OVER_SETTINGS:
        return settings_values(runs)
    return metric_values(runs) if runs[0].protocol == COST else transfer_values(runs)


@dataclass(frozen=True)
class GridStudy:
    """One grid.

    Attributes:
        dataset: The dataset's name, or what the average is over.
        runs: By method in order of display, and seed.
        values: What they measured.
        reference: The method that stands out and that the others are compared with.
        is_average: Whether the values are averages over datasets.
    """

    dataset: str
    runs: Sequence[Result]
    values: Values
    reference: str
    is_average: bool = False

    @property
    def protocol(self) -> str:
        """The protocol of the runs."""
        return self.runs[0].protocol

    @cached_property
    def methods(self) -> list[str]:
        """The methods that have values, in order of display."""
        measured = {method for by_method in self.values.values() for method in by_method} - {UNIFORM}
        return method_order(measured)

    @cached_property
    def marked(self) -> frozenset[str]:
        """The methods that read sentences about new classes."""
        return frozenset(run.method for run in self.runs if reads_new_sentences(run))

    @property
    def mark_notes(self) -> list[str]:
        """What the mark means; nothing where none is marked."""
        return [f"{MARK}."] if self.marked else []

    def label(self, method: str) -> str:
        """A method's name with its mark."""
        return f"{method}†" if method in self.marked else method

    def labelled(self, table: Table) -> Table:
        """A table with its methods' marks."""
        rows = {self.label(method): row for method, row in table.rows.items()}
        return replace(table, rows=rows, differences={self.label(m): row for m, row in table.differences.items()})

    @cached_property
    def axes(self) -> list[Axis]:
        """The axis of the first varied key, and those of the others; none where nothing was varied."""
        return settings_axes(self.runs) if self.protocol in OVER_SETTINGS else []

    @cached_property
    def panels(self) -> list[Panel]:
        """What the tables are made of."""
        if self.protocol in OVER_SETTINGS:
            return settings_panels(self.runs, self.values)
        panels = cost_panels if self.protocol == COST else transfer_panels
        return panels(self.runs, self.values)

    @property
    def tables(self) -> list[Table]:
        """The tables that are shown at once."""
        return [self.table(panel) for panel in self.panels if panel.main]

    @property
    def further_tables(self) -> list[Table]:
        """The other tables."""
        return [self.table(panel) for panel in self.panels if not panel.main]

    def table(self, panel: Panel) -> Table:
        """A panel with its means and paired differences."""
        if panel.metric == H_OF_MEANS:
            return self._h_of_means(panel)
        compared = self.reference if panel.compared else ""
        return make_table(panel.title, panel.columns, self.values, [*self.methods, UNIFORM], compared)

    def _h_of_means(self, panel: Panel) -> Table:
        """The harmonic means of mean base and mean new accuracy: numbers without deviation."""
        rows = {method: [self._harmonic(column.name, method) for column in panel.columns] for method in self.methods}
        return Table(panel.title, panel.columns, rows, {})

    def _harmonic(self, name: str, method: str) -> MeanInterval:
        base, new = (mean_of(self.values, name.replace(H_OF_MEANS, part), method) for part in (BASE, NEW))
        return MeanInterval(base.count, harmonic_mean(base.mean, new.mean), float("nan"), float("nan"))
