"""Light and dark, contrast, and what axe-core finds against WCAG 2.1 AA."""

import pytest
from pages import PAGES

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"], "resultTypes": ["violations"]}


@pytest.mark.parametrize("name", list(PAGES))
def test_dark_pages_are_dark(name, opened):
    light, dark = opened(name), opened(name, scheme="dark")
    by_day, by_night = (page.evaluate("audit.grounds()") for page in (light, dark))
    assert by_day["body"] > 0.9 > 0.1 > by_day["ink"]
    assert by_night["body"] < 0.05 < 0.6 < by_night["ink"]
    figures = [[image for image in page.evaluate("audit.images()") if "svg" in image["kind"]] for page in (light, dark)]
    for one, other in zip(*figures, strict=True):
        assert one["hash"] != other["hash"], one["alt"]


@pytest.mark.parametrize("name", list(PAGES))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(name, scheme, opened):
    assert opened(name, scheme=scheme).evaluate("audit.faintText()") == []


def test_the_check_of_contrast_finds_faint_text(opened):
    page = opened("search")
    page.evaluate("document.querySelector('footer').style.color = '#999999'")
    [fault] = page.evaluate("audit.faintText()")
    page.evaluate("document.querySelector('footer').style.color = ''")
    assert fault.startswith("2.85 of 4.5: Scores are cosines")


@pytest.mark.parametrize("name", list(PAGES))
def test_axe_finds_nothing(name, opened):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    found = axe.Axe().run(opened(name), options=RULES)
    assert found.violations_count == 0, found.generate_report()
