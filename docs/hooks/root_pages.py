"""Shows files of the repository's root as pages of the site, their links turned to where the pages lie."""

import re
from pathlib import Path
from posixpath import normpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
PAGES = {
    "PERFORMANCE.md": "performance.md",
    "CONTRIBUTING.md": "contributing.md",
    "RELIABILITY.md": "reliability.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
_LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=page_of(source)))
    return files


def page_of(source: str) -> str:
    """A root file's text with its links as they are seen from the documentation's folder."""
    return _LINK.sub(lambda link: _seen_from_docs(link[1]), (ROOT / source).read_text(encoding="utf-8"))


def _seen_from_docs(link: str) -> str:
    if link in PAGES:
        return PAGES[link]
    return normpath(link.removeprefix("docs/"))
