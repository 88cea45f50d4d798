"""How a dataset's metrics are laid out: a table for each part and condition, methods as rows and metrics as columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aape_lightning.report.statistics import MeanInterval
from aape_lightning.report.train_test.metric_names import (
    DEGRADATIONS,
    MetricName,
    Scale,
    label,
    metric_name,
    part_label,
    scale,
)
from aape_lightning.report.train_test.values import Paired, Values, mean_of, paired

__all__ = ["Breakdown", "Column", "Table", "breakdowns", "condition_words", "make_table", "tables"]


@dataclass(frozen=True)
class Column:
    """One metric of a table: how it is headed, and its full name."""

    heading: str
    name: str

    @property
    def parsed(self) -> MetricName:
        """The name, taken apart."""
        return metric_name(self.name)

    @property
    def scale(self) -> Scale:
        """How its values are shown."""
        return scale(self.parsed.metric)


@dataclass(frozen=True)
class Table:
    """One table: a row for each method, a column for each metric, or for each number of shown examples.

    Attributes:
        title: Its heading.
        columns: Its metrics.
        rows: For each method its mean of each metric.
        differences: For each other method, how far the reference is above it, metric by metric.
    """

    title: str
    columns: Sequence[Column]
    rows: dict[str, list[MeanInterval]]
    differences: dict[str, list[Paired]]

    @property
    def first(self) -> MetricName:
        """The name of its first metric, whose part and condition are those of all."""
        return self.columns[0].parsed

    def seeds(self, method: str) -> int:
        """How many seeds a method has."""
        return max(interval.count for interval in self.rows[method])


@dataclass(frozen=True)
class Breakdown:
    """One metric by kinds of answers or questions: a row for each kind and condition, a column for each method.

    Attributes:
        title: Its heading.
        methods: Its columns.
        scale: How its values are shown.
        rows: Condition, kind, and each method's mean.
    """

    title: str
    methods: Sequence[str]
    scale: Scale
    rows: Sequence[tuple[str, str, list[MeanInterval]]]


def tables(values: Values, methods: Sequence[str], reference: str) -> list[Table]:
    """The tables of everything that is no breakdown.

    Args:
        values: The dataset's values.
        methods: In order of display.
        reference: The method that the others are compared with.
    """
    names = sorted((name for name in values if not metric_name(name).value), key=_order)
    many = len({metric_name(name).degradation for name in names}) > 1
    found: dict[str, list[Column]] = {}
    for name in names:
        parsed = metric_name(name)
        heading = label(parsed.metric) if parsed.shots is None else f"{parsed.shots}-shot"
        found.setdefault(_title(parsed, many_degradations=many), []).append(Column(heading, name))
    return [make_table(title, columns, values, methods, reference) for title, columns in found.items()]


def _order(name: str) -> tuple[object, ...]:
    """Table by table, and inside a table column by column."""
    shots, degradation, part, value, _ = parsed = metric_name(name)
    condition = list(DEGRADATIONS).index(degradation)
    metric = parsed.order
    return (part, 0, condition, metric, value) if shots is None else (part, 1, metric, condition, shots, value)


def _title(parsed: MetricName, *, many_degradations: bool) -> str:
    """`Image to text`, `Blurred images`, `Accuracy, blurred images`, or `Results` where one table holds everything."""
    words = [part_label(parsed.part)] if parsed.part else []
    words += [] if parsed.shots is None else [label(parsed.metric)]
    words += [f"{DEGRADATIONS[parsed.degradation]}s"] if many_degradations else []
    return part_label(", ".join(words)) or "Results"


def make_table(title: str, columns: Sequence[Column], values: Values, methods: Sequence[str], reference: str) -> Table:
    """A table of the methods that have a value in one of its columns.

    Args:
        title: Its heading.
        columns: Its metrics.
        values: The dataset's values.
        methods: In order of display.
        reference: The method that the others are compared with; nothing is compared where it is none of them.
    """
    shown = [method for method in methods if any(method in values[column.name] for column in columns)]
    rows = {method: [mean_of(values, column.name, method) for column in columns] for method in shown}
    differences = {
        method: [paired(values, column.name, method, reference) for column in columns]
        for method in shown
        if method != reference and reference in shown
    }
    return Table(title, columns, rows, differences)


def breakdowns(values: Values, methods: Sequence[str]) -> list[Breakdown]:
    """The tables of every breakdown."""
    names = sorted((name for name in values if metric_name(name).value), key=_order)
    found: dict[tuple[str, str], list[str]] = {}
    for name in names:
        parsed = metric_name(name)
        found.setdefault((parsed.part, parsed.metric), []).append(name)
    return [
        Breakdown(
            title=f"{label(metric)} by {part.replace('_', ' ')}",
            methods=methods,
            scale=scale(metric),
            rows=[(*_row_head(name), [mean_of(values, name, method) for method in methods]) for name in of_part],
        )
        for (part, metric), of_part in found.items()
    ]


def _row_head(name: str) -> tuple[str, str]:
    parsed = metric_name(name)
    return ", ".join(condition_words(parsed.shots, parsed.degradation)), parsed.value


def condition_words(shots: int | None, degradation: str) -> Iterable[str]:
    """A condition in words.

    Example:
        >>> list(condition_words(2, "blur"))
        ['2-shot', 'blurred image']
    """
    yield from [] if shots is None else [f"{shots}-shot"]
    yield DEGRADATIONS[degradation]
