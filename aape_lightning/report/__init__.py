"""From results to tables, figures and one page.

Names are imported on first use, so that light commands do not wait for pandas and matplotlib.
"""

from typing import TYPE_CHECKING

from aape_lightning.lazy import lazy_names

if TYPE_CHECKING:
    from aape_lightning.report.comparison import compare
    from aape_lightning.report.main_table import MainTable, main_tables
    from aape_lightning.report.statistics import MeanInterval, mean_interval
    from aape_lightning.report.summary import summarize
    from aape_lightning.report.terminal import print_tables
    from aape_lightning.report.write import print_results, write_report

__all__ = [
    "MainTable",
    "MeanInterval",
    "compare",
    "main_tables",
    "mean_interval",
    "print_results",
    "print_tables",
    "summarize",
    "write_report",
]

_HOMES = {
    "MainTable": "main_table",
    "MeanInterval": "statistics",
    "compare": "comparison",
    "main_tables": "main_table",
    "mean_interval": "statistics",
    "print_results": "write",
    "print_tables": "terminal",
    "summarize": "summary",
    "write_report": "write",
}

__getattr__ = lazy_names(__name__, _HOMES)
