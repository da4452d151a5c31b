"""The Chromium that the tests of pages use. `python tests/browser.py` says how to get one if there is none."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND"]  # no name resolves
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HELP = """No Chromium was found; the tests look at the book's pages with it. Get one, then run the tests again:
  Debian, Ubuntu    sudo apt-get install chromium
  Fedora            sudo dnf install chromium
  macOS, Windows    .venv/bin/playwright install chromium
  or                make test CHROMIUM=/path/to/chromium"""


def find_chromium() -> str | None:
    """Path of the browser: $CHROMIUM, one on the path, or Playwright's own download; None if there is none."""
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, NAMES)), None)
    if found:
        return found if shutil.which(found) else None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


@contextmanager
def open_chromium() -> Iterator:
    """A headless Playwright browser without a network."""
    from playwright.sync_api import sync_playwright

    path = find_chromium()
    if path is None:
        raise FileNotFoundError(HELP)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


if __name__ == "__main__":
    if find_chromium() is None:
        sys.exit(HELP)
