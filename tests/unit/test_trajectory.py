"""Consistency training and GTP: value and gradient against plain arithmetic, row by row; the solver's targets."""

import math

import numpy as np
import pytest
import torch
from linear_map import LinearMap
from mixture_map import MixtureMap

from gtp_mini.flow_map import FlowMap, FlowMapConfig
from gtp_mini.objectives import consistency_loss, consistency_training_loss, flow_loss, gtp_loss
from gtp_mini.objectives.trajectory import solve
from gtp_mini.times import Times, sample_times

DOUBLE = torch.float64
B, A, O = 6, 2, 3  # noqa: E741


pytestmark = pytest.mark.usefixtures("in_double_precision")


def networks(obs_dim=O):
    """An online model and another one as its target."""
    made = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        made.append(FlowMap(FlowMapConfig(A, obs_dim, width=8, depth=2)))
    return made


def batch(obs_dim=O, n=B):
    g = torch.Generator().manual_seed(2)
    actions, z = torch.randn(2, n, A, generator=g)
    obs = torch.randn(n, obs_dim, generator=g) if obs_dim else None
    weights = torch.rand(n, generator=g) * 3
    return actions, z, obs, weights, sample_times(n, 10, g)


def replay(seed, intervals, n=B, **options):
    """The times and the noise that a loss draws from a generator."""
    g = torch.Generator().manual_seed(seed)
    return sample_times(n, intervals, g, **options), torch.randn(n, A, generator=g)


def one(obs, i):
    return None if obs is None else obs[i : i + 1]


def plain_flow(model, actions, z, t, obs, weights):
    """Row by row, as the equation reads."""
    total = 0.0
    for i in range(len(actions)):
        x = actions[i : i + 1] + t[i] * z[i : i + 1]
        estimate = model.phi(x, t[i].item(), t[i].item(), one(obs, i))
        total = total + (1.0 if weights is None else weights[i]) * ((actions[i] - estimate[0]) ** 2).sum()
    return total / len(actions)


def plain_consistency(model, target, actions, z, times, obs, weights, solver_steps=0, divide_by_gap=False):
    total = 0.0
    for i in range(len(actions)):
        t, u, s = (v[i].item() for v in times)
        a, noise, o = actions[i : i + 1], z[i : i + 1], one(obs, i)
        phi = model.phi(a + t * noise, t, s, o)
        online = s / t * (a + t * noise) + (1 - s / t) * phi
        x_u = a + u * noise
        if solver_steps:
            x_u, h = a + t * noise, (u - t) / solver_steps
            for k in range(solver_steps):
                first = (x_u - target.phi(x_u, t + k * h, t + k * h, o)) / (t + k * h)
                guess = x_u + h * first
                second = (guess - target.phi(guess, t + (k + 1) * h, t + (k + 1) * h, o)) / (t + (k + 1) * h)
                x_u = x_u + h * (first + second) / 2
        aim = s / u * x_u + (1 - s / u) * target.phi(x_u, u, s, o)
        row = (1.0 if weights is None else weights[i]) * ((online - aim.detach()) ** 2).sum()
        total = total + (row / (t - u) if divide_by_gap else row)
    return total / len(actions)


def assert_same(loss, plain, model):
    torch.testing.assert_close(loss, plain, rtol=1e-9, atol=1e-12)
    slopes = [torch.autograd.grad(v, list(model.parameters()), allow_unused=True) for v in (loss, plain)]
    torch.testing.assert_close(*slopes, rtol=1e-7, atol=1e-10)


both = pytest.mark.parametrize("obs_dim", [0, O])
with_and_without = pytest.mark.parametrize("weighted", [False, True])


@both
@with_and_without
def test_flow_loss_is_the_weighted_error_of_the_denoiser(obs_dim, weighted):
    model, _ = networks(obs_dim)
    actions, z, obs, weights, times = batch(obs_dim)
    weights = weights if weighted else None
    assert_same(flow_loss(model, actions, z, times.t, obs, weights),
                plain_flow(model, actions, z, times.t, obs, weights), model)


@both
@with_and_without
def test_consistency_loss_compares_two_jumps_at_s(obs_dim, weighted):
    model, target = networks(obs_dim)
    actions, z, obs, weights, times = batch(obs_dim)
    weights = weights if weighted else None
    assert_same(consistency_loss(model, target, actions, z, times, obs, weights),
                plain_consistency(model, target, actions, z, times, obs, weights), model)


@both
@with_and_without
@pytest.mark.parametrize("inverse_gap", [False, True])
def test_consistency_training_jumps_to_the_data_from_neighbouring_levels(obs_dim, weighted, inverse_gap):
    model, target = networks(obs_dim)
    actions, _, obs, weights, _ = batch(obs_dim)
    weights = weights if weighted else None
    loss, metrics = consistency_training_loss(model, target, actions, obs, weights, torch.Generator().manual_seed(3),
                                              20, inverse_gap)
    times, z = replay(3, 20, zero_mass=1.0)
    assert (times.s == 0).all()
    assert_same(loss, plain_consistency(model, target, actions, z, times, obs, weights, 0, inverse_gap), model)
    assert torch.equal(metrics["loss_consistency"], loss.detach())


