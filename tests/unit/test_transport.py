"""The flow map on a line: F_s(Phi(x, t, s)) = F_t(x), wherever x is and whatever the mixture."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, special, stats

from gtp_mini.exact import Gaussian, GaussianMixture, point_masses

DOUBLE = torch.float64
LEVELS = st.floats(1e-3, 80)
LINE = GaussianMixture([[-1.0], [0.2], [1.5]], [0.1, 0.3, 0.05], [2.0, 1.0, 1.0])


def points(n, scale=1.0, seed=0):
    return scale * torch.randn(n, 1, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def mixture(seed, m):
    """M components somewhere in [-2, 2], of very different weights; some are points."""
    g = torch.Generator().manual_seed(seed)
    means = 4 * torch.rand(m, 1, generator=g, dtype=DOUBLE) - 2
    stds = torch.rand(m, generator=g, dtype=DOUBLE)
    return GaussianMixture(means, torch.where(stds < 0.3, 0.0, stds), (3 * torch.randn(m, generator=g)).softmax(0))


def log_tail(dist, x, t, side):
    """log P(x_t < x), or with side -1 log P(x_t > x), and its slope in x, by SciPy."""
    sd = np.sqrt(dist.stds[:, 0].numpy() ** 2 + t**2)
    z, w = (x - dist.means[:, 0].numpy()) / sd, dist.weights.numpy()
    log_p = special.logsumexp(special.log_ndtr(side * z), b=w)
    return log_p, math.exp(special.logsumexp(stats.norm.logpdf(z) - np.log(sd), b=w) - log_p)


def by_root_finding(dist, x, t, s):
    """Phi(x, t, s) in the smaller tail, and how wrong float64 may make it."""
    side = 1 if log_tail(dist, x, t, 1)[0] < log_tail(dist, x, t, -1)[0] else -1
    wanted = log_tail(dist, x, t, side)[0]
    reach = 10 + 2 * abs(x)
    y = optimize.brentq(lambda y: log_tail(dist, y, s, side)[0] - wanted, -reach, reach, xtol=1e-15, rtol=1e-15)
    return y, 1e-14 * max(1.0, abs(wanted)) / log_tail(dist, y, s, side)[1]


@given(st.integers(0, 10_000), st.integers(1, 6), LEVELS, LEVELS, st.floats(-30, 30))
def test_the_map_is_the_root_to_ten_digits(seed, m, a, b, far):
    """Up to 30 standard deviations out, where F differs from 0 by 1e-197."""
    t, s = max(a, b), min(a, b)
    dist = mixture(seed, m)
    x = torch.cat([dist.means.mean() + points(3, math.hypot(1.0, t), seed), torch.full((1, 1), far * t, dtype=DOUBLE)])
    for at, y in zip(x[:, 0].tolist(), dist(x, t, s)[:, 0].tolist(), strict=True):
        root, doubt = by_root_finding(dist, at, t, s)
        if doubt < 1e-11:  # else it lies in a gap, where SciPy's F is flat
            assert y == pytest.approx(root, rel=1e-10, abs=1e-10)


@given(st.integers(0, 10_000), st.integers(1, 6), LEVELS, LEVELS)
def test_the_map_is_monotone_transport(seed, m, a, b):
    t, s = max(a, b), min(a, b)
    dist = mixture(seed, m)
    x = (dist.means.mean() + points(20, math.hypot(1.0, t), seed)).sort(0).values
    y = dist(x, t, s)
    torch.testing.assert_close(dist.cdf(y, s), dist.cdf(x, t), atol=1e-12 + 1e-15 / s, rtol=0)
    assert (y.diff(dim=0) >= 0).all()


@given(LEVELS, LEVELS, LEVELS)
def test_maps_compose(a, b, c):
    t, u, s = sorted((a, b, c), reverse=True)
    x = points(10, math.hypot(1.0, t))
    torch.testing.assert_close(LINE(LINE(x, t, u), u, s), LINE(x, t, s), atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("t, s", [(0.1, 0.09), (0.03, 0.02), (2.0, 0.3), (80.0, 1.0)])
def test_gaps_and_tails_are_as_good_as_the_rest(t, s):
    """Against the ODE, integrated by SciPy. Between the components F is flat: at t = 0.03 to 1 part in 10^50."""
    dist = GaussianMixture([[-1.0], [0.8], [1.5]], [0.05, 0.02, 0.05], [0.01, 0.29, 0.7])
    x = torch.linspace(-1.0 - 8 * t, 1.5 + 8 * t, 41, dtype=DOUBLE)[:, None]

    def field(r, y):
        return (torch.tensor(y) - dist.denoise(torch.tensor(y)[:, None], math.exp(r))[:, 0]).numpy()

    y = integrate.solve_ivp(field, (math.log(t), math.log(s)), x[:, 0].numpy(), "DOP853", rtol=1e-12, atol=1e-13).y
    torch.testing.assert_close(dist(x, t, s)[:, 0], torch.tensor(y[:, -1]), atol=1e-9, rtol=1e-10)


@pytest.mark.parametrize("t", [1e-4, 0.02, 1.0, 80.0])
def test_a_short_way_is_a_short_jump(t):
    x = torch.linspace(-3, 3, 61, dtype=DOUBLE)[:, None]
    torch.testing.assert_close(LINE(x, t, t * (1 - 1e-14)), x, atol=1e-11, rtol=1e-11)
    assert torch.equal(LINE(x, t, t), x)


def test_transport_is_as_good_above_as_below():
    """One distribution and its mirror image; the far tails too."""
    mirror = GaussianMixture(-LINE.means, LINE.stds, LINE.weights)
    x = torch.linspace(-400, 400, 81, dtype=DOUBLE)[:, None]
    torch.testing.assert_close(mirror(-x, 5.0, 0.1), -LINE(x, 5.0, 0.1), atol=1e-12, rtol=1e-12)


def test_one_component_is_a_gaussian_at_any_distance():
    gaussian, mixture = Gaussian([0.3], [[0.25]]), GaussianMixture([[0.3]], 0.5)
    x = torch.tensor([[-1e6], [-30.0], [0.3], [50.0], [1e12]], dtype=DOUBLE)
    torch.testing.assert_close(mixture(x, 2.0, 0.1), gaussian(x, 2.0, 0.1), rtol=1e-12, atol=1e-12)


@given(st.integers(0, 10_000), LEVELS)
def test_components_of_no_weight_do_not_matter(seed, t):
    dist = mixture(seed, 3)
    with_ghosts = GaussianMixture(torch.cat([dist.means, torch.tensor([[-5.0], [0.1]])]),
                                  torch.cat([dist.stds[:, 0], torch.tensor([0.0, 1.0])]),
                                  torch.cat([dist.weights, torch.zeros(2)]))
    x = points(5, t, seed)
    torch.testing.assert_close(with_ghosts(x, t, 0.01 * t), dist(x, t, 0.01 * t), atol=1e-10, rtol=1e-10)


def test_cdf_is_that_of_a_mixture():
    x = torch.linspace(-3, 3, 13, dtype=DOUBLE)[:, None]
    for t in (0.0, 0.4):
        sd = np.hypot(LINE.stds[:, 0].numpy(), t)
        parts = stats.norm.cdf((x.numpy() - LINE.means.T.numpy()) / sd)
        np.testing.assert_allclose(LINE.cdf(x, t), parts @ [0.5, 0.25, 0.25], rtol=1e-13, atol=0)
    with pytest.raises(ValueError, match="cdf is for one dimension, this mixture has 2"):
        GaussianMixture(torch.zeros(1, 2), 1.0).cdf(torch.zeros(3, 2), 1.0)


def test_samples_follow_the_cdf():
    x = LINE.sample(200_000, torch.Generator().manual_seed(0))[:, 0].double()
    assert stats.kstest(x, lambda v: LINE.cdf(torch.tensor(v)[:, None], 0.0).numpy()).pvalue > 1e-3


# -- point masses -----------------------------------------------------------------------------------------------


@given(st.floats(0.1, 3), st.floats(0.05, 80), st.floats(-100, 100).filter(lambda x: abs(x) > 1e-12))
def test_two_points_have_a_hyperbolic_tangent_for_denoiser(m, t, at):
    dist = point_masses([[-m], [m]])
    x = torch.tensor([[at]], dtype=DOUBLE)
    torch.testing.assert_close(dist.denoise(x, t), m * torch.tanh(m * x / t**2), atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(dist(x, t, 0.0), m * x.sign(), atol=1e-12, rtol=0)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 6), st.floats(0.01, 80))
def test_unequal_points_divide_the_noise_by_their_weights(seed, m, t):
    """At s = 0: the k-th point where F_t(x) lies between the k-1-th and the k-th partial sum of the weights."""
    g = torch.Generator().manual_seed(seed)
    at, weights = torch.randn(m, 1, generator=g, dtype=DOUBLE), torch.rand(m, generator=g, dtype=DOUBLE)
    dist, order = point_masses(at, weights), at[:, 0].argsort()
    x = points(50, math.hypot(1.0, t), seed)
    edges = dist.weights[order].cumsum(0)
    clear = (dist.cdf(x, t)[:, None] - edges).abs().amin(1) > 1e-12  # else float64's F cannot tell the sides apart
    wanted = at[order][torch.searchsorted(edges, dist.cdf(x, t)).clamp(max=m - 1)]
    torch.testing.assert_close(dist(x, t, 0.0)[clear], wanted[clear], atol=1e-12, rtol=0)


def test_the_shares_of_the_points_are_their_weights():
    dist = point_masses([[-1.0], [1.0]], [0.3, 0.7])
    noise = 1000 * torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0))
    assert (dist(noise, 1000.0, 0.0) > 0).double().mean().item() == pytest.approx(0.7, abs=0.015)


def test_a_tiny_share_of_points_among_wide_components():
    """A point of weight 1e-3 in the middle of N(0, 1): 1 sample in 1000 lands on it, no other does."""
    dist = GaussianMixture([[0.0], [0.0]], [1.0, 0.0], [0.999, 0.001])
    edge = stats.norm.ppf(0.5005)  # at t = 1000 F_t is nearly that of the noise
    y = dist(1000 * edge * torch.tensor([[-1.01], [-0.99], [0.0], [0.99], [1.01]], dtype=DOUBLE), 1000.0, 0.0)[:, 0]
    assert y[1:4].abs().max() < 1e-12 and y[0] < -1e-6 and y[4] > 1e-6
