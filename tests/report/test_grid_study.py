import math
from statistics import fmean, stdev

import pytest
from aape_lightning.errors import ResultError
from aape_lightning.report.grid.caveats import grid_caveats
from aape_lightning.report.grid.noise import verdicts
from aape_lightning.report.grid.studies import grids
from grids import (
    DROPS,
    RATES,
    TARGETS,
    cost,
    cost_study,
    few_shot,
    few_shot_study,
    noise_study,
    swept,
    transfer,
    transfer_study,
)
from synthetic import result

PARTS = ("base", "new")
T_2 = 4.302652729911275  # quantile of Student's t at 97.5 % for two degrees of freedom


def only(results, **options):
    [found] = grids(results, **options)
    [study] = found.studies
    return study


def table_of(study, title):
    [panel] = [panel for panel in study.panels if panel.title == title]
    return study.table(panel)


# ---- few-shot ----------------------------------------------------------------------------------------------------


def test_few_shot_means_and_paired_differences_by_hand():
    runs = few_shot_study()
    table = table_of(only(runs), "Accuracy over data.shots")
    assert [column.heading for column in table.columns] == ["1", "4", "16"]
    values = {
        (run.method, run.setting["data.shots"], run.seed): run.metrics["accuracy"] for run in runs
    }  # one value a method, number of shots, and seed
    for place, shots in enumerate((1, 4, 16)):
        own = [values["aape", shots, seed] for seed in (1, 2, 3)]
        others = [values["coop", shots, seed] for seed in (1, 2, 3)]
        mean = table.rows["aape"][place]
        assert mean.mean == pytest.approx(fmean(own), abs=1e-12)
        assert mean.half_width == pytest.approx(T_2 * stdev(own) / math.sqrt(3), rel=1e-9)
        between = table.differences["coop"][place].difference
        pairs = [one - other for one, other in zip(own, others, strict=True)]
        assert between.mean == pytest.approx(fmean(pairs), abs=1e-12)
        assert between.half_width == pytest.approx(T_2 * stdev(pairs) / math.sqrt(3), rel=1e-9)


def test_seeds_are_paired_by_their_number():
    runs = [few_shot("coop", seed, 4, 0.1 * seed) for seed in (3, 1)]
    runs += [few_shot("aape", seed, 4, 0.1 * seed + 0.05) for seed in (1, 2, 3)]
    [between] = table_of(only(runs), "Accuracy over data.shots").differences["coop"]
    assert between.difference.count == 2
    assert between.difference.mean == pytest.approx(0.05)
    assert between.left_out == 1


def test_the_average_is_of_each_seed_over_datasets_first():
    runs = [
        few_shot("aape", seed, 4, level + change * seed, dataset=dataset)
        for dataset, level, change in (("a", 0.2, 0.1), ("b", 0.8, -0.1))
        for seed in (1, 2, 3)
    ]
    [found] = grids(runs)
    [[mean]] = table_of(found.average, "Accuracy over data.shots").rows.values()
    assert (mean.mean, mean.count) == (pytest.approx(0.5), 3)
    assert mean.sd == pytest.approx(0, abs=1e-12), "what one dataset gains the other loses, seed by seed"


def test_a_method_without_a_dataset_is_named_and_left_out():
    [found] = grids([*few_shot_study("a"), *few_shot_study("b", methods=("zero-shot", "aape"))])
    assert found.average.methods == ["zero-shot", "aape"]
    assert found.left_out == ["coop is not in the average: no result on b."]


def test_an_incomplete_average_is_told():
    more = [few_shot("aape", seed, 2, 0.7, dataset="a") for seed in (1, 2, 3)]
    [found] = grids([*few_shot_study("a"), *more, *few_shot_study("b")])
    assert [column.heading for column in found.average.panels[0].columns] == ["1", "4", "16"]
    assert found.left_out == ["The average of aape is without the settings and seeds that some dataset lacks."]


def test_no_average_of_disjoint_methods():
    [found] = grids([few_shot("aape", 1, 4, 0.5, dataset="a"), few_shot("coop", 1, 4, 0.5, dataset="b")])
    assert found.average is None
    assert len(found.left_out) == 2


# ---- sweep -------------------------------------------------------------------------------------------------------


