"""Shortcut models and MeanFlow: each loss as its own paper writes it, in its own clock, and what its optimum is."""

import pytest
import torch
from mixture_map import MixtureMap, quadrature

from gtp_mini.flow_map import FlowMap, FlowMapConfig
from gtp_mini.objectives import average_velocity, meanflow_loss, shortcut_loss

DOUBLE = torch.float64
A, O = 2, 3  # noqa: E741


@pytest.fixture(autouse=True)
def double():
    """All that is drawn is drawn in float64."""
    torch.set_default_dtype(DOUBLE)
    yield
    torch.set_default_dtype(torch.float32)


def networks(obs_dim=O, **config):
    """An online model and another one as its target."""
    made = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        made.append(FlowMap(FlowMapConfig(A, obs_dim, width=8, depth=2, **config)))
    return made


def batch(n, obs_dim=O):
    g = torch.Generator().manual_seed(2)
    obs = torch.randn(n, obs_dim, generator=g) if obs_dim else None
    return torch.randn(n, A, generator=g), obs, 3 * torch.rand(n, generator=g)


def assert_same(loss, plain, model, rtol=1e-8):
    torch.testing.assert_close(loss, plain, rtol=rtol, atol=0)
    slopes = [torch.autograd.grad(value, list(model.parameters())) for value in (loss, plain)]
    torch.testing.assert_close(*slopes, rtol=10 * rtol, atol=1e-9)


def some(obs, rows):
    return None if obs is None else obs[rows]


# -- shortcut models: tau runs from noise at 0 to data at 1, x = (1 - tau) z + tau a, and V carries x by d V ---------


def shortcut(model, x, tau, d, obs):
    """The mean velocity of a step of d from tau, (B, A). Nearer to 0 than the model knows, it begins where it knows."""
    level = ((1 - tau) / tau).clamp(max=model.config.sigma_max)
    return (model.phi(x / tau[:, None], level, (1 - tau - d) / (tau + d), obs) - x) / (1 - tau)[:, None]


def own_shortcut(model, target, actions, obs, weights, g, n):
    """As the paper's Algorithm 1: the first n rows bootstrap two steps of d into one of 2d, the others flow."""
    z = torch.randn(actions.shape, generator=g)
    first = 1 / (1 + model.config.sigma_max)  # stands for tau = 0
    tau_flow = torch.rand(len(actions) - n, generator=g).clamp(first, 1 / 1.002)
    pick = torch.rand(n, generator=g)
    two_d = 0.5 ** torch.randint(7, (n,), generator=g)
    start = torch.floor(pick / two_d) * two_d
    tau, middle, end = start.clamp(min=first), start + two_d / 2, start + two_d
    x = (1 - tau)[:, None] * z[:n] + tau[:, None] * actions[:n]
    with torch.no_grad():
        one = shortcut(target, x, tau, middle - tau, some(obs, slice(n)))
        two = shortcut(target, x + (middle - tau)[:, None] * one, middle, end - middle, some(obs, slice(n)))
        share = ((middle - tau) / (end - tau))[:, None]  # a half, but where tau stands for 0
        assert ((share == 0.5) | (start == 0)[:, None]).all()
        aim = share * one + (1 - share) * two
    jumps = (shortcut(model, x, tau, end - tau, some(obs, slice(n))) - aim).pow(2).sum(1)
    x = (1 - tau_flow)[:, None] * z[n:] + tau_flow[:, None] * actions[n:]
    velocity = shortcut(model, x, tau_flow, 0 * tau_flow, some(obs, slice(n, None)))
    flow = (velocity - (actions[n:] - z[n:])).pow(2).sum(1)
    flow = flow if weights is None else weights[n:] * flow
    return jumps.sum() / len(actions), flow.sum() / len(actions)


