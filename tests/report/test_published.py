import math
from dataclasses import replace
from importlib.resources import files
from statistics import fmean, harmonic_mean

import pytest
import yaml
from aape_lightning.errors import ResultError
from aape_lightning.protocols.names import CROSS_DATASET, DOMAIN_GENERALIZATION, FEW_SHOT
from aape_lightning.report import main_tables
from aape_lightning.report.published import THE_ELEVEN, cite, published_for, published_numbers
from aape_lightning.report.published.rows import read_published
from aape_lightning.resources import manifest_names
from synthetic import result, standard

VARIANTS = ("imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r")
SHARED = "protocol: few-shot\nshots: 16\nsource: s\nbackbone: RN50\ndataset: dtd\n"


def names_of(rows):
    return [row.method for row in rows]


# ---- the files ------------------------------------------------------------------------------------------------------


def test_every_row_has_a_source_and_is_there_once():
    rows = published_numbers()
    assert len({(row.protocol, row.method, row.dataset, row.backbone, row.shots) for row in rows}) == len(rows)
    assert all(row.source for row in rows)
    assert {*(name for row in rows for name in (*row.datasets, *row.targets))} <= set(manifest_names())


@pytest.mark.parametrize(
    ("method", "values"),
    [("CLIP", (69.34, 74.22, 71.70)), ("CoOp", (82.69, 63.22, 71.66)), ("MaPLe", (82.28, 75.14, 78.55))],
)
def test_averages_as_papers_print_them(method, values):
    [row] = [row for row in published_numbers() if row.dataset == "average of the 11" and row.method == method]
    assert tuple(row.values.values()) == values


def test_h_agrees_with_base_and_new_or_a_note_says_that_it_does_not():
    rows = [row for row in published_numbers() if "base/accuracy" in row.values]
    assert len(rows) > 20
    for row in rows:
        h = harmonic_mean([row.values["base/accuracy"], row.values["new/accuracy"]])
        assert row.values["h"] == pytest.approx(h, abs=0.011) or f"{h:.2f}" in row.note


def test_means_over_targets_agree_with_the_targets():
    rows = [row for row in published_numbers() if row.protocol == DOMAIN_GENERALIZATION]
    for row in rows:
        mean = fmean(row.values[f"{target}/accuracy"] for target in row.targets)
        assert row.values["targets/accuracy"] == pytest.approx(mean, abs=0.006)


def test_the_flags_are_where_the_sources_have_them():
    flagged = {(row.method, row.transductive, row.test_seeing) for row in published_numbers()}
    assert ("PromptKD", True, True) in flagged
    assert {method for method, transductive, _ in flagged if transductive} == {"PromptKD"}
    assert {method for method, _, seeing in flagged if seeing} == {"PromptKD", "Tip-Adapter", "Tip-Adapter-F"}


def test_a_file_states_what_rows_share_and_rows_override():
    text = SHARED + "rows:\n- {method: A, values: {accuracy: 1}}\n- {method: B, shots: 1, values: {accuracy: 2.5}}"
    assert [(row.method, row.shots, row.fraction("accuracy")) for row in read_published(text)] == [
        ("A", 16, 0.01),
        ("B", 1, 0.025),
    ]
    assert math.isnan(read_published(text)[0].fraction("h"))


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("year: 2022", "year"),
        ("seeds: three", "seeds"),
        ("shots: 0", "shots"),
        ("shots: some", "shots"),
        ("values: {accuracy: 101}", "accuracy"),
        ("values: {}", "values"),
        ("protocol: base2new", "protocol"),
    ],
)
def test_a_malformed_row_is_refused(key, fault):
    row = {"method": "A", "values": {"accuracy": 1.0}} | yaml.safe_load(key)
    with pytest.raises(ResultError, match=fault):
        read_published(yaml.safe_dump(yaml.safe_load(SHARED) | {"rows": [row]}))


def test_the_files_are_package_data():
    names = {place.name for place in files("aape_lightning.report.published").iterdir()}
    assert {"base_to_new.yaml", "few_shot.yaml", "domain_generalization.yaml", "cross_dataset.yaml"} <= names


# ---- beside ours only where the setting is the same -----------------------------------------------------------------


def test_one_dataset():
    assert names_of(published_for([standard("aape", 1, "imagenet")])) == ["CLIP", "PromptSRC"]
    assert published_for([standard("aape", 1, "dtd")]) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"backbone": {"name": "open_clip:ViT-B-16/openai"}},
        {"backbone": {"name": "weights/ViT-B/16"}},
        {"backbone": {"name": "RN50"}},
        {"protocol": "train-test"},
        {"protocol": "sweep"},
        {"setting": {"model.projection": "full"}},
        {"config": {}},
        {"data": {"draw_file": "mine.json"}},
        {"data": {"images": "folder"}},
        {"data": {"classes": "all"}},
        {"data": {"manifest": "elsewhere/imagenet.yaml"}},
    ],
)
def test_another_setting_shows_nothing(changed):
    assert published_for([standard("aape", 1, "imagenet", **changed)]) == []


