"""What the numbers of the train-test protocol mean, in the same words wherever they are shown."""

from collections.abc import Iterable, Sequence

from aape_lightning.report.train_test.metric_names import metric_name, scale
from aape_lightning.report.wording import CALIBRATION

__all__ = ["CALIBRATION", "CONDITIONS", "DIFFERENCE", "MEAN", "SEEDS_ONLY", "SHOTS", "units", "verdict"]

MEAN = (
    "Mean ± half-width of the 95 % t-interval over seeds; sd is the sample standard deviation. An en dash stands where "
    "one seed allows neither."
)
DIFFERENCE = (
    "Differences are paired: the reference minus the other method with the same seed, mean and 95 % t-interval, in the "
    "units of the table. Open means that the interval includes zero."
)
SEEDS_ONLY = (
    "Intervals speak of the seeds (of training, and of what it draws); all seeds share one set of test images. A "
    "method that draws nothing is the same for every seed, and its interval has no width."
)
CONDITIONS = (
    "One training is tested under every condition. Blurred images are blurred by a Gaussian whose deviation is a "
    "twentieth of the shorter side; occluded ones have a grey rectangle over a third of the picture."
)
SHOTS = (
    "K-shot: K answered training examples, images not made worse, are shown to the language model before a question."
)

_FRACTIONS = {
    "recall": "recalls",
    "accuracy": "accuracies",
    "exact_match": "exact matches",
    "calibration_error": "calibration errors",
}
_NATS = {"cross_entropy": "cross entropies"}
_TIMES_100 = {
    "cider": "CIDEr-D",
    "bleu": "BLEU",
    "rouge": "ROUGE-L",
    "meteor": "METEOR",
    "clip_score": "CLIPScores",
}
_UNITS = ((_FRACTIONS, "are in percent"), (_NATS, "are in nats"), (_TIMES_100, "are times 100, as papers show them"))


def units(names: Iterable[str]) -> str:
    """On which scales the metrics are shown, as one sentence.

    Example:
        >>> units(["image_to_text/recall@1", "image_to_text/median_rank"])
        'Recalls are in percent; all else is as it is.'
        >>> units(["cider_d(ptb)", "blur/cider_d(ptb)", "clip_score"])
        'CIDEr-D and CLIPScores are times 100, as papers show them.'
    """
    metrics = {metric_name(name).metric for name in names}
    parts = []
    for families, told in _UNITS:
        if found := [family for word, family in families.items() if any(word in metric for metric in metrics)]:
            parts.append(f"{_joined(found)} {told}")
    others = [metric for metric in metrics if scale(metric).factor == 1 and metric not in _NATS]
    parts += ["all else is as it is"] if others else []
    sentence = "; ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _joined(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def verdict(difference: float, excludes_zero: bool | None, lower_is_better: bool) -> str:
    """Which way a paired interval points, in a word that needs no colour.

    Example:
        >>> verdict(-2.0, True, lower_is_better=True), verdict(0.1, False, lower_is_better=False)
        ('better', 'open')
    """
    if excludes_zero is None:
        return "no interval"
    if not excludes_zero:
        return "open"
    return "better" if (difference < 0) == lower_is_better else "worse"