def test_h_of_means_and_mean_of_h():
    pairs = {1: (0.9, 0.3), 2: (0.5, 0.7)}
    study = only([swept("aape", seed, {"model.lr": 0.1}, base, new) for seed, (base, new) in pairs.items()])
    [[mean_of_h]] = table_of(study, "Mean of H over model.lr").rows.values()
    [[h_of_means]] = table_of(study, "H of means over model.lr").rows.values()
    assert mean_of_h.mean == pytest.approx(fmean([2 * b * n / (b + n) for b, n in pairs.values()]))
    assert h_of_means.mean == pytest.approx(2 * 0.7 * 0.5 / (0.7 + 0.5))
    assert math.isnan(h_of_means.half_width)
    [shown] = table_of(study, "H of means over model.lr").columns
    assert shown.scale.with_interval(h_of_means.mean, h_of_means.half_width) == "58.33"


def test_two_keys_make_a_table_a_value_of_the_second():
    runs = [
        swept("aape", 1, {"model.prompt_weight": weight, "model.projection": projection}, 0.8, new)
        for projection, new in (("none", 0.6), ("residual", 0.7))
        for weight in (1.0, 5.0)
    ]
    study = only(runs[:-1])
    main = [table for table in study.tables if table.title.startswith("Mean of H")]
    assert [table.title for table in main] == [
        "Mean of H over model.prompt_weight, model.projection = none",
        "Mean of H over model.prompt_weight, model.projection = residual",
    ]
    assert [len(table.columns) for table in main] == [2, 1], "the last combination was not run"
    assert main[1].rows["aape"][0].mean == pytest.approx(2 * 0.8 * 0.7 / 1.5)


def test_sweeps_over_other_keys_are_apart():
    found = grids([
        swept("aape", 1, {"data.shots": 4}, 0.8, 0.7), swept("aape", 1, {"data.noise": 0.2}, 0.8, 0.7)
    ])  # fmt: skip
    assert sorted(study.dataset for one in found for study in one.studies) == [
        "shapes over data.noise", "shapes over data.shots",
    ]  # fmt: skip


def test_a_sweep_over_another_protocol_shows_its_first_metric():
    metrics = {"image_to_text/recall@1": 0.3, "image_to_text/recall@5": 0.6, "text_to_image/recall@1": 0.2}
    runs = [result("aape", 1, protocol="sweep", setting={"model.lr": lr}, metrics=metrics) for lr in (0.1, 0.2)]
    study = only(runs)
    assert [table.title for table in study.tables] == [
        "R@1, image to text over model.lr", "R@1, text to image over model.lr",
    ]  # fmt: skip
    assert [table.title for table in study.further_tables] == ["R@5, image to text over model.lr"]


# ---- noise -------------------------------------------------------------------------------------------------------


def test_changes_are_paired_within_method_and_seed():
    runs = noise_study()
    h = {
        (run.method, run.setting["data.noise"], run.seed): 2 / sum(1 / run.metrics[f"{c}/accuracy"] for c in PARTS)
        for run in runs
    }
    table = table_of(only(runs), "Mean of H: change from no noise over data.noise")
    for place, rate in enumerate(RATES[1:]):
        change = {m: [h[m, rate, s] - h[m, 0.0, s] for s in (1, 2, 3)] for m in DROPS}
        assert table.rows["aape"][place].mean == pytest.approx(fmean(change["aape"]))
        pairs = [own - other for own, other in zip(change["aape"], change["aape-mean"], strict=True)]
        between = table.differences["aape-mean"][place].difference
        assert between.mean == pytest.approx(fmean(pairs))
        assert between.half_width == pytest.approx(T_2 * stdev(pairs) / math.sqrt(3))


def test_the_verdict_follows_the_interval():
    study = only(noise_study())
    table = table_of(study, "Mean of H: change from no noise over data.noise")
    told = verdicts(table, "aape", "H")
    assert [sentence.partition(":")[0] for sentence in told] == [
        "aape keeps more of its H than prompt-mean", "aape keeps more of its H than aape-mean",
    ]  # fmt: skip
    between = table.differences["prompt-mean"][1].difference
    assert f"a paired difference of +{100 * between.mean:.2f} ± {100 * between.half_width:.2f} over 3 seeds" in told[0]
    assert "from no noise to a rate of 0.8" in told[0]
    assert " at 0.4." in told[0]
    other = only(noise_study(), reference="prompt-mean")
    [against, _] = verdicts(table_of(other, table.title), "prompt-mean", "H")
    assert against.startswith("prompt-mean keeps less of its H than aape-mean")


