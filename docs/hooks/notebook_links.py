"""Turns a notebook's links to pages and notebooks into links of the built site, as MkDocs does for Markdown."""

import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

_LINK = re.compile(r'(href="(?!https?:)[^"#]+)\.(?:md|ipynb)(?=["#])')


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a notebook."""
    return _LINK.sub(r"\1.html", html) if page.file.src_uri.endswith(".ipynb") else html
