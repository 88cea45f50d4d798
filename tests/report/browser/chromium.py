"""Where the browser is."""

import os
import shutil

__all__ = ["find_chromium"]


def find_chromium():
    """`$AAPE_CHROMIUM`, a Chromium on the path, or playwright's own (None)."""
    named = os.environ.get("AAPE_CHROMIUM")
    return named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
