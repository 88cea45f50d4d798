"""What torchmetrics lacks: retrieval in blocks, caption scores, VQA's accuracy, outcomes of a test, the harmonic mean.

Names are imported on first use, so that light commands do not wait for heavy libraries.
"""

from typing import TYPE_CHECKING

from aape_lightning.lazy import lazy_names

if TYPE_CHECKING:
    from aape_lightning.metrics.answers import normalise_answer
    from aape_lightning.metrics.calibration import Reliability, calibration_error
    from aape_lightning.metrics.caption_metric import CaptionScores
    from aape_lightning.metrics.captions import ScoredCaptions, caption_scores, score_captions
    from aape_lightning.metrics.clip_score import clip_scores
    from aape_lightning.metrics.harmonic import harmonic_mean
    from aape_lightning.metrics.outcomes import ClassifierOutcomes, Outcomes, reliability
    from aape_lightning.metrics.recall import recall_scores, retrieval_ranks, retrieval_scores
    from aape_lightning.metrics.tokenisers import available_tokenizer, check_tokenizer, tokenise
    from aape_lightning.metrics.vqa import exact_match, question_groups, soft_accuracy, vqa_scores
    from aape_lightning.metrics.vqa_metric import VQAAccuracy

__all__ = [
    "CaptionScores",
    "ClassifierOutcomes",
    "Outcomes",
    "Reliability",
    "ScoredCaptions",
    "VQAAccuracy",
    "available_tokenizer",
    "calibration_error",
    "caption_scores",
    "check_tokenizer",
    "clip_scores",
    "exact_match",
    "harmonic_mean",
    "normalise_answer",
    "question_groups",
    "recall_scores",
    "reliability",
    "retrieval_ranks",
    "retrieval_scores",
    "score_captions",
    "soft_accuracy",
    "tokenise",
    "vqa_scores",
]

_HOMES = {
    "CaptionScores": "caption_metric",
    "ClassifierOutcomes": "outcomes",
    "Outcomes": "outcomes",
    "Reliability": "calibration",
    "ScoredCaptions": "captions",
    "VQAAccuracy": "vqa_metric",
    "available_tokenizer": "tokenisers",
    "calibration_error": "calibration",
    "caption_scores": "captions",
    "check_tokenizer": "tokenisers",
    "clip_scores": "clip_score",
    "exact_match": "vqa",
    "harmonic_mean": "harmonic",
    "normalise_answer": "answers",
    "question_groups": "vqa",
    "recall_scores": "recall",
    "reliability": "outcomes",
    "retrieval_ranks": "recall",
    "retrieval_scores": "recall",
    "score_captions": "captions",
    "soft_accuracy": "vqa",
    "tokenise": "tokenisers",
    "vqa_scores": "vqa",
}

__getattr__ = lazy_names(__name__, _HOMES)
