"""The page: one HTML file that needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from aape_lightning import __version__
from aape_lightning.report import cells
from aape_lightning.report.cells import Row
from aape_lightning.report.diagnostics import COSINES, Shares
from aape_lightning.report.explained.section import Explained
from aape_lightning.report.main_table import MainTable
from aape_lightning.report.outcomes.section import OutcomesSection
from aape_lightning.report.pictures import Picture
from aape_lightning.report.statistics import MeanInterval

__all__ = ["BaseToNewSection", "Section", "render_page"]


@dataclass(frozen=True, kw_only=True)
class Section:
    """What the page says about one dataset, whatever the protocol.

    Attributes:
        dataset: Its name.
        facts: Names and values of where the numbers come from.
        command: What makes them again.
        caveats: What to know about the runs.
        pictures: The figures.
    """

    dataset: str
    facts: Sequence[tuple[str, str]]
    command: str
    caveats: Sequence[str]
    pictures: Sequence[Picture] = ()


@dataclass(frozen=True, kw_only=True)
class BaseToNewSection(Section):
    """What the page says about the base-to-new runs on one dataset.

    Attributes:
        table: The main table and what belongs beside it.
        cosines: As `diagnostics.cosines` gives them.
        attention: As `diagnostics.attention_shares` gives them.
        explained: Predictions beside the sentences attended to, where a method left some.
        outcomes: Confusions and calibration, where runs left their outcomes.
    """

    table: MainTable
    cosines: dict[str, dict[str, MeanInterval]] = field(default_factory=dict)
    attention: dict[str, dict[str, Shares]] = field(default_factory=dict)
    explained: Explained | None = None
    outcomes: OutcomesSection | None = None


def render_page(template: str, title: str, sections: Sequence[Section], **told: Any) -> str:  # noqa: ANN401 - by template
    """The page's HTML.

    Args:
        template: The protocol's template.
        title: The page's heading.
        sections: One a dataset.
        told: What else the template asks for.
    """
    page = _environment().get_template(template)
    return page.render(title=title, sections=sections, version=__version__, cosine_names=COSINES, **told)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("aape_lightning.report"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": cells.percent,
        "seconds": cells.seconds,
        "verdict": _verdict,
    }
    environment.globals |= {"with_interval": cells.with_interval, "signed": cells.signed, "sort_value": _sort_value}
    environment.globals["change"] = cells.change
    return environment


def _verdict(row: Row, metric: str) -> str:
    """Which way a paired interval points, in a word that needs no colour."""
    excludes = row[f"{metric}_excludes_zero"]
    if pd.isna(excludes):
        return "no interval"
    if not excludes:
        return "open"
    return "better" if row[f"{metric}_difference"] > 0 else "worse"


def _sort_value(value: float) -> str:
    """What a table sorts by: full precision, empty where there is no number."""
    return "" if pd.isna(value) else repr(float(value))
