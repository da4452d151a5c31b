"""The losses: value and gradient against plain arithmetic, what must have no gradient, and where their optimum lies."""

import math
from copy import deepcopy

import numpy as np
import pytest
import torch
from linear_map import LinearMap

from gtp_mini.exact import GaussianMixture
from gtp_mini.flow_map import FlowMap, FlowMapConfig
from gtp_mini.objectives import consistency_loss, flow_loss, gtp_loss
from gtp_mini.times import Times, karras_grid, sample_times

DOUBLE = torch.float64
B, A, O = 6, 2, 3  # noqa: E741


def networks(obs_dim=O):
    """An online model and another one as its target."""
    made = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        made.append(FlowMap(FlowMapConfig(A, obs_dim, width=8, depth=2)).double())
    return made


def batch(obs_dim=O, n=B):
    g = torch.Generator().manual_seed(2)
    actions, z = torch.randn(2, n, A, generator=g, dtype=DOUBLE)
    obs = torch.randn(n, obs_dim, generator=g, dtype=DOUBLE) if obs_dim else None
    weights = torch.rand(n, generator=g, dtype=DOUBLE) * 3
    times = Times(*(v.double() for v in sample_times(n, 10, g)))
    return actions, z, obs, weights, times


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


def plain_consistency(model, target, actions, z, times, obs, weights):
    total = 0.0
    for i in range(len(actions)):
        t, u, s = (v[i].item() for v in times)
        a, noise = actions[i : i + 1], z[i : i + 1]
        phi = model.phi(a + t * noise, t, s, one(obs, i))
        online = s / t * (a + t * noise) + (1 - s / t) * phi
        aim = s / u * (a + u * noise) + (1 - s / u) * target.phi(a + u * noise, u, s, one(obs, i))
        total = total + (1.0 if weights is None else weights[i]) * ((online - aim.detach()) ** 2).sum()
    return total / len(actions)


def gradients(loss, model):
    return torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)


