"""A report's rows as people read them: titled tables of text."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..book import markdown
from .report import Report
from .statistics import RESAMPLES

NONE = "-"  # stands for what is not on record


@dataclass(frozen=True)
class Table:
    """A title, a sentence on how to read it, and rows of equal keys whose values are text or whole numbers."""

    title: str
    text: str
    rows: list[dict]


def tables(report: Report) -> list[Table]:
    """The report's tables that have rows, without columns that no row fills."""
    return [replace(table, rows=_filled(table.rows)) for table in _all(report) if table.rows]


def to_markdown(report: Report) -> str:
    """All of the report's tables, and its notes."""
    parts = [f"## {table.title}\n\n{table.text}\n\n{markdown(table.rows)}" for table in tables(report)]
    if report.notes:
        parts.append("## To be minded\n\n" + "\n".join(f"* {note}" for note in report.notes))
    return "\n\n".join(parts)


def _all(report: Report) -> Iterator[Table]:
    yield Table(
        "Success at the last checkpoint",
        "Share of episodes that reach the goal. ± is Student's 95 % interval over runs: the mean of many seeds. "
        "The interval over episodes is Wilson's, all runs' episodes together: what these very policies would give. "
        "Failed runs have no score and are counted. Beside it, for the same runs: the mean of the last three "
        "evaluations while training, the best checkpoint evaluated afresh, and the highest that was seen while "
        "training, which is a choice with hindsight.",
        [{"task": row["task"], "method": row["method"], "K": row["sampling_steps"] or NONE, "runs": _runs(row),
          "success": _success(row), "episodes": row["episodes"],
          "95 % over episodes": _interval(row["interval_over_episodes"]), "last three": _number(row.get("last_three")),
          "best checkpoint": _number(row.get("best_checkpoint")), "highest seen": _number(row.get("highest_watched"))}
         for row in report.methods])
    yield Table(
        "What it takes", "Falls are per episode, steps to the goal per success; ms are the median over runs of one "
        "decision for one observation, by torch and, where `acting.FastPolicy` has the method, by that.",
        [{"task": row["task"], "method": row["method"], "K": row["sampling_steps"], "fell": _number(row["fell"]),
          "steps to the goal": _number(row["steps_to_success"], 0), "ms an action": _number(row["action_latency_ms"]),
          "ms, fast": _number(row["fast_action_latency_ms"]),
          "updates": f"{row['updates']:,}", "updates/s": _number(row["updates_per_second"], 0),
          "minutes a run": _number(row["minutes"], 1)} for row in report.methods if "updates" in row])
    yield Table(
        "Over all tasks", f"Every task counts the same. IQM is the mean of the middle half of all runs. Intervals are "
        f"95 %, from {RESAMPLES:,} bootstrap samples of the runs of each task. Methods without a score on some task "
        f"have no average.",
        [{"method": row["method"], "tasks": row["tasks"], "runs": row["runs"], "mean": _number(row["mean"]),
          "95 % of the mean": _interval(row["mean_interval"]), "IQM": _number(row["iqm"]),
          "95 % of the IQM": _interval(row["iqm_interval"]), "mean rank": _number(row["rank"], 2)}
         for row in report.averages])
    yield Table(
        "Probability of improvement", "P(X > Y): how often a run of X is better than a run of Y on the same task, ties "
        "counting half, mean over the tasks that both have. Intervals as above; one that holds 0.5 decides nothing.",
        [{"X": row["x"], "Y": row["y"], "P(X > Y)": _number(row["probability"]), "95 %": _interval(row["interval"]),
          "tasks": row["tasks"]} for row in report.improvement])
    yield Table(
        "Every setting", "All evaluations of trained policies, summed up as in the first table.",
        [{"task": row["task"], "method": row["method"], "checkpoint": row["checkpoint"], "K": row["sampling_steps"],
          "noise": _number(row["noise_scale"]), "memory": _number(row["noise_memory"]), "eta": _number(row["eta"]),
          "runs": row["runs"], "success": _success(row), "episodes": row["episodes"],
          "95 % over episodes": _interval(row["interval_over_episodes"]), "fell": _number(row["fell"]),
          "steps to the goal": _number(row["steps_to_success"], 0), "ms an action": _number(row["action_latency_ms"])}
         for row in report.evaluations])
    yield Table(
        "Beside what is published", "The authors' data are not ours: the columns are not to be compared closely.",
        [{"task": row["task"], "method": row["method"], "ours": _number(row["ours"]),
          "published": _number(row["published"]), "source": row["source"]} for row in report.published])
    yield Table("Not run", "Planned or begun, without a score.",
                [{**row, "seed": NONE if row["seed"] is None else row["seed"]} for row in report.not_run])


def _filled(rows: list[dict]) -> list[dict]:
    return [{name: row[name] for name in row if any(other[name] != NONE for other in rows)} for row in rows]


def _runs(row: dict) -> str:
    parts = [f"{row['runs']} of {row['planned']}" if row["planned"] else str(row["runs"])]
    parts += [f"{row[name]} {name}" for name in ("failed", "unfinished") if row.get(name)]
    return ", ".join(parts)


def _success(row: dict) -> str:
    if row["success"] is None:
        return NONE if row.get("failed") or row.get("unfinished") else "not run"
    interval = row["interval_over_runs"]
    half = f" ± {interval[1] - row['success']:.3f}" if interval else ""
    return f"{row['success']:.3f}{half}"


def _number(value: float | None, digits: int = 3) -> str:
    return NONE if value is None else f"{value:,.{digits}f}"


def _interval(interval: tuple[float, float] | None) -> str:
    return "{:.3f} to {:.3f}".format(*interval) if interval else NONE
