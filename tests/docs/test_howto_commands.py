"""How-to pages about classification and the command line, typed as they are shown."""

import pytest

from docs.shown import LANGUAGES, blocks

PAGES = (
    "docs/method.md", "docs/howto/own-data.md", "docs/howto/sentences.md", "docs/howto/predict.md", "docs/export.md",
    "docs/howto/offline.md", "docs/howto/command-line.md", "docs/howto/logs.md", "docs/howto/migration.md",
)  # fmt: skip
BLOCKS = [block for page in PAGES for block in blocks(page) if block.language in LANGUAGES or block.title]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}:{block.line}")
def test_what_is_shown_runs(block, world):
    world.run(block)
