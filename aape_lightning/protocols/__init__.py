"""Protocols: lists of jobs, and results.

Names are imported on first use, so that light commands do not wait for heavy libraries.
"""

from typing import TYPE_CHECKING

from aape_lightning.lazy import lazy_names

if TYPE_CHECKING:
    from aape_lightning.protocols.results import Result, read_results

__all__ = ["Result", "read_results"]

_HOMES = {"Result": "results", "read_results": "results"}

__getattr__ = lazy_names(__name__, _HOMES)
