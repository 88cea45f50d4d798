import csv
import io
import math
import re

import pandas as pd
import pytest
from aape_lightning.errors import ResultError
from aape_lightning.report.train_test.files import markdown_tables, runs_csv, table_csv
from aape_lightning.report.train_test.study import studies
from aape_lightning.report.train_test.terminal import print_tables
from measured import captioning_study, measured, retrieval_study, trained, vqa_study
from rich.console import Console
from scipy import stats

ONE, OTHER = {1: 0.70, 2: 0.74, 3: 0.71, 4: 0.73}, {1: 0.62, 2: 0.69, 3: 0.60, 5: 0.64}


def study(results, reference=None):
    [found] = studies(results, reference)
    return found


def of_seeds(method, values, name="recall@1"):
    return [measured(method, seed, {name: value}) for seed, value in values.items()]


def printed(results, width=100):
    console = Console(width=width, file=io.StringIO())
    print_tables(studies(results), console=console)
    return console.file.getvalue()


def test_means_and_intervals_equal_scipy():
    [table] = study(of_seeds("aape", ONE)).tables
    [mean] = table.rows["aape"]
    expected = stats.ttest_1samp(list(ONE.values()), 0.0).confidence_interval(0.95)
    assert (mean.low, mean.high) == pytest.approx(tuple(expected), rel=1e-12)
    assert mean.sd == pytest.approx(stats.tstd(list(ONE.values())), rel=1e-12)


def test_differences_equal_the_paired_t_test():
    [table] = study(of_seeds("aape", ONE) + of_seeds("limber", OTHER)).tables
    [found] = table.differences["limber"]
    common = [1, 2, 3]
    pairs = stats.ttest_rel([ONE[s] for s in common], [OTHER[s] for s in common]).confidence_interval(0.95)
    assert (found.difference.low, found.difference.high) == pytest.approx(tuple(pairs), rel=1e-10)
    assert (found.difference.count, found.left_out) == (3, 2)


def test_one_table_a_direction_of_retrieval():
    found = study(retrieval_study())
    assert [table.title for table in found.tables] == ["Image to text", "Text to image"]
    assert [column.heading for column in found.tables[0].columns] == ["R@1", "R@5", "R@10", "Median rank"]
    assert list(found.tables[0].rows) == ["clip-retrieval", "aape-retrieval-no-distill", "aape-retrieval"]
    assert found.reference == "aape-retrieval"


def test_one_table_a_degradation_of_captioning():
    found = study(captioning_study())
    assert [table.title for table in found.tables] == ["Clean images", "Blurred images", "Occluded images"]
    assert found.tables[1].columns[0].name == "blur/cider_d(ptb)"
    assert len(found.tables[0].columns) == 8


def test_one_table_a_degradation_and_metric_over_shown_examples():
    found = study(vqa_study())
    assert [table.title for table in found.tables] == [
        "Accuracy, clean images", "Accuracy, blurred images", "Accuracy, occluded images",
    ]  # fmt: skip
    assert found.further_tables[0].title == "Exact match, clean images"
    assert [column.heading for column in found.tables[0].columns] == ["0-shot", "1-shot", "2-shot", "4-shot"]
    [breakdown] = found.breakdowns
    assert breakdown.title == "Accuracy by answer type"
    assert len(breakdown.rows) == 4 * 3 * 3
    condition, kind, means = breakdown.rows[0]
    assert (condition, kind, len(means)) == ("0-shot, clean image", "number", 2)
    assert means[0].mean == pytest.approx(0.4 + 0.008 - 0.1)


def test_one_table_where_nothing_divides_the_metrics():
    found = study([measured("aape", 1, {"accuracy": 0.5, "mean_class_accuracy": 0.4})])
    assert [table.title for table in found.tables] == ["Results"]


def test_what_a_method_did_not_measure_is_left_open():
    results = [measured("aape", 1, {"accuracy": 0.5, "clip_score": 0.7}), measured("limber", 1, {"accuracy": 0.4})]
    [table] = study(results).tables
    assert [mean.count for mean in table.rows["limber"]] == [1, 0]
    assert math.isnan(table.differences["limber"][1].difference.mean)


def test_the_reference_is_aape_else_the_last_method():
    assert study(of_seeds("aape", ONE) + of_seeds("limber-aape", OTHER)).reference == "aape"
    assert study(of_seeds("limber", ONE) + of_seeds("limber-aape", OTHER)).reference == "limber-aape"
    assert study(of_seeds("limber", ONE) + of_seeds("limber-aape", OTHER), "limber").reference == "limber"
    with pytest.raises(ResultError, match=r"No result of the reference method 'limbr'.*Did you mean 'limber'\?"):
        studies(of_seeds("limber", ONE), "limbr")


