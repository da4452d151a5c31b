"""Rows of numbers: runs summed up by task and method, averages over tasks, and methods two by two."""

from collections.abc import Iterable
from itertools import combinations

import numpy as np

from ..evaluation import wilson_interval
from .published import GTP, SOURCE
from .scores import Choice, Setting, final, find, last_three, trained, watched
from .statistics import (
    bootstrap_interval,
    improvement_probability,
    interquartile_mean,
    mean_over_tasks,
    student_interval,
)

Groups = dict[tuple[str, str], list[dict]]  # runs by task and label
Scores = dict[str, dict[str, np.ndarray]]  # success of each run, by label and task


def evaluation_rows(groups: Groups) -> list[dict]:
    """For each task, method and setting in which a trained policy was evaluated: what its runs say together."""
    rows = []
    for (task, label), runs in groups.items():
        found = {Setting.of(e) for run in runs for e in final(run)}
        for which in sorted(found, key=_order):
            rows.append({"task": task, "method": label} | summary(runs, which))
    return rows


def summary(runs: list[dict], which: Setting) -> dict:
    """Success over runs (mean, Student's interval) and over all their episodes (Wilson's), and what came with it.

    What is not on record is None. Falls are per episode, steps to the goal per success, the latency in milliseconds is
    the median over runs.
    """
    found = [e for e in (find(run, which) for run in runs) if e]
    rates = np.array([e["success_rate"] for e in found])
    episodes = sum(e["episodes"] for e in found)
    wins = [round(e["success_rate"] * e["episodes"]) for e in found]
    steps = [e["steps_to_success_mean"] * n for e, n in zip(found, wins, strict=True) if n]
    falls = [e["fallen_rate"] * e["episodes"] for e in found if "fallen_rate" in e]
    return which._asdict() | {
        "runs": len(found), "success": float(rates.mean()) if found else None,
        "interval_over_runs": student_interval(rates),
        "episodes": episodes, "interval_over_episodes": wilson_interval(sum(wins), episodes) if found else None,
        "fell": sum(falls) / episodes if falls else None, "steps_to_success": sum(steps) / sum(wins) if steps else None,
        "action_latency_ms": _median(e.get("action_latency_ms") for e in found),
        "fast_action_latency_ms": _median(e.get("fast_action_latency_ms") for e in found)}


def method_rows(groups: Groups, choice: Choice) -> list[dict]:
    """For each task and method: the score that counts, what else was seen on the way there, and what it cost."""
    rows = []
    for (task, label), runs in groups.items():
        best = [e for e in (find(run, choice.setting(run, "best")) for run in runs) if e]
        whole = [run for run in runs if trained(run)]
        seconds = sum(run["seconds"] for run in runs)
        rows.append({"task": task, "method": label} | summary(runs, choice.setting(runs[0])) | {
            "failed": sum(run["failed"] is not None for run in runs),
            "unfinished": sum(run["failed"] is None for run in runs) - len(whole),
            "last_three": _mean(last_three(run) for run in runs),
            "best_checkpoint": _mean(e["success_rate"] for e in best),
            "highest_watched": _mean(max(rates, default=None) for rates in map(watched, whole)),
            "updates": runs[0]["config"]["steps"],
            "updates_per_second": sum(run["updates"] for run in runs) / seconds if seconds else None,
            "minutes": _mean(run["seconds"] / 60 for run in whole)})
    return rows


def scores(groups: Groups, choice: Choice) -> Scores:
    """The success of every run that has been evaluated as chosen; nothing for a task without such a run."""
    result: Scores = {}
    for (task, label), runs in groups.items():
        found = [e["success_rate"] for run in runs if (e := choice.score(run))]
        if found:
            result.setdefault(label, {})[task] = np.array(found)
    return result


def average_rows(found: Scores) -> list[dict]:
    """For each method with scores on all tasks that any has scores on: mean and interquartile mean over tasks, and its
    mean rank among these methods (1 is best, equals share). A method without a score somewhere has no average: it would
    be another one."""
    from scipy.stats import rankdata

    tasks = {task for by_task in found.values() for task in by_task}
    whole = [label for label in found if all(task in found[label] for task in tasks)]
    ranks = [rankdata([-found[label][task].mean() for label in whole]) for task in tasks]
    rows = []
    for label, by_task in found.items():
        row = {"method": label, "tasks": len(by_task), "runs": sum(map(len, by_task.values()))}
        if label in whole:
            samples = list(by_task.values())
            row |= {"mean": float(mean_over_tasks(samples)),
                    "mean_interval": bootstrap_interval(mean_over_tasks, samples),
                    "iqm": float(interquartile_mean(samples)),
                    "iqm_interval": bootstrap_interval(interquartile_mean, samples),
                    "rank": float(np.mean([rank[whole.index(label)] for rank in ranks]))}
        else:
            row |= dict.fromkeys(("mean", "mean_interval", "iqm", "iqm_interval", "rank"))
        rows.append(row)
    return rows


def improvement_rows(found: Scores) -> list[dict]:
    """P(X > Y) for every two methods, over the tasks on which both have scores."""
    rows = []
    for x, y in combinations(found, 2):
        tasks = [task for task in found[x] if task in found[y]]
        if tasks:
            samples = [[found[label][task] for task in tasks] for label in (x, y)]
            rows.append({"x": x, "y": y, "probability": float(improvement_probability(*samples)),
                         "interval": bootstrap_interval(improvement_probability, *samples), "tasks": len(tasks)})
    return rows


def published_rows(rows: list[dict]) -> list[dict]:
    """The paper's score beside our runs of its method, where both are there."""
    return [{"task": row["task"], "method": row["method"], "ours": row["success"], "published": GTP[row["task"]] / 100,
             "source": SOURCE} for row in rows
            if row["method"] == "gtp" and row["task"] in GTP and row["success"] is not None]


def _order(which: Setting) -> tuple:
    """The last checkpoint first, all of the noise first, K going up."""
    return (which.checkpoint != "last", which.eta is not None, which.eta or 0.0, -which.noise_scale, which.noise_memory,
            which.sampling_steps)


def _median(values: Iterable[float | None]) -> float | None:
    """The median of what is on record."""
    found = [value for value in values if value is not None]
    return float(np.median(found)) if found else None


def _mean(values: Iterable[float | None]) -> float | None:
    good = [value for value in values if value is not None]
    return float(np.mean(good)) if good else None
