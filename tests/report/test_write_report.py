import io
import json
import re
import subprocess
import sys

import pandas as pd
import pytest
from aape_lightning.errors import ResultError
from aape_lightning.report import print_results, write_report
from html_page import Page
from rich.console import Console
from synthetic import result, standard, study, write


def report(results, folder, **options):
    console = Console(width=100, file=io.StringIO())
    path = write_report(write(results, folder), console=console, **options)
    return Page(path.read_text(encoding="utf-8")), console.file.getvalue()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    page, printed = report([*study("shapes"), *study("eurosat"), result("coop", 1, 0.7, 0.5)], folder)
    return folder, page, printed


def test_page_is_well_formed_and_alone(written):
    folder, page, _ = written
    assert page.open == []
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(?:src|srcset|href|action)\s*=\s*[\"']?\s*(?:https?:)?//", html)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", html)
    places = [element[name] for _, element in page.elements for name in ("src", "srcset", "href") if name in element]
    assert places
    assert all(place.startswith(("data:", "#dataset-", "#average")) for place in places)
    assert str(folder) not in html


def test_figures_are_embedded_and_described(written):
    _, page, _ = written
    images, sources = page.attributes("img"), page.attributes("source")
    assert len(images) == len(sources) == 12
    assert all(len(image["alt"]) > 20 and image["src"].startswith("data:image/svg+xml;base64,") for image in images)
    assert all("dark" in source["media"] and source["srcset"].startswith("data:image/svg") for source in sources)


def test_tables_hold_every_method(written):
    _, page, _ = written
    headed = [table for table in page.tables if table[0][0] == "Method" and "H of means" in table[0]]
    assert page.tables[0][0][:4] == ["Method", "Base", "New", "H of averages"]
    assert [row[0] for row in page.tables[0][1:]] == ["zero-shot", "aape-no-distill", "aape"]
    assert [[row[0] for row in table[1:]] for table in headed] == [
        ["zero-shot", "aape-no-distill", "aape"],
        ["zero-shot", "coop", "aape-no-distill", "aape"],
    ]
    assert headed[1][2][1:] == ["70.00 ± –sd –", "50.00 ± –sd –", "58.33", "58.33 ± –sd –", "1", "–"]


def test_page_says_where_numbers_come_from(written):
    _, page, _ = written
    text = " ".join(page.text)
    for said in (
        "base-to-new",
        "shapes-tiny",
        "4f3c9a1b77e2",
        "torch 2.13.0",
        "aape protocol",
        "H of means",
        "Mean of H",
    ):
        assert said in text
    assert "coop: no result for seeds 2, 3." in text


def test_files_beside_the_page(written):
    folder, _, printed = written
    assert pd.read_csv(folder / "table.csv")["method"].tolist().count("aape") == 2
    assert "coop" in (folder / "table.md").read_text(encoding="utf-8")
    assert "coop" in (folder / "table.tex").read_text(encoding="utf-8")
    averages = pd.read_csv(folder / "averages.csv")
    assert averages["method"].tolist() == ["zero-shot", "aape-no-distill", "aape"]
    assert averages["pairs"].tolist()[:2] == [3, 3]
    assert not [name for name in averages if name.endswith(("_x", "_y"))]
    assert averages["h_difference"].isna().tolist() == [False, False, True]
    figures = {path.name for path in (folder / "figures").iterdir()}
    kinds = ("accuracy", "differences", "curves", "attention", "cosines", "cost")
    assert figures == {f"{d}-{k}.{e}" for d in ("shapes", "eurosat") for k in kinds for e in ("png", "svg")}
    assert "aape-no-distill" in printed
    assert not [path for path in folder.rglob(".*")]


def test_what_is_absent_is_not_claimed(tmp_path):
    page, _ = report([result("zero-shot", 1), result("coop", 1)], tmp_path)
    text = " ".join(page.text)
    assert len(page.attributes("img")) == 1
    assert len(page.tables) == 1
    assert "Attention" not in text
    assert "Differences are paired" not in text


def test_averages_of_an_earlier_report_do_not_stay(tmp_path):
    (tmp_path / "averages.csv").write_text("old")
    report([result()], tmp_path)
    assert not (tmp_path / "averages.csv").exists()


def test_published_numbers_are_rows_with_footnotes(tmp_path):
    page, _ = report([standard("aape", 1, "eurosat")], tmp_path)
    rows = {row[0]: row[1:] for row in page.tables[0]}
    assert rows["MaPLe [1]published"] == ["94.07", "73.23", "82.35", "–", "3", "–"]
    assert "[1] PromptKD, images/exp_results.png." in " ".join(page.text)
    assert sum("published" in attributes.get("class", "") for attributes in page.attributes("tr")) == 2


def test_names_are_escaped(tmp_path):
    page, _ = report([result("<script>alert(1)</script>", 1)], tmp_path / "runs")
    assert len(page.attributes("script")) == 1


def test_another_reference(tmp_path):
    page, _ = report(study(), tmp_path, reference="zero-shot")
    assert "zero-shot against each other method" in page.text
    with pytest.raises(ResultError, match="'coop'"):
        write_report(tmp_path, reference="coop")


@pytest.mark.parametrize("protocol", ["few-shot", "sweep", "domain-generalization", "cross-dataset", "cost"])
def test_grids_are_written_and_printed_by_their_own_part(protocol, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("aape_lightning.report.write.write_grid", lambda folder, _, **__: seen.append(folder) or folder)
    monkeypatch.setattr("aape_lightning.report.write.print_grid", lambda found: seen.append(len(found)))
    write([result(protocol=protocol)], tmp_path)
    write_report(tmp_path)
    print_results(tmp_path)
    assert seen == [tmp_path, 1]
    write([result(dataset="other")], tmp_path)
    with pytest.raises(ResultError, match="holds results of 2 protocols"):
        write_report(tmp_path)


def test_print_results_prints_the_average(tmp_path, capsys):
    print_results(write([*study("shapes"), *study("eurosat")], tmp_path))
    assert "Average over 2 datasets" in capsys.readouterr().out
    assert not (tmp_path / "table.md").exists()


def test_empty_folder(tmp_path):
    with pytest.raises(ResultError, match=r"No result\.json under"):
        write_report(tmp_path)


def test_malformed_result_leaves_no_report(tmp_path):
    write([result()], tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "result.json").write_text(json.dumps({"method": "aape"}))
    with pytest.raises(ResultError, match=r"broken.result\.json' is not a result file"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_report_imports_lightly():
    code = "import sys, aape_lightning.report; print(*({'torch', 'pandas', 'matplotlib', 'jinja2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
