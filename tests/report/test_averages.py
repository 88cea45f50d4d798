import math
from statistics import fmean, harmonic_mean, stdev

import pandas as pd
import pytest
from aape_lightning.errors import ResultError
from aape_lightning.report import main_tables
from aape_lightning.report.averages import average_scores, compare_averages, left_out, summarize_averages
from scipy import stats
from synthetic import result

# (base, new) by dataset and seed
ONE = {
    "a": {1: (0.70, 0.60), 2: (0.74, 0.58), 3: (0.71, 0.66)},
    "b": {1: (0.90, 0.30), 2: (0.85, 0.35), 3: (0.88, 0.33)},
    "c": {1: (0.50, 0.52), 2: (0.55, 0.50), 3: (0.49, 0.51)},
}
OTHER = {
    "a": {1: (0.72, 0.55), 2: (0.75, 0.54), 3: (0.70, 0.60)},
    "b": {1: (0.91, 0.20), 2: (0.86, 0.28), 4: (0.80, 0.30)},
    "c": {1: (0.51, 0.50), 2: (0.54, 0.48), 3: (0.50, 0.45)},
}


def runs_of(method, values):
    return [
        result(method, seed, base, new, dataset=dataset)
        for dataset, by_seed in values.items()
        for seed, (base, new) in by_seed.items()
    ]


def by_seed(values, metric, seeds=(1, 2, 3)):
    return [fmean(metric(values[dataset][seed]) for dataset in "abc") for seed in seeds]


METRICS = {"base": lambda pair: pair[0], "new": lambda pair: pair[1], "h": harmonic_mean}


def test_over_datasets_first_then_over_seeds():
    [row] = summarize_averages(runs_of("aape", ONE)).to_dict("records")
    for metric, name in (("base", "base"), ("new", "new"), ("h", "mean_of_h")):
        values = by_seed(ONE, METRICS[metric])
        interval = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
        assert row["mean_of_h" if metric == "h" else f"{name}_mean"] == pytest.approx(fmean(values), rel=1e-12)
        assert row[f"{name}_sd"] == pytest.approx(stdev(values), rel=1e-12)
        assert row[f"{name}_interval"] == pytest.approx((interval.high - interval.low) / 2)
    bases, news = by_seed(ONE, METRICS["base"]), by_seed(ONE, METRICS["new"])
    assert row["h_of_averages"] == pytest.approx(harmonic_mean([fmean(bases), fmean(news)]), rel=1e-12)
    assert abs(row["h_of_averages"] - row["mean_of_h"]) > 0.01  # the two are not the same number
    assert (row["datasets"], row["seeds"]) == (3, 3)


def test_h_of_averages_is_what_papers_print():
    """CoOp's README-level averages: 82.69 and 63.22 give 71.66."""
    results = [result("coop", 1, 0.8269 + d, 0.6322 - d, dataset=name) for name, d in (("a", 0.1), ("b", -0.1))]
    [row] = summarize_averages(results).to_dict("records")
    assert round(100 * row["h_of_averages"], 2) == 71.66


def test_a_method_without_a_dataset_is_named_and_left_out():
    lacking = {dataset: ONE[dataset] for dataset in "ab"}
    results = runs_of("aape", ONE) + runs_of("coop", lacking)
    assert summarize_averages(results)["method"].tolist() == ["aape"]
    assert left_out(results) == ["coop is not in the average: no result on c."]
    assert compare_averages(results, "aape").empty


def test_a_seed_without_a_dataset_is_named_and_left_out():
    results = runs_of("aape", ONE) + runs_of("coop", OTHER)
    averages = average_scores(results)
    assert averages["seed"][averages["method"] == "coop"].tolist() == [1, 2]
    assert left_out(results) == ["The average of coop is without seeds 3, 4, which some dataset lacks."]


def test_no_seed_on_every_dataset():
    split = {"a": {1: (0.7, 0.6)}, "b": {2: (0.7, 0.6)}, "c": {1: (0.7, 0.6)}}
    results = runs_of("coop", split)
    assert summarize_averages(results).empty
    assert left_out(results) == ["coop is not in the average: none of its seeds has a result on every dataset."]
    average = main_tables(results, None)[0]
    assert average.is_average
    assert not average.summary


def test_paired_comparison_equals_the_paired_t_test_over_seeds():
    [row] = compare_averages(runs_of("aape", ONE) + runs_of("coop", OTHER), "aape").to_dict("records")
    for metric, of_pair in METRICS.items():
        one, other = by_seed(ONE, of_pair, (1, 2)), by_seed(OTHER, of_pair, (1, 2))
        interval = stats.ttest_rel(one, other).confidence_interval(0.95)
        mean, half = row[f"{metric}_difference"], row[f"{metric}_interval"]
        assert (mean - half, mean + half) == pytest.approx((interval.low, interval.high), rel=1e-9)
        assert row[f"{metric}_excludes_zero"] == (interval.low > 0 or interval.high < 0)
    assert (row["reference"], row["method"], row["pairs"], row["left_out"]) == ("aape", "coop", 2, 1)


def test_one_seed_has_no_interval():
    results = [result(method, 1, dataset=dataset) for method in ("aape", "coop") for dataset in "ab"]
    assert math.isnan(summarize_averages(results)["base_interval"].iloc[0])
    row = compare_averages(results, "aape").iloc[0]
    assert row["h_difference"] == 0
    assert pd.isna(row["h_excludes_zero"])


def test_recipes_may_differ_across_datasets_but_not_within_one():
    main_tables([result(dataset="a", recipe="one"), result(dataset="b", recipe="two")], "aape")
    with pytest.raises(ResultError, match="come from 2 settings"):
        main_tables([result(dataset="a", recipe="one"), result("coop", dataset="a", recipe="two")], None)


def test_results_of_different_settings_are_not_merged():
    varied = [result("aape", 1, setting={"data.shots": shots}) for shots in (1, 16)]
    with pytest.raises(ResultError, match=r"come from 2 settings .*data\.shots 16"):
        main_tables(varied, "aape")


def test_one_dataset_has_no_average():
    assert [table.is_average for table in main_tables([result()], "aape")] == [False]
