"""What GTP's consistency loss learns: its optimum for N(0, sd^2 I), found from the law of its times, by exact algebra.

Phi(x, t_i, t_j) = c[i, j] x at the optimum, and given x_t the target is c[u, j] (sd^2 + u t) / (sd^2 + t^2) x_t on
average. So c[i, j] is the mean of that over u: a recursion, upwards from c[j, j] = 1.
"""

import math

import numpy as np
import pytest
import torch
from linear_map import LinearMap
from mixture_map import quadrature
from scipy import stats
from torch import nn

from gtp_mini.exact import GaussianMixture
from gtp_mini.flow_map import FlowMap, FlowMapConfig
from gtp_mini.objectives import consistency_loss
from gtp_mini.times import LOG_T_MEAN, LOG_T_STD, Times, karras_grid, karras_index, sample_times

DOUBLE = torch.float64
SD = 0.5


def optimum(intervals, window, to_level=0):
    """c[i, to_level] for all i, and the exact factors, (N + 1,) each."""
    grid = karras_grid(intervals).double().numpy()
    c = np.ones(intervals + 1)
    for i in range(to_level + 1, intervals + 1):
        lowest = to_level if window is None else max(to_level, i - window)
        u, t = grid[lowest:i], grid[i]
        c[i] = np.mean(c[lowest:i] * (SD**2 + u * t) / (SD**2 + t**2))
    return c, np.hypot(SD, grid[to_level]) / np.hypot(SD, grid)


@pytest.mark.parametrize("intervals, window, ratio", [
    (10, 1, 0.753), (20, 1, 0.868), (40, 1, 0.931), (80, 1, 0.965), (160, 1, 0.982), (320, 1, 0.991), (1280, 1, 0.998),
    (160, 4, 0.948), (160, 16, 0.823), (1280, 16, 0.976), (10, None, 0.275), (40, None, 0.301), (160, None, 0.308)])
def test_spread_of_one_step_samples_over_that_of_the_data(intervals, window, ratio):
    """With neighbouring u a finer grid removes the shrinkage; with u anywhere below t no grid does."""
    c, exact = optimum(intervals, window)
    assert c[-1] / exact[-1] == pytest.approx(ratio, abs=6e-4)


@pytest.mark.parametrize("intervals", [10, 160])
@pytest.mark.parametrize("to_level", [0, 4])
def test_with_neighbouring_u_each_hop_loses_a_cosine(intervals, to_level):
    c, exact = optimum(intervals, 1, to_level)
    angles = np.arctan(karras_grid(intervals).double().numpy() / SD)
    for i in (to_level + 1, to_level + 3, intervals):
        assert c[i] / exact[i] == pytest.approx(np.cos(np.diff(angles[to_level : i + 1])).prod(), rel=1e-9)


# -- the loss itself, with the law of its own times, is stationary there and nowhere near ----------------------------


class Table(FlowMap):
    """Phi(x, t_i, t_j) = factor[i, j] x, on the levels of a grid."""

    def __init__(self, factors):
        super().__init__(FlowMapConfig(1, width=1, depth=1))
        self.intervals = len(factors) - 1
        self.factors = nn.Parameter(torch.as_tensor(factors, dtype=DOUBLE))

    def phi(self, x, t, s, obs=None):
        i, j = (karras_index(v, self.intervals).round().long() for v in (t, s))
        gap = torch.where(i > j, t - s, 1.0)
        return ((t * self.factors[i, j] - s) / gap)[:, None] * x


def law(intervals, window):
    """Every (t, u, s) of the grid that `sample_times` draws with zero_mass 0, as indices, with its probability."""
    grid = karras_grid(intervals).double().numpy()
    cdf = np.array([0.5 * (1 + math.erf((math.log(v) - LOG_T_MEAN) / (LOG_T_STD * math.sqrt(2)))) for v in grid])
    cells = np.diff(cdf) / (cdf[-1] - cdf[0])
    for t in range(1, intervals + 1):
        for s in range(t):
            lowest = s if window is None else max(s, t - window)
            for u in range(lowest, t):
                yield t, u, s, cells[t - 1] / t / (t - lowest)


@pytest.mark.parametrize("window", [1, 2, None])
def test_times_are_drawn_from_that_law(window):
    intervals, n = 4, 40_000
    times = sample_times(n, intervals, torch.Generator().manual_seed(0), zero_mass=0.0, window=window)
    drawn = torch.stack([karras_index(v, intervals).round() for v in times], 1)
    *triples, p = zip(*law(intervals, window), strict=True)
    counts = [(drawn == torch.tensor(triple)).all(1).sum().item() for triple in zip(*triples, strict=True)]
    assert sum(counts) == n
    assert stats.chisquare(counts, n * np.array(p)).pvalue > 1e-3


@pytest.mark.parametrize("window", [1, 3, None])
def test_the_consistency_loss_is_stationary_at_the_recursion_and_not_at_the_truth(window):
    intervals = 8
    grid = karras_grid(intervals).double()
    *triples, p = (torch.tensor(v) for v in zip(*law(intervals, window), strict=True))
    assert p.sum().item() == pytest.approx(1)
    a, z, w = quadrature(GaussianMixture(torch.zeros(1, 1), SD), nodes=3)  # exact: the loss is quadratic
    n = len(a)
    times = Times(*(grid[v].repeat_interleave(n) for v in triples))
    weights = (p.double() * len(p)).repeat_interleave(n) * w.repeat(len(p))
    a, z = a.repeat(len(p), 1), z.repeat(len(p), 1)

    def slope(factors):
        model = Table(factors)
        loss = consistency_loss(model, model, a, z, times, weights=weights)
        return torch.autograd.grad(loss, model.factors)[0].abs().max().item()

    solved, exact = (np.stack([optimum(intervals, window, j)[k] for j in range(intervals + 1)], 1) for k in (0, 1))
    assert slope(solved) < 1e-12
    assert slope(exact) > 1e-3


# -- and its floor -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t, u, s", [(2.0, 1.5, 0.5), (2.0, 1.0, 0.0), (0.5, 0.3, 0.3), (20.0, 15.0, 0.002)])
def test_the_floor_is_the_spread_of_the_target_given_the_point(t, u, s):
    """E[x_u | x_t] is a straight line in x_t; around it x_u has variance sd^2 (t - u)^2 / (sd^2 + t^2)."""
    c_u = math.hypot(SD, s) / math.hypot(SD, u)  # the exact jump from u to s
    best = c_u * (SD**2 + u * t) / (SD**2 + t**2)

    class Optimum(LinearMap):
        def phi(self, x, t, s, obs=None):
            return self.gain * ((t * best - s) / (t - s))[:, None] * x

    a, z, weights = quadrature(GaussianMixture(torch.zeros(1, 1), SD), nodes=3)
    times = Times(*(torch.full((len(a),), v, dtype=DOUBLE) for v in (t, u, s)))
    model = Optimum(SD, 1)
    loss = consistency_loss(model, LinearMap(SD, 1), a, z, times, weights=weights)
    assert loss.item() == pytest.approx(c_u**2 * SD**2 * (t - u) ** 2 / (SD**2 + t**2), rel=1e-9)
    assert abs(torch.autograd.grad(loss, model.gain)[0].item()) < 1e-9
