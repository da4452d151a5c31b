"""Does the temperature do what it says? Learned policies on bandits whose answer is known, eta = 0 to 4.

The agents run whole: a critic learns the arms' values from rewards, an expectile of 1/2 makes V their mean under the
data, and the weights of the rule train the policy. The untruncated rule exp(eta A) must reach the optimum of the
KL-regularised problem, Eq. 14's truncated rule its own fixed point; one network trained for all temperatures must do
at each what the separate ones do.
"""

from pathlib import Path

import numpy as np
import torch

from ..bandits import DISCRETE, MIXTURE
from ..fitting import fit_agent

BANDITS = {"discrete": DISCRETE, "mixture": MIXTURE}
RULES = {"exponential": "optimum", "truncated": "truncated"}  # weight rule -> the bandit's closed form
KINDS = (("gtp-sd", "discrete", "exponential"), ("gtp-sd", "mixture", "exponential"),
         ("gtp-sd", "discrete", "truncated"), ("gtp", "discrete", "exponential"))  # method, bandit, weight rule
ETAS = (0.0, 0.5, 1.0, 2.0, 4.0)
STEPS, PULLS, SAMPLES, SAMPLING_STEPS = 2_500, 50_000, 20_000, 2
SETTINGS = {"width": 64, "sigma_max": 10.0, "lr": 2e-3, "lr_schedule": "cosine", "critic_lr": 1e-3,
            "value": "expectile", "expectile": 0.5, "eta_max": 6.0, "weight_cap": 1e4}  # 100 would bind at eta = 4


def cells(seeds: int, folder: Path) -> list[dict]:
    """For each kind of run: a policy for each temperature, and one for all (eta None), with three times the updates."""
    return [{"method": method, "bandit": bandit, "rule": rule, "eta": eta, "steps": STEPS * (3 if eta is None else 1),
             "settings": SETTINGS, "seed": seed}
            for seed in range(seeds) for method, bandit, rule in KINDS
            for eta in (*ETAS, None) if not (eta == 0 and rule == "truncated")]  # at eta = 0 the rules are one


def measure(cell: dict) -> dict:
    """Trains one agent; the shares of the arms among its samples at its temperature, or at each of them."""
    bandit, generator = BANDITS[cell["bandit"]], torch.Generator().manual_seed(cell["seed"])
    action, value, _ = bandit.sample(PULLS, generator)
    nowhere = torch.zeros(PULLS, 1)
    data = {"obs": nowhere, "next_obs": nowhere, "action": action, "reward": value, "terminal": torch.ones(PULLS)}
    every = cell["eta"] is None
    agent = fit_agent(data, cell["method"], cell["steps"], cell["seed"], eta=1.0 if every else cell["eta"],
                      eta_conditioned=every, weight_rule=cell["rule"], **cell["settings"])
    shares = {}
    for eta in ETAS if every else [cell["eta"]]:
        samples = agent.policy.sample(obs=nowhere[:SAMPLES], steps=SAMPLING_STEPS, generator=generator,
                                      eta=eta if every else None)
        shares[str(eta)] = bandit.shares(samples).tolist()
    return {"shares": shares}


def pairs(rows: list[dict], **wanted) -> list[tuple[float, bool, np.ndarray, np.ndarray]]:
    """(eta, one network for all?, learned shares (M,), closed form (M,)) of the runs with these settings."""
    found = []
    for row in rows:
        cell = row["cell"]
        if all(cell[key] == value for key, value in wanted.items()):
            truth = getattr(BANDITS[cell["bandit"]], RULES[cell["rule"]])
            found += [(float(eta), cell["eta"] is None, np.array(shares), truth(float(eta)).numpy())
                      for eta, shares in row["result"]["shares"].items()]
    return found


def tables(rows: list[dict]) -> dict[str, list[dict]]:
    """The best arm's probability beside its closed form, and the largest error of any arm in the mean over seeds."""
    from .report import mean_interval

    found = {}
    for bandit in BANDITS:
        table = []
        for method, rule in [(kind[0], kind[2]) for kind in KINDS if kind[1] == bandit]:
            for every in (False, True):
                for eta in ETAS:
                    runs = [p for p in pairs(rows, bandit=bandit, method=method, rule=rule)
                            if p[:2] == (eta, every)]
                    if runs:
                        shares, truth = np.stack([r[2] for r in runs]), runs[0][3]
                        table.append({"method": method, "rule": rule, "network": "one for all" if every else "its own",
                                      "eta": eta, "best arm": mean_interval(list(shares[:, -1])),
                                      "closed form": float(truth[-1]), "runs": len(runs),
                                      "largest error of the mean": float(np.abs(shares.mean(0) - truth).max()),
                                      "largest error of a run": float(np.abs(shares - truth).max())})
        found[f"{bandit} bandit"] = table
    return found


def plot(rows: list[dict]):
    """Arm probabilities against eta: closed form as lines, learned policies as points."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, constrained_layout=True)
    fine = np.linspace(0, max(ETAS), 81)
    for axis, rule in zip(axes, RULES, strict=True):
        truth = np.stack([getattr(DISCRETE, RULES[rule])(float(eta)).numpy() for eta in fine])
        lines = axis.plot(fine, truth)
        for every, marker in ((False, "o"), (True, "x")):
            for eta, one_for_all, shares, _ in pairs(rows, bandit="discrete", method="gtp-sd", rule=rule):
                if one_for_all == every:
                    for share, line in zip(shares, lines, strict=True):
                        axis.plot(eta, share, marker, color=line.get_color(), alpha=0.6)
        axis.set(title=f"{rule} rule", xlabel="eta")
    axes[0].set_ylabel("probability of each arm")
    return figure
