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
from aape_lightning.modules.generator import Generator
from aape_lightning.modules.losses import clip_reward, distillation_loss
from aape_lightning.modules.projection import Projection, build_projection

__all__ = [
    "Aggregator",
    "AttentionAggregator",
    "Generator",
    "MLPAggregator",
    "MeanAggregator",
    "Projection",
    "RandomAggregator",
    "build_aggregator",
    "build_projection",
    "clip_reward",
    "distillation_loss",
    "prompt_mean",
]
