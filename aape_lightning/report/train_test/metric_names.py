"""What a metric's name says: what it measures, of what, under which condition, and on which scale it is shown.

Names are paths: `image_to_text/recall@1`, `blur/cider_d(ptb)`, `2-shot/occlusion/answer_type/number/accuracy`.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from aape_lightning.report import cells

__all__ = ["DEGRADATIONS", "MetricName", "Scale", "label", "metric_name", "part_label", "scale"]

# Conditions in order of display; `none` is left out of names.
DEGRADATIONS = {"none": "clean image", "blur": "blurred image", "occlusion": "occluded image"}
_BREAKDOWNS = ("answer_type", "question_type")
_SHOTS = re.compile(r"(\d+)-shot")
_ORDER = ("accuracy", "exact_match", "recall", "median_rank", "cider", "bleu", "rouge", "meteor", "clip", "ref_clip")
_LABELS = {
    "cider_d": "CIDEr-D",
    "rouge_l": "ROUGE-L",
    "meteor": "METEOR",
    "clip_score": "CLIPScore",
    "ref_clip_score": "RefCLIPScore",
    "calibration_error": "Calibration error (ECE)",
}
_FRACTIONS = ("recall", "accuracy", "exact_match", "calibration_error")
_TIMES_100 = ("cider", "bleu", "rouge", "meteor", "clip_score")
_MINOR = ("bleu_1", "bleu_2", "bleu_3", "mean_class_accuracy", "cross_entropy", "calibration_error")
_LOWER_IS_BETTER = ("rank", "loss", "entropy", "calibration_error")
_FINE = ("cosine",)


class MetricName(NamedTuple):
    """A metric's name, taken apart.

    Attributes:
        shots: Answered examples before each question; None where a task has none.
        degradation: How images were made worse.
        part: What it is of, such as `image_to_text`; empty where it is of everything.
        value: In a breakdown (`part` is `answer_type` or `question_type`) the group's name; else empty.
        metric: What is measured.
    """

    shots: int | None
    degradation: str
    part: str
    value: str
    metric: str

    @property
    def is_minor(self) -> bool:
        """Whether the metric is left out where there is little room."""
        return self.metric.startswith(_MINOR)

    @property
    def order(self) -> tuple[bool, int, int, str]:
        """Place among other metrics: minor ones last, by kind, by number (K of recall, n of BLEU), by name."""
        kind = next((place for place, start in enumerate(_ORDER) if self.metric.startswith(start)), len(_ORDER))
        count = re.search(r"\d+", self.metric)
        return self.is_minor, kind, int(count[0]) if count else 0, self.metric


def metric_name(name: str) -> MetricName:
    """Take a name apart.

    Example:
        >>> metric_name("2-shot/blur/answer_type/yes/no/accuracy")
        MetricName(shots=2, degradation='blur', part='answer_type', value='yes/no', metric='accuracy')
        >>> metric_name("image_to_text/recall@1")
        MetricName(shots=None, degradation='none', part='image_to_text', value='', metric='recall@1')
    """
    *path, metric = name.split("/")
    shots, degradation = None, "none"
    if path and (found := _SHOTS.fullmatch(path[0])):
        shots, path = int(found[1]), path[1:]
    if path and path[0] in DEGRADATIONS:
        degradation, path = path[0], path[1:]
    if path and path[0] in _BREAKDOWNS:
        return MetricName(shots, degradation, path[0], "/".join(path[1:]), metric)
    return MetricName(shots, degradation, "/".join(path), "", metric)


def label(metric: str) -> str:
    """A metric as tables head it.

    Example:
        >>> label("recall@5"), label("cider_d(ptb)"), label("bleu_4(ptb)"), label("exact_match")
        ('R@5', 'CIDEr-D (ptb)', 'BLEU-4 (ptb)', 'Exact match')
    """
    plain, bracket, tokenizer = metric.partition("(")
    suffix = f" {bracket}{tokenizer}"
    if plain.startswith("recall@"):
        return f"R@{plain.removeprefix('recall@')}"
    if plain.startswith("bleu_"):
        return f"BLEU-{plain.removeprefix('bleu_')}{suffix}"
    return f"{_LABELS.get(plain) or part_label(plain)}{suffix}".rstrip()


def part_label(part: str) -> str:
    """What a metric is of, in words.

    Example:
        >>> part_label("image_to_text")
        'Image to text'
    """
    words = part.replace("_", " ")
    return words[:1].upper() + words[1:]


@dataclass(frozen=True)
class Scale:
    """How a metric's values are shown.

    Attributes:
        factor: What they are multiplied by.
        digits: Decimals.
        is_fraction: Whether they lie between 0 and 1, so that they are shown in percent.
        lower_is_better: Whether the lower of two values is the better one.
    """

    factor: float = 1.0
    digits: int = 2
    is_fraction: bool = False
    lower_is_better: bool = False

    def number(self, value: float) -> str:
        """A value."""
        return cells.number(value, self.factor, self.digits)

    def with_interval(self, mean: float, half_width: float) -> str:
        """A mean and the half-width of its interval."""
        return cells.with_interval(mean, half_width, self.factor, self.digits)

    def deviation(self, sd: float) -> str:
        """The sample standard deviation."""
        return f"sd {self.number(sd)}"

    def signed(self, difference: float, half_width: float) -> str:
        """A difference with its sign, and the half-width of its interval."""
        return cells.signed(difference, half_width, self.factor, self.digits)


def scale(metric: str) -> Scale:
    """How a metric is shown: fractions in percent, caption scores times 100 as in papers, all else as it is.

    Example:
        >>> scale("recall@1").number(0.5), scale("cider_d(ptb)").number(0.7507), scale("median_rank").number(3)
        ('50.00', '75.07', '3.00')
    """
    lower = any(word in metric for word in _LOWER_IS_BETTER)
    if any(word in metric for word in _FRACTIONS):
        return Scale(100.0, is_fraction=True, lower_is_better=lower)
    if any(word in metric for word in _TIMES_100):
        return Scale(100.0)
    fine = any(word in metric for word in _FINE)
    return Scale(digits=4 if fine else 2, lower_is_better=lower)
