"""Who improves on the data? Every agent in two small worlds: goals of different value, and a maze to stitch through.

`strength` finds, with one seed of its own, how strongly each agent should listen to its critic in each world;
`improvement` trains all agents with that, several seeds. All have the same data, updates, networks, critic
and learning rate.
"""

import time
from pathlib import Path

import numpy as np
import torch

from ..agents.best_of import BestOfN, BestOfNConfig
from ..datasets.tasks import get_task
from ..evaluation import evaluate
from ..fitting import fit_agent
from .records import Store

TASKS = ("multigoal-values", "pointmaze")
CLONES = {name: (name, [{}]) for name in ("gaussian-bc", "ddpm", "flow-matching", "consistency", "gtp-bc", "gtp-sd-bc")}
VALUES = {"value": "expectile", "expectile": 0.9}  # IQL's, for mazes
IMPROVERS: dict[str, tuple[str, list[dict]]] = {  # name in the tables: method, and what its own dial may be
    "gtp": ("gtp", [{"eta": eta} for eta in (1.0, 3.0, 10.0)]),  # Eq. 14, V from the policy's own actions
    "gtp, exponential": ("gtp", [VALUES | {"weight_rule": "exponential", "eta": eta} for eta in (3.0, 10.0, 30.0)]),
    "gtp-sd, Eq. 14": ("gtp-sd", [{"value": "policy", "weight_rule": "truncated", "eta": eta}
                                  for eta in (1.0, 3.0, 10.0)]),
    "gtp-sd": ("gtp-sd", [{"eta": eta} for eta in (3.0, 10.0, 30.0)]),
    "fawac": ("fawac", [{"eta": eta} for eta in (3.0, 10.0, 30.0)]),
    "iql": ("iql", [VALUES | {"eta": eta} for eta in (3.0, 10.0, 30.0)]),
    "idql": ("idql", [{"expectile": expectile} for expectile in (0.7, 0.9, 0.97)]),
    "diffusion-ql": ("diffusion-ql", [{"q_weight": weight} for weight in (0.1, 1.0, 5.0)]),
    "consistency-ac": ("consistency-ac", [{"q_weight": weight} for weight in (0.1, 1.0, 5.0)]),
    "fql": ("fql", [{"alpha": alpha} for alpha in (1.0, 10.0, 100.0)]),
    "dipo-offline": ("dipo-offline", [{"action_steps": steps} for steps in (1, 5, 20)]),
}
AGENTS = CLONES | IMPROVERS
STEPS, WIDTH, LR, CRITIC_LR = 4_000, 64, 1e-3, 3e-4
EPISODES, CANDIDATES, TUNING_SEED = 100, 16, 100
SAMPLING_STEPS = (1, 2, 5)
# K and number of candidates at which an agent's strength is chosen: chains are trained for five steps, IDQL is a choice
CHOSEN_AT = dict.fromkeys(IMPROVERS, (2, 1)) | {"diffusion-ql": (5, 1), "dipo-offline": (5, 1), "idql": (5, CANDIDATES)}


def prepare() -> None:
    """Makes the data of both worlds if they are missing."""
    from ..datasets.store import list_datasets

    for name in TASKS:
        task = get_task(name)
        if task.dataset_id not in list_datasets():
            task.make()


def strength_cells(seeds: int, folder: Path) -> list[dict]:
    return [_cell(task, name, TUNING_SEED, settings) | {"at": [list(CHOSEN_AT[name])]}
            for task in TASKS for name, (_, choices) in IMPROVERS.items() for settings in choices]


def cells(seeds: int, folder: Path) -> list[dict]:
    """Every agent in both worlds, with the strength that was chosen for it."""
    store = Store(folder, "strength")
    if store.missing(strength_cells(seeds, folder)):
        raise ValueError("the part improvement needs the part strength first: gtp-mini study strength improvement")
    chosen = best_strengths(store.rows())
    return [_cell(task, name, seed, chosen.get((task, name), {}))
            for seed in range(seeds) for task in TASKS for name in AGENTS]


def _cell(task: str, name: str, seed: int, settings: dict) -> dict:
    shared = {"width": WIDTH, "lr": LR} | ({"critic_lr": CRITIC_LR} if name in IMPROVERS else {})
    return {"task": task, "name": name, "method": AGENTS[name][0], "seed": seed, "settings": settings, "shared": shared,
            "steps": STEPS}


