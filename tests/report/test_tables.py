import csv
import io

import pytest
from aape_lightning.report import compare, print_table, summarize
from aape_lightning.report.cells import percent, seconds, signed, with_interval
from aape_lightning.report.tables import csv_table, markdown_tables
from rich.console import Console
from synthetic import result, study

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
    rows = rows_of(markdown_tables(summary, compare(results, "aape"), {"shapes": ["A <caveat>."]}))
    table = {row[0]: row[1:] for row in rows[2 : 2 + len(summary)]}
    assert list(table) == summary["method"].tolist()
    for row in summary.to_dict("records"):
        shown = table[row["method"]]
        assert shown[0] == str(row["seeds"])
        assert float(shown[1].split()[0]) == pytest.approx(100 * row["base_mean"], abs=0.005)
        assert float(shown[5]) == pytest.approx(100 * row["h_of_means"], abs=0.005)
    assert table["coop"] == ["1", "60.00 ± –", "–", "30.00 ± –", "–", "40.00", "40.00 ± –", "–", "–"]
    assert table["zero-shot"][1:3] == ["61.00 ± 0.00", "0.00"]


def test_markdown_escapes():
    summary = summarize([result("a|b")])
    assert "a\\|b" in markdown_tables(summary, None, {})


def test_terminal_table_fits_80_columns():
    console = Console(width=80, record=True, file=io.StringIO())
    long_name = result("aape-literal-no-distill", 1, 0.8, 0.6, seconds={"fit": 5000.0})
    print_table(summarize([*study(), long_name, result("aape-literal-no-distill", 2, 0.81, 0.61)]), console=console)
    text = console.export_text()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    for shown in ("aape-literal-no-distill", "83.3 min", "H of means", "sd 0.00", "61.00 ±0.00"):
        assert shown in text
