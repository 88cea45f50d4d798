"""Pictures of a report for the documentation: how its page looks on a desktop and on a phone.

python tests/report/browser/screenshots.py runs/demo/report.html docs/figures
"""

import io
import sys
from pathlib import Path

from chromium import find_chromium
from PIL import Image
from playwright.sync_api import sync_playwright

# Width and height of the window, pixels of the screen for each of the page's, and what it is scrolled to.
SHOTS = {
    "report-desktop": (1280, 1600, 1.0, "header"),
    "report-phone": (390, 844, 2.0, ".explained.images article"),
}


def take(browser, report, folder):
    """Write one PNG for each of `SHOTS`; their paths."""
    paths = []
    for name, (width, height, scale, place) in SHOTS.items():
        context = browser.new_context(viewport={"width": width, "height": height}, device_scale_factor=scale)
        page = context.new_page()
        page.goto(report.resolve().as_uri())
        for target in page.locator(place).all()[:1]:
            target.evaluate("(element) => scrollTo(0, scrollY + element.getBoundingClientRect().top - 16)")
        paths.append(folder / f"{name}.png")
        # A palette takes a third of the bytes, and no eye can tell on flat colours.
        Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(256).save(paths[-1], optimize=True)
        context.close()
    return paths


if __name__ == "__main__":
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        for path in take(chromium, Path(sys.argv[1]), Path(sys.argv[2])):
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
        chromium.close()