@both
@pytest.mark.parametrize("intervals", [10, torch.tensor(40.0)])
@pytest.mark.parametrize("settings", [{}, {"zero_mass": 0.0}, {"zero_mass": 1.0}, {"window": 4}, {"window": None}])
def test_gtp_loss_is_their_sum_on_the_same_draws(obs_dim, intervals, settings):
    model, target = networks(obs_dim)
    actions, _, obs, weights, _ = batch(obs_dim)
    loss, metrics = gtp_loss(model, target, actions, obs, weights, torch.Generator().manual_seed(3), intervals,
                             flow_weight=0.7, consistency_weight=1.3, **settings)
    times, z = replay(3, intervals, **settings)
    consistency = plain_consistency(model, target, actions, z, times, obs, weights)
    flow = plain_flow(model, actions, z, times.t, obs, weights)
    assert_same(loss, 1.3 * consistency + 0.7 * flow, model)
    torch.testing.assert_close(metrics, {"loss_consistency": consistency.detach(), "loss_flow": flow.detach()})


@both
@pytest.mark.parametrize("steps", [1, 3])
def test_solver_targets_are_heuns_steps_on_the_targets_field(obs_dim, steps):
    model, target = networks(obs_dim)
    actions, _, obs, weights, _ = batch(obs_dim)
    loss, _ = gtp_loss(model, target, actions, obs, weights, torch.Generator().manual_seed(3), 10, flow_weight=0.0,
                       solver_steps=steps)
    times, z = replay(3, 10)
    assert_same(loss, plain_consistency(model, target, actions, z, times, obs, weights, steps), model)


@pytest.mark.parametrize("steps", [0, 4, -1])
def test_other_numbers_of_solver_steps_are_refused(steps):
    t = torch.ones(2)
    with pytest.raises(ValueError, match=f"solver_steps must be between 1 and 3, got {steps}"):
        solve(LinearMap(), torch.zeros(2, 2), t, t / 2, None, steps)


def test_the_same_noise_is_in_both_points():
    """With fresh noise for the second point the targets would scatter by more than their floor."""
    seen = []

    class Watch(LinearMap):
        def phi(self, x, t, s, obs=None):
            seen.append((x, t, s))
            return super().phi(x, t, s, obs)

    actions, z = torch.randn(2, 1000, A, generator=torch.Generator().manual_seed(0))
    times = Times(*(torch.full((1000,), v) for v in (2.0, 1.5, 0.5)))
    consistency_loss(Watch(), Watch(), actions, z, times)
    for x, t, s in seen:
        torch.testing.assert_close((x - actions) / t[:, None], z)
        assert (s == 0.5).all()
    assert sorted(t[0].item() for _, t, _ in seen) == [1.5, 2.0]


def test_gtp_loss_uses_one_noise_for_everything():
    """Three points a row: (t, s) and (t, t) online, (u, s) for the target, all of them a + level z with one z."""
    seen = []

    class Watch(LinearMap):
        def phi(self, x, t, s, obs=None):
            seen.append((x, t, s))
            return super().phi(x, t, s, obs)

    gtp_loss(Watch(), Watch(), torch.zeros(500, A), None, None, torch.Generator().manual_seed(0), 10)
    (x, t, s), (x_u, u, s_u) = seen
    z = x / t[:, None]
    torch.testing.assert_close(z[:500], z[500:])
    torch.testing.assert_close(x_u / u[:, None], z[:500])
    assert torch.equal(t[:500], t[500:]) and torch.equal(s[500:], t[500:]) and torch.equal(s[:500], s_u)
    assert (s_u <= u).all() and (u < t[:500]).all()


# -- what the two kinds of target miss, on the exact field ---------------------------------------------------------


def order(gaps, errors):
    return np.polyfit(np.log(gaps), np.log(errors), 1)[0]


@pytest.mark.parametrize("model", [LinearMap(dim=1), MixtureMap()])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_solver_target_misses_the_trajectory_by_the_cube_of_the_gap(model, steps):
    """Locally third order, so that over a grid of N levels the bias vanishes as 1 / N^2."""
    x, t = torch.linspace(-2, 2, 9)[:, None], torch.full((9,), 1.0)
    gaps = np.array([0.1, 0.05, 0.025])
    errors = []
    for gap in gaps:
        with torch.no_grad():
            errors.append((solve(model, x, t, t - gap, None, steps) - model(x, t, t - gap)).norm())
    assert order(gaps, errors) == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize("model", [LinearMap(dim=1), MixtureMap()])
def test_more_solver_steps_miss_by_less_as_their_square(model):
    x, t = torch.linspace(-2, 2, 9)[:, None], torch.full((9,), 1.0)
    with torch.no_grad():
        errors = [(solve(model, x, t, t - 0.05, None, k) - model(x, t, t - 0.05)).norm() for k in (1, 2, 3)]
    assert order([1, 2, 3], errors) == pytest.approx(-2, abs=0.1)


def test_the_score_approximation_misses_by_the_square_of_the_gap():
    """On average, given x_t: E[a + u z | x_t] falls short of Phi(x_t, t, u) by the cosine of an angle."""
    sd, t, gaps = 0.5, 1.0, np.array([0.1, 0.05, 0.025])
    exact = np.hypot(sd, t - gaps) / math.hypot(sd, t)
    mean = (sd**2 + (t - gaps) * t) / (sd**2 + t**2)
    assert order(gaps, exact - mean) == pytest.approx(2, abs=0.1)
    np.testing.assert_allclose(mean / exact, np.cos(np.arctan(t / sd) - np.arctan((t - gaps) / sd)), rtol=1e-12)
