"""The method as pure modules: aggregator, generator, projection, losses. No Lightning here."""

from aape_lightning.modules.aggregator import (
    Aggregator,
    AttentionAggregator,
    MeanAggregator,
    MLPAggregator,
    RandomAggregator,
    build_aggregator,
    prompt_mean,
)
from aape_lightning.modules.answer_head import AnswerHead, answer_loss
from aape_lightning.modules.generator import Generator
from aape_lightning.modules.losses import clip_reward, contrastive_loss, distillation_loss
from aape_lightning.modules.prefix import EmbeddingPrefix, ImagePrefix
from aape_lightning.modules.projection import Projection, build_projection
from aape_lightning.modules.residual_query import ResidualQuery

__all__ = [
    "Aggregator",
    "AnswerHead",
    "AttentionAggregator",
    "EmbeddingPrefix",
    "Generator",
    "ImagePrefix",
    "MLPAggregator",
    "MeanAggregator",
    "Projection",
    "RandomAggregator",
    "ResidualQuery",
    "answer_loss",
    "build_aggregator",
    "build_projection",
    "clip_reward",
    "contrastive_loss",
    "distillation_loss",
    "prompt_mean",
]
