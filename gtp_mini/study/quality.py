"""How good are samples in few steps? Every objective on five toy densities, at equal updates and at equal time.

Three parts that build on one another: `costs` measures what an update of each method takes; `tuning` finds each
method's best of three learning rates and two sigma_max on two of the toys; `quality` trains all of them, several seeds.
"""

import time
from pathlib import Path

import numpy as np
import torch

from ..datasets.toys import toy
from ..fitting import fit_agent
from .records import Store

METHODS: dict[str, tuple[str, dict]] = {  # name in the tables: method and settings
    "diffusion": ("diffusion", {}),
    "flow matching": ("flow-matching", {}),
    "consistency": ("consistency", {}),
    "shortcut": ("shortcut", {}),
    "MeanFlow": ("meanflow", {"adaptive": False}),  # its row weights learn another map in few dimensions
    "GTP, EMA teacher": ("gtp-bc", {"ema_teacher": True}),  # as Eq. 17 prints it
    "GTP": ("gtp-bc", {}),
    "GTP-SD": ("gtp-sd-bc", {"distillation": "progressive"}),
    "GTP-SD, Lagrangian": ("gtp-sd-bc", {"distillation": "lagrangian"}),
    # a smaller weight than the others': its targets hold derivatives of the model. Ours
    "GTP-SD, Eulerian 0.3": ("gtp-sd-bc", {"distillation": "eulerian", "distillation_weight": 0.3}),
}
REFERENCE = "GTP-SD"  # whose time the others get in the comparison at equal time
TOYS = ("two-points", "ring", "two-moons", "checkerboard", "spiral")
STEPS, WIDTH, LEARNING_RATES, SIGMA_MAX = 4_000, 128, (1e-3, 2e-3, 4e-3), (80.0, 10.0)
SCHEDULE = "cosine"  # of every method's learning rate
TUNING_SEED, TUNING_TOYS = 100, ("ring", "two-moons")
SAMPLING_STEPS = (1, 2, 5, 10)
TRAIN_SAMPLES, TEST_SAMPLES, PROJECTIONS = 50_000, 10_000, 200


# ---- costs

def cost_cells(seeds: int, folder: Path) -> list[dict]:
    return [{"width": WIDTH, "batch": 256, "updates": 200, "rounds": 7}]


def measure_costs(cell: dict) -> dict:
    """Milliseconds of one core for an update of each method. Processor time, so that other load does not count; the
    median of rounds that take turns."""
    data = {"action": toy("ring", 5000)}
    times = {name: [] for name in METHODS}
    for _ in range(cell["rounds"]):
        for name, (method, settings) in METHODS.items():
            stamps: list[float] = []
            fit_agent(data, method, cell["updates"], batch_size=cell["batch"], width=cell["width"],
                      callback=lambda step, agent, stamps=stamps: stamps.append(time.process_time()), **settings)
            times[name].append(1000 * float(np.median(np.diff(stamps))))
    return {name: float(np.median(ms)) for name, ms in times.items()}


def cost_tables(rows: list[dict]) -> dict[str, list[dict]]:
    costs = rows[-1]["result"]
    return {"Time of an update": [{"method": name, "ms": ms, "relative": ms / costs[REFERENCE]}
                                  for name, ms in costs.items()]}


# ---- tuning

def tuning_cells(seeds: int, folder: Path) -> list[dict]:
    """Every method gets every pair, on each of the tuning toys."""
    return [_cell(name, toy_name, TUNING_SEED, lr, sigma_max, STEPS) for toy_name in TUNING_TOYS
            for lr in LEARNING_RATES for sigma_max in SIGMA_MAX for name in METHODS]


def best_settings(rows: list[dict]) -> dict[str, dict]:
    """Each method's learning rate and sigma_max with the least mean distance over the toys and all K. Failures are no
    candidates."""
    scores = _scores(rows)
    best = {}
    for name in dict.fromkeys(name for name, _, _ in scores):
        score, lr, sigma_max = min((score, *pair) for (other, *pair), score in scores.items() if other == name)
        if np.isfinite(score):
            best[name] = {"lr": lr, "sigma_max": sigma_max}
    return best


def tuning_tables(rows: list[dict]) -> dict[str, list[dict]]:
    chosen, scores = best_settings(rows), _scores(rows)
    table = [{"method": name} | {f"lr {lr:g}, sigma_max {sigma:g}": scores.get((name, lr, sigma), "not run")
                                 for lr in LEARNING_RATES for sigma in SIGMA_MAX}
             | {"chosen": "lr {lr:g}, sigma_max {sigma_max:g}".format(**chosen[name])} for name in chosen]
    return {f"Mean sliced W1 over K = 1, 2, 5, 10 on {' and '.join(TUNING_TOYS)}, one seed": table}


def _scores(rows: list[dict]) -> dict[tuple[str, float, float], float]:
    """(method, learning rate, sigma_max) -> mean distance of its samples; infinite if any run failed."""
    found: dict[tuple[str, float, float], list[float]] = {}
    for row in rows:
        settings = row["cell"]["settings"]
        distances = [m["sw1"] for m in row["result"]["samples"].values()]
        found.setdefault((row["cell"]["name"], settings["lr"], settings["sigma_max"]), []).append(
            float("inf") if None in distances else float(np.mean(distances)))
    return {key: float(np.mean(values)) for key, values in found.items()}


