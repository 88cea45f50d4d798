import io
import re

import pandas as pd
import pytest
from aape_lightning.report import print_results, write_report
from aape_lightning.report.figures import DARK, LIGHT
from aape_lightning.report.grid.about import grid_command, grid_facts
from aape_lightning.report.grid.cited import cited
from aape_lightning.report.grid.figures import average_figures, grid_figures
from aape_lightning.report.grid.files import grid_csv
from aape_lightning.report.grid.latex import grid_latex
from aape_lightning.report.grid.studies import grids
from grids import cost_study, few_shot, few_shot_study, noise_study, swept, transfer_study, write
from html_page import Page
from PIL import Image
from rich.console import Console

STUDIES = {
    "few-shot": few_shot_study,
    "sweep": noise_study,
    "domain-generalization": transfer_study,
    "cost": cost_study,
}
TEN = (
    "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101", "fgvc_aircraft", "sun397", "dtd",
    "eurosat", "ucf101",
)  # fmt: skip


def report(results, folder, width=80):
    console = Console(width=width, file=io.StringIO())
    path = write_report(write(results, folder), console=console)
    return Page(path.read_text(encoding="utf-8")), console.file.getvalue()


def only(results):
    [found] = grids(results)
    [study] = found.studies
    return study


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few")
    return folder, *report([*few_shot_study("eurosat"), *few_shot_study("shapes", ("zero-shot", "aape"))], folder)


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    folder = tmp_path_factory.mktemp("noise")
    return folder, *report(noise_study(), folder)


# ---- the page ----------------------------------------------------------------------------------------------------


def test_the_page_is_well_formed_and_alone(few):
    folder, page, _ = few
    assert page.open == []
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")
    assert not re.search(r"(?:src|srcset|href|action)\s*=\s*[\"']?\s*(?:https?:)?//", html)
    places = [element[name] for _, element in page.elements for name in ("src", "srcset", "href") if name in element]
    assert all(place.startswith(("data:", "#dataset-", "#average-")) for place in places)
    assert str(folder) not in html


def test_the_average_comes_first_and_says_what_it_lacks(few):
    _, page, _ = few
    text = " ".join(page.text)
    assert text.index("Average over 2 datasets") < text.index("coop is not in the average: no result on shapes.")
    assert text.index("coop is not in the average") < text.index("aape protocol few-shot")
    assert [row[0] for row in page.tables[0]] == ["Method", "zero-shot", "aape"]
    assert page.tables[0][0] == ["Method", "1", "4", "16", "Seeds"]


def test_figures_are_embedded_and_described(few):
    folder, page, _ = few
    images = page.attributes("img")
    assert len(images) == 3
    assert all(len(image["alt"]) > 60 for image in images)
    stems = ("average-over-2-datasets-few-shot", "eurosat-few-shot", "shapes-few-shot")
    assert {path.name for path in (folder / "figures").iterdir()} == {f"{s}.{k}" for s in stems for k in ("png", "svg")}


def test_the_verdict_on_noise_is_on_the_page_and_in_the_file(noise):
    folder, page, _ = noise
    said = "aape keeps more of its H than aape-mean: from no noise to a rate of 0.8"
    assert said in " ".join(page.text)
    assert f"* {said}" in (folder / "table.md").read_text(encoding="utf-8")


def test_the_page_of_costs_names_the_device_and_compares_nothing(tmp_path):
    page, _ = report(cost_study(), tmp_path)
    text = " ".join(page.text)
    assert "Tesla V100" in text
    assert "Differences are paired" not in text
    assert len(page.tables) == 1
    assert ["aape", "82,432", "17.7", "50.8", "148 s", "900", "1"] in page.tables[0]


