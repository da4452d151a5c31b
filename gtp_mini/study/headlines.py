"""The study in a few short tables, for the README and the book: from the records, as all tables."""

from pathlib import Path

import numpy as np

from . import improvement, quality, temperature
from .bias import fixed_point
from .records import Store
from .report import mean_interval


def bias_law(folder: Path) -> list[dict]:
    """Generated / true standard deviation of one-step samples, beside the fixed point of the loss."""
    rows, table = Store(folder, "bias").rows(), []
    for u, n in sorted({(r["cell"]["u"], r["cell"]["intervals"]) for r in rows}):
        line = {"u": u, "N": n}
        for data in ("gaussian", "two-points"):
            found = [r["result"]["std_ratio"]["1"] for r in rows
                     if (r["cell"]["data"], r["cell"]["u"], r["cell"]["intervals"]) == (data, u, n)]
            line |= {f"{data}, theory": fixed_point(data, n, u == "uniform"), f"{data}, trained": mean_interval(found)}
        table.append(line)
    return table


def few_steps(folder: Path) -> list[dict]:
    """Sliced W1 of K-step samples, mean over the five toys, with the interval over seeds; last the floor."""
    rows = Store(folder, "quality").rows()
    costs = Store(folder, "costs").rows()[-1]["result"]
    table = []
    for name in quality.METHODS:
        line = {"method": name, "ms an update": costs[name]}
        for k in quality.SAMPLING_STEPS:
            line[f"K = {k}"] = mean_interval(_over_toys(rows, name, k, equal_time=False))
        table.append(line | {"K = 2, equal time": mean_interval(_over_toys(rows, name, 2, equal_time=True))})
    floor = float(np.mean([quality.floor(toy_name) for toy_name in quality.TOYS]))
    blank = dict.fromkeys(table[0], "") if table else {}
    return table + [blank | {"method": "*floor*"} | {key: f"{floor:.3f}" for key in blank if key.startswith("K")}]


def _over_toys(rows: list[dict], name: str, k: int, equal_time: bool) -> list[float | None]:
    """The mean over toys of each seed that is on record for all of them; None where a run failed."""
    per_toy = []
    for toy_name in quality.TOYS:
        runs = quality.runs(rows, name, toy_name, equal_time)
        per_toy.append({run["cell"]["seed"]: run["result"]["samples"][str(k)]["sw1"] for run in runs})
    seeds = set.intersection(*map(set, per_toy))
    of_seed = [[values[seed] for values in per_toy] for seed in sorted(seeds)]
    return [None if None in values else float(np.mean(values)) for values in of_seed]


def temperatures(folder: Path) -> list[dict]:
    """How far the arms' learned probabilities are from the closed form: the largest error, over arms and temperatures,
    of the mean over seeds."""
    rows, table = Store(folder, "temperature").rows(), []
    for method, bandit, rule in temperature.KINDS:
        line = {"method": method, "bandit": bandit, "rule": rule}
        for label, every in (("its own network", False), ("one for all", True)):
            pairs = temperature.pairs(rows, method=method, bandit=bandit, rule=rule)
            errors = []
            for eta in temperature.ETAS:
                found = [(shares, truth) for e, one_for_all, shares, truth in pairs if (e, one_for_all) == (eta, every)]
                if found:
                    errors.append(np.abs(np.mean([shares for shares, _ in found], axis=0) - found[0][1]).max())
            line[label] = float(max(errors)) if errors else "-"
        table.append(line)
    return table


def improvers(folder: Path) -> list[dict]:
    """Return at K = 2 in both worlds, alone and as the best of 16 candidates; seconds of training."""
    rows, table = Store(folder, "improvement").rows(), []
    for name in improvement.AGENTS:
        mine = [r for r in rows if r["cell"]["name"] == name]
        if not mine:
            continue
        line = {"agent": name}
        for task in improvement.TASKS:
            for candidates in (1, improvement.CANDIDATES):
                found = [improvement.at(r, 2, candidates) for r in mine if r["cell"]["task"] == task]
                label = f"{task}, best of {candidates}" if candidates > 1 else task
                line[label] = mean_interval([e and e["return_mean"] for e in found]) if any(found) else "-"
        seconds = [r["result"]["train_seconds"] for r in mine if "train_seconds" in r["result"]]
        table.append(line | {"seconds": f"{np.mean(seconds):.0f}"})
    return table
