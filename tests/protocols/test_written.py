import pytest
import yaml
from aape_lightning.errors import RecipeError
from aape_lightning.protocols.written import parse_value, read_written

LEAST = {"protocol": "base-to-new", "recipes": ["shapes"], "methods": ["aape"]}


@pytest.fixture
def written(tmp_path):
    def write(**changes):
        path = tmp_path / "table.yaml"
        path.write_text(yaml.safe_dump(LEAST | changes))
        return str(path)

    return write


def test_what_is_not_stated_is_the_fields_own(written):
    found = read_written(written())
    assert (found.seeds, found.over) == ([1, 2, 3], "base-to-new")
    assert (found.vary, found.targets, found.arguments()) == ({}, [], [])


def test_keys_become_words_of_a_command_line(written):
    keys = {"data.shots": 4, "model.projection": "bottleneck", "trainer.precision": "bf16-mixed", "data.prompts": None,
            "data.degradations": ["none", "blur"]}  # fmt: skip
    words = read_written(written(keys=keys)).arguments()
    assert dict(zip(words[::2], words[1::2], strict=True)) == {
        "--data.shots": "4", "--model.projection": "bottleneck", "--trainer.precision": "bf16-mixed",
        "--data.prompts": "null", "--data.degradations": "[none, blur]",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"methods": []}, "methods: .*at least 1"),
        ({"method": "aape"}, "method: Extra inputs"),
        ({"protocol": "sweep"}, "a sweep varies at least one key"),
        ({"protocol": "few-shot"}, "few-shot varies the shots"),
        ({"targets": ["dtd"]}, "`targets` are for domain-generalization and cross-dataset"),
    ],
)
def test_what_does_not_state_a_protocol_is_refused_with_its_faults(written, changes, told):
    with pytest.raises(RecipeError, match=told):
        read_written(written(**changes))


def test_an_unknown_name_is_refused_with_those_that_are_known():
    with pytest.raises(RecipeError, match="No written protocol 'table-2x'"):
        read_written("table-2x")


@pytest.mark.parametrize(
    ("text", "value"), [("16", 16), ("1e-3", 0.001), ("0.5", 0.5), ("image", "image"), ("null", None), ("true", True)]
)
def test_values_are_read_as_a_recipe_has_them(text, value):
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)
