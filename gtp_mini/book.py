"""What the chapters need beside the library: their measured cost, and where shipped results lie."""

import json
from pathlib import Path

from .records import Run

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


def results(*runs: Run) -> list[dict]:
    """The recorded evaluations of finished runs, a row each, ready for `table`."""
    return [{"method": e["method"], "checkpoint": f"{e['checkpoint']}, {e['checkpoint_step']:,}",
             "K": e["sampling_steps"], "noise": e["noise_scale"], "episodes": e["episodes"],
             "success": e["success_rate"], "95 % interval": "{:.3f} to {:.3f}".format(*e["success_ci95"]),
             "fell": e["fallen_rate"], "steps to the goal": round(e["steps_to_success_mean"]),
             "ms an action": e["action_latency_ms"]}
            for run in runs for e in run.evaluations() if not e["during_training"]]


def markdown(rows: list[dict]) -> str:
    """Rows of the same keys as a Markdown table; floats to three digits."""

    def text(value) -> str:
        return f"{value:.3f}" if isinstance(value, float) else str(value)

    lines = [list(rows[0]), ["---"] * len(rows[0])] + [[text(v) for v in row.values()] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def table(rows: list[dict]):
    """`markdown`, shown as a table by a notebook."""
    from IPython.display import Markdown

    return Markdown(markdown(rows))
