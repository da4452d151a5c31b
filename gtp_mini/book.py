"""What the chapters need beside the library: their measured cost, and where shipped results lie."""

import json
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "data"
COSTS = DATA / "chapters.json"  # written by tests/refresh_notebooks.py when the chapters are run


def shipped(name: str) -> Path:
    """A folder or file under data/, with a plain error if the checkout has none (an installed wheel does not)."""
    path = DATA / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: the book runs in a checkout of the repository, with its data/")
    return path


def cost(chapter: str):
    """What running a chapter took when it was last run for the record, as Markdown."""
    from IPython.display import Markdown

    record = json.loads(COSTS.read_text())[chapter] if COSTS.exists() else None
    if record is None:
        return Markdown("*Not measured yet.*")
    return Markdown(f"*Running this chapter took {record['minutes']:.1f} minutes and {record['peak_mb'] / 1000:.1f} GB "
                    f"of memory on {record['cores']} cores ({record['processor']}); it downloads nothing.*")


def table(rows: list[dict]):
    """Rows of the same keys as a Markdown table; floats to three digits."""
    from IPython.display import Markdown

    def text(value) -> str:
        return f"{value:.3f}" if isinstance(value, float) else str(value)

    lines = [list(rows[0]), ["---"] * len(rows[0])] + [[text(v) for v in row.values()] for row in rows]
    return Markdown("\n".join("| " + " | ".join(line) + " |" for line in lines))
