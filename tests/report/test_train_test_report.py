import base64
import io
import json
import re
import shutil

import numpy as np
import pytest
from aape_lightning.data.images import image_opener
from aape_lightning.data.manifests import read_manifest
from aape_lightning.errors import ResultError
from aape_lightning.report import print_results, write_report
from aape_lightning.report.figures import DARK, LIGHT
from aape_lightning.report.train_test.figures import study_figures
from aape_lightning.report.train_test.study import studies
from html_page import Page
from measured import (
    IMAGES,
    answer_examples,
    caption_examples,
    captioning_study,
    measured,
    retrieval_study,
    search_examples,
    vqa_study,
    write,
)
from PIL import Image
from rich.console import Console
from synthetic import result, study
from synthetic import write as write_base_to_new


def report(results, folder, examples=None, **options):
    console = Console(width=100, file=io.StringIO())
    path = write_report(write(results, folder, examples, **options), console=console)
    return Page(path.read_text(encoding="utf-8")), console.file.getvalue()


def photographs(page):
    return [image for image in page.attributes("img") if image["src"].startswith("data:image/jpeg")]


def names(results):
    [found] = studies(results)
    return [drawing.name.partition("-")[2] for drawing in study_figures(found)]


def gallery_text(page):
    return " ".join(" ".join(page.text).split())


@pytest.fixture(scope="module")
def retrieval(tmp_path_factory):
    folder = tmp_path_factory.mktemp("retrieval")
    return folder, *report(retrieval_study(), folder, search_examples)


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("questions")
    return folder, *report(vqa_study(), folder, answer_examples)


@pytest.fixture
def no_figures(monkeypatch):
    """What a test of something else need not wait for."""
    monkeypatch.setattr("aape_lightning.report.train_test.write.study_figures", lambda study: [])


# ---- the page ----------------------------------------------------------------------------------------------------


def test_the_page_is_well_formed_and_alone(retrieval):
    folder, page, _ = retrieval
    assert page.open == []
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(?:src|srcset|href|action)\s*=\s*[\"']?\s*(?:https?:)?//", html)
    places = [element[name] for _, element in page.elements for name in ("src", "srcset", "href") if name in element]
    assert all(place.startswith("data:") for place in places)
    assert str(folder) not in html


def test_tables_hold_means_and_differences(retrieval):
    _, page, _ = retrieval
    one, other, *_ = page.tables
    assert [re.sub(r"\s", "", head) for head in one[0]] == ["Method", "R@1", "R@5", "R@10", "Medianrank", "Seeds"]
    assert one[1] == [
        "clip-retrieval", "31.00 ± 0.00sd 0.00", "51.00 ± 0.00sd 0.00", "61.00 ± 0.00sd 0.00", "6.00 ± 0.00sd 0.00",
        "3",
    ]  # fmt: skip
    assert other[1][:2] == ["clip-retrieval", "+12.00 ± 1.24better"]
    assert other[1][4] == "−0.33 ± 1.43open"
    assert len(page.tables) == 4


def test_files_beside_the_page(retrieval):
    folder, _, printed = retrieval
    assert {path.name for path in folder.iterdir() if path.is_file()} == {
        "report.html", "table.md", "table.csv", "runs.csv",
    }  # fmt: skip
    figures = {path.name for path in (folder / "figures").iterdir()}
    kinds = ("image-to-text", "text-to-image", "curves", "cost")
    assert figures == {f"shapes_captions-{kind}.{end}" for kind in kinds for end in ("png", "svg")}
    assert "Text to image" in printed


def test_further_metrics_and_breakdowns_are_folded_away(questions):
    _, page, _ = questions
    assert len(page.attributes("details")) == 3 + 1
    text = gallery_text(page)
    for said in (
        "Exact match, blurred images",
        "Accuracy by answer type",
        "K answered training examples",
        "Blurred images are",
    ):
        assert said in text


def test_a_page_without_conditions_does_not_speak_of_them(retrieval):
    text = gallery_text(retrieval[1])
    assert "K-shot" not in text
    assert "Blurred" not in text


def test_the_reference_stands_out(tmp_path, no_figures):
    results = retrieval_study()
    page, _ = report(results, tmp_path)
    assert "aape-retrieval against each other method" in page.text
    write_report(tmp_path, reference="clip-retrieval", console=Console(file=io.StringIO()))
    assert "clip-retrieval against each other method" in (tmp_path / "report.html").read_text()
    with pytest.raises(ResultError, match="'limber'"):
        write_report(tmp_path, reference="limber")


def test_one_method_is_reported_without_comparison(tmp_path):
    page, _ = report([measured("aape", 1, {"accuracy": 0.5})], tmp_path)
    assert len(page.tables) == 1
    assert "against each other method" not in gallery_text(page)


