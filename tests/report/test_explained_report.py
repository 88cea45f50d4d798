import io
import re

import grids
import measured
import pytest
from aape_lightning.errors import ResultError
from aape_lightning.protocols.explanations import EXPLANATIONS_FILE
from aape_lightning.report import write_report
from explanations import explanations, leave
from html_page import Page
from rich.console import Console
from synthetic import result, study, trained, write

HEADINGS = (
    "Explained predictions",
    "Sentences attended to and ignored, class by class",
    "How far h(x) moved from the mean sentence",
)


def place(folder, method="aape", seed=1, dataset="shapes"):
    return folder / dataset / method / f"seed{seed}"


def report(folder, **options):
    path = write_report(folder, console=Console(width=100, file=io.StringIO()), **options)
    return Page(path.read_text(encoding="utf-8"))


def said(page):
    return " ".join(" ".join(page.text).split())


@pytest.fixture(autouse=True, scope="module")
def no_other_figures():
    """Drawing takes most of a report's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aape_lightning.report.write.dataset_figures", lambda runs, reference: [])
        patch.setattr("aape_lightning.report.train_test.write.study_figures", lambda study: [])
        patch.setattr("aape_lightning.report.grid.write.grid_figures", lambda study: [])
        yield


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = write(study(), tmp_path_factory.mktemp("runs"))
    for seed in (2, 3):
        leave(place(folder, seed=seed))
    return folder, report(folder)


# ---- what the page shows -------------------------------------------------------------------------------------------


def test_predictions_stand_beside_the_sentences_attended_to(shown):
    _, page = shown
    text = said(page)
    assert page.open == []
    assert all(heading in text for heading in HEADINGS)
    assert "aape (seed 2)" in text  # the first that left some
    assert "✓ right" in text
    assert "✗ wrong: taken for solid red heart" in text
    assert "A sentence about solid red arrow. faithful 50.0 %" in text
    assert "and 6 more with 30 % together" in text
    assert "Base classes: 1 right and 1 wrong" in text
    assert "Neither the aggregator nor h(x) was trained on" in text
    assert "2 of 8 sentences receive half of the attention; mean over 25 test images." in text
    assert text.index("base one is seen.") < text.index("Ignored: least attended") < text.index("base one is sold.")


def test_images_are_held_in_the_page_and_described(shown):
    _, page = shown
    images = [one for one in page.attributes("img") if one["src"].startswith("data:image/jpeg;base64,")]
    assert [one["alt"] for one in images[:2]] == [
        "Test image of the class solid red arrow, recognised.",
        "Test image of the class solid red arrow, taken for solid red heart.",
    ]
    assert len(images) == 4


def test_bars_are_as_long_as_their_values(shown):
    _, page = shown
    bars = [one for one in page.attributes("span") if one.get("class") == "fill"]
    widths = [float(re.fullmatch(r"width: ([\d.]+)%", one["style"])[1]) for one in bars]
    assert widths[:5] == [60.0, 25.0, 15.0, 100.0, 40.0]  # probabilities of 1, attention of the largest share
    uniform = [one["style"] for one in page.attributes("span") if one.get("class") == "uniform"]
    assert uniform[0] == "left: 25.0%"  # an eighth, where a half fills the room
    classes = [one.get("class") for one in page.attributes("li")]
    assert classes.count("is-true") == 4  # the true class, once an image


def test_figures_tell_how_far_aape_moved(shown):
    folder, page = shown
    names = {path.name for path in (folder / "figures").iterdir()}
    assert {f"shapes-moved-{part}.{kind}" for part in ("base", "new") for kind in ("png", "svg")} <= names
    alts = [one["alt"] for one in page.attributes("img")]
    assert any("base one: image and mean sentence 0.30, image and h(x) 0.70" in alt for alt in alts)


def test_what_kinds_of_sentences_there_are_is_told_where_it_is_known(shown, tmp_path):
    assert "The kind of a sentence (faithful, wrong) is known of this dataset; no method sees it." in said(shown[1])
    leave(place(write([trained()], tmp_path)), explanations(kind=None))
    page = report(tmp_path)
    assert "The kind of a sentence" not in said(page)
    assert not [one for one in page.attributes("span") if one.get("class", "").startswith("kind")]


def test_nothing_is_loaded_from_elsewhere(shown):
    folder, page = shown
    policy = next(one["content"] for one in page.attributes("meta") if "http-equiv" in one)
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", (folder / "report.html").read_text(encoding="utf-8"))


# ---- whose explanations --------------------------------------------------------------------------------------------


def test_the_reference_comes_first(tmp_path):
    folder = write(study(), tmp_path)
    for method in ("aape-no-distill", "aape"):
        leave(place(folder, method))
    assert "aape (seed 1)" in said(report(folder))
    assert "aape-no-distill (seed 1)" in said(report(folder, reference="aape-no-distill"))


def test_another_method_stands_in_for_a_reference_without_any(tmp_path):
    folder = write(study(), tmp_path)
    leave(place(folder, "aape-no-distill", 3))
    assert "aape-no-distill (seed 3)" in said(report(folder))


def test_each_dataset_has_its_own(tmp_path):
    folder = write([trained(dataset="shapes"), trained(dataset="eurosat")], tmp_path)
    leave(place(folder, dataset="eurosat"))
    page = report(folder)
    assert said(page).count(HEADINGS[0]) == 1
    assert (folder / "figures" / "eurosat-moved-base.svg").is_file()


def test_without_explanations_nothing_is_said(tmp_path):
    text = said(report(write(study(), tmp_path)))
    assert not any(heading in text for heading in HEADINGS)


# ---- what may go wrong ---------------------------------------------------------------------------------------------


def test_names_and_sentences_are_escaped(tmp_path):
    folder = write([trained()], tmp_path)
    leave(place(folder), explanations(label="<script>alert(1)</script>\"'$x$"))
    page = report(folder)
    assert len(page.attributes("script")) == 1
    assert "A sentence about <script>alert(1)</script>\"'$x$." in said(page)


def test_images_that_cannot_be_opened_are_told(tmp_path):
    folder = write([trained()], tmp_path / "runs")
    leave(place(folder), explanations(manifest=str(tmp_path / "moved.yaml"), root=str(tmp_path)))
    page = report(folder)
    assert "1 image could not be opened" in said(page)
    told = [one["aria-label"] for one in page.attributes("p") if one.get("role") == "img"]
    assert told[0] == "Test image of the class solid red arrow, recognised."
    assert str(tmp_path) not in (folder / "report.html").read_text(encoding="utf-8")


def test_malformed_explanations_leave_no_half_of_a_report(tmp_path):
    folder = write([trained()], tmp_path)
    (place(folder) / EXPLANATIONS_FILE).write_text("{}")
    with pytest.raises(ResultError, match="is not a file of explanations"):
        report(folder)
    assert not (folder / "report.html").exists()
    assert not (folder / "figures").exists()


# ---- the other protocols -------------------------------------------------------------------------------------------


def test_classification_over_all_classes_is_explained(tmp_path):
    folder = measured.write([measured.trained("aape", 1, {"accuracy": 0.8}, dataset="shapes")], tmp_path)
    leave(folder / "aape" / "seed1", explanations(["all"]))
    text = said(report(folder))
    assert all(heading in text for heading in HEADINGS)
    assert "All classes: 1 right and 1 wrong" in text


def test_few_shot_is_explained_with_the_most_shots(tmp_path):
    results = grids.few_shot_study()
    folder = grids.write(results, tmp_path)
    for k, one in enumerate(results):
        if one.method == "aape":
            leave(folder / f"shapes{k}", explanations(["all"], label=f"shots of {one.setting['data.shots']}"))
    text = said(report(folder))
    assert "aape (seed 1, data.shots 16)" in text
    assert "A sentence about shots of 16." in text
    assert "shots of 4" not in text


def test_the_source_of_a_transfer_is_explained(tmp_path):
    folder = grids.write(grids.transfer_study(), tmp_path)
    leave(folder / "pacs3", explanations(["all"]))
    assert "aape (seed 1)" in said(report(folder))


def test_sweeps_are_not_explained(tmp_path):
    results = grids.noise_study()
    folder = grids.write(results, tmp_path)
    leave(folder / "shapes0")
    assert HEADINGS[0] not in said(report(folder))


def test_a_base_to_new_result_of_single_tests_is_left_out(tmp_path):
    folder = write([trained(), result("zero-shot")], tmp_path)
    alone = result(metrics={"accuracy": 0.5}, protocol="")
    alone.write(folder / "test")
    leave(folder / "test")
    assert HEADINGS[0] not in said(report(folder))