def test_an_interval_around_zero_leaves_it_open():
    runs = [
        swept(method, seed, {"data.noise": rate}, 0.8 - rate * drop, 0.7)
        for method, drops in {"coop": (0.1, 0.2, 0.3), "aape": (0.2, 0.1, 0.3)}.items()
        for seed, drop in enumerate(drops)
        for rate in (0.0, 0.5)
    ]
    [told] = verdicts(table_of(only(runs), "Mean of H: change from no noise over data.noise"), "aape", "H")
    assert told.startswith("Whether aape keeps more of its H than coop is open, the interval includes zero: ")


def test_one_seed_tells_nothing():
    runs = [swept(m, 1, {"data.noise": rate}, 0.8 - rate, 0.7) for m in ("coop", "aape") for rate in (0.0, 0.5)]
    [told] = verdicts(table_of(only(runs), "Mean of H: change from no noise over data.noise"), "aape", "H")
    assert told.startswith("One seed cannot tell whether aape keeps more")
    runs = [swept("coop", 1, {"data.noise": r}, 0.8, 0.7) for r in (0.0, 0.5)] + [
        swept("aape", 2, {"data.noise": r}, 0.8, 0.7) for r in (0.0, 0.5)
    ]
    [told] = verdicts(table_of(only(runs), "Mean of H: change from no noise over data.noise"), "aape", "H")
    assert told == "aape and coop have no seed in common that was run without noise and with it."


def test_no_change_without_a_run_without_noise():
    runs = [swept("aape", 1, {"data.noise": rate}, 0.8, 0.7) for rate in (0.2, 0.4)]
    assert not [panel for panel in only(runs).panels if "change" in panel.title]


def test_attention_on_injected_sentences_beside_the_uniform_share():
    table = table_of(only(noise_study()), "Attention on injected sentences over data.noise")
    assert list(table.rows) == ["aape-mean", "aape", "uniform attention"]
    assert [mean.mean for mean in table.rows["aape"]] == pytest.approx([rate / 3 for rate in RATES])
    assert [mean.mean for mean in table.rows["uniform attention"]] == pytest.approx(RATES)
    assert table.differences == {}


# ---- transfer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["domain-generalization", "cross-dataset"])
def test_the_average_of_targets_is_taken_for_each_seed(protocol):
    runs = transfer_study(protocol=protocol)
    table = table_of(only(runs), "Accuracy")
    assert [column.heading for column in table.columns] == ["Source", *TARGETS, "Average of targets"]
    own = [fmean(run.metrics[f"{target}/accuracy"] for target in TARGETS) for run in runs if run.method == "aape"]
    mean = table.rows["aape"][-1]
    assert mean.mean == pytest.approx(fmean(own))
    assert mean.sd == pytest.approx(stdev(own))


def test_a_run_that_lacks_a_target_has_no_average_and_is_named():
    [first, *others] = transfer_study()
    lacking = transfer("coop", 1, {k: v for k, v in first.metrics.items() if not k.startswith("pacs-sketch")})
    study = only([lacking, *others])
    assert table_of(study, "Accuracy").rows["coop"][-1].count == 2
    assert "Not tested on pacs-sketch, and so without an average: coop with seed 1." in grid_caveats(study)


def test_one_target_needs_no_average():
    study = only(transfer_study(targets=("pacs-sketch",)))
    assert [column.heading for column in study.panels[0].columns] == ["Source", "pacs-sketch"]


def test_transfer_and_cost_are_not_averaged_over_datasets():
    [found] = grids([*transfer_study(), *transfer_study(dataset="imagenet")])
    assert len(found.studies) == 2
    assert found.average is None


# ---- cost --------------------------------------------------------------------------------------------------------


def test_costs_are_shown_in_their_own_units():
    table = table_of(only(cost_study()), "Cost")
    shown = {
        method: [c.scale.with_interval(m.mean, m.half_width) for c, m in zip(table.columns, means, strict=True)]
        for method, means in table.rows.items()
    }
    assert [column.heading for column in table.columns] == [
        "Trained parameters", "GFLOPs, inference", "Images/s, inference", "Training time", "Peak memory, MiB",
    ]  # fmt: skip
    assert shown["zero-shot"] == ["0", "17.6", "51.2", "–", "812"]
    assert shown["cocoop"] == ["35,360", "120", "7.48", "8.3 h", "9,000"]
    assert table.differences == {}


