"""The grids in LaTeX: one float a table, methods as rows."""

from collections.abc import Iterable, Iterator

from aape_lightning.report.grid import wording
from aape_lightning.report.grid.cited import Cited, cited
from aape_lightning.report.grid.study import GridStudy
from aape_lightning.report.latex import latex_table
from aape_lightning.report.train_test.tables import Table

__all__ = ["grid_latex"]

_MEASURED = "Mean ± half-width of the 95 % t-interval over seeds; the best of several methods in bold."


def grid_latex(studies: Iterable[GridStudy]) -> str:
    """Floats for a paper, one a table; the best of our values in each column is bold.

    Args:
        studies: The averages first, then one a dataset.
    """
    parts = ["% Needs \\usepackage{booktabs}."]
    for study in studies:
        published = cited(study)
        for order, table in enumerate((*study.tables, *study.further_tables)):
            parts.append(_float(study, table, Cited({}, []) if order else published))
    return "\n\n".join(parts) + "\n"


def _float(study: GridStudy, table: Table, published: Cited) -> str:
    measured = [[study.label(method), *row] for method, row in _cells(table).items()]
    units = wording.units(column.name for column in table.columns)
    return latex_table(
        ["Method", *(column.heading for column in table.columns)],
        [*measured, *published.lines],
        caption=" ".join([f"{table.title}: {study.dataset}. {units} {_MEASURED}", *study.mark_notes, *published.notes]),
        label=f"{study.protocol}-{study.dataset}-{table.title}".lower(),
        bold=set(_best(table)),
        headings={len(measured): "Published"} if published.rows else {},
    )


def _cells(table: Table) -> dict[str, list[str]]:
    return {
        method: [
            column.scale.with_interval(mean.mean, mean.half_width)
            for column, mean in zip(table.columns, means, strict=True)
        ]
        for method, means in table.rows.items()
    }


def _best(table: Table) -> Iterator[tuple[int, int]]:
    """Places of the best of several methods, all of those that print alike; none where more is neither good nor bad."""
    for place, column in enumerate(table.columns):
        means = [row[place].mean for row in table.rows.values()]
        measured = [mean for mean in means if mean == mean]  # NaN is not itself
        if len(measured) < 2:
            continue
        best = column.scale.number(min(measured) if column.scale.lower_is_better else max(measured))
        yield from ((row, place + 1) for row, mean in enumerate(means) if column.scale.number(mean) == best)
