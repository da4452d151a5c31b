"""Writes the README's tables anew from the committed records: python tests/refresh_readme.py

A table stands between `<!-- name -->` and `<!-- end of name -->`; a test compares them.
"""

import re
from collections.abc import Callable

import numpy as np

from gtp_mini import book
from gtp_mini.comparison.published import GTP
from gtp_mini.records import Run
from gtp_mini.study import headlines
from gtp_mini.sweep.records import read_records

README = book.DATA.parent / "README.md"
WHICH = ("checkpoint", "noise_scale", "sampling_steps")
RUNS = ("antmaze-umaze-gtp", "antmaze-umaze-gtp-bc")


def antmazes(methods: tuple[str, ...] = ("gtp-sd", "gtp", "gtp-sd-bc", "gtp-bc")) -> list[dict]:
    """Success at the last checkpoint by method and task, from the benchmark's records."""
    records = read_records(book.shipped("benchmark/antmaze.jsonl"))

    def rates(task: str, method: str) -> list[float]:
        return [e["success_rate"] for r in records if (r["task"], r["label"]) == (task, method)
                for e in r["evaluations"] if tuple(e[key] for key in WHICH) == ("last", 0.3, 2)]

    def row(method: str) -> dict:
        found = {task.removeprefix("antmaze-"): rates(task, method) for task in GTP}
        return {"method": method} | {task: f"{100 * np.mean(seen):.0f} ({len(seen)})" if seen else "not run"
                                     for task, seen in found.items()}

    published = {task.removeprefix("antmaze-"): f"{rate:g}" for task, rate in GTP.items()}
    return [*map(row, methods), {"method": "GTP as published"} | published]


TABLES: dict[str, Callable[[], list[dict]]] = {
    "results": lambda: book.results(*(Run.open(book.shipped(name)) for name in RUNS)),
    "antmazes": antmazes,
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
