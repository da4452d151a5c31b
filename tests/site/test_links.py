"""Every link inside the built book leads to a file that is there, and to a place in it that is there."""

from functools import cache
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup
from pages import SITE, page_names


@cache
def places(path) -> set[str]:
    """The ids of a page."""
    soup = BeautifulSoup(path.read_text("utf8"), "html.parser")
    named = soup.find_all("a", attrs={"name": True})
    return {tag["id"] for tag in soup.find_all(id=True)} | {tag["name"] for tag in named}


def broken(page) -> list[str]:
    """The local addresses of a page that lead nowhere."""
    found = []
    soup = BeautifulSoup(page.read_text("utf8"), "html.parser")
    for tag in soup.find_all(["a", "link", "img", "script"]):
        address = tag.get("href") or tag.get("src") or ""
        parts = urlsplit(address)
        if parts.scheme or parts.netloc or not address:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if not target.is_file():
            found.append(f"{address}: no such file")
        elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in places(target) | {""}:
            found.append(f"{address}: no such place")
    return found


@pytest.mark.parametrize("name", page_names())
def test_every_link_of_a_page_leads_somewhere(name):
    assert broken(SITE / f"{name}.html") == []


def test_a_wrong_link_would_be_found(tmp_path):
    page = tmp_path / "page.html"
    page.write_text('<a href="#here" id="here">a</a><a href="#there">b</a><a href="none.html">c</a><img src="no.png">')
    assert len(broken(page)) == 3
