"""README, results and recipes show commands that are parsed in full, and every page's commands are in some test."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from docs import test_howto_commands, test_start_commands, test_training_commands
from docs.shown import LANGUAGES, ROOT, Block, blocks, pages, statements

sys.path.insert(0, str(ROOT / "docs" / "hooks"))
import recipe_page

ELSEWHERE = {*test_start_commands.PAGES, *test_howto_commands.PAGES, *test_training_commands.PAGES}
SHOWN = [block for page in pages() if page not in ELSEWHERE for block in blocks(page)]
BLOCKS = [block for block in SHOWN if block.language in LANGUAGES or block.title]
RECIPES = [recipe for folder in recipe_page.FOLDERS for recipe in recipe_page.recipes(folder) if recipe.commands]
HEADER_PLACES = {"RUN/": "runs/RUN/", "DIR": "birds", "my.yaml": "birds.yaml", "<run>": "RUN"}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}:{block.line}")
def test_what_is_shown_runs(block, world):
    world.run(block)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_commands_of_a_recipe_parse(recipe, world):
    for command in recipe.commands:
        (words,) = statements(command)
        assert words[0] == "aape"
        world.command(words, Block(recipe.name, 0, "bash", "", command, "parse", "its header"))


def test_reasons_are_given_and_kinds_are_known():
    for page in pages():
        text = (ROOT / page).read_text()
        assert len(re.findall(r"^\s*<!-- run:", text, flags=re.MULTILINE)) == sum(
            bool(block.why) for block in blocks(page)
        ), page
        for block in blocks(page):
            assert block.how in ("run", "parse", "none"), (page, block.line)
            assert block.how == "run" or len(block.why) > 10, (page, block.line)


def test_no_command_stands_outside_a_block():
    for page in pages():
        inside = "\n".join(block.text for block in blocks(page))
        indented = re.findall(r"^ {4,}((?:aape|make|torchrun) [a-z].*)$", (ROOT / page).read_text(), flags=re.MULTILINE)
        assert not [line for line in indented if line not in inside], f"{page}: indented blocks are not run; fence them"


def test_a_command_is_split_as_a_shell_splits_it():
    shown = "$ aape fit --config a \\\n    --data.decoding '{method: beam}'   # why\n\n# nothing\naape test"
    assert statements(shown) == [
        ["aape", "fit", "--config", "a", "--data.decoding", "{method: beam}"],
        ["aape", "test"],
    ]


@pytest.mark.parametrize(
    "command",
    ["aape fti --config shapes", "aape fit --config shapes --data.shot 4", "aape fit --config shape",
     "aape protocol base-to-new --recipe shapes --method apae --out x", "make demos",
     "pip install 'aape-lightning[nothing]'", "aape protocol run nosie --out x"],
)  # fmt: skip
def test_what_is_wrong_is_seen(command, world):
    block = Block("page", 1, "bash", "", command, "parse", "a test")
    with pytest.raises((Exception, SystemExit, pytest.fail.Exception)):
        world.command(shlex.split(command), block)


def test_pages_are_found():
    assert Path("README.md").name in pages()
    assert {block.page for block in BLOCKS}.isdisjoint(ELSEWHERE)
