"""LightningModules: the aggregator, the generator, and the heads that use them."""

from aape_lightning.tasks.aggregator import AggregatorTask
from aape_lightning.tasks.base import AAPETask
from aape_lightning.tasks.captioning import CaptioningTask
from aape_lightning.tasks.causal_lm import CausalLMTask
from aape_lightning.tasks.classification import ClassificationTask
from aape_lightning.tasks.generator import GeneratorTask
from aape_lightning.tasks.retrieval import RetrievalTask
from aape_lightning.tasks.vqa import VQATask
from aape_lightning.tasks.vqa_classifier import VQAClassifierTask

__all__ = [
    "AAPETask",
    "AggregatorTask",
    "CaptioningTask",
    "CausalLMTask",
    "ClassificationTask",
    "GeneratorTask",
    "RetrievalTask",
    "VQAClassifierTask",
    "VQATask",
]