@pytest.mark.parametrize("protocol", STUDIES)
def test_results_printed_alone_are_those_of_the_report(protocol, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("aape_lightning.report.grid.write.grid_figures", lambda study: [])
    monkeypatch.setenv("COLUMNS", "80")
    _, printed = report(STUDIES[protocol](), tmp_path)
    print_results(tmp_path)
    assert capsys.readouterr().out.split() == printed.split()


# ---- files -------------------------------------------------------------------------------------------------------


def test_csv_is_tidy_and_at_full_precision():
    runs = noise_study()
    frame = pd.read_csv(io.StringIO(grid_csv([only(runs)])))
    assert list(frame)[:5] == ["dataset", "method", "data.noise", "metric", "seeds"]
    assert not frame.duplicated(["dataset", "method", "data.noise", "metric"]).any()
    row = frame.query("method == 'coop' or method == 'aape-mean'").query("metric == 'new/accuracy'")
    of_runs = [r.metrics["new/accuracy"] for r in runs if r.method == "aape-mean" and r.setting["data.noise"] == 0.4]
    assert row[row["data.noise"] == 0.4]["mean"].item() == pytest.approx(sum(of_runs) / 3, abs=1e-15)
    h = frame[frame["metric"] == "h_of_means/accuracy"]
    assert h["sd"].isna().all()
    assert h["mean"].between(0, 1).all()
    assert (frame[frame["method"] == "aape"]["reference"].isna()).all()


def test_csv_of_several_sweeps_has_every_key():
    found = grids(
        [swept("aape", 1, {"data.shots": 4}, 0.8, 0.7), swept("aape", 1, {"model.projection": "none"}, 0.8, 0.7)]
    )
    frame = pd.read_csv(io.StringIO(grid_csv([study for one in found for study in one.studies])))
    assert list(frame)[2:5] == ["data.shots", "model.projection", "metric"]
    assert frame["data.shots"].isna().sum() == frame["model.projection"].notna().sum() == len(frame) / 2


def test_latex_has_the_best_in_bold_in_the_direction_that_is_better():
    text = grid_latex([only(cost_study())])
    assert text.startswith("% Needs \\usepackage{booktabs}.")
    assert r"\textbf{148 s}" in text
    assert r"zero-shot & \textbf{0} & \textbf{17.6} & \textbf{51.2} & -- & \textbf{812} \\" in text
    few = grid_latex([only(few_shot_study())])
    assert few.count("\\begin{table}") == few.count("\\end{table}") == 2
    assert "Accuracy over data.shots: shapes." in few


def test_a_report_leaves_every_file(few):
    folder, _, _ = few
    assert {"report.html", "table.md", "table.csv", "table.tex", "figures"} <= {path.name for path in folder.iterdir()}
    text = (folder / "table.md").read_text(encoding="utf-8")
    assert "### Accuracy over data.shots" in text
    assert "aape minus the other method, seed by seed:" in text
    assert "* coop is not in the average: no result on shapes." in text


# ---- the terminal ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("make", [*STUDIES.values(), lambda: transfer_study(targets=TEN)])
def test_terminal_tables_fit_their_terminal(make, width, tmp_path, monkeypatch):
    monkeypatch.setattr("aape_lightning.report.grid.write.grid_figures", lambda study: [])
    results = make()
    _, text = report(results, tmp_path, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    assert all(f" {run.method} " in text for run in results), "no name is folded"
    if make is STUDIES["domain-generalization"]:
        assert "Average of" in text


# ---- figures -----------------------------------------------------------------------------------------------------


def figures(results):
    [found] = grids(results)
    drawn = [drawing for study in found.studies for drawing in grid_figures(study)]
    return drawn + (average_figures(found.average, found.studies) if found.average else [])


def test_which_figures_there_are():
    names = {protocol: [drawing.name for drawing in figures(make())] for protocol, make in STUDIES.items()}
    assert names == {
        "few-shot": ["shapes-few-shot"],
        "sweep": ["shapes-over-data-noise", "shapes-kept-under-noise", "shapes-attention-on-noise"],
        "domain-generalization": ["pacs-accuracy"],
        "cost": ["shapes-costs"],
    }


def test_each_value_of_a_second_key_has_its_figure():
    runs = [swept("aape", s, {"model.lr": lr, "model.query": q}, 0.8, 0.7)
            for lr in (0.1, 0.2) for q in ("mean", "learned") for s in (1, 2)]  # fmt: skip
    assert [drawing.name for drawing in figures(runs)] == [
        "shapes-over-model-lr-model-query-learned", "shapes-over-model-lr-model-query-mean",
    ]  # fmt: skip


def test_figures_are_drawn_in_both_themes():
    for make in STUDIES.values():
        drawing = figures(make())[-1]
        for theme in (LIGHT, DARK):
            image = Image.open(io.BytesIO(drawing.render(theme, "png")))
            assert len(image.getcolors(maxcolors=1 << 20)) > 10


def test_equal_data_give_equal_bytes():
    for make in (noise_study, cost_study):
        drawing, again = figures(make())[-1], figures(make())[-1]
        assert drawing.render(LIGHT, "svg") == again.render(LIGHT, "svg")


def test_one_seed_and_one_setting_are_drawn_without_intervals():
    runs = [few_shot("aape", 1, 4, 0.6), few_shot("coop", 1, 4, 0.5)]
    categories = [swept("aape", 1, {"model.projection": name}, 0.8, 0.7) for name in ("none", "residual")]
    for drawing in [*figures(runs), *figures(categories), *figures(cost_study())]:
        assert b"nan" not in drawing.render(LIGHT, "svg").lower().replace(b"dominant", b"")


def test_alt_texts_tell_the_numbers():
    [drawing] = figures([few_shot("aape", 1, 4, 0.625)])
    assert "aape: 4 62.50." in drawing.alt


# ---- where numbers come from -------------------------------------------------------------------------------------


def lines(study, tmp_path):
    return grid_command(study, tmp_path / "runs").replace(" \\\n   ", "").split(" --")


def test_command_of_each_protocol(tmp_path):
    assert "shots 1 4 16" in lines(only(few_shot_study()), tmp_path)
    swept_lines = lines(only(noise_study()), tmp_path)
    assert "vary data.noise 0 0.4 0.8" in swept_lines
    assert "over base-to-new" in swept_lines
    targets = "targets pacs/art_painting:target pacs/cartoon:target pacs/sketch:target"
    assert targets in lines(only(transfer_study()), tmp_path)
    crossed = transfer_study(targets=("dtd", "my-birds"), protocol="cross-dataset", dataset="imagenet")
    assert "targets dtd my-birds" in lines(only(crossed), tmp_path)
    assert lines(only(cost_study()), tmp_path)[0] == "aape protocol cost"


def test_command_of_a_swept_backbone_does_not_choose_one(tmp_path):
    runs = [swept("aape", 1, {"data.backbone": name}, 0.8, 0.7) for name in ("ViT-B/16", "ViT-L/14")]
    assert [line for line in lines(only(runs), tmp_path) if "backbone" in line] == [
        "vary data.backbone ViT-B/16 ViT-L/14"
    ]


def test_facts_hold_what_was_varied_once():
    facts = dict(grid_facts(only(few_shot_study())))
    assert facts["Varied: data.shots"] == "1, 4, 16"
    assert "Shots" not in facts
    assert dict(grid_facts(only(cost_study())))["Device"] == "Tesla V100"


# ---- published numbers -------------------------------------------------------------------------------------------


def as_published(**data):
    init_args = {"manifest": "eurosat", "shots": 16, "root": ".", **data}
    return {"data": {"class_path": "ClassificationDataModule", "init_args": init_args}}


def test_published_numbers_stand_where_the_setting_is_the_same():
    runs = [
        few_shot("aape", 1, shots, 0.8, dataset="eurosat", backbone={"name": "RN50"}, config=as_published(shots=shots))
        for shots in (1, 16)
    ]
    found = cited(only(runs))
    [label] = [label for label in found.rows if label.startswith("Tip-Adapter-F, published")]
    assert all(0 < value < 1 for value in found.rows[label])
    assert found.rows[label][0] < found.rows[label][1]
    assert found.notes
    other = [few_shot("aape", 1, 16, 0.8, dataset="eurosat", backbone={"name": "my-rn50.pt"}, config=as_published())]
    assert cited(only(other)).rows == {}
    assert cited(only(noise_study())).rows == {}


def test_published_averages_stand_at_their_own_column(tmp_path, monkeypatch):
    monkeypatch.setattr("aape_lightning.report.grid.write.grid_figures", lambda study: [])
    runs = transfer_study(
        targets=TEN, protocol="cross-dataset", dataset="imagenet", backbone={"name": "ViT-B/16"},
        config=as_published(manifest="imagenet"),
    )  # fmt: skip
    page, _ = report(runs, tmp_path)
    [row] = [row for row in page.tables[0] if row[0].startswith("MaPLe, published")]
    assert row[-2] == "66.30"
    assert set(row[1:-2]) == {"–"}
    assert "MaPLe, published" in (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "MaPLe, published" in (tmp_path / "table.tex").read_text(encoding="utf-8")
