import csv
import io
from dataclasses import replace

import pytest
from aape_lightning.report import main_tables, print_tables, summarize
from aape_lightning.report.cells import percent, seconds, signed, with_interval
from aape_lightning.report.latex_tables import latex_tables
from aape_lightning.report.tables import csv_table, markdown_tables
from rich.console import Console
from synthetic import result, standard, study

NAN = float("nan")


def rows_of(markdown):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines() if line[:1] == "|"]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (percent(0.712345), "71.23"),
        (percent(NAN), "–"),
        (with_interval(0.5, 0.0123), "50.00 ± 1.23"),
        (with_interval(0.5, NAN), "50.00 ± –"),
        (with_interval(NAN, NAN), "–"),
        (signed(0.5, 0.1), "+50.00 ± 10.00"),
        (signed(-0.5, NAN), "−50.00 ± –"),
        (signed(-1e-9, 0.1), "+0.00 ± 10.00"),
        (seconds(NAN), "–"),
        (seconds(4.25), "4.2 s"),
        (seconds(99.96), "100 s"),
        (seconds(3000.0), "50.0 min"),
        (seconds(7200.0), "2.0 h"),
    ],
)
def test_cells(shown, expected):
    assert shown == expected


def test_csv_round_trip_is_exact():
    summary = summarize([*study(), result("coop", 1, 1 / 3, 2 / 7)])
    again = list(csv.DictReader(io.StringIO(csv_table(summary))))
    assert list(again[0]) == list(summary)
    for read, row in zip(again, summary.to_dict("records"), strict=True):
        assert (read.pop("dataset"), read.pop("method")) == (row["dataset"], row["method"])
        assert {name: float(value or "nan") for name, value in read.items()} == pytest.approx(
            {name: row[name] for name in read}, rel=0, abs=0, nan_ok=True
        )


def test_markdown_holds_every_method_and_number():
    results = [*study(), result("coop", 1, 0.6, 0.3)]
    summary = summarize(results)
    text = markdown_tables(main_tables(results, "aape"))
    rows = rows_of(text)
    table = {row[0]: row[1:] for row in rows[2 : 2 + len(summary)]}
    assert list(table) == summary["method"].tolist()
    for row in summary.to_dict("records"):
        shown = table[row["method"]]
        assert shown[0] == str(row["seeds"])
        assert float(shown[1].split()[0]) == pytest.approx(100 * row["base_mean"], abs=0.005)
        assert float(shown[5]) == pytest.approx(100 * row["h_of_means"], abs=0.005)
    assert table["coop"] == ["1", "60.00 ± –", "–", "30.00 ± –", "–", "40.00", "40.00 ± –", "–", "–"]
    assert table["zero-shot"][1:3] == ["61.00 ± 0.00", "0.00"]
    assert "* coop: no result for seeds 2, 3." in text


def test_markdown_has_the_average_first_and_the_differences_by_dataset():
    results = [*study("shapes"), *study("eurosat"), result("coop", 1)]
    text = markdown_tables(main_tables(results, "aape"))
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    assert titles == ["## Average over 2 datasets", "## eurosat", "## shapes", "## Notes"]
    assert "* coop is not in the average: no result on eurosat." in text
    rows = rows_of(text)
    assert rows[0][6:8] == ["H of averages", "Mean of H"]
    by_dataset = [row for row in rows if row[0] in ("eurosat", "shapes")]
    assert len(by_dataset) == 6
    head = next(row for row in rows if row[0] == "Dataset")
    assert head[1:] == ["zero-shot", "coop", "aape-no-distill"]
    assert by_dataset[0][2] == "–"  # coop is not on eurosat
    assert by_dataset[1][2] != "–"


def test_published_numbers_stand_below_ours_with_their_source():
    results = [standard(method, seed, "imagenet") for method in ("zero-shot", "aape") for seed in (1, 2)]
    [table] = main_tables(results, "aape")
    text = markdown_tables([table])
    rows = {row[0]: row[1:] for row in rows_of(text)}
    assert rows["PromptSRC, published [1]"][:6] == ["3", "77.60", "–", "70.73", "–", "74.01"]
    assert "* [1] PromptKD, images/exp_results.png." in text


def test_a_method_that_reads_sentences_is_marked_in_every_table():
    whole = standard("prompt-mean", 1, "shapes")
    data = whole.config["data"]["init_args"] | {"class_text": "prompts"}
    reader = replace(whole, config={"data": {"init_args": data}})
    runs = [replace(run, dataset=name) for name in "ab" for run in (reader, standard("aape", 1, "shapes"))]
    tables = main_tables(runs, "aape")
    markdown = rows_of(markdown_tables(tables))
    assert sum(row[0] == "prompt-mean†" for row in markdown) == 6
    assert latex_tables(tables).count(r"prompt-mean\textdagger{} &") == 3
    console = Console(width=80, record=True, file=io.StringIO())
    print_tables(tables, console=console)
    assert console.export_text().count("prompt-mean†") == 3


def test_markdown_escapes():
    assert "a\\|b" in markdown_tables(main_tables([result("a|b")], None))


def test_terminal_tables_fit_80_columns():
    console = Console(width=80, record=True, file=io.StringIO())
    long_name = "aape-literal-no-distill"
    longs = [
        result(long_name, seed, 0.8, 0.6, dataset=dataset, seconds={"fit": 5000.0})
        for seed in (1, 2)
        for dataset in ("shapes", "eurosat")
    ]
    results = [*study("shapes"), *study("eurosat"), *longs, result("coop", 1)]
    print_tables(main_tables(results, "aape"), console=console)
    text = console.export_text()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    for shown in (long_name, "83.3 min", "sd 0.00", "61.00 ±0.00", "coop is not in the average: no result on eurosat."):
        assert shown in text
    assert text.index("shapes") < text.index("Average over 2 datasets")
    assert "averages" in text
