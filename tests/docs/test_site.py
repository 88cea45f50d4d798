"""The documentation builds without a warning, its links lead somewhere, and it needs nothing from elsewhere."""

import logging
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

from docs.shown import ROOT, pages

LOADING = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}
NOT_LOADED = ("canonical", "alternate", "next", "prev", "edit")  # kinds of <link> that fetch nothing
_MARKDOWN_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


class Page(HTMLParser):
    """What a built page refers to and what can be referred to in it."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.links, self.anchors, self.images = [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        fetched = tag != "link" or not set((found.get("rel") or "").split()) & set(NOT_LOADED)
        if tag in LOADING and fetched and found.get(LOADING[tag]):
            self.loaded.append(found[LOADING[tag]])
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "img":
            self.images.append(found)


@pytest.fixture(scope="module")
def warnings():
    return []


@pytest.fixture(scope="module")
def site(tmp_path_factory, warnings):
    """The built site; what was warned of is in `warnings`."""
    folder = tmp_path_factory.mktemp("site")

    class Kept(logging.Handler):
        def emit(self, record):
            if record.levelno >= logging.WARNING:
                warnings.append(record.getMessage())

    kept, path = Kept(), list(sys.path)
    logger = logging.getLogger("mkdocs")
    logger.addHandler(kept)
    try:
        config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder))
        config.plugins.on_startup(command="build", dirty=False)
        build(config)
        config.plugins.on_shutdown()
    finally:
        logger.removeHandler(kept)
        sys.path[:] = path
    return folder


@pytest.fixture(scope="module")
def built(site):
    return {path.relative_to(site): Page(path.read_text()) for path in site.rglob("*.html")}


def test_it_builds_without_a_warning(site, warnings):
    assert warnings == []
    assert (site / "index.html").is_file()


def test_it_loads_nothing_from_elsewhere(site, built):
    for path, page in built.items():
        foreign = [url for url in page.loaded if urlsplit(url).scheme in ("http", "https") or url.startswith("//")]
        assert not foreign, (path, foreign)
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", sheet.read_text()), sheet


def test_what_it_loads_is_there(site, built):
    for path, page in built.items():
        if path.name != "404.html":  # its addresses are absolute, for wherever it is shown
            missing = [url for url in page.loaded if not is_there(site, path, url)]
            assert not missing, (path, missing)


def is_there(site, page, url):
    parts = urlsplit(url)
    return parts.scheme == "data" or (site / page.parent / unquote(parts.path)).resolve().is_file()


def test_internal_links_and_anchors_lead_somewhere(site, built):
    for path, page in built.items():
        if path.name == "404.html":
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or not (parts.path or parts.fragment):
                continue
            target = (site / path.parent / unquote(parts.path)).resolve() if parts.path else site / path
            assert target.exists(), (path, link)
            anchors = built[target.relative_to(site)].anchors if target.suffix == ".html" else {parts.fragment}
            assert not parts.fragment or unquote(parts.fragment) in anchors, (path, link)


def test_external_links_are_well_formed(built):
    for path, page in built.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme not in ("", "mailto", "javascript"):
                assert parts.scheme == "https", (path, link)
                assert re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc), (path, link)


def test_every_picture_has_words(built):
    for path, page in built.items():
        assert not [image for image in page.images if not image.get("alt")], path


def test_every_page_of_markdown_is_reached(built):
    for name in pages():
        if name.startswith("docs/"):
            assert Path(name).relative_to("docs").with_suffix(".html") in built


def test_every_public_package_has_its_page(built):
    packages = {path.parent.name for path in (ROOT / "aape_lightning").glob("*/__init__.py")}
    shown = {path.stem for path in built if path.parent.name == "reference"}
    assert packages - shown == {"commands", "runner"}, "the command line has pages of its own"
    assert "AttentionAggregator" in " ".join(built[Path("reference/modules.html")].anchors)


@pytest.mark.parametrize("name", ["README.md", "PERFORMANCE.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_the_root_pages_lead_somewhere(name):
    for link in _MARKDOWN_LINK.findall((ROOT / name).read_text()):
        parts = urlsplit(link)
        assert parts.scheme == "https" or not parts.path or (ROOT / parts.path).exists(), link