def test_each_dataset_has_a_reference_of_its_own():
    results = [
        measured("aape", 1, {"accuracy": 0.5}, dataset="a"),
        measured("limber", 1, {"accuracy": 0.5}, dataset="b"),
    ]
    assert [found.reference for found in studies(results)] == ["aape", "limber"]
    assert [found.reference for found in studies(results, "limber")] == ["aape", "limber"]


@pytest.mark.parametrize("value", [61.2, -0.1, math.inf])
def test_what_is_not_a_fraction_is_refused(value):
    with pytest.raises(ResultError, match=r"'x/recall@1' is .* with seed 1; it must be a fraction between 0 and 1"):
        study([measured("aape", 1, {"x/recall@1": value})]).tables  # noqa: B018


def test_ranks_and_scores_are_no_fractions():
    [table] = study([measured("aape", 1, {"median_rank": 12.5, "cider_d(ptb)": 1.2})]).tables
    assert [mean.mean for mean in table.rows["aape"]] == [12.5, 1.2]


def test_different_settings_are_refused():
    with pytest.raises(ResultError, match="come from 2 settings"):
        studies([trained("aape", 1, {"accuracy": 0.5}), trained("limber", 1, {"accuracy": 0.5}, recipe="other")])


def test_runs_csv_holds_every_value_exactly():
    results = vqa_study()
    rows = list(csv.DictReader(io.StringIO(runs_csv(results))))
    assert list(rows[0]) == ["dataset", "method", "seed", "metric", "value"]
    read = {(row["method"], int(row["seed"]), row["metric"]): float(row["value"]) for row in rows}
    assert read == {(run.method, run.seed, name): value for run in results for name, value in run.metrics.items()}


def test_table_csv_holds_every_mean_and_difference_exactly():
    found = study(retrieval_study())
    rows = list(csv.DictReader(io.StringIO(table_csv([found]))))
    held = {(row["method"], row["metric"]): row for row in rows}
    assert len(rows) == len(held) == 3 * 8
    for table in found.tables:
        for place, column in enumerate(table.columns):
            for method, means in table.rows.items():
                row, mean = held[method, column.name], means[place]
                numbers = [float(row[name]) for name in ("mean", "sd", "interval")]
                assert numbers == [mean.mean, mean.sd, mean.half_width]
            for method, found_differences in table.differences.items():
                assert float(held[method, column.name]["difference"]) == found_differences[place].difference.mean
    assert held["aape-retrieval", "image_to_text/recall@1"]["difference"] == ""


def test_table_csv_leaves_out_what_was_not_measured():
    results = [measured("aape", 1, {"accuracy": 0.5, "clip_score": 0.7}), measured("limber", 1, {"accuracy": 0.4})]
    frame = pd.read_csv(io.StringIO(table_csv([study(results)])))
    assert frame[["method", "metric"]].to_numpy().tolist() == [
        ["limber", "accuracy"], ["aape", "accuracy"], ["aape", "clip_score"],
    ]  # fmt: skip


def test_markdown_holds_every_table_and_caveat():
    text = markdown_tables([study(vqa_study())], {"shapes_questions": ["A <caveat>."]})
    assert "### Accuracy, blurred images" in text
    assert "### Exact match, occluded images" in text
    assert "### Accuracy by answer type" in text
    assert "| vqa-limber | 3 | 40.80 ± 0.99 (sd 0.40) |" in text
    assert "| vqa-limber | +4.00 ± 0.00 (better) |" in text
    assert "| 0-shot, clean image | yes/no | 60.80 ± 0.99 | 64.80 ± 0.99 |" in text
    assert "* A &lt;caveat>." in text
    assert "Accuracies and exact matches are in percent." in text


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("make", [retrieval_study, captioning_study, vqa_study])
def test_terminal_tables_fit_their_terminal(make, width):
    results = make()
    text = printed(results, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    assert all(f" {run.method}" in text for run in results), "no name is folded"


def test_a_narrow_terminal_leaves_the_last_metrics_to_the_report():
    text = " ".join(printed(captioning_study(), 80).split())
    assert text.count("RefCLIPScore") == 1
    assert "In the report alone: RefCLIPScore, BLEU-1" in text


def test_the_terminal_shows_the_main_metrics_and_names_the_others():
    text = printed(captioning_study())
    assert "(ptb)" in text
    for shown in ("CIDEr-D", "BLEU-4", "ROUGE-L", "CLIPScore", "RefCLIPScore", "Occluded images", "75.60 ±0.75"):
        assert shown in text
    assert re.search(r"In the report alone:\s+BLEU-1", text)
    assert "times 100" in text
    questions = " ".join(printed(vqa_study()).split())
    assert "In the report alone: Exact match, Accuracy by answer type." in questions


def test_one_seed_is_shown_without_interval():
    assert "50.00 ±–" in printed([measured("aape", 1, {"accuracy": 0.5})])
