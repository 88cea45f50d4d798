"""The runs of the train-test protocol on one dataset, and the tables that they make."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from aape_lightning.protocols.results import Result
from aape_lightning.report.methods import choose_reference, last_method, method_order
from aape_lightning.report.runs import ordered_runs, runs_by_dataset
from aape_lightning.report.train_test.tables import Breakdown, Table, breakdowns, tables
from aape_lightning.report.train_test.values import Values, metric_values

__all__ = ["Study", "studies"]


@dataclass(frozen=True)
class Study:
    """One dataset's runs.

    Attributes:
        runs: By method in order of display, and seed.
        reference: The method that stands out and that the others are compared with.
    """

    runs: Sequence[Result]
    reference: str

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.runs[0].dataset

    @cached_property
    def methods(self) -> list[str]:
        """The methods in order of display."""
        return method_order(run.method for run in self.runs)

    @cached_property
    def values(self) -> Values:
        """What was measured."""
        return metric_values(self.runs)

    @cached_property
    def tables(self) -> list[Table]:
        """A table for each part and condition; of those over numbers of shown examples, the first metric's alone."""
        return [table for table in self._all_tables if self._is_main(table)]

    @cached_property
    def further_tables(self) -> list[Table]:
        """The other metrics over numbers of shown examples."""
        return [table for table in self._all_tables if not self._is_main(table)]

    @cached_property
    def _all_tables(self) -> list[Table]:
        return tables(self.values, self.methods, self.reference)

    def _is_main(self, table: Table) -> bool:
        over_shots = [other.first.metric for other in self._all_tables if other.first.shots is not None]
        return table.first.shots is None or table.first.metric == over_shots[0]

    @cached_property
    def breakdowns(self) -> list[Breakdown]:
        """A table for each breakdown."""
        return breakdowns(self.values, self.methods)


def studies(results: Sequence[Result], reference: str | None = None) -> list[Study]:
    """One study a dataset.

    Args:
        results: Results of the train-test protocol.
        reference: The method that the others are compared with; `aape` by default, else the last in order of display.

    Raises:
        ResultError: If results do not belong in one table, or none is of the reference asked for.
    """
    choose_reference((result.method for result in results), reference)
    found = []
    for runs in runs_by_dataset(ordered_runs(results)).values():
        methods = {run.method for run in runs}
        found.append(Study(runs, last_method(methods, reference if reference in methods else None)))
    return found
