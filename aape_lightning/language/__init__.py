"""Causal language models: loaded frozen for captioning and question answering, or built small and trained."""

from aape_lightning.language.build import new_language_model, save_language_model, train_tokenizer
from aape_lightning.language.decoding import Decoding, generate
from aape_lightning.language.load import load_language_model
from aape_lightning.language.loss import IGNORED, labels_of, next_token_loss
from aape_lightning.language.model import LanguageModel
from aape_lightning.language.prefix_loss import prefix_loss
from aape_lightning.language.segments import EmbeddedSegments, Segment, embed_segments

__all__ = [
    "IGNORED",
    "Decoding",
    "EmbeddedSegments",
    "LanguageModel",
    "Segment",
    "embed_segments",
    "generate",
    "labels_of",
    "load_language_model",
    "new_language_model",
    "next_token_loss",
    "prefix_loss",
    "save_language_model",
    "train_tokenizer",
]
