"""Every page in a real browser: it opens without a complaint, shows its images, and fits a phone."""

from itertools import pairwise

import pytest
from pages import PAGES
from PIL import Image

NAMES = list(PAGES)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_opens_without_a_complaint_and_shows_its_images(name, opened):
    page = opened(name)
    images = page.evaluate("audit.images()")
    assert page.complaints == []
    assert images
    for image in images:
        assert image["width"] > 0, image
        assert image["alt"].strip(), image


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_never_wider_than_the_screen(name, opened):
    for width in (320, 390, 768):
        assert opened(name, width=width).evaluate("audit.tooWide()") == []


@pytest.mark.parametrize("name", NAMES)
def test_headings_go_down_one_step_at_a_time(name, opened):
    page = opened(name)
    levels = page.evaluate("audit.headings()")
    assert [level for level, _ in levels].count(1) == 1
    assert levels[0][0] == 1
    for (above, _), (below, text) in pairwise(levels):
        assert below <= above + 1, text
    assert page.title()
    assert page.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize("name", NAMES)
def test_a_page_prints(name, opened):
    page = opened(name)
    page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = false")
    page.emulate_media(media="print")
    assert page.evaluate("audit.folded()") == []
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.emulate_media(media="screen")
    page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")


def test_pictures_for_the_documentation_are_small(browser, page_of, tmp_path):
    screenshots = pytest.importorskip("screenshots")
    desktop, phone = screenshots.take(browser, page_of("base-to-new"), tmp_path)
    for path, size in ((desktop, (1280, 1600)), (phone, (780, 1688))):
        assert path.stat().st_size < 400_000
        assert Image.open(path).size == size


WITH_FIGURES = [name for name in NAMES if not name.startswith("search")]


@pytest.mark.parametrize("name", WITH_FIGURES)
def test_figures_can_be_read_on_a_phone(name, opened):
    figures = opened(name, width=390).evaluate("audit.drawings()")
    assert figures
    for figure in figures:
        assert figure["scale"] > 0.9, figure  # of letters that are 10 to 12 px high
        assert figure["scrolls"], figure


@pytest.mark.parametrize("name", WITH_FIGURES)
def test_the_keyboard_reaches_what_scrolls_alone(name, opened):
    for width in (390, 1280):
        page = opened(name, width=width)
        page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")  # sizes are told then
        for box in page.evaluate("audit.boxes()"):
            assert (box["stop"] == 0) == box["scrolls"], box