def assert_same(loss, plain, model):
    torch.testing.assert_close(loss, plain, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(gradients(loss, model), gradients(plain, model), rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("obs_dim", [0, O])
@pytest.mark.parametrize("weighted", [False, True])
def test_flow_loss_is_the_weighted_error_of_the_denoiser(obs_dim, weighted):
    model, _ = networks(obs_dim)
    actions, z, obs, weights, times = batch(obs_dim)
    weights = weights if weighted else None
    assert_same(flow_loss(model, actions, z, times.t, obs, weights),
                plain_flow(model, actions, z, times.t, obs, weights), model)


@pytest.mark.parametrize("obs_dim", [0, O])
@pytest.mark.parametrize("weighted", [False, True])
def test_consistency_loss_compares_two_jumps_at_s(obs_dim, weighted):
    model, target = networks(obs_dim)
    actions, z, obs, weights, times = batch(obs_dim)
    weights = weights if weighted else None
    assert_same(consistency_loss(model, target, actions, z, times, obs, weights),
                plain_consistency(model, target, actions, z, times, obs, weights), model)


@pytest.mark.parametrize("obs_dim", [0, O])
@pytest.mark.parametrize("intervals", [10, torch.tensor(40.0)])
def test_gtp_loss_is_their_sum_on_the_same_draws(obs_dim, intervals):
    model, target = networks(obs_dim)
    actions, _, obs, weights, _ = batch(obs_dim)
    loss, metrics = gtp_loss(model, target, actions.float().double(), obs, weights, torch.Generator().manual_seed(3),
                             intervals, flow_weight=0.7, consistency_weight=1.3)
    g = torch.Generator().manual_seed(3)
    times = sample_times(B, intervals, g)
    z = torch.randn(B, A, generator=g).double()
    times = Times(*(v.double() for v in times))
    consistency = plain_consistency(model, target, actions.float().double(), z, times, obs, weights)
    flow = plain_flow(model, actions.float().double(), z, times.t, obs, weights)
    torch.testing.assert_close(loss, 1.3 * consistency + 0.7 * flow, rtol=1e-5, atol=1e-6)  # times are float32
    torch.testing.assert_close(gradients(loss, model), gradients(1.3 * consistency + 0.7 * flow, model),
                               rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(metrics["loss_consistency"], consistency.detach(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(metrics["loss_flow"], flow.detach(), rtol=1e-5, atol=1e-6)
    assert not any(value.requires_grad for value in metrics.values())


def test_zero_mass_reaches_the_draw():
    model, target = networks(0)
    losses = []
    for mass in (0.0, 1.0):
        g = torch.Generator().manual_seed(3)
        losses.append(gtp_loss(model, target, batch(0)[0], None, None, g, 10, zero_mass=mass)[1])
        g = torch.Generator().manual_seed(3)
        times = Times(*(v.double() for v in sample_times(B, 10, g, zero_mass=mass)))
        z = torch.randn(B, A, generator=g).double()
        plain = consistency_loss(model, target, batch(0)[0], z, times)
        torch.testing.assert_close(losses[-1]["loss_consistency"], plain.detach(), rtol=1e-5, atol=1e-6)
    assert losses[0]["loss_consistency"] != losses[1]["loss_consistency"]


def test_the_consistency_loss_teaches_the_online_model_and_never_the_target():
    model, target = networks()
    actions, z, obs, weights, times = batch()
    consistency_loss(model, target, actions, z, times, obs, weights).backward()
    assert all(p.grad.abs().max() > 0 for p in model.parameters())
    assert all(p.grad is None for p in target.parameters())
    gtp_loss(model, target, actions, obs, weights, torch.Generator().manual_seed(0), 10, flow_weight=0.0)[0].backward()
    assert all(p.grad is None for p in target.parameters())


def test_a_model_that_teaches_itself_gets_the_gradient_as_if_its_teacher_were_frozen():
    model, _ = networks()
    frozen = deepcopy(model).requires_grad_(False)
    actions, z, obs, weights, times = batch()
    itself = gradients(consistency_loss(model, model, actions, z, times, obs, weights), model)
    copied = gradients(consistency_loss(model, frozen, actions, z, times, obs, weights), model)
    torch.testing.assert_close(itself, copied)
    assert max(g.abs().max() for g in itself) > 0
    for teacher in (model, frozen):
        loss, _ = gtp_loss(model, teacher, actions, obs, weights, torch.Generator().manual_seed(4), 10)
        torch.testing.assert_close(gradients(loss, model), gradients(gtp_loss(
            model, frozen, actions, obs, weights, torch.Generator().manual_seed(4), 10)[0], model))


def test_weights_multiply_rows():
    """A weight of 2 counts as the row twice, a weight of 0 as if it were not there."""
    model, target = networks()
    actions, z, obs, _, times = batch()
    weights = torch.tensor([2.0, 1, 0, 1, 1, 1], dtype=DOUBLE)
    rows = [0, 0, 1, 3, 4, 5]
    again = Times(*(v[rows] for v in times))
    torch.testing.assert_close(flow_loss(model, actions, z, times.t, obs, weights),
                               flow_loss(model, actions[rows], z[rows], again.t, obs[rows]))
    torch.testing.assert_close(consistency_loss(model, target, actions, z, times, obs, weights),
                               consistency_loss(model, target, actions[rows], z[rows], again, obs[rows]))


# -- where the optimum lies, for N(0, sd^2 I) ------------------------------------------------------------------

SD, N = 0.5, 200_000


def draws(n=N, seed=0):
    g = torch.Generator().manual_seed(seed)
    x, z = torch.randn(2, n, A, generator=g, dtype=DOUBLE)
    return SD * x, z


def rows(t, u, s, n=N):
    return Times(*(torch.full((n,), v, dtype=DOUBLE) for v in (t, u, s)))


@pytest.mark.parametrize("t", [0.1, 0.5, 2.0, 20.0])
def test_the_flow_loss_is_stationary_at_the_true_denoiser(t):
    """And its floor is d sd^2 t^2 / (sd^2 + t^2), the spread of what the noisy point does not tell."""
    model = LinearMap(SD)
    actions, z = draws()
    loss = flow_loss(model, actions, z, rows(t, t, t).t)
    floor = A * SD**2 * t**2 / (SD**2 + t**2)
    assert loss.item() == pytest.approx(floor, rel=0.02)
    (slope,) = torch.autograd.grad(loss, model.gain)
    with torch.no_grad():
        model.gain.fill_(1.2)
    (wrong,) = torch.autograd.grad(flow_loss(model, actions, z, rows(t, t, t).t), model.gain)
    assert abs(slope) < 0.06 * wrong


@pytest.mark.parametrize("t, u, s", [(2.0, 1.5, 0.5), (2.0, 1.0, 0.0), (0.5, 0.3, 0.3), (20.0, 15.0, 0.002)])
def test_the_consistency_loss_has_its_floor_where_the_jump_is_the_mean_of_its_targets(t, u, s):
    """E[x_u | x_t] is a straight line in x_t; around it x_u has variance sd^2 (t - u)^2 / (sd^2 + t^2)."""
    model = LinearMap(SD)
    actions, z = draws()
    c_u = math.hypot(SD, s) / math.hypot(SD, u)  # the exact jump from u to s

    class Optimum(LinearMap):
        def forward(self, x, t, s, obs=None):
            return c_u * (SD**2 + u * t[0]) / (SD**2 + t[0] ** 2) * x

    floor = A * c_u**2 * SD**2 * (t - u) ** 2 / (SD**2 + t**2)
    assert consistency_loss(Optimum(SD), model, actions, z, rows(t, u, s)).item() == pytest.approx(floor, rel=0.02)


@pytest.mark.parametrize("t, u", [(2.0, 1.5), (0.4, 0.1), (10.0, 9.0)])
def test_what_is_known_of_x_u_at_x_t(t, u):
    """Regression of a + u z on a + t z, by Monte Carlo: line, spread, and the cosine by which it falls short."""
    actions, z = draws()
    x_t, x_u = (actions + t * z).ravel(), (actions + u * z).ravel()
    line = (x_t @ x_u) / (x_t @ x_t)
    assert line.item() == pytest.approx((SD**2 + u * t) / (SD**2 + t**2), abs=0.004)
    spread = SD**2 * (t - u) ** 2 / (SD**2 + t**2)
    assert (x_u - line * x_t).var().item() == pytest.approx(spread, rel=0.02)
    exact = math.hypot(SD, u) / math.hypot(SD, t)
    assert (SD**2 + u * t) / (SD**2 + t**2) / exact == pytest.approx(math.cos(math.atan(t / SD) - math.atan(u / SD)))
    assert line.item() / exact == pytest.approx(math.cos(math.atan(t / SD) - math.atan(u / SD)), rel=0.02)


def test_the_same_noise_is_in_both_points():
    """With fresh noise for the second point the targets would scatter by more than their floor."""
    seen = []

    class Watch(LinearMap):
        def forward(self, x, t, s, obs=None):
            seen.append((x, t))
            return super().forward(x, t, s, obs)

    actions, z = draws(1000)
    consistency_loss(Watch(SD), Watch(SD), actions, z, rows(2.0, 1.5, 0.5, 1000))
    for x, t in seen:
        torch.testing.assert_close((x - actions) / t[:, None], z)
    assert sorted(t[0].item() for _, t in seen) == [1.5, 2.0]


def test_gtp_loss_uses_one_noise_for_everything():
    """Three points a row: (t, s) and (t, t) online, (u, s) for the target, all of them a + level z with one z."""
    seen = []

    class Watch(LinearMap):
        def phi(self, x, t, s, obs=None):
            seen.append((x, t, s))
            return super().phi(x, t, s, obs)

    actions = torch.zeros(500, A, dtype=DOUBLE)
    gtp_loss(Watch(SD), Watch(SD), actions, None, None, torch.Generator().manual_seed(0), 10)
    (x, t, s), (x_u, u, s_u) = seen
    z = x / t[:, None]
    torch.testing.assert_close(z[:500], z[500:])
    torch.testing.assert_close(x_u / u[:, None], z[:500])
    assert torch.equal(t[:500], t[500:]) and torch.equal(s[500:], t[500:]) and torch.equal(s[:500], s_u)
    assert (s_u <= u).all() and (u < t[:500]).all()


@pytest.mark.parametrize("intervals, ratio", [(10, 0.753), (20, 0.868), (40, 0.931), (80, 0.965), (160, 0.982),
                                              (320, 0.991), (640, 0.996), (1280, 0.998)])
def test_with_neighbouring_u_a_finer_grid_removes_the_shrinkage(intervals, ratio):
    """Fixed point of the consistency loss on the grid: regression of the jump from each level on the one below."""
    grid = karras_grid(intervals).double().numpy()
    c = 1.0  # the jump from the first level to itself
    for u, t in zip(grid[:-1], grid[1:], strict=True):
        c *= (SD**2 + u * t) / (SD**2 + t**2)
    exact = math.hypot(SD, grid[0]) / math.hypot(SD, grid[-1])
    assert c / exact == pytest.approx(ratio, abs=6e-4)
    assert c / exact == pytest.approx(np.cos(np.diff(np.arctan(grid / SD))).prod(), rel=1e-9)


def test_weights_tilt_the_data():
    """The weighted flow loss is stationary at the denoiser of weight x density."""
    m, t, weight = 0.7, 0.9, torch.tensor([1.0, 3.0], dtype=DOUBLE)
    tilted = GaussianMixture(torch.tensor([[-m], [m]]), 0.0, weight)
    g = torch.Generator().manual_seed(0)
    which = torch.randint(2, (N,), generator=g)
    actions = m * (2.0 * which[:, None] - 1).double()
    z = torch.randn(N, 1, generator=g, dtype=DOUBLE)
    shift = torch.zeros((), dtype=DOUBLE, requires_grad=True)

    class Shifted(LinearMap):
        truth = tilted

        def phi(self, x, t, s, obs=None):
            return self.truth.denoise(x, t) + shift

    def slope(model):
        return torch.autograd.grad(flow_loss(model, actions, z, torch.full((N,), t, dtype=DOUBLE), None,
                                             weight[which]), shift)[0].item()

    assert abs(slope(Shifted(SD, 1))) < 0.01
    Shifted.truth = GaussianMixture(torch.tensor([[-m], [m]]), 0.0)
    assert slope(Shifted(SD, 1)) < -0.5