# ---- quality

def cells(seeds: int, folder: Path) -> list[dict]:
    """Every method, toy and seed, with the settings that tuning chose: at equal updates, and at equal time where that
    differs by more than a tenth."""
    tuning, costs = Store(folder, "tuning"), Store(folder, "costs").rows()
    if tuning.missing(tuning_cells(seeds, folder)) or not costs:
        raise ValueError("the part quality needs the parts costs and tuning first: gtp-mini study costs tuning quality")
    chosen, cost = best_settings(tuning.rows()), costs[-1]["result"]
    same_time = {name: round(STEPS * cost[REFERENCE] / cost[name] / 100) * 100 for name in METHODS}
    return [_cell(name, toy_name, seed, **chosen[name], updates=updates)
            for seed in range(seeds) for toy_name in TOYS for name in METHODS
            for updates in ((STEPS, same_time[name]) if abs(same_time[name] / STEPS - 1) > 0.1 else (STEPS,))]


def _cell(name: str, toy_name: str, seed: int, lr: float, sigma_max: float, updates: int) -> dict:
    method, settings = METHODS[name]
    settings = settings | {"lr": lr, "lr_schedule": SCHEDULE, "sigma_max": sigma_max, "width": WIDTH}
    return {"name": name, "toy": toy_name, "seed": seed, "updates": updates, "method": method, "settings": settings}


def measure(cell: dict) -> dict:
    """Trains a model; the processor seconds that took, and the samples' distance and spread for each K."""
    import ot

    data, test = toy(cell["toy"], TRAIN_SAMPLES, seed=1), toy(cell["toy"], TEST_SAMPLES, seed=2)
    start = time.process_time()
    policy = fit_agent({"action": data}, cell["method"], cell["updates"], cell["seed"], **cell["settings"]).policy
    seconds, samples = time.process_time() - start, {}
    for k in SAMPLING_STEPS:
        x = policy.sample(TEST_SAMPLES, steps=k, generator=torch.Generator().manual_seed(cell["seed"]))
        good = bool(x.isfinite().all()) and float(x.abs().max()) < 1e3
        sw1 = ot.sliced_wasserstein_distance(x.numpy(), test.numpy(), n_projections=PROJECTIONS, p=1, seed=0)
        samples[str(k)] = {"sw1": float(sw1) if good else None,
                           "std_ratio": float(x.std(0).norm() / test.std(0).norm()) if good else None}
    return {"seconds": seconds, "samples": samples}


def floor(toy_name: str) -> float:
    """Sliced W1 between two sets of the toy's own samples, as many as are compared: what perfection measures."""
    import ot

    one, two = (toy(toy_name, TEST_SAMPLES, seed=seed).numpy() for seed in (2, 3))
    return float(ot.sliced_wasserstein_distance(one, two, n_projections=PROJECTIONS, p=1, seed=0))


def runs(rows: list[dict], name: str, toy_name: str, equal_time: bool) -> list[dict]:
    """The records of a method's runs on a toy at one of the two budgets."""
    mine = [r for r in rows if r["cell"]["name"] == name and r["cell"]["toy"] == toy_name]
    other = [r for r in mine if r["cell"]["updates"] != STEPS]
    return [r for r in mine if (r in other) == bool(equal_time and other)]


def tables(rows: list[dict]) -> dict[str, list[dict]]:
    """For each toy and budget: sliced W1 and spread at each K, mean and 95 % interval over the seeds."""
    from .report import mean_interval

    found = {}
    for toy_name in TOYS:
        for equal_time in (False, True):
            table = []
            for name in METHODS:
                if results := [r["result"] for r in runs(rows, name, toy_name, equal_time)]:
                    line = {"method": name}
                    for what, label in (("sw1", "W1"), ("std_ratio", "std")):
                        line |= {f"{label}, K = {k}": mean_interval([run["samples"][str(k)][what] for run in results])
                                 for k in SAMPLING_STEPS}
                    table.append(line | {"seconds": float(np.mean([run["seconds"] for run in results])),
                                         "seeds": len(results)})
            if table:
                budget = f"the time of {STEPS:,} updates of {REFERENCE}" if equal_time else f"{STEPS:,} updates"
                found[f"{toy_name}, {budget}; floor of W1 {floor(toy_name):.4f}"] = table
    return found


def plot(rows: list[dict]):
    """Sliced W1 against K, a panel a toy, at equal updates."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(TOYS), figsize=(3.2 * len(TOYS), 3.6), sharey=True, constrained_layout=True)
    for axis, toy_name in zip(axes, TOYS, strict=True):
        for i, name in enumerate(METHODS):
            results = [r["result"] for r in runs(rows, name, toy_name, equal_time=False)]
            values = [[result["samples"][str(k)]["sw1"] for result in results] for k in SAMPLING_STEPS]
            if results and all(None not in v for v in values):
                axis.plot(SAMPLING_STEPS, [np.mean(v) for v in values], ".-", color=f"C{i}", label=name)
        axis.axhline(floor(toy_name), color="grey", linestyle=":")
        axis.set(xscale="log", yscale="log", title=toy_name, xlabel="K")
        axis.set_xticks(SAMPLING_STEPS, SAMPLING_STEPS)
    axes[0].set_ylabel("sliced W1")
    axes[-1].legend(fontsize=7)
    return figure
