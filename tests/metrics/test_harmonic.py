import statistics
import subprocess
import sys

import numpy as np
import pytest
from aape_lightning.metrics import harmonic_mean


@pytest.mark.parametrize(
    ("base", "new", "by_hand"), [(0.6, 0.3, 0.4), (0.5, 0.5, 0.5), (1.0, 0.25, 0.4), (80.0, 20.0, 32.0)]
)
def test_by_hand(base, new, by_hand):
    assert harmonic_mean(base, new) == pytest.approx(by_hand, rel=1e-15)
    assert isinstance(harmonic_mean(base, new), float)


def test_equals_the_standard_library():
    pairs = np.random.default_rng(1).uniform(size=(100, 2))
    expected = [statistics.harmonic_mean(pair) for pair in pairs.tolist()]
    np.testing.assert_allclose(harmonic_mean(pairs[:, 0], pairs[:, 1]), expected, rtol=1e-14)


@pytest.mark.parametrize(("base", "new"), [(0.0, 0.7), (0.7, 0.0), (0.0, 0.0)])
def test_zero_where_either_is_zero(base, new):
    assert harmonic_mean(base, new) == 0.0
    assert harmonic_mean(np.array([base]), np.array([new])).tolist() == [0.0]


def test_broadcasts_and_keeps_missing_values():
    means = harmonic_mean(np.array([0.6, 0.0, np.nan]), 0.3)
    np.testing.assert_allclose(means, [0.4, 0.0, np.nan])


def test_metrics_import_nothing_heavy():
    code = (
        "import sys, aape_lightning.metrics; print(*({'torch', 'torchmetrics', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