@pytest.mark.parametrize("obs_dim", [0, O])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sigma_max", [80.0, 1e4])
def test_shortcut_loss_is_the_papers(obs_dim, weighted, sigma_max):
    model, target = networks(obs_dim, sigma_max=sigma_max)
    actions, obs, weights = batch(40, obs_dim)
    weights = weights if weighted else None
    loss, metrics = shortcut_loss(model, target, actions, obs, weights, torch.Generator().manual_seed(3), fraction=0.5)
    jumps, flow = own_shortcut(model, target, actions, obs, weights, torch.Generator().manual_seed(3), 20)
    assert_same(loss, jumps + flow, model)
    torch.testing.assert_close(metrics, {"loss_flow": flow.detach(), "loss_distillation": jumps.detach()})


def test_jumps_of_the_exact_map_have_no_loss():
    model, (actions, _, _) = MixtureMap(), batch(400)
    _, metrics = shortcut_loss(model, model, actions[:, :1], None, None, torch.Generator().manual_seed(0))
    assert metrics["loss_distillation"] < 1e-16


class Watch(MixtureMap):
    """Remembers the times of its jumps."""

    def __init__(self, **config):
        super().__init__(**config)
        self.seen = []

    def phi(self, x, t, s, obs=None):
        self.seen.append((t, s))
        return super().phi(x, t, s, obs)


def test_steps_are_dyadic_and_start_at_multiples_of_themselves():
    model = Watch(sigma_max=1e6)
    shortcut_loss(model, model, batch(4000)[0][:, :1], None, None, torch.Generator().manual_seed(0))
    (t, u), (u_again, s), (t_again, s_again), (flow, same) = ((1 / (1 + a), 1 / (1 + b)) for a, b in model.seen)
    assert torch.equal(u, u_again) and torch.equal(t, t_again) and torch.equal(s, s_again) and torch.equal(flow, same)
    assert len(t) == 1000 and len(flow) == 3000
    step = (s - t).log2().round().exp2()
    torch.testing.assert_close(s - t, step, rtol=0, atol=2e-6)
    torch.testing.assert_close(u - t, step / 2, rtol=0, atol=2e-6)
    torch.testing.assert_close(t / step, (t / step).round(), rtol=0, atol=2e-4)
    sizes, counts = step.unique(return_counts=True)
    assert sizes.tolist() == [2.0**-k for k in range(6, -1, -1)] and (counts > 100).all()
    for size in sizes:  # every start is visited
        assert len((t[step == size] / size).round().unique()) > 0.6 / size


@pytest.mark.parametrize("sigma_max", [0.5, 3.0, 20.0])
def test_steps_that_lie_above_sigma_max_are_no_steps(sigma_max):
    """The smallest steps next to pure noise would start and end at sigma_max: there is nothing to divide by."""
    model, target = networks(0, sigma_max=sigma_max)
    loss, metrics = shortcut_loss(model, target, batch(2000, 0)[0], None, None, torch.Generator().manual_seed(0))
    slopes = torch.autograd.grad(loss, list(model.parameters()))
    assert all(v.isfinite().all() for v in (loss, *metrics.values(), *slopes))


@pytest.mark.parametrize("rows, fraction", [(1, 0.25), (8, 1.0)])
def test_a_batch_of_jumps_alone(rows, fraction):
    model, target = networks(0)
    actions, _, weights = batch(rows, 0)
    loss, metrics = shortcut_loss(model, target, actions, None, weights, torch.Generator().manual_seed(3), fraction)
    jumps, flow = own_shortcut(model, target, actions, None, weights, torch.Generator().manual_seed(3), rows)
    assert flow == 0 and metrics["loss_flow"] == 0
    assert_same(loss, jumps, model)


# -- MeanFlow: tau runs from data at 0 to noise at 1, x = (1 - tau) a + tau z, and u is the mean velocity -------------


def mean_velocity(model, x, tau, rho, obs):
    """u over [rho, tau], (B, A)."""
    tau, rho = tau[:, None], rho[:, None]
    return (x - model.phi(x / (1 - tau), (tau / (1 - tau))[:, 0], (rho / (1 - rho))[:, 0], obs)) / tau


