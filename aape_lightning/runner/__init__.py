"""Protocols at work: their jobs run one after another or in several processes, and their tables are printed."""

from aape_lightning.runner.request import Request
from aape_lightning.runner.run import run_protocol

__all__ = ["Request", "run_protocol"]
