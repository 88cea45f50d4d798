"""How-to pages that train on the shapes world and over many processes, typed as they are shown."""

import pytest
from aape_lightning.protocols.results import RESULT_FILE, Result

from docs.shown import LANGUAGES, blocks

PAGES = ("docs/howto/new-method.md", "docs/howto/protocols.md", "docs/howto/language.md", "docs/distributed.md")
BLOCKS = [block for page in PAGES for block in blocks(page) if block.language in LANGUAGES or block.title]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}:{block.line}")
def test_what_is_shown_runs(block, world):
    world.run(block)
    if "runs/mine" in block.text:
        results = [Result.read(path) for path in (world.folder / "runs/mine").rglob(RESULT_FILE)]
        assert {result.method for result in results} == {"linear_map", "zero-shot"}
