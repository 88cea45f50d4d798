"""Tables sort by mouse and by keyboard."""

import math

import pytest
from pages import PAGES

WITH_TABLES = [name for name in PAGES if not name.startswith("search")]


def in_order(values, *, down=False):
    """Whether values stand in order: numbers by size, empty ones at the end."""
    filled = [value for value in values if value != ""]
    if values[: len(filled)] != filled:
        return False
    try:
        numbers = [float(value) for value in filled]
    except ValueError:
        return True  # words go by the browser's language
    return numbers == sorted(numbers, reverse=down) and not any(map(math.isnan, numbers))


@pytest.mark.parametrize("name", WITH_TABLES)
def test_every_column_sorts_by_click(name, opened):
    page = opened(name)
    tables = page.evaluate("audit.columns()")
    assert tables
    for table, heads in enumerate(tables):
        before = sorted(page.evaluate("([t]) => audit.column(t, 0).values", [table]))
        for place in range(len(heads)):
            for sort in ("ascending", "descending"):
                found = page.evaluate("([t, c]) => audit.click(t, c)", [table, place])
                assert found["sort"] == sort
                assert in_order(found["values"], down=sort == "descending"), (heads[place], found["values"])
        sorts = page.evaluate(
            "([t, n]) => [...Array(n).keys()].map((c) => audit.column(t, c).sort)", [table, len(heads)]
        )
        assert sorts == ["none"] * (len(heads) - 1) + ["descending"]
        assert sorted(page.evaluate("([t]) => audit.column(t, 0).values", [table])) == before


@pytest.mark.parametrize("name", WITH_TABLES)
def test_a_table_sorts_by_keyboard(name, opened):
    page = opened(name)
    heads = page.locator("table").first.locator("thead button")
    heads.first.focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('th')?.cellIndex") == 1
    for key, sort in (("Enter", "ascending"), ("Space", "descending")):
        page.keyboard.press(key)
        found = page.evaluate("audit.column(0, 1)")
        assert found["sort"] == sort
        assert in_order(found["values"], down=sort == "descending")


def test_a_real_click_reaches_the_button(opened):
    page = opened("base-to-new")
    page.locator("thead button", has_text="New").first.click()
    assert page.locator("th[aria-sort=ascending]").count() == 1
