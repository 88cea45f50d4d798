"""LightningModules: the aggregator, the generator, and the heads that use them."""

from aape_lightning.tasks.aggregator import AggregatorTask
from aape_lightning.tasks.base import AAPETask
from aape_lightning.tasks.causal_lm import CausalLMTask
from aape_lightning.tasks.classification import ClassificationTask
from aape_lightning.tasks.generator import GeneratorTask

__all__ = ["AAPETask", "AggregatorTask", "CausalLMTask", "ClassificationTask", "GeneratorTask"]
