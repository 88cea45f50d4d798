"""The classes most confused and calibration, from the outcomes that runs left to the page."""

import io
import shutil

import measured
import numpy as np
import pytest
from aape_lightning.errors import ResultError
from aape_lightning.metrics.calibration import Reliability
from aape_lightning.protocols.outcomes import PartOutcomes, write_outcomes
from aape_lightning.report import write_report
from aape_lightning.report.figures import DARK, LIGHT
from aape_lightning.report.figures.confusion import confusion_figure
from aape_lightning.report.figures.reliability import reliability_figure
from aape_lightning.report.outcomes.calibration import calibrations
from aape_lightning.report.outcomes.confusions import find_confusions
from aape_lightning.report.outcomes.parts import find_parts, pool
from html_page import Page
from PIL import Image
from rich.console import Console
from synthetic import result, write

CLASSES = ["cat", "dog", "<i>fox</i>"]


@pytest.fixture(autouse=True)
def no_other_figures(monkeypatch):
    """Drawing takes most of a report's time."""
    monkeypatch.setattr("aape_lightning.report.write.dataset_figures", lambda runs, reference: [])


def outcomes(matrix, bins=([4, 8], [2.0, 8.0], [2, 7]), classes=CLASSES):
    """Outcomes of a whole confusion matrix."""
    matrix = np.array(matrix)
    pairs = [(i, j, int(matrix[i, j])) for i, j in np.ndindex(matrix.shape) if i != j and matrix[i, j]]
    pairs.sort(key=lambda pair: -pair[2])
    return PartOutcomes(
        classes=classes, images=matrix.sum(1).tolist(), correct=matrix.diagonal().tolist(), confusions=pairs,
        reliability=Reliability(*bins),
    )  # fmt: skip


ZERO_SHOT = [[4, 6, 0], [0, 10, 0], [3, 0, 7]]
FIRST = [[9, 1, 0], [0, 6, 4], [2, 1, 7]]
SECOND = [[10, 0, 0], [0, 8, 2], [2, 0, 8]]


def both_methods():
    return {
        "zero-shot": {seed: outcomes(ZERO_SHOT) for seed in (1, 2)},
        "aape": {1: outcomes(FIRST), 2: outcomes(SECOND)},
    }


def written(folder, *, without=()):
    """Two methods and two seeds with their outcomes."""
    runs = [result(method, seed) for method in ("zero-shot", "aape") for seed in (1, 2)]
    write(runs, folder)
    for method, seeds in both_methods().items():
        for seed, of_seed in seeds.items():
            if method not in without:
                write_outcomes(folder / "shapes" / method / f"seed{seed}", {"base": of_seed, "new": of_seed})
    return runs


def report(folder):
    path = write_report(folder, console=Console(file=io.StringIO()))
    return Page(path.read_text(encoding="utf-8"))


def table(page, first):
    return [rows for rows in page.tables if rows[0][0] == first]


def test_seeds_are_added_up():
    pooled = pool(both_methods()["aape"].values())
    total = np.array(FIRST) + np.array(SECOND)
    assert list(pooled.images) == [20, 20, 20]
    for true, predicted in np.ndindex(3, 3):
        assert pooled.share(true, predicted) == pytest.approx(total[true, predicted] / 20)
    assert pooled.reliability == Reliability([8, 16], [4.0, 16.0], [4, 14])
    assert pooled.seeds == 2


def test_confusions_are_told_beside_zero_shots():
    found = find_confusions("base", both_methods(), "aape")
    assert [(pair.true, pair.predicted, pair.count, pair.images) for pair in found.most] == [
        ("dog", "<i>fox</i>", 6, 20),
        ("<i>fox</i>", "cat", 4, 20),
        ("<i>fox</i>", "dog", 1, 20),
        ("cat", "dog", 1, 20),
    ]
    assert [pair.before for pair in found.most] == [0.0, 0.3, 0.0, 0.6]
    assert [(pair.true, pair.predicted, round(pair.change, 6)) for pair in found.mended] == [
        ("cat", "dog", -0.55),
        ("<i>fox</i>", "cat", -0.1),
    ]
    assert [(pair.true, pair.predicted) for pair in found.new] == [("dog", "<i>fox</i>"), ("<i>fox</i>", "dog")]


def test_zero_shot_is_not_compared_with_itself():
    found = find_confusions("base", both_methods(), "zero-shot")
    assert not found.compares
    assert found.mended == found.new == []
    assert find_confusions("base", both_methods(), "coop") is None


def test_calibration_is_the_mean_over_seeds():
    seeds = {1: outcomes(FIRST, ([2, 8], [1.0, 8.0], [2, 6])), 2: outcomes(FIRST, ([10, 0], [4.0, 0.0], [4, 0]))}
    found = calibrations({"base": {"aape": seeds}}, ["zero-shot", "aape"])
    assert list(found) == ["aape"]
    error, over = found["aape"]["base"].error, found["aape"]["base"].overconfidence
    assert (error.count, error.mean) == (2, pytest.approx((0.3 + 0.0) / 2))
    assert over.mean == pytest.approx((0.1 + 0.0) / 2)


