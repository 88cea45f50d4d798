"""What a table of the grid is made of: columns that know their setting and their scale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aape_lightning.report.grid.settings import Setting
from aape_lightning.report.train_test.metric_names import DEGRADATIONS, Scale, label, metric_name, part_label
from aape_lightning.report.train_test.tables import Column

__all__ = ["GridColumn", "Panel", "metric_order", "metric_title"]

_PARTS = {"base": "base classes", "new": "new classes"}


@dataclass(frozen=True)
class GridColumn(Column):
    """One column.

    Attributes:
        metric: What it measures, by the name that files have.
        setting: The setting under which it was measured; empty where none was varied.
        at: The value of the key that goes along the axis.
        given: How its values are shown, where that does not follow from the name.
    """

    metric: str = ""
    setting: Mapping[str, Setting] = field(default_factory=dict)
    at: Setting = None
    given: Scale | None = None

    @property
    def scale(self) -> Scale:
        """How its values are shown."""
        return self.given or super().scale


@dataclass(frozen=True)
class Panel:
    """One table to be.

    Attributes:
        name: What it shows.
        columns: Its columns.
        over: The key that its columns vary; empty where none was varied.
        within: The value of the second varied key, as `data.shots = 4`; empty where one key was varied.
        main: Whether it is shown at once; else it is there to be opened.
        compared: Whether the reference is compared with the other methods.
    """

    name: str
    columns: Sequence[GridColumn]
    over: str = ""
    within: str = ""
    main: bool = True
    compared: bool = True

    @property
    def title(self) -> str:
        """Its heading."""
        return ", ".join(filter(None, [f"{self.name} over {self.over}" if self.over else self.name, self.within]))

    @property
    def metric(self) -> str:
        """What its first column measures."""
        return self.columns[0].metric

    @property
    def is_measured(self) -> bool:
        """Whether it holds what was measured, and nothing that was derived from it with a scale of its own."""
        return self.columns[0].given is None


def metric_title(name: str) -> str:
    """A metric's name in words, with what it is of behind it.

    Example:
        >>> metric_title("base/accuracy"), metric_title("blur/cider_d(ptb)"), metric_title("image_to_text/recall@1")
        ('Accuracy, base classes', 'CIDEr-D (ptb), blurred images', 'R@1, image to text')
    """
    shots, degradation, part, value, metric = metric_name(name)
    words = [label(metric), f"{shots}-shot" if shots is not None else "", _PARTS.get(part) or part.replace("_", " ")]
    words += [value, f"{DEGRADATIONS[degradation]}s" if degradation != "none" else ""]
    return ", ".join(filter(None, words)) or part_label(name)


def metric_order(name: str) -> tuple[object, ...]:
    """Place of a metric among others: minor ones last, then by what it is of, then as everywhere."""
    parsed = metric_name(name)
    degraded = list(DEGRADATIONS).index(parsed.degradation)
    return parsed.is_minor, bool(parsed.value), degraded, parsed.part, parsed.shots or 0, parsed.order, parsed.value
