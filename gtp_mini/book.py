"""What the chapters need beside the library: their measured cost, and where shipped results lie."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from .records import Run, versions
from .remember import remembered_folder

if TYPE_CHECKING:
    from .datasets.task import Task
    from .training import TrainConfig

DATA = Path(__file__).resolve().parents[1] / "data"
COSTS = DATA / "chapters.json"  # written by tests/refresh_notebooks.py when the chapters are run


def tier(smoke, full):
    """One of two values, mostly a number of updates: the second where the environment says GTP_TIER=full.

    The smoke tier is what the book and its tests run, in about a minute a chapter; the full tier takes its time.
    ValueError for any other name of a tier.
    """
    name = os.environ.get("GTP_TIER", "smoke")
    if name not in ("smoke", "full"):
        raise ValueError(f"GTP_TIER is smoke or full, got {name!r}")
    return full if name == "full" else smoke


def shipped(name: str) -> Path:
    """A folder or file under data/, with a plain error if the checkout has none (an installed wheel does not)."""
    path = DATA / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: the book runs in a checkout of the repository, with its data/")
    return path


def made(task: "Task", transitions: int, seed: int) -> str:
    """`task.make(transitions, seed)`, or a copy of that dataset from when the book was last built; see `remember`."""
    from minari.storage import get_dataset_path

    remembered_folder(lambda: task.make(transitions, seed), get_dataset_path(task.dataset_id),
                      {"task": task.name, "transitions": transitions, "seed": seed, "mujoco": versions()["mujoco"]})
    return task.dataset_id


def trained(config: "TrainConfig", out: str) -> Run:
    """`train(config, out)`, or a copy of its folder from when the book was last built; see `remember`."""
    from .datasets.tasks import get_task
    from .datasets.transitions import load_transitions
    from .training import train

    data = load_transitions(get_task(config.task).dataset_id).fingerprint
    remembered_folder(lambda: train(config, out, progress=False), Path(out), asdict(config) | {"data": data})
    return Run.open(out)


def cost(chapter: str):
    """What running a chapter took when it was last run for the record, as Markdown."""
    from IPython.display import Markdown

    record = json.loads(COSTS.read_text()).get(chapter) if COSTS.exists() else None
    if record is None:
        return Markdown("*Not measured yet.*")
    said = (f"Running this chapter took {record['minutes']:.1f} minutes and {record['peak_mb'] / 1000:.1f} GB "
            f"of memory on {record['cores']} cores ({record['processor']}); it downloads nothing.")
    if "full" in record:
        full = record["full"]
        said += (f" With `GTP_TIER=full` set before Jupyter is started, which trains longer where a chapter "
                 f"trains, it took {full['minutes']:.1f} minutes and {full['peak_mb'] / 1000:.1f} GB.")
    return Markdown(f"*{said}*")


def source(*objects):
    """The library's own code of functions, methods or classes, coloured as the page's other code is."""
    from inspect import getsource
    from textwrap import dedent

    from IPython.display import display
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    code = "\n".join(dedent(getsource(one)) for one in objects)
    coloured = highlight(code, PythonLexer(), HtmlFormatter(cssclass="highlight"))  # colours: the page's style sheet
    display({"text/html": coloured, "text/plain": code}, raw=True)


def results(*runs: Run) -> list[dict]:
    """The recorded evaluations of finished runs, a row each, ready for `table`."""
    return [{"method": e["method"], "checkpoint": f"{e['checkpoint']}, {e['checkpoint_step']:,}",
             "K": e["sampling_steps"], "noise": f"{e['noise_scale']:g}", "episodes": e["episodes"],
             "success": e["success_rate"], "95 % interval": "{:.3f} to {:.3f}".format(*e["success_ci95"]),
             "fell": e["fallen_rate"], "steps to the goal": round(e["steps_to_success_mean"]),
             "ms an action": e["action_latency_ms"]}
            for run in runs for e in run.evaluations() if not e["during_training"]]


def provenance() -> tuple[list[dict], list[dict], list[dict], list[dict]]:
    """Where the book's numbers come from: shipped runs, files of records, parts of the study, chapters; a row each,
    ready for `table`."""
    from .study import PARTS
    from .study.records import Store
    from .sweep.records import read_records

    runs, benchmark, study = [], [], []
    for config in sorted(DATA.glob("*/config.json")):
        run = Run.open(config.parent)
        made, c = run.read_json("versions.json"), run.config
        episodes = [e["episodes"] for e in run.evaluations() if not e["during_training"]]
        runs.append({"folder": f"data/{config.parent.name}", "method": c["method"], "updates": f"{c['steps']:,}",
                     "seed": c["seed"], "episodes": min(episodes, default=0),
                     "made with": f"{made['processor']}, torch {made['torch']}, MuJoCo {made['mujoco']}",
                     "commit": made["git"]})
    for file in sorted((DATA / "benchmark").glob("*.jsonl")):
        records = read_records(file)
        made = [record["versions"] for record in records]
        benchmark.append({"file": file.name, "runs": len(records),
                          "tasks": len({r["task"] for r in records}),
                          "seeds": len({r["seed"] for r in records}),
                          "updates": f"{sum(r['updates'] for r in records):,}",
                          "hours": _rounded(sum(r["seconds"] for r in records) / 3600),
                          "processors": ", ".join(sorted({v["processor"] for v in made})),
                          "commits": len({v["git"] for v in made})})
    for part in PARTS.values():
        rows = Store(DATA / "study", part.name).rows()
        known = [row["versions"] for row in rows]
        study.append({"part": part.name, "question": part.question, "runs": len(rows),
                      "seeds": len({row["cell"].get("seed") for row in rows}),
                      "hours": _rounded(sum(row["seconds"] for row in rows) / 3600),
                      "processors": ", ".join(sorted({v["processor"] for v in known})),
                      "commits": len({v["git"] for v in known})})
    order = (DATA.parent / "book" / "_toc.yml").read_text("utf8").index
    costs = sorted(json.loads(COSTS.read_text()).items(), key=lambda item: order(item[0]))
    chapters = [{"chapter": _title(name), "minutes": _rounded(cost["minutes"]), "GB": _rounded(cost["peak_mb"] / 1000),
                 "minutes, full tier": _rounded(cost["full"]["minutes"]), "cores": cost["cores"],
                 "processor": cost["processor"]} for name, cost in costs]
    return runs, benchmark, study, chapters


def _rounded(amount: float) -> str:
    """To one digit, but never 0 of what took some time."""
    return f"{amount:.1f}" if amount >= 0.05 else "< 0.1"


def _title(chapter: str) -> str:
    """The first heading of a chapter's source."""
    text = (DATA.parent / "book" / f"{chapter}.md").read_text("utf8")
    return next(line.removeprefix("# ") for line in text.splitlines() if line.startswith("# "))


def markdown(rows: list[dict]) -> str:
    """Rows of the same keys as a Markdown table; floats to three digits."""

    def text(value) -> str:
        return f"{value:.3f}" if isinstance(value, float) else str(value)

    lines = [list(rows[0]), ["---"] * len(rows[0])] + [[text(v) for v in row.values()] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def table(rows: list[dict]):
    """`markdown`, shown as a table by a notebook."""
    from IPython.display import Markdown

    return Markdown(markdown(rows).replace(" ± ", "\u00a0±\u00a0"))  # an interval stands on one line
