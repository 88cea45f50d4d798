"""Sentences about classes from a language model: questions, models, the journal, the run.

Names are imported on first use, so that light commands do not wait for heavy libraries.
"""

from typing import TYPE_CHECKING

from aape_lightning.lazy import lazy_names

if TYPE_CHECKING:
    from aape_lightning.prompts.generation.backoff import Backoff
    from aape_lightning.prompts.generation.costs import Price
    from aape_lightning.prompts.generation.endpoint import Endpoint
    from aape_lightning.prompts.generation.local import LocalModel
    from aape_lightning.prompts.generation.planning import plan
    from aape_lightning.prompts.generation.questions import question_set
    from aape_lightning.prompts.generation.requests import LLM, Sampling
    from aape_lightning.prompts.generation.run import generate
    from aape_lightning.prompts.generation.summary import Summary

__all__ = [
    "LLM",
    "Backoff",
    "Endpoint",
    "LocalModel",
    "Price",
    "Sampling",
    "Summary",
    "generate",
    "plan",
    "question_set",
]

_HOMES = {
    "Backoff": "backoff",
    "Endpoint": "endpoint",
    "LLM": "requests",
    "LocalModel": "local",
    "Price": "costs",
    "Sampling": "requests",
    "Summary": "summary",
    "generate": "run",
    "plan": "planning",
    "question_set": "questions",
}

__getattr__ = lazy_names(__name__, _HOMES)
