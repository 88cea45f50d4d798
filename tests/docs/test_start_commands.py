"""The first page and the start, typed as they are shown."""

import pytest

from docs.shown import LANGUAGES, blocks

PAGES = ("docs/index.md", "docs/start.md")
BLOCKS = [block for page in PAGES for block in blocks(page) if block.language in LANGUAGES or block.title]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}:{block.line}")
def test_what_is_shown_runs(block, world):
    world.run(block)
