import io

import numpy as np
import pytest
from aape_lightning.report.figures import DARK, LIGHT, dataset_figures
from aape_lightning.report.figures.curves import mean_curve
from PIL import Image
from synthetic import result, study, trained


def names(results, reference="aape"):
    return [drawing.name.removeprefix("shapes-") for drawing in dataset_figures(results, reference)]


def test_every_figure_where_there_is_data():
    assert names(study()) == ["accuracy", "differences", "curves", "attention", "cosines", "cost"]


def test_only_accuracy_without_data():
    assert names([result("zero-shot")]) == ["accuracy"]
    assert names([result("zero-shot"), result("coop")], None) == ["accuracy"]


def test_no_differences_without_a_common_seed():
    assert "differences" not in names([result("aape", 1), result("zero-shot", 2)])


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_figures_are_drawn_alike_every_time(theme):
    for drawing in dataset_figures(study(), "aape"):
        image = Image.open(io.BytesIO(drawing.render(theme, "png")))
        assert image.width > 900
        assert len(image.getcolors(maxcolors=1 << 20)) > 10
        svg = drawing.render(theme, "svg")
        assert svg.startswith(b"<?xml")
        assert svg == drawing.render(theme, "svg")


def test_one_seed_is_drawn_without_intervals():
    for drawing in dataset_figures([result("zero-shot"), trained("aape")], "aape"):
        assert b"nan" not in drawing.render(LIGHT, "svg").lower().replace(b"dominant", b"")


def test_alt_texts_tell_the_numbers():
    accuracy, differences, *_ = dataset_figures(
        [result("zero-shot", 1, 0.6, 0.3), result("aape", 1, 0.9, 0.45)], "aape"
    )
    assert "zero-shot: base 60.00, new 30.00, mean of H 40.00." in accuracy.alt
    assert "H against zero-shot: +20.00 ± –." in differences.alt


def test_a_seed_that_stopped_early_counts_as_far_as_it_went():
    mean, low, high = mean_curve([[1.0, 2.0, 4.0], [3.0, 4.0], [5.0]])
    np.testing.assert_array_equal(mean, [3.0, 3.0, 4.0])
    np.testing.assert_array_equal(low, [1.0, 2.0, 4.0])
    np.testing.assert_array_equal(high, [5.0, 4.0, 4.0])