def own_meanflow(model, target, actions, obs, weights, g, n, adaptive, derivative):
    """As the paper's Algorithm 1, with du/dt along v = z - a."""
    two = [torch.sigmoid(-0.4 + torch.randn(len(actions), generator=g)) for _ in range(2)]
    tau, rho = (pick(*two).clamp(0.002 / 1.002, 80 / 81) for pick in (torch.maximum, torch.minimum))
    rho = torch.cat([rho[:n], tau[n:]])
    z = torch.randn(actions.shape, generator=g)
    x, v = (1 - tau)[:, None] * actions + tau[:, None] * z, z - actions

    def along(h):  # where v leads in a time h; rho stays
        return mean_velocity(target, x + h[:, None] * v, tau + h, rho, obs)

    zero = torch.zeros_like(tau)
    if derivative == "differences":
        with torch.no_grad():
            change = (along(zero + 1e-6) - along(zero - 1e-6)) / 2e-6
    else:
        h = zero.requires_grad_()
        u = along(h)
        change = torch.stack([torch.autograd.grad(u[:, i].sum(), h, retain_graph=True)[0] for i in range(A)], 1)
    aim = v - (tau - rho)[:, None] * change.detach()
    square = (mean_velocity(model, x, tau, rho, obs) - aim).pow(2).sum(1)
    if adaptive:
        square = square / (square + 0.01).detach()
    return (square if weights is None else weights * square).mean()


@pytest.mark.parametrize("derivative, rtol", [("differences", 1e-4), ("autograd", 1e-7)])
@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("obs_dim", [0, O])
@pytest.mark.parametrize("weighted", [False, True])
def test_meanflow_loss_is_the_papers(obs_dim, weighted, adaptive, derivative, rtol):
    model, target = networks(obs_dim)
    actions, obs, weights = batch(12, obs_dim)
    weights = weights if weighted else None
    loss, metrics = meanflow_loss(model, target, actions, obs, weights, torch.Generator().manual_seed(3),
                                  fraction=0.7, adaptive=adaptive)
    g = torch.Generator().manual_seed(3)
    plain = own_meanflow(model, target, actions, obs, weights, g, 8, adaptive, derivative)
    assert_same(loss, plain, model, rtol)
    assert torch.equal(metrics["loss_meanflow"], loss.detach())


def test_rows_of_meanflow_without_a_jump_are_flow_matching():
    model = Watch()
    meanflow_loss(model, model, batch(100)[0][:, :1], None, None, torch.Generator().manual_seed(0), fraction=0.3)
    for t, s in model.seen:
        assert (s[:30] < t[:30]).all() and torch.equal(s[30:], t[30:])


def meanflow_slopes(model, t, s, adaptive, monkeypatch):
    """Gradient with respect to shift and tilt of the expected loss at given times, by quadrature, over the weight."""
    a, z, weights = quadrature(nodes=40)
    levels = iter((t, s))
    monkeypatch.setattr(average_velocity, "noise_like", lambda actions, generator: z)
    monkeypatch.setattr(average_velocity.MeanFlow, "draw",
                        lambda self, n, generator: self.time(torch.full((n,), next(levels))))
    loss, _ = meanflow_loss(model, model, a, None, weights, torch.Generator(), fraction=1.0, adaptive=adaptive)
    scale = 1.0 if adaptive else ((1 + t) / t) ** 2 * (1 + t) / (1 + s)
    return torch.stack(torch.autograd.grad(loss / scale, [model.shift, model.tilt]))


@pytest.mark.parametrize("t, s", [(0.3, 0.1), (1.0, 0.2), (1.0, 1.0), (2.0, 0.3)])
def test_the_exact_map_is_an_optimum_of_meanflow(t, s, monkeypatch):
    """The reference is a sample's velocity, not the field's; its noise has mean zero."""
    model = MixtureMap()
    assert meanflow_slopes(model, t, s, False, monkeypatch).abs().max() < 1e-6
    with torch.no_grad():
        model.shift.fill_(0.1)
    assert meanflow_slopes(model, t, s, False, monkeypatch).abs().max() > 1e-3


def test_the_adaptive_weight_moves_the_optimum(monkeypatch):
    """Rows near the estimate count more than rows far away: at much noise it is drawn to the larger of two groups."""
    adaptive = meanflow_slopes(MixtureMap(), 5.0, 5.0, True, monkeypatch)
    assert adaptive[0] < -0.5  # descent raises the estimate, towards the 65 % at 0.4
