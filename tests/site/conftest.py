"""Pages opened from disk, in a browser that reaches no other machine, with everything noted that goes wrong."""

from dataclasses import dataclass, field

import pytest
from pages import READY, SITE, TYPESET


@dataclass
class Visit:
    """An open page, what it asked for, and what it complained about."""

    page: object
    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def outside(self) -> list[str]:
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]


@pytest.fixture
def visit(browser):
    """visit(name, width=1400, scheme="light") opens a page and waits until its figures and formulas are drawn."""
    contexts = []

    def open_page(name: str, width: int = 1400, scheme: str = "light") -> Visit:
        path = SITE / f"{name}.html"
        assert path.exists(), f"{path} was not built: make book"
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        seen = Visit(context.new_page())
        seen.page.on("request", lambda request: seen.requests.append(request.url))
        seen.page.on("requestfailed", lambda request: seen.problems.append(f"failed: {request.url[:200]}"))
        seen.page.on("pageerror", lambda error: seen.problems.append(f"uncaught: {error}"))
        seen.page.on("console", lambda message: message.type == "error" and seen.problems.append(message.text))
        seen.page.goto(path.as_uri())
        seen.page.wait_for_function(READY)
        seen.page.wait_for_function(TYPESET)
        return seen

    yield open_page
    for context in contexts:
        context.close()
