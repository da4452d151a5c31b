"""How much does the score approximation shrink what is learnt? Trained models beside the fixed point of their loss.

GTP's L_cons teaches Phi(x_t, t, s) with Phi(a + u z, u, s). Given x_t the point a + u z is random, so at the optimum
every hop averages over it, and the samples lose spread. For N adjacent levels the loss vanishes as N grows; for u drawn
anywhere between s and t it does not.
"""

from functools import cache
from pathlib import Path

import numpy as np
import torch

from ..fitting import fit_agent
from ..times import karras_grid

STEPS, SAMPLES = 10_000, 20_000
SETTINGS = {"width": 64, "lr": 2e-3, "lr_schedule": "cosine"}
GAUSSIAN_STD, HALF = 0.5, 0.7  # of the two kinds of data: N(0, 0.5^2), and two points at -0.7 and 0.7
INTERVALS = (10, 20, 40, 80, 160)


def cells(seeds: int, folder: Path) -> list[dict]:
    """Two kinds of data, five grids with u adjacent, and u uniform on the coarsest and the finest."""
    grids = [("adjacent", n) for n in INTERVALS] + [("uniform", n) for n in (10, 160)]
    return [{"data": data, "u": u, "intervals": n, "steps": STEPS, "settings": SETTINGS, "seed": seed}
            for seed in range(seeds) for data in ("gaussian", "two-points") for u, n in grids]


def measure(cell: dict) -> dict:
    """Trains one model; standard deviation of its samples over that of the data, for K = 1, 2, 5, 10.

    The grid doubles from 10 to N as in the published curriculum, so that a fine grid has a chance to converge.
    """
    generator = torch.Generator().manual_seed(cell["seed"])
    noise = torch.randn(SAMPLES, 1, generator=generator)
    data = GAUSSIAN_STD * noise if cell["data"] == "gaussian" else HALF * noise.sign()
    agent = fit_agent({"action": data}, "gtp-bc", cell["steps"], cell["seed"], u=cell["u"],
                      first_intervals=min(10, cell["intervals"]), last_intervals=cell["intervals"], **cell["settings"])
    return {"std_ratio": {str(k): float(agent.policy.sample(SAMPLES, steps=k, generator=generator).std() / data.std())
                          for k in (1, 2, 5, 10)}}


@cache
def fixed_point(data: str, intervals: int, uniform: bool = False, points: int = 501) -> float:
    """Standard deviation of one-step samples over that of the data, at the optimum of L_cons with s = 0.

    Phi(x, t_n) = mean over u and over the posterior of a of Phi(a + (u / t_n) (x - a), u), from the exact denoiser at
    sigma_min upwards; the function is kept at `points` places and interpolated, which costs about 0.001. For Gaussian
    data and adjacent u the answer is the product of cos(alpha_i - alpha_{i+1}), alpha = arctan(t / std).
    """
    levels = karras_grid(intervals).double().numpy()
    spread = GAUSSIAN_STD if data == "gaussian" else HALF
    scales = np.sqrt(levels**2 + spread**2)
    y = 8 * np.sinh(np.linspace(-7, 7, points)) / np.sinh(7)  # in standard deviations of x_t; close around 0, where
    # the map of two points turns from one to the other
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)

    def posterior(x: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        """Values of a and their probabilities given x_t = x, (points, J) each."""
        if data == "gaussian":
            total = spread**2 + t**2
            return (spread**2 / total * x[:, None] + spread * t / np.sqrt(total) * nodes,
                    np.broadcast_to(weights / weights.sum(), (points, len(nodes))))
        right = 1 / (1 + np.exp(np.clip(-2 * HALF * x / t**2, -700, 700)))
        return np.broadcast_to([-HALF, HALF], (points, 2)), np.stack([1 - right, right], 1)

    a, p = posterior(y * scales[0], levels[0])
    maps = [(a * p).sum(1)]  # Phi(y scales_n, t_n, 0)
    for n in range(1, intervals + 1):
        x, t = y * scales[n], levels[n]
        a, p = posterior(x, t)
        start = 0 if uniform else n - 1
        maps.append(np.mean([(p * np.interp((a + levels[m] / t * (x[:, None] - a)) / scales[m], y, maps[m])).sum(1)
                             for m in range(start, n)], axis=0))
    density = np.exp(-(y * scales[-1] / levels[-1]) ** 2 / 2)  # of the noise from which samples start
    return float(np.sqrt(np.trapezoid(density * maps[-1] ** 2, y) / np.trapezoid(density, y)) / spread)


def gaussian_product(intervals: int) -> float:
    """The closed form for Gaussian data and adjacent u: the product of cosines."""
    angles = torch.atan(karras_grid(intervals).double() / GAUSSIAN_STD)
    return float(torch.cos(angles[1:] - angles[:-1]).prod())


def tables(rows: list[dict]) -> dict[str, list[dict]]:
    """Generated / true standard deviation, beside the fixed point."""
    from .report import mean_interval

    table = []
    for data in ("gaussian", "two-points"):
        for u, n in sorted({(r["cell"]["u"], r["cell"]["intervals"]) for r in rows if r["cell"]["data"] == data}):
            runs = [r["result"]["std_ratio"] for r in rows
                    if (r["cell"]["data"], r["cell"]["u"], r["cell"]["intervals"]) == (data, u, n)]
            theory = fixed_point(data, n, u == "uniform")
            mean = float(np.mean([run["1"] for run in runs]))
            table.append({"data": data, "u": u, "N": n, "theory, K = 1": theory,
                          **{f"K = {k}": mean_interval([run[k] for run in runs]) for k in ("1", "2", "5", "10")},
                          "difference": mean - theory, "runs": len(runs)})
    return {"Generated / true standard deviation": table}


def plot(rows: list[dict]):
    """Trained models over the fixed point, against N."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, constrained_layout=True)
    for axis, data in zip(axes, ("gaussian", "two-points"), strict=True):
        for u, colour in (("adjacent", "C0"), ("uniform", "C3")):
            mine = [(r["cell"]["intervals"], r["result"]["std_ratio"]["1"]) for r in rows
                    if r["cell"]["data"] == data and r["cell"]["u"] == u]
            levels = sorted({n for n, _ in mine})
            axis.plot(levels, [fixed_point(data, n, u == "uniform") for n in levels], color=colour,
                      label=f"{u} u, fixed point")
            axis.plot(*zip(*mine, strict=True), "o", color=colour, alpha=0.5, label=f"{u} u, trained")
        axis.set(xscale="log", xlabel="N, intervals of the grid", title=data, ylim=(0, 1.05))
        axis.set_xticks(levels, levels)
    axes[0].set_ylabel("generated / true std, K = 1")
    axes[0].legend()
    return figure


