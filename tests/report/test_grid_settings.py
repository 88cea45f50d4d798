import pytest
from aape_lightning.report.grid.settings import axis_of, ordered, setting_name, setting_order, value_text, varied_keys
from grids import few_shot, swept


def test_a_setting_has_one_name():
    assert setting_name({"b": 1, "a": 0.5}) == setting_name({"a": 0.5, "b": 1.0}) == "a=0.5,b=1"
    assert setting_name({}) == ""


def test_settings_that_differ_have_names_that_differ():
    values = [0, 1, 0.1, True, None, "mean", 1e-5, 1e5]
    assert len({setting_name({"key": value}) for value in values}) == len(values)


def test_values_are_written_as_they_are_typed():
    assert [value_text(value) for value in (0.1 + 0.2, 2e-3, False)] == ["0.3", "0.002", "false"]


def test_order_of_values():
    assert ordered(["b", None, 16, 2.5, "a", 16]) == [2.5, 16, "a", "b", None]
    assert sorted([{"k": 10}, {"k": 9}, {"k": None}], key=setting_order) == [{"k": 9}, {"k": 10}, {"k": None}]


@pytest.mark.parametrize(
    ("key", "values", "kind", "places"),
    [
        ("data.shots", [1, 2, 4], "log", [0, 1, 2]),
        ("model.prompt_weight", [16.0, 1.0, 4.0], "log", [0, 2, 4]),
        ("model.prompt_weight", [3.0, 5.0, 9.0], "linear", [3, 5, 9]),
        ("data.noise", [0.0, 0.2, 0.8], "linear", [0, 0.2, 0.8]),
        ("model.aggregator", ["mlp", "mean"], "category", [0, 1]),
        ("data.prompts_per_class", [None, 5], "category", [0, 1]),
        ("model.distill", [True, False], "category", [0, 1]),
    ],
)
def test_axis_that_fits_the_values(key, values, kind, places):
    axis = axis_of(key, values)
    assert axis.kind == kind
    assert axis.places == pytest.approx(places)


def test_the_axis_is_of_noise_else_of_the_key_with_most_numbers():
    weights = [swept("aape", 1, {"model.projection": p, "model.prompt_weight": w}, 0.8, 0.7)
               for p in ("none", "residual", "bottleneck") for w in (1.0, 5.0)]  # fmt: skip
    assert varied_keys(weights) == ["model.prompt_weight", "model.projection"]
    noisy = [swept("aape", 1, {"data.shots": k, "data.noise": 0.2}, 0.8, 0.7) for k in (1, 2, 4)]
    assert varied_keys(noisy) == ["data.noise", "data.shots"]
    assert varied_keys([few_shot("aape", 1, 4, 0.5)]) == ["data.shots"]
