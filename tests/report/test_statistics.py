import math
import statistics

import numpy as np
import pytest
from aape_lightning.report import mean_interval
from scipy import stats


def test_by_hand():
    # Mean 2, squares 1 + 0 + 1 over 2 degrees of freedom, t(0.975, 2) = 4.302653 from the printed tables.
    interval = mean_interval([1.0, 2.0, 3.0])
    assert (interval.count, interval.mean, interval.sd) == (3, 2.0, 1.0)
    assert interval.half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("count", [2, 3, 5, 30])
def test_equals_scipy(count, level):
    values = np.random.default_rng(count).normal(0.7, 0.05, count).tolist()
    interval = mean_interval(values, level)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(level)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert interval.mean == pytest.approx(statistics.fmean(values), rel=1e-14)
    assert interval.sd == pytest.approx(statistics.stdev(values), rel=1e-12)


def test_one_value_has_no_interval():
    interval = mean_interval([0.7])
    assert (interval.count, interval.mean) == (1, 0.7)
    assert math.isnan(interval.sd)
    assert math.isnan(interval.half_width)
    assert interval.excludes_zero is None


def test_no_value_has_no_mean():
    assert math.isnan(mean_interval([]).mean)


@pytest.mark.parametrize(
    ("values", "excludes"), [([1.0, 1.1, 0.9], True), ([-1.0, -1.1], True), ([1.0, -1.0], False), ([0.0, 0.0], False)]
)
def test_excludes_zero(values, excludes):
    assert mean_interval(values).excludes_zero is excludes


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_refuses_an_impossible_level(level):
    with pytest.raises(ValueError, match=f"level is {level}"):
        mean_interval([1.0, 2.0], level)
