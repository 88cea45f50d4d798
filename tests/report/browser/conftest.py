"""One browser for all tests, and one page of each protocol, made when it is first asked for."""

import sys
from pathlib import Path

import pytest
from chromium import find_chromium

HERE = Path(__file__).parent
# The synthetic results are those of the tests one folder up, which pytest has on the path only when it collects them.
sys.path.insert(0, str(HERE.parent))

AUDIT = (HERE / "audit.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; tests are skipped where there is none.

    Playwright keeps an event loop running for as long as it lives, beside which no other test could start one: it is
    ended with each module.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        try:
            found = driver.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no Chromium starts here; name one in $AAPE_CHROMIUM ({str(error).splitlines()[0]})")
        yield found
        found.close()


@pytest.fixture(scope="session")
def page_of(tmp_path_factory):
    """Gives the path of a protocol's page."""
    from pages import make_page

    made = {}

    def path(name):
        if name not in made:
            made[name] = make_page(name, tmp_path_factory.mktemp("page") / name)
        return made[name]

    return path


@pytest.fixture(scope="module")
def opened(browser, page_of):
    """Opens a protocol's page, once for each appearance, with everything that is folded away unfolded.

    `complaints` holds what went wrong. What a test changes of a page it changes back.
    """
    pages, contexts = {}, {}

    def open_page(name, *, width=1280, scheme="light"):
        if scheme not in contexts:
            contexts[scheme] = browser.new_context(color_scheme=scheme)
        if (name, scheme) not in pages:
            pages[name, scheme] = _open(contexts[scheme], page_of(name))
        pages[name, scheme].set_viewport_size({"width": width, "height": 900})
        return pages[name, scheme]

    yield open_page
    for context in contexts.values():
        context.close()


def _open(context, path):
    page = context.new_page()
    page.complaints = complaints = []
    page.on("console", lambda message: complaints.append(f"console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url[:80]}"))
    page.on("request", lambda request: complaints.extend(_outside(request.url, path)))
    page.goto(path.as_uri())
    page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
    page.evaluate("for (const image of document.images) image.loading = 'eager'")
    page.evaluate("Promise.all([...document.images].map((image) => image.decode().catch(() => null)))")
    page.evaluate(AUDIT)
    return page


def _outside(url, path):
    return [] if url == path.as_uri() or url.startswith("data:") else [f"request outside the file: {url[:80]}"]