def test_a_cost_that_is_not_known_is_shown_too():
    table = table_of(only([cost("aape", 1, 0.01234, energy_joules=5.0)]), "Cost")
    assert table.columns[-1].heading == "energy joules"


# ---- what is refused and what is told ----------------------------------------------------------------------------


def test_a_run_that_is_there_twice_is_refused():
    with pytest.raises(ResultError, match=r"two results on 'shapes' of method 'aape' with seed 1 under data.shots=4"):
        grids([few_shot("aape", 1, 4, 0.5), few_shot("aape", 1, 4.0, 0.6)])


def test_two_recipes_for_one_dataset_are_refused():
    with pytest.raises(ResultError, match="2 recipes"):
        grids([few_shot("aape", 1, 4, 0.5), few_shot("coop", 1, 4, 0.5, recipe="other")])


def test_two_backbones_under_one_setting_are_refused_and_a_swept_one_is_not():
    other = {"name": "ViT-L/14", "fingerprint": "b" * 64}
    with pytest.raises(ResultError, match=r"under data.shots=4 come from two backbones"):
        grids([few_shot("aape", 1, 4, 0.5), few_shot("coop", 1, 4, 0.5, backbone=other)])
    small, large = ({"data.backbone": name} for name in ("ViT-B/16", "ViT-L/14"))
    study = only([swept("aape", 1, small, 0.8, 0.7), swept("aape", 1, large, 0.9, 0.8, backbone=other)])
    assert [column.heading for column in study.panels[0].columns] == ["ViT-B/16", "ViT-L/14"]


def test_an_accuracy_out_of_range_is_refused():
    with pytest.raises(ResultError, match="must be a fraction between 0 and 1"):
        grids([few_shot("aape", 1, 4, 50.0)])


def test_an_unknown_reference_is_refused():
    with pytest.raises(ResultError, match="'kgcoop'"):
        grids(few_shot_study(), reference="kgcoop")


def test_other_protocols_are_left_out():
    with pytest.raises(ResultError, match="few-shot, sweep"):
        grids([result()])
    assert len(only([*few_shot_study(), result("aape", 1, protocol="test")]).runs) == len(few_shot_study())


def test_nothing_to_say_of_a_full_grid():
    for runs in (few_shot_study(), noise_study(), transfer_study(), cost_study()):
        assert grid_caveats(only(runs)) == []


def test_missing_cells_are_told_where_they_are():
    runs = [run for run in few_shot_study() if (run.method, run.setting["data.shots"]) != ("coop", 16)]
    runs = [run for run in runs if (run.method, run.setting["data.shots"], run.seed) != ("aape", 4, 2)]
    runs = [run for run in runs if (run.setting["data.shots"], run.seed) != (1, 3)]
    told = grid_caveats(only(runs))
    assert "Under data.shots=16: no result of coop." in told
    assert "Under data.shots=1: no result for seed 3." in told
    assert any(sentence.startswith("Under data.shots=4: aape: no result for seed 2.") for sentence in told)
    assert len(told) == 3


def configured(run, **model):
    whole = {"class_path": "ClassificationTask", "init_args": run.config["model"]["init_args"] | model}
    return result(
        run.method, run.seed, protocol=run.protocol, setting=run.setting, metrics=run.metrics,
        config=run.config | {"model": whole},
    )  # fmt: skip


def test_a_recipe_that_was_edited_between_settings_is_told():
    runs = [configured(run, lr=0.1 if run.setting["data.shots"] == 16 else 0.2) for run in few_shot_study()]
    told = grid_caveats(only(runs))
    assert told == [
        f"The runs of {method} differ in more than what was varied: in lr." for method in ("zero-shot", "coop", "aape")
    ]


def test_the_varied_key_is_no_edit():
    runs = [
        configured(swept("aape", 1, {"model.prompt_weight": weight}, 0.8, 0.7), prompt_weight=weight)
        for weight in (1.0, 5.0)
    ]
    assert grid_caveats(only(runs)) == []


def test_methods_that_read_sentences_of_new_classes_are_marked():
    config = {"data": {"class_path": "D", "init_args": {"class_text": "prompts"}}}
    crossed = transfer_study(protocol="cross-dataset", config=config)
    assert only(crossed).label("aape") == "aape†"
    same_classes = [few_shot("aape", 1, 4, 0.5, config=config)]
    assert only(same_classes).label("aape") == "aape"
