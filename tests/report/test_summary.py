import math
import statistics

import pytest
from aape_lightning.errors import ResultError
from aape_lightning.report import summarize
from scipy import stats
from synthetic import result, study, trained

BASE, NEW = [0.70, 0.74, 0.78], [0.60, 0.50, 0.55]


def row_of(results, method="aape"):
    summary = summarize(results)
    return summary[summary["method"] == method].iloc[0]


def test_means_deviations_and_both_h():
    row = row_of([trained("aape", seed, b, n) for seed, (b, n) in enumerate(zip(BASE, NEW, strict=True), start=1)])
    h = [statistics.harmonic_mean(pair) for pair in zip(BASE, NEW, strict=True)]
    for name, values in (("base_mean", BASE), ("new_mean", NEW), ("mean_of_h", h)):
        prefix = name.removesuffix("_mean")
        interval = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
        assert row[name] == pytest.approx(statistics.fmean(values))
        assert row[f"{prefix}_sd"] == pytest.approx(statistics.stdev(values))
        assert row[f"{prefix}_interval"] == pytest.approx((interval.high - interval.low) / 2)
    assert row["h_of_means"] == pytest.approx(statistics.harmonic_mean([0.74, 0.55]))
    assert row["h_of_means"] != pytest.approx(row["mean_of_h"], abs=1e-4)  # the two are not the same number
    assert (row["seeds"], row["train_seconds"]) == (3, pytest.approx(22.0))


def test_one_seed_has_neither_deviation_nor_interval():
    row = row_of([result("aape", 1, 0.6, 0.3)])
    assert row["h_of_means"] == row["mean_of_h"] == pytest.approx(0.4)
    for name in ("base", "new", "mean_of_h"):
        assert math.isnan(row[f"{name}_sd"])
        assert math.isnan(row[f"{name}_interval"])
    assert math.isnan(row["train_seconds"])


def test_rows_by_dataset_and_method_in_order():
    summary = summarize([*study("shapes"), *study("eurosat")])
    methods = ["zero-shot", "aape-no-distill", "aape"]
    assert summary["dataset"].tolist() == ["eurosat"] * 3 + ["shapes"] * 3
    assert summary["method"].tolist() == methods * 2


def test_results_of_single_tests_are_left_out():
    single = result("ClassificationTask", 1, metrics={"test/accuracy": 0.5}, protocol="test", recipe="other")
    assert summarize([result(), single])["method"].tolist() == ["aape"]
    with pytest.raises(ResultError, match="None of the 1 results measured both"):
        summarize([single])


@pytest.mark.parametrize("change", [{"recipe": "other"}, {"backbone": {"name": "shapes-tiny", "fingerprint": "00"}}])
def test_different_settings_are_refused(change):
    with pytest.raises(ResultError, match="come from 2 settings"):
        summarize([result("zero-shot"), result("aape", **change)])


def test_a_run_that_is_there_twice_is_refused():
    with pytest.raises(ResultError, match="two results on 'shapes' of method 'aape' with seed 1"):
        summarize([result(), result()])


@pytest.mark.parametrize("value", [61.2, -0.1, math.nan])
def test_what_is_not_a_fraction_is_refused(value):
    with pytest.raises(ResultError, match="must be a fraction between 0 and 1"):
        summarize([result(metrics={"base/accuracy": value, "new/accuracy": 0.5})])
