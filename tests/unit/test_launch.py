"""Buttons lead to files that can be opened, in the repository that the book was built from."""

import subprocess
from urllib.parse import parse_qs, urlparse

import pytest
from pages import ROOT

from gtp_mini.launch import COMMITTED, addresses, has_code, origin


def clone_of(folder, url):
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "remote", "add", "origin", url], check=True)
    return folder


@pytest.mark.parametrize("url", ["https://github.com/some-one/gtp.mini.git", "https://github.com/some-one/gtp.mini",
                                 "git@github.com:some-one/gtp.mini.git", "ssh://git@github.com/some-one/gtp.mini",
                                 "https://token@github.com/some-one/gtp.mini.git"])
def test_a_fork_is_known_by_its_origin_and_a_token_is_not_shown(tmp_path, url):
    assert origin(clone_of(tmp_path, url)) == ("some-one", "gtp.mini")


@pytest.mark.parametrize("url", ["https://example.org/a/b.git", "/some/folder", "https://github.com.evil.org/a/b"])
def test_other_places_have_no_buttons(tmp_path, url):
    assert origin(clone_of(tmp_path, url)) is None
    assert addresses("the_data", None) == {}


def test_a_folder_without_a_repository_has_none(tmp_path):
    assert origin(tmp_path) is None


def test_what_is_opened_is_a_notebook_that_is_committed():
    found = addresses("the_data", ("o", "n"), hub="https://hub.edu/")
    assert set(found) == {"Colab", "Binder", "JupyterHub"}
    assert (ROOT / COMMITTED / "the_data.ipynb").exists()
    assert urlparse(found["Colab"]).path == f"/github/o/n/blob/main/{COMMITTED}/the_data.ipynb"
    for place in ("Binder", "JupyterHub"):
        assert parse_qs(urlparse(found[place]).query)["urlpath"][0].endswith(f"{COMMITTED}/the_data.ipynb")
    assert parse_qs(urlparse(found["JupyterHub"]).query)["repo"] == ["https://github.com/o/n"]


def test_pages_without_code_have_no_notebook_to_open():
    assert has_code(ROOT / COMMITTED / "the_data.ipynb") and not has_code(ROOT / COMMITTED / "glossary.ipynb")


def test_a_page_of_words_alone_has_no_code(tmp_path):
    page = tmp_path / "page.ipynb"
    page.write_text('{"cells": [{"cell_type": "markdown", "source": "# Words"}]}')
    assert not has_code(page)
