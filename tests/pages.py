"""The pages that the built site must have, and what the sources say is on each."""

import re
from pathlib import Path

import jupytext
import yaml

ROOT = Path(__file__).parents[1]
SITE = ROOT / "_build" / "html"
FIGURE_TAG, PLOTLY_TAG, SIMULATION_TAG = "interactive-figure", "plotly-figure", "simulation"
MATH = re.compile(r"\$\$|(?<![\\$`])\$(?!\s)[^$`\n]+\$|```\{math\}|\\begin\{(align|equation)")

# what a browser waits for: figures drawn, formulas set
READY = "() => [...document.querySelectorAll('.gtp-figure')].every((figure) => figure.dataset.state === 'ready')"
TYPESET = "() => !window.MathJax?.startup?.promise || MathJax.startup.promise.then(() => true)"


def page_names() -> list[str]:
    """All pages of the table of contents."""
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
    entries = [toc, *toc.get("chapters", []), *(c for part in toc.get("parts", []) for c in part["chapters"])]
    return [entry.get("root") or entry["file"] for entry in entries]


def figures_on(name: str, tag: str = FIGURE_TAG) -> int:
    """How many figures of a kind the page's source has: one for each cell with the tag."""
    cells = jupytext.read(ROOT / "book" / f"{name}.md").cells
    return sum(tag in cell.metadata.get("tags", []) for cell in cells)


def has_math(name: str) -> bool:
    """Whether the page's text has formulas."""
    cells = jupytext.read(ROOT / "book" / f"{name}.md").cells
    return any(MATH.search(cell.source) for cell in cells if cell.cell_type == "markdown")
