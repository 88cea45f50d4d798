"""The page of recipes says of every recipe what it is and what to expect."""

import re
import sys

import pytest
import yaml

from docs.shown import ROOT

sys.path.insert(0, str(ROOT / "docs" / "hooks"))
import recipe_page

PAGE = recipe_page.page()
FILES = sorted((ROOT / "recipes").rglob("*.yaml"))


def test_every_folder_of_recipes_is_shown():
    assert {path.parent.name for path in FILES} == set(recipe_page.FOLDERS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recipe_says_what_it_is_and_what_to_expect(path):
    recipe = recipe_page.read_recipe(path)
    assert len(recipe.purpose) > 10
    assert recipe.expected
    assert f"| `{recipe.name}` |" in PAGE
    for command in recipe.commands:
        assert "\\" not in command
        assert command.startswith("aape ")


def test_places_of_results_are_recipes_that_are_here():
    assert set(recipe_page.measured()["recipes"]) <= {path.stem for path in FILES}


def test_a_header_is_read(tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text(
        "# A thing, 16 shots.\n#   aape fit --config one \\\n#     --data.shots 4\n#   aape test --config one\n"
        "# Expected: 71.2 of new classes. More is told.\nmodel: {}\n"
    )
    recipe = recipe_page.read_recipe(path)
    assert recipe.purpose == "A thing, 16 shots"
    assert recipe.commands == ("aape fit --config one --data.shots 4", "aape test --config one")
    assert recipe.expected == "71.2 of new classes"


def test_paper_recipes_never_claim_a_measurement():
    """Nothing under recipes/paper but the cost was run at the paper's sizes."""
    for recipe in recipe_page.recipes("paper"):
        assert recipe.name == "cost" or re.search("not measured here", recipe.expected, re.IGNORECASE), recipe


def test_the_table_of_places_is_yaml_that_a_person_can_read():
    assert yaml.safe_load((ROOT / "docs" / "measured.yaml").read_text()).keys() == {"recipes", "folders"}