# ---- figures -----------------------------------------------------------------------------------------------------


def test_every_figure_where_there_is_data():
    assert names(retrieval_study()) == ["image-to-text", "text-to-image", "curves", "cost"]
    assert names(captioning_study()) == ["clean-images", "degradations", "curves", "cost"]
    assert names(vqa_study()) == ["accuracy-shots", "curves", "cost"]
    assert names([measured("aape", 1, {"accuracy": 0.5})]) == ["results"]


def test_one_number_of_examples_makes_no_curve():
    results = [measured("aape", 1, {"0-shot/accuracy": 0.5, "0-shot/blur/accuracy": 0.4})]
    assert names(results) == ["accuracy-clean-images", "degradations"]


@pytest.mark.parametrize("make", [captioning_study, vqa_study])
def test_figures_are_drawn_alike_every_time(make):
    [found] = studies(make())
    drawing = study_figures(found)[0]
    image = Image.open(io.BytesIO(drawing.render(DARK, "png")))
    assert len(image.getcolors(maxcolors=1 << 20)) > 10
    assert drawing.render(LIGHT, "svg") == drawing.render(LIGHT, "svg")


def test_one_seed_is_drawn_without_intervals():
    for make in (captioning_study, vqa_study):
        [found] = studies([run for run in make() if run.seed == 1])
        for drawing in study_figures(found)[:2]:
            assert b"nan" not in drawing.render(LIGHT, "svg").lower().replace(b"dominant", b"")


def test_alt_texts_tell_the_numbers():
    [found] = studies(retrieval_study())
    assert "clip-retrieval: R@1 31.00, R@5 51.00, R@10 61.00, Median rank 6.00." in study_figures(found)[0].alt


# ---- galleries ---------------------------------------------------------------------------------------------------


def test_searches_show_every_method_and_mark_what_is_right(retrieval):
    _, page, _ = retrieval
    text = gallery_text(page)
    assert "a text that describes flat/scenes/test/000000.png" in text
    for method in ("clip-retrieval", "aape-retrieval"):
        assert f"caption 4 found by {method}" in text
    # Of four searching images two methods find the caption, and for two texts all three find the image.
    assert text.count("✓ right") == 4 * 2 + 2 * 3
    assert len(photographs(page)) == 6 + 2 * 3 * 5


def test_answers_are_marked_in_words(questions):
    text = gallery_text(questions[1])
    assert text.count("✓ right") == 6
    assert text.count("✗ wrong") == 3
    assert text.count("≈ partly right") == 3  # two of ten people gave it: 0.6
    assert "blue (8 of 10)" in text
    assert "1-shot, blurred image" in text


def test_captions_show_images_as_the_methods_saw_them(tmp_path, no_figures):
    page, _ = report(captioning_study(), tmp_path, caption_examples)
    shown = photographs(page)
    assert len(shown) == 12
    assert {image["alt"] for image in shown} == {"one"}
    opener = image_opener(read_manifest("shapes_captions"), tmp_path, "blur")
    blurred = Image.open(io.BytesIO(base64.b64decode(shown[4]["src"].partition(",")[2])))
    difference = np.asarray(blurred, float) - np.asarray(opener(IMAGES[0]), float)
    assert np.abs(difference).mean() < 4  # what JPEG loses
    assert gallery_text(page).count("a occlusion thing by limber-aape") == 4


def test_large_images_are_made_small(own_toy_root, tmp_path, no_figures):
    path = next((own_toy_root / "toy" / "images").rglob("*.png"))
    Image.new("RGB", (900, 600), "navy").save(path)
    relative = path.relative_to(own_toy_root / "toy" / "images").as_posix()
    example = {"image": relative, "degradation": "none", "caption": "a", "references": ["b"]}
    page, _ = report(
        [measured("limber", 1, {"clip_score": 0.7})], tmp_path, lambda _: [example],
        manifest=str(own_toy_root / "toy.yaml"), root=str(own_toy_root),
    )  # fmt: skip
    [image] = photographs(page)
    assert Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2]))).size == (224, 149)
    assert str(own_toy_root) not in (tmp_path / "report.html").read_text()


def test_the_first_seed_of_each_method_is_shown(tmp_path, no_figures):
    results = [run for run in captioning_study() if (run.method, run.seed) != ("limber", 1)]
    page, _ = report(results, tmp_path, caption_examples)
    assert "limber: 2, limber-embedding: 1, limber-aape: 1" in gallery_text(page)


