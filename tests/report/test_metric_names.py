import pytest
from aape_lightning.data.degrade import DEGRADATIONS as KINDS
from aape_lightning.report.train_test.metric_names import DEGRADATIONS, MetricName, label, metric_name, scale
from aape_lightning.report.train_test.wording import units, verdict


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", MetricName(None, "none", "", "", "accuracy")),
        ("image_to_text/recall@1", MetricName(None, "none", "image_to_text", "", "recall@1")),
        ("blur/cider_d(ptb)", MetricName(None, "blur", "", "", "cider_d(ptb)")),
        ("none/cider_d(ptb)", MetricName(None, "none", "", "", "cider_d(ptb)")),
        ("0-shot/accuracy", MetricName(0, "none", "", "", "accuracy")),
        ("12-shot/occlusion/exact_match", MetricName(12, "occlusion", "", "", "exact_match")),
        ("2-shot/answer_type/yes/no/accuracy", MetricName(2, "none", "answer_type", "yes/no", "accuracy")),
        ("blur/question_type/is it/loss", MetricName(None, "blur", "question_type", "is it", "loss")),
        ("a/b/loss", MetricName(None, "none", "a/b", "", "loss")),
        ("x-shot/accuracy", MetricName(None, "none", "x-shot", "", "accuracy")),
    ],
)  # fmt: skip
def test_names_are_taken_apart(name, expected):
    assert metric_name(name) == expected


def test_every_degradation_of_the_data_has_words():
    assert list(DEGRADATIONS) == list(KINDS)


@pytest.mark.parametrize(
    ("metric", "heading", "value", "shown", "lower"),
    [
        ("recall@10", "R@10", 0.5, "50.00", False),
        ("mean_class_accuracy", "Mean class accuracy", 0.123456, "12.35", False),
        ("exact_match", "Exact match", 1.0, "100.00", False),
        ("cider_d(simple)", "CIDEr-D (simple)", 1.2345, "123.45", False),
        ("bleu_4(ptb)", "BLEU-4 (ptb)", 0.1879, "18.79", False),
        ("rouge_l(ptb)", "ROUGE-L (ptb)", 0.46, "46.00", False),
        ("meteor(ptb)", "METEOR (ptb)", 0.2, "20.00", False),
        ("ref_clip_score", "RefCLIPScore", 0.78, "78.00", False),
        ("median_rank", "Median rank", 3.5, "3.50", True),
        ("cosine", "Cosine", 0.51234, "0.5123", False),
        ("cross_entropy", "Cross entropy", 2.0, "2.00", True),
        ("something_else", "Something else", 2.0, "2.00", False),
    ],
)
def test_headings_and_scales(metric, heading, value, shown, lower):
    assert label(metric) == heading
    assert scale(metric).number(value) == shown
    assert scale(metric).lower_is_better is lower


def test_metrics_are_ordered_by_kind_and_number_minor_ones_last():
    names = ["bleu_4", "recall@10", "bleu_1", "median_rank", "recall@5", "cider_d", "accuracy", "zeal", "rouge_l"]
    ordered = sorted(names, key=lambda name: metric_name(name).order)
    first = ["accuracy", "recall@5", "recall@10", "median_rank", "cider_d", "bleu_4", "rouge_l"]
    assert ordered == [*first, "zeal", "bleu_1"]


def test_units_name_what_is_there_alone():
    assert units(["0-shot/accuracy"]) == "Accuracies are in percent."
    assert units(["recall@1", "exact_match", "accuracy", "median_rank"]) == (
        "Recalls, accuracies and exact matches are in percent; all else is as it is."
    )
    assert units(["median_rank"]) == "All else is as it is."


@pytest.mark.parametrize(
    ("difference", "excludes", "lower", "word"),
    [
        (1.0, True, False, "better"),
        (-1.0, True, False, "worse"),
        (1.0, True, True, "worse"),
        (-1.0, True, True, "better"),
        (1.0, False, False, "open"),
        (1.0, None, False, "no interval"),
    ],
)
def test_verdicts_know_which_way_is_better(difference, excludes, lower, word):
    assert verdict(difference, excludes, lower) == word


def test_measures_of_calibration_are_better_when_lower_and_have_their_units():
    assert units(["base/calibration_error"]) == "Calibration errors are in percent."
    assert units(["accuracy", "calibration_error", "cross_entropy"]) == (
        "Accuracies and calibration errors are in percent; cross entropies are in nats."
    )
    for name in ("calibration_error", "cross_entropy"):
        assert scale(name).lower_is_better
        assert metric_name(name).is_minor
    assert scale("calibration_error").number(0.0651) == "6.51"
    assert not scale("accuracy").lower_is_better
