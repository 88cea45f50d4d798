"""Protocols: lists of jobs, and results."""

from aape_lightning.protocols.results import Result, read_results

__all__ = ["Result", "read_results"]