def test_at_most_twelve_examples_are_shown(tmp_path, no_figures):
    many = [
        caption_examples("limber")[0] | {"image": f"flat/scenes/test/{k:06d}.png", "caption": f"number {k}."}
        for k in range(36)
    ]
    page, _ = report([measured("limber", 1, {"clip_score": 0.7})], tmp_path, lambda _: many)
    assert len(photographs(page)) == 12
    assert "number 33." in gallery_text(page)


def test_many_conditions_do_not_show_one_question_alone(tmp_path, no_figures):
    one = answer_examples("aape")[0]
    conditions = [(kind, shots) for shots in (0, 1, 2, 4) for kind in ("none", "blur", "occlusion")]
    many = [
        one | {"degradation": kind, "shots": shots, "question": f"question {k}?"}
        for kind, shots in conditions
        for k in range(4)
    ]
    page, _ = report([measured("vqa-limber", 1, {"accuracy": 0.7})], tmp_path, lambda _: many)
    text = gallery_text(page)
    assert [text.count(f"question {k}?") for k in range(4)] == [3, 3, 3, 3]
    for shots in (0, 1, 2, 4):
        assert all(f"{shots}-shot, {word} image" in text for word in ("clean", "blurred", "occluded"))


def test_what_comes_from_data_is_escaped(tmp_path, no_figures):
    evil = "<script>alert(1)</script>"
    question = answer_examples("aape")[0] | {"question": evil, "answer": evil, "answers": [evil, '"><img src=x>']}
    caption = caption_examples("limber")[0] | {"caption": evil, "references": [f'" onload="{evil}']}
    for name, example in (("vqa", question), ("captions", caption)):
        page, _ = report([measured("limber", 1, {"accuracy": 0.7})], tmp_path / name, lambda _, e=example: [e])
        assert len(page.attributes("script")) == 1
        assert all("onload" not in image and image["src"].startswith("data:") for image in page.attributes("img"))
        assert evil in gallery_text(page)


def test_images_that_cannot_be_opened_are_told(tmp_path, no_figures):
    page, printed = report(
        captioning_study(), tmp_path, caption_examples, manifest="flickr8k", root=str(tmp_path / "gone")
    )
    assert photographs(page) == []
    assert gallery_text(page).count("This image could not be opened.") == 12
    assert "4 images could not be opened" in gallery_text(page)
    assert "4 images of shapes_captions cannot be opened" in printed
    assert "is no folder" in " ".join(printed.split())
    assert str(tmp_path) not in (tmp_path / "report.html").read_text()


def test_an_unknown_manifest_leaves_the_report(tmp_path, no_figures):
    page, printed = report(vqa_study(), tmp_path, answer_examples, manifest="no-such-manifest")
    assert "This image could not be opened." in gallery_text(page)
    assert "no-such-manifest" in printed


def test_methods_without_examples_are_left_out_of_the_gallery(tmp_path, no_figures):
    write(captioning_study(), tmp_path, caption_examples)
    shutil.rmtree(tmp_path / "limber")
    write([run for run in captioning_study() if run.method == "limber"], tmp_path)
    text = gallery_text(Page(write_report(tmp_path, console=Console(file=io.StringIO())).read_text()))
    assert "limber-embedding: 1, limber-aape: 1" in text
    assert "thing by limber " not in text


def test_malformed_examples_are_an_error(tmp_path, no_figures):
    write(captioning_study(), tmp_path, caption_examples)
    (tmp_path / "limber" / "seed1" / "examples.json").write_text(json.dumps({"kind": "captioning"}))
    with pytest.raises(ResultError, match=r"limber.seed1.examples\.json' is not a file of examples"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


# ---- which protocol ----------------------------------------------------------------------------------------------


def test_two_protocols_in_one_folder_are_refused(tmp_path):
    write(retrieval_study(), tmp_path / "one")
    write_base_to_new(study(), tmp_path / "two")
    for act in (write_report, print_results):
        with pytest.raises(ResultError, match=r"holds results of 2 protocols: .*base-to-new.*'two/.*aape report DIR"):
            act(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_results_of_single_tests_are_left_out(tmp_path, no_figures):
    single = result("RetrievalTask", 1, protocol="test", recipe="other", dataset="shapes_captions", metrics={"a": 0.5})
    single.write(tmp_path / "aape-retrieval" / "seed1" / "test-all")
    page, _ = report(retrieval_study(), tmp_path)
    assert "RetrievalTask" not in gallery_text(page)


def test_results_are_printed_by_their_protocol(tmp_path, capsys):
    print_results(write(retrieval_study(), tmp_path / "one"))
    assert "Text to image" in capsys.readouterr().out
    print_results(write_base_to_new(study(), tmp_path / "two"))
    assert "H of" in capsys.readouterr().out
