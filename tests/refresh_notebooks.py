"""Writes tests/notebooks/*.ipynb: the chapters of book/, run, with the outputs that are worth keeping.

`make notebooks` calls it before a commit that changes a chapter; as arguments, names of chapters choose some of them.
Pictures and interactive figures are left out: they
are large and differ from machine to machine. What nbval compares are the printed numbers of cells tagged
`nbval-check-output`. What each chapter cost to run goes into data/chapters.json, which the chapters show at their head.

With GTP_TIER=full no notebook is written: the chapters are run at length, must print what the notebooks say, and their
cost is recorded beside the other.
"""

import json
import multiprocessing
import os
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import jupytext
import nbformat
import yaml
from nbclient import NotebookClient

from gtp_mini.book import tier
from gtp_mini.records import versions

ROOT = Path(__file__).parents[1]
BOOK, NOTEBOOKS = ROOT / "book", ROOT / "tests" / "notebooks"
KEPT = ("text/plain",)
COSTS = ROOT / "data" / "chapters.json"
COMPARED = "nbval-check-output"
FULL = tier(False, True)


def chapters() -> list[Path]:
    """The sources of all pages in the table of contents that have code."""
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text())
    entries = [toc, *toc.get("chapters", []), *(c for part in toc.get("parts", []) for c in part["chapters"])]
    files = [BOOK / f"{entry.get('root') or entry['file']}.md" for entry in entries]
    return [file for file in files if any(cell.cell_type == "code" for cell in read(file).cells)]


def read(chapter: Path) -> nbformat.NotebookNode:
    """A chapter as a notebook that was not run. Cells are named by their place, so that a rerun changes little."""
    notebook = jupytext.read(chapter)
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
    for index, cell in enumerate(notebook.cells):
        cell.id = f"cell-{index}"
    return notebook


def run(chapter: Path) -> tuple[str, dict]:
    """Runs one chapter and writes its notebook; returns its name and what it cost."""
    notebook, start = read(chapter), time.perf_counter()
    NotebookClient(notebook, timeout=1800, store_widget_state=False, record_timing=False,
                   resources={"metadata": {"path": str(BOOK)}}).execute()
    cost = {"minutes": (time.perf_counter() - start) / 60,
            "peak_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000,
            "cores": os.cpu_count(), "processor": versions()["processor"]}
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [small for output in cell.outputs if (small := keep(output, cell))]
    path = NOTEBOOKS / f"{chapter.stem}.ipynb"
    if FULL:
        if (now := printed(notebook)) != (before := printed(nbformat.read(path, 4))):
            raise AssertionError(f"{chapter.stem}, at length, prints {now}, not {before}")
    else:
        nbformat.write(notebook, path)
    return chapter.stem, cost


def printed(notebook: nbformat.NotebookNode) -> list[str]:
    """What the compared cells print."""
    return [output.text for cell in notebook.cells if COMPARED in cell.metadata.get("tags", [])
            for output in cell.outputs if output.output_type == "stream"]


def keep(output: nbformat.NotebookNode, cell: nbformat.NotebookNode) -> nbformat.NotebookNode | None:
    """The output without pictures and HTML; None for what only some machines say, as warnings and progress are."""
    if output.output_type == "stream":
        compared = COMPARED in cell.metadata.get("tags", [])
        return output if output.name == "stdout" and compared else None
    if "data" in output:
        output.data = {kind: value for kind, value in output.data.items() if kind in KEPT}
    return output


if __name__ == "__main__":
    NOTEBOOKS.mkdir(exist_ok=True)
    costs = json.loads(COSTS.read_text()) if COSTS.exists() else {}
    # a fresh process a chapter: its children's memory is then that chapter's
    wanted = [chapter for chapter in chapters() if chapter.stem in sys.argv[1:] or len(sys.argv) == 1]
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        for name, cost in pool.map(run, wanted):
            known = costs.get(name, {})
            costs[name] = known | {"full": cost} if FULL else cost | {k: known[k] for k in ("full",) if k in known}
            COSTS.write_text(json.dumps(costs, indent=2) + "\n")
            print(f"ran {name}: {cost['minutes']:.1f} minutes, {cost['peak_mb']:.0f} MB", flush=True)