def test_a_test_that_was_cut_short_shows_nothing():
    run = standard("aape", 1, "imagenet")
    assert published_for([replace(run, config=run.config | {"trainer": {"limit_test_batches": 3}})]) == []
    assert published_for([replace(run, config=run.config | {"trainer": {"limit_test_batches": 1.0}})])


def test_other_shots_leave_what_uses_none():
    assert names_of(published_for([standard("aape", 1, "imagenet", data={"shots": 4})])) == ["CLIP"]


def test_one_method_in_another_setting_hides_all():
    runs = [standard("aape", 1, "imagenet"), standard("coop", 1, "imagenet", backbone={"name": "RN50"})]
    assert published_for(runs) == []


def test_the_average_needs_exactly_the_eleven():
    runs = [standard("aape", 1, name) for name in sorted(THE_ELEVEN)]
    shown = [row for row in published_for(runs) if row.dataset == "average of the 11"]
    assert {"CLIP", "CoOp", "AAPE", "PromptKD"} <= set(names_of(shown))
    [average, *_] = main_tables(runs, "aape")
    assert list(average.published) == shown
    for other in (runs[1:], [*runs, standard("aape", 1, "shapes")]):
        assert not [row for row in published_for(other) if row.dataset == "average of the 11"]
    [average, *_] = main_tables(runs[1:], "aape")
    assert not average.published


def few_shot(shots, dataset="imagenet"):
    fields = {"protocol": FEW_SHOT, "metrics": {"accuracy": 0.6}, "setting": {"data.shots": shots}}
    return standard("aape", 1, dataset, backbone={"name": "RN50"}, data={"shots": shots}, **fields)


def test_few_shot_numbers_for_the_shots_that_ours_have():
    shown = published_for([few_shot(1), few_shot(16)])
    assert {(row.method, row.shots) for row in shown} == {
        ("CLIP", "none"),
        *((method, shots) for method in ("Tip-Adapter", "Tip-Adapter-F", "CLIP-Adapter") for shots in (1, 16)),
    }
    [tip] = [row for row in shown if (row.method, row.shots) == ("Tip-Adapter", 16)]
    assert tip.values == {"accuracy": 62.01}


def transfer(protocol, targets, **changes):
    metrics = {"source/accuracy": 0.7, "source/mean_class_accuracy": 0.7} | {
        f"{name}/accuracy": 0.5 for name in targets
    }
    return standard("aape", 1, "imagenet", protocol=protocol, metrics=metrics, **changes)


def test_domain_generalization_keeps_common_targets_and_the_mean_of_the_same_ones():
    [coop, cocoop] = published_for([transfer(DOMAIN_GENERALIZATION, VARIANTS)])
    assert (coop.method, coop.values["targets/accuracy"], coop.values["imagenet_a/accuracy"]) == ("CoOp", 59.28, 49.71)
    assert cocoop.method == "CoCoOp"
    [coop, _] = published_for([transfer(DOMAIN_GENERALIZATION, ["imagenet_a"])])
    assert coop.values == {"source/accuracy": 71.51, "imagenet_a/accuracy": 49.71}


def test_numbers_whose_shots_are_unknown_are_never_shown():
    shown = published_for([transfer(DOMAIN_GENERALIZATION, VARIANTS, backbone={"name": "RN50"})])
    assert names_of(shown) == ["CLIP"]


def test_cross_dataset_needs_the_same_ten_targets():
    ten = sorted(THE_ELEVEN - {"imagenet"})
    assert "MaPLe" in names_of(published_for([transfer(CROSS_DATASET, ten)]))
    assert published_for([transfer(CROSS_DATASET, ten[1:])]) == []
    assert published_for([transfer(CROSS_DATASET, [*ten, "pacs"])]) == []


def test_results_of_the_shapes_world_have_none():
    assert published_for([result()]) == []


# ---- footnotes ------------------------------------------------------------------------------------------------------


def test_flags_and_sources_are_footnotes():
    rows = {row.method: row for row in published_numbers() if row.dataset == "average of the 11"}
    cited = cite([rows["CoOp"], rows["PromptKD"], rows["MaPLe"]])
    assert cited.labels == ["CoOp, published [1]", "PromptKD, published [2]‡§", "MaPLe, published [1]"]
    assert cited.short == ["CoOp [1]", "PromptKD [2]‡§", "MaPLe [1]"]
    assert cited.sources[:2] == ["[1] MaPLe, README.md.", "[2] PromptKD, images/exp_results.png."]
    assert [note[0] for note in cited.sources[2:]] == ["‡", "§"]
    assert any("82.63 / 67.99 / 74.60" in note for note in cited.remarks)
    assert cited.notes == cited.sources + cited.remarks
    assert cite([rows["MaPLe"]]).notes == ["[1] MaPLe, README.md."]
