"""From records to tables and pictures."""

from pathlib import Path

import numpy as np

from ..book import markdown
from ..comparison.statistics import student_interval
from ..saving import write_bytes
from .records import Store


def mean_interval(values: list[float | None]) -> str:
    """Mean and half width of its 95 % interval (Student's t over seeds); says how many runs failed."""
    if not values:
        return "not run"
    good = [v for v in values if v is not None]
    failed = f" ({len(values) - len(good)} failed)" if len(good) < len(values) else ""
    if not good:
        return "failed"
    if len(good) == 1:
        return f"{good[0]:.3f}{failed}"
    mean = float(np.mean(good))
    return f"{mean:.3f} ± {student_interval(np.array(good))[1] - mean:.3f}{failed}"


def write_report(parts: list, folder: Path) -> str:
    """Writes tables.md and one picture a part, from what is on record; returns the Markdown."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "study"  # the same records give the same file
    texts = []
    for part in parts:
        rows = Store(folder, part.name).rows()
        if not rows:
            continue
        texts.append(f"## {part.name}\n\n{part.question}\n")
        for title, table in part.tables(rows).items():
            texts.append(f"**{title}**\n\n{markdown(table)}\n")
        if part.plot:
            figure = part.plot(rows)
            figure.savefig(folder / f"{part.name}.svg", metadata={"Date": None})
            texts.append(f"![{part.name}]({part.name}.svg)\n")
    head = ("# The study\n\nMade from the records beside this file by `gtp-mini study --report`. "
            "Intervals are 95 % of the mean over seeds.\n\n")
    text = head + "\n".join(texts)
    write_bytes(folder / "tables.md", text.encode())
    return text
