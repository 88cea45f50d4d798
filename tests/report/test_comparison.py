import math
from statistics import harmonic_mean

import pandas as pd
import pytest
from aape_lightning.errors import ResultError
from aape_lightning.report import compare
from scipy import stats
from synthetic import result, study

ONE = {1: (0.70, 0.60), 2: (0.74, 0.58), 3: (0.71, 0.66), 4: (0.73, 0.61)}
OTHER = {1: (0.72, 0.55), 2: (0.75, 0.54), 3: (0.70, 0.60), 5: (0.74, 0.52)}


def runs_of(method, values, dataset="shapes"):
    return [result(method, seed, base, new, dataset=dataset) for seed, (base, new) in values.items()]


def test_equals_the_paired_t_test():
    row = compare(runs_of("aape", ONE) + runs_of("coop", OTHER), "aape").iloc[0]
    common = [1, 2, 3]
    columns = {
        "base": [(ONE[seed][0], OTHER[seed][0]) for seed in common],
        "new": [(ONE[seed][1], OTHER[seed][1]) for seed in common],
        "h": [(harmonic_mean(ONE[seed]), harmonic_mean(OTHER[seed])) for seed in common],
    }
    for metric, pairs in columns.items():
        interval = stats.ttest_rel(*zip(*pairs, strict=True)).confidence_interval(0.95)
        mean, half = row[f"{metric}_difference"], row[f"{metric}_interval"]
        assert (mean - half, mean + half) == pytest.approx((interval.low, interval.high), rel=1e-10)
        assert row[f"{metric}_excludes_zero"] == (interval.low > 0 or interval.high < 0)
    assert row["new_excludes_zero"]
    assert not row["base_excludes_zero"]
    assert (row["pairs"], row["left_out"]) == (3, 2)


def test_one_pair_has_no_interval():
    row = compare([result("aape", 1, 0.8, 0.6), result("zero-shot", 1, 0.6, 0.6)], "aape").iloc[0]
    assert row["base_difference"] == pytest.approx(0.2)
    assert math.isnan(row["base_interval"])
    assert pd.isna(row["base_excludes_zero"])


def test_no_common_seed_is_said():
    row = compare([result("aape", 1), result("zero-shot", 2)], "aape").iloc[0]
    assert (row["pairs"], row["left_out"]) == (0, 2)
    assert math.isnan(row["h_difference"])


def test_one_row_a_dataset_and_other_method():
    comparison = compare(study("shapes") + study("eurosat") + runs_of("coop", OTHER, "dtd"), "aape")
    assert comparison["dataset"].tolist() == ["eurosat"] * 2 + ["shapes"] * 2
    assert comparison["method"].tolist() == ["zero-shot", "aape-no-distill"] * 2


def test_nothing_to_compare_with_is_an_empty_table():
    assert compare([result("aape")], "aape").empty


def test_unknown_reference():
    with pytest.raises(ResultError, match="No result of the reference method 'aape'"):
        compare([result("coop")], "aape")
