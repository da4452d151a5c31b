"""`TriangleFigure`: all jumps from a noise level t to a lower s, where a model is taught them, and their errors."""

from unittest.mock import patch

import torch
from torch import Tensor

from ..agents import METHODS
from ..exact.base import Exact
from ..fitting import fit_agent
from ..flow_map import FlowMap
from ..samplers import euler
from ..times import karras_grid, karras_index
from .base import PageFigure, module_source
from .weights import encode

WAYS = 25  # of the ODE, at evenly spaced quantiles


class TriangleFigure(PageFigure):
    """The triangle s <= t of one-dimensional flow maps, to click on.

    >>> TriangleFigure({"GTP": model}, exact, taught={"GTP": taught_jumps("gtp", data)})

    Colour is the error of a jump: root mean square distance from where the ODE takes the same points, over their own.
    A model whose sampler is Euler's makes its jumps by one Euler step.

    models: name -> FlowMap of action_dim 1, all with the same sigma_min, sigma_max and rho; exact: the true
    distribution; taught: name -> (P, 2) pairs (t, s) on which the model is trained, of which each cell's share is
    drawn; intervals: cells a side; start: the (t, s) shown first, as indices of the grid (default:
    from noise to data).
    Raises ValueError for models of other dimensions or grids, and for names in `taught` that are no models.
    """

    _esm = module_source("network.js", "controls.js", "page.js", "triangle.js")

    def __init__(self, models: dict[str, FlowMap], exact: Exact, taught: dict[str, Tensor] | None = None,
                 intervals: int = 18, start: tuple[int, int] | None = None):
        taught = taught or {}
        if unknown := set(taught) - set(models):
            raise ValueError(f"taught names no model of this figure: {', '.join(sorted(unknown))}")
        grids = {name: (m.config.sigma_min, m.config.sigma_max, m.config.rho) for name, m in models.items()}
        if len(set(grids.values())) > 1 or exact.dim != 1 or any(m.config.action_dim != 1 for m in models.values()):
            raise ValueError("this figure needs one-dimensional models with one grid of noise levels, and an exact "
                             f"distribution in one dimension; the grids are {grids}")
        grid = next(iter(grids.values()))
        levels = karras_grid(intervals, *grid).double()
        levels[0] = 0.0
        ways = _ways(exact, levels)
        described = [{"name": name, "landed": encode(_landings(model, levels, ways)),
                      "taught": encode(_shares(taught.get(name, torch.empty(0, 2)), intervals, grid))}
                     for name, model in models.items()]
        super().__init__(_spec={"levels": levels.tolist(), "exact": encode(ways), "models": described,
                                "start": list(start or (intervals, 0))})

    def __repr__(self) -> str:
        return f"TriangleFigure({', '.join(m['name'] for m in self._spec['models'])})"


def taught_jumps(method: str, data: Tensor, updates: int = 100, **settings) -> Tensor:
    """The times (t, s) at which a method asks its network with a gradient during some updates on data (M, A), (P, 2).

    Read off the method's own loss as it trains, for methods of `fit`. What it asks within a derivative is left out.
    """
    asked = []
    phi = FlowMap.phi

    def listening(self, x, t, s, obs=None):
        if torch.is_grad_enabled() and self.training:
            asked.append(torch.stack([torch.as_tensor(time).expand(len(x)) for time in (t, s)], 1).detach())
        return phi(self, x, t, s, obs)

    with patch.object(FlowMap, "phi", listening):
        fit_agent({"action": data}, METHODS[method].clone or method, updates, width=8,
                  callback=lambda done, agent: None, **settings)  # who looks at every update gets no remembered fit
    return torch.cat(asked)


def _ways(exact: Exact, levels: Tensor) -> Tensor:
    """Where the ODE has points that start at quantiles of the noised data, at every level: (levels, WAYS)."""
    p = (torch.arange(WAYS, dtype=torch.float64) + 0.5) / WAYS
    start = (levels[-1] * torch.special.ndtri(p))[:, None]
    return torch.stack([exact.flow_map(start, float(levels[-1]), float(s))[:, 0] for s in levels])


@torch.no_grad()
def _landings(model: FlowMap, levels: Tensor, ways: Tensor) -> Tensor:
    """The model's jumps from every level to every lower one, from the ODE's points: (pairs, WAYS), by t, then s."""
    found = []
    for i in range(1, len(levels)):
        for j in range(i):
            x, times = ways[i][:, None].float(), levels[[i, j]]
            jump = euler(model, x, times) if model.config.sampler == "euler" else model(x, *times.tolist())
            found.append(jump[:, 0])
    return torch.stack(found)


def _shares(pairs: Tensor, intervals: int, grid: tuple[float, float, float]) -> Tensor:
    """How much of the training is in each cell, the fullest being 1: (cells,), by t, then s."""
    t, s = (karras_index(pairs[:, i].clamp(min=grid[0]), intervals, *grid).round().long() for i in (0, 1))
    counts = torch.bincount(t * (t + 1) // 2 + s, minlength=(intervals + 1) * (intervals + 2) // 2).float()
    return counts / counts.amax().clamp(min=1)