def measure(cell: dict) -> dict:
    """Trains an agent and evaluates it for each K, alone and as the best of 16 candidates by its critic; or only where
    the cell says, at [[K, candidates], ...]."""
    from ..datasets.transitions import load_transitions

    task = get_task(cell["task"])
    found = load_transitions(task.dataset_id)
    data = {"obs": found.obs, "action": found.action}
    settings = cell["shared"] | cell["settings"]
    if cell["name"] in IMPROVERS:
        data |= {"reward": found.reward + task.reward_shift, "next_obs": found.next_obs, "terminal": found.terminal}
        settings = {"gamma": task.gamma} | settings
    start = time.process_time()
    try:
        agent = fit_agent(data, cell["method"], cell["steps"], cell["seed"], **settings)
    except RuntimeError as error:  # diverged: that is a result
        return {"failed": str(error)}
    seconds = time.process_time() - start
    policies, wanted = {1: agent.policy}, [[k, 1] for k in SAMPLING_STEPS]
    if cell["name"] in IMPROVERS:
        policies[CANDIDATES] = BestOfN(agent.policy, agent.values.target_critic, BestOfNConfig(CANDIDATES))
        wanted += [[k, CANDIDATES] for k in SAMPLING_STEPS[1:]]
    rows = torch.randint(len(found.obs), (5000,), generator=torch.Generator().manual_seed(0))
    evaluations = []
    for k, candidates in cell.get("at", wanted):
        policy = policies[candidates]
        result = evaluate(policy, task, EPISODES, k, seed=cell["seed"]).summary()
        action = policy.sample(obs=found.obs[rows], steps=k, generator=torch.Generator().manual_seed(1))
        ratio = float(action.clamp(-1, 1).std(0).norm() / found.action[rows].std(0).norm())
        evaluations.append({"K": k, "candidates": candidates, "std_ratio": ratio} | {
            name: result.get(name) for name in ("return_mean", "success_rate", "episode_length_mean",
                                                "action_latency_ms", "goal_shares")})
    return {"train_seconds": seconds, "evaluations": evaluations}


def at(row: dict, k: int, candidates: int) -> dict | None:
    """A run's evaluation at K and so many candidates; None if the run failed or has no critic to choose by."""
    return next((e for e in row["result"].get("evaluations", []) if (e["K"], e["candidates"]) == (k, candidates)), None)


def best_strengths(rows: list[dict]) -> dict[tuple[str, str], dict]:
    """The settings with the highest return of each (task, name); of equals the shorter episodes."""
    best: dict[tuple[str, str], tuple[tuple, dict]] = {}
    for row in rows:
        key = row["cell"]["task"], row["cell"]["name"]
        found = at(row, *CHOSEN_AT[key[1]])
        score = (found["return_mean"], -found["episode_length_mean"]) if found else (-np.inf, 0)
        if key not in best or score > best[key][0]:
            best[key] = (score, row["cell"]["settings"])
    return {key: settings for key, (_, settings) in best.items()}


def strength_tables(rows: list[dict]) -> dict[str, list[dict]]:
    return {f"{task}, one seed": [
        {"agent": (name := r["cell"]["name"]), "K, candidates": "{}, {}".format(*CHOSEN_AT[name]),
         "settings": ", ".join(f"{k} = {v}" for k, v in r["cell"]["settings"].items()),
         "return": e["return_mean"] if (e := at(r, *CHOSEN_AT[name])) else float("nan"),
         "success": e["success_rate"] if e else float("nan")}
        for r in rows if r["cell"]["task"] == task] for task in TASKS}


def tables(rows: list[dict]) -> dict[str, list[dict]]:
    """For each world, and one candidate and sixteen: return, success, shares, spread, cost."""
    from .report import mean_interval

    found = {}
    for task in TASKS:
        for candidates in (1, CANDIDATES):
            table = []
            for name in AGENTS:
                runs = [r for r in rows if (r["cell"]["task"], r["cell"]["name"]) == (task, name)]
                by_k = {k: [at(r, k, candidates) for r in runs] for k in SAMPLING_STEPS}
                if not any(by_k[2]):
                    continue
                line = {"agent": name, "settings": ", ".join(f"{k} = {v}"
                                                                for k, v in runs[0]["cell"]["settings"].items())}
                for k in [k for k in SAMPLING_STEPS if any(by_k[k])]:
                    line[f"return, K = {k}"] = mean_interval([e and e["return_mean"] for e in by_k[k]])
                two = [e for e in by_k[2] if e]
                line["success, K = 2"] = mean_interval([e["success_rate"] for e in two])
                line["steps, K = 2"] = mean_interval([e["episode_length_mean"] for e in two])
                if two[0]["goal_shares"]:
                    shares = np.mean([e["goal_shares"] for e in two], axis=0)
                    line["goals, K = 2"] = " ".join(f"{share:.2f}" for share in shares)
                line["std ratio, K = 2"] = mean_interval([e["std_ratio"] for e in two])
                whole = [r["result"] for r in runs if "failed" not in r["result"]]
                line["seconds"] = float(np.mean([result["train_seconds"] for result in whole]))
                line["ms an action, K = 2"] = float(np.median([e["action_latency_ms"] for e in two]))
                table.append(line | {"updates": runs[0]["cell"]["steps"], "seeds": len(runs)})
            if table:
                found[f"{task}, {candidates} candidate{'s' * (candidates > 1)} an action"] = table
    return found


def plot(rows: list[dict]):
    """Return at K = 2 of every run, a panel a world."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(TASKS), figsize=(10, 4.2), constrained_layout=True)
    names = list(AGENTS)
    for axis, task in zip(axes, TASKS, strict=True):
        for candidates, marker, colour in ((1, "o", "C0"), (CANDIDATES, "^", "C1")):
            points = [(names.index(r["cell"]["name"]), e["return_mean"]) for r in rows
                      if r["cell"]["task"] == task and (e := at(r, 2, candidates))]
            if points:
                axis.plot(*zip(*points, strict=True), marker, color=colour, alpha=0.5,
                          label=f"{candidates} candidate{'s' * (candidates > 1)}")
        axis.set_xticks(range(len(names)), names, rotation=60, ha="right")
        axis.set(title=task, ylabel="return, K = 2")
    axes[0].legend()
    return figure
