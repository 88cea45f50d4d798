"""How published numbers are named in a table, and the footnotes that their names refer to."""

from collections.abc import Sequence
from dataclasses import dataclass

from aape_lightning.report.published.rows import Published

__all__ = ["Citations", "cite"]

_TRANSDUCTIVE, _TEST_SEEING = "‡", "§"
_MEANINGS = {
    _TRANSDUCTIVE: "transductive: trained on unlabelled images of the tested classes.",
    _TEST_SEEING: "chosen on test images.",
}


@dataclass(frozen=True)
class Citations:
    """What a table needs to name published numbers.

    Attributes:
        labels: One a row, in their order, such as `CoOp, published [1]`.
        short: As the labels, without the word; for tables that say otherwise which rows are published.
        sources: Footnotes: what numbers and marks stand for.
        remarks: Footnotes: what else to know about single rows.
    """

    labels: list[str]
    short: list[str]
    sources: list[str]
    remarks: list[str]

    @property
    def notes(self) -> list[str]:
        """All footnotes."""
        return [*self.sources, *self.remarks]


def cite(rows: Sequence[Published]) -> Citations:
    """Labels and footnotes of published rows; sources are numbered in the order in which they appear.

    Example:
        >>> row = Published(protocol="few-shot", method="CoOp", dataset="dtd", backbone="RN50", shots=16,
        ...                 values={"accuracy": 63.58}, source="CoOp, README.md", test_seeing=True)
        >>> cite([row]).labels, cite([row]).notes
        (['CoOp, published [1]§'], ['[1] CoOp, README.md.', '§ chosen on test images.'])
    """
    numbers = {source: place for place, source in enumerate(dict.fromkeys(row.source for row in rows), start=1)}
    references = [f"[{numbers[row.source]}]{_marks(row)}" for row in rows]
    labels = [f"{row.method}, published {reference}" for row, reference in zip(rows, references, strict=True)]
    short = [f"{row.method} {reference}" for row, reference in zip(rows, references, strict=True)]
    sources = [f"[{number}] {source}." for source, number in numbers.items()]
    sources += [f"{sign} {meaning}" for sign, meaning in _MEANINGS.items() if any(sign in _marks(row) for row in rows)]
    remarks = dict.fromkeys(f"{row.method}: {row.note}" for row in rows if row.note)
    return Citations(labels, short, sources, list(remarks))


def _marks(row: Published) -> str:
    return _TRANSDUCTIVE * row.transductive + _TEST_SEEING * row.test_seeing