def test_the_page_tells_confusions_and_calibration(tmp_path):
    written(tmp_path)
    page = report(tmp_path)
    assert page.open == []
    most, *_ = table(page, "True class")
    assert most[0] == ["True class", "Taken for", "Images", "Share", "By zero-shot", "Change"]
    assert most[1] == ["dog", "<i>fox</i>", "6 of 20", "30.00", "0.00", "+30.00"]
    assert len(table(page, "True class")) == 2 * 3
    [found] = [rows for rows in table(page, "Method") if "ECE, base" in rows[0]]
    assert found[0] == ["Method", "ECE, base", "ECE, new", "Confidence − accuracy, base", "Confidence − accuracy, new"]
    assert found[2] == ["aape", "8.33 ± 0.00", "8.33 ± 0.00", "+8.33 ± 0.00", "+8.33 ± 0.00"]
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"shapes-confusion-base.png", "shapes-confusion-new.svg", "shapes-reliability.png"} <= figures
    assert "i" not in {name for name, _ in page.elements}  # a class's name is text


def test_classifiers_of_train_and_test_are_told_too(tmp_path):
    runs = [measured.trained(method, 1, {"accuracy": 0.6}, dataset="shapes") for method in ("zero-shot", "aape")]
    folder = measured.write(runs, tmp_path)
    for method, seeds in both_methods().items():
        write_outcomes(folder / method / "seed1", {"all": seeds[1]})
    page = report(folder)
    assert table(page, "True class")[0][1] == ["dog", "<i>fox</i>", "4 of 10", "40.00", "0.00", "+40.00"]
    [found] = [rows for rows in table(page, "Method") if "ECE, all" in rows[0]]
    assert [row[0] for row in found[1:]] == ["zero-shot", "aape"]
    assert (folder / "figures" / "shapes-confusion-all.svg").is_file()


def test_without_zero_shot_nothing_is_compared(tmp_path):
    written(tmp_path, without=["zero-shot"])
    most, other = table(report(tmp_path), "True class")
    assert most[0] == other[0] == ["True class", "Taken for", "Images", "Share"]


def test_results_without_outcomes_are_reported_as_before(tmp_path):
    written(tmp_path, without=["zero-shot", "aape"])
    page = report(tmp_path)
    assert "Calibration" not in page.text
    assert not (tmp_path / "figures" / "shapes-reliability.png").exists()


def test_a_method_that_confuses_nothing_has_calibration_alone(tmp_path):
    write([result("aape", 1)], tmp_path)
    right = outcomes([[5, 0, 0], [0, 5, 0], [0, 0, 5]], ([0, 15], [0.0, 14.0], [0, 15]))
    write_outcomes(tmp_path / "shapes" / "aape" / "seed1", {"base": right, "new": right})
    page = report(tmp_path)
    assert table(page, "True class") == []
    assert "Classes most confused" not in page.text
    assert "Calibration" in page.text


def test_a_malformed_file_leaves_no_report(tmp_path):
    written(tmp_path)
    (tmp_path / "shapes" / "aape" / "seed1" / "outcomes.json").write_text("{}}")
    with pytest.raises(ResultError, match="not a file of outcomes"):
        report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_other_classes_are_left_out(tmp_path):
    runs = written(tmp_path)
    place = tmp_path / "shapes" / "aape" / "seed2"
    shutil.rmtree(place)
    write_outcomes(place, {"base": outcomes(FIRST, classes=["x", "y", "z"])})
    places = {(run.dataset, run.method, run.seed): tmp_path / "shapes" / run.method / f"seed{run.seed}" for run in runs}
    parts = find_parts(runs, places)
    assert {part: {method: sorted(seeds) for method, seeds in by.items()} for part, by in parts.items()} == {
        part: {"zero-shot": [1, 2], "aape": [1]} for part in ("base", "new")
    }


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_figures_are_drawn_alike_every_time(theme):
    drawings = [
        confusion_figure("shapes", find_confusions("base", both_methods(), "aape")),
        reliability_figure("shapes", {"base": both_methods(), "new": both_methods()}, ["zero-shot", "aape"]),
    ]
    for drawing in drawings:
        assert drawing.render(theme, "svg") == drawing.render(theme, "svg")
        assert Image.open(io.BytesIO(drawing.render(theme, "png"))).width > 900


def test_alt_texts_tell_the_numbers():
    matrix = confusion_figure("shapes", find_confusions("base", both_methods(), "aape"))
    assert "dog taken for <i>fox</i>: 30 %." in matrix.alt
    diagram = reliability_figure("shapes", {"base": both_methods()}, ["zero-shot", "aape"])
    assert "aape: calibration error base 8.3." in diagram.alt
    assert reliability_figure("shapes", {}, ["aape"]) is None


def test_names_with_signs_of_mathematics_are_drawn():
    found = find_confusions("base", {"aape": {1: outcomes(FIRST, classes=["$x$_$", "a$", "b"])}}, "aape")
    assert confusion_figure("shapes", found).render(LIGHT, "png")


def test_a_class_without_images_is_confused_with_nothing():
    matrix = [[5, 5, 0], [0, 0, 0], [0, 0, 10]]
    drawing = confusion_figure("shapes", find_confusions("base", {"aape": {1: outcomes(matrix)}}, "aape"))
    with LIGHT.applied():
        [axes] = drawing.paint(LIGHT).axes
    assert [text.get_text() for text in axes.texts] == ["50", "50"]
