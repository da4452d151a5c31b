"""Shared by all tests: the browser, opened once."""

import pytest
from browser import open_chromium


@pytest.fixture(scope="session")
def browser():
    with open_chromium() as chromium:
        yield chromium
