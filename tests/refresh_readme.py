"""Writes the README's tables anew from the committed records: python tests/refresh_readme.py

A table stands between `<!-- name -->` and `<!-- end of name -->`; a test compares them.
"""

import re
from collections.abc import Callable

from gtp_mini import book
from gtp_mini.records import Run
from gtp_mini.study import headlines

README = book.DATA.parent / "README.md"
RUNS = ("antmaze-umaze-gtp", "antmaze-umaze-gtp-bc")
TABLES: dict[str, Callable[[], list[dict]]] = {
    "results": lambda: book.results(*(Run.open(book.shipped(name)) for name in RUNS)),
    "bias": lambda: headlines.bias_law(book.shipped("study")),
    "few steps": lambda: headlines.few_steps(book.shipped("study")),
    "temperatures": lambda: headlines.temperatures(book.shipped("study")),
    "improvers": lambda: headlines.improvers(book.shipped("study")),
}


def refreshed(text: str) -> str:
    """The README with all its tables as the records say. ValueError for a table that nobody makes."""
    def table(match: re.Match) -> str:
        name = match.group(1)
        if name not in TABLES:
            raise ValueError(f"README.md has a table {name!r}; known: {', '.join(TABLES)}")
        return f"<!-- {name} -->\n{book.markdown(TABLES[name]())}\n<!-- end of {name} -->"

    return re.sub(r"<!-- ([a-z ]+?) -->\n.*?<!-- end of \1 -->", table, text, flags=re.DOTALL)


if __name__ == "__main__":
    README.write_text(refreshed(README.read_text()))
