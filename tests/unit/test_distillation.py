"""Self-distillation: residuals against the identities themselves, zero where the map is exact, losses term by term."""

import pytest
import torch
from linear_map import LinearMap
from mixture_map import MixtureMap

from gtp_mini.flow_map import FlowMap, FlowMapConfig
from gtp_mini.objectives import distillation, esd_loss, lsd_loss, psd_loss
from gtp_mini.objectives.distillation import esd_residual, eulerian_defect, lsd_residual, psd_residual
from gtp_mini.times import Times, sample_span, sample_t

DOUBLE = torch.float64
B, A, O = 6, 2, 3  # noqa: E741
RESIDUALS = [psd_residual, lsd_residual, esd_residual]
LOSSES = [(psd_loss, psd_residual), (lsd_loss, lsd_residual), (esd_loss, esd_residual)]
every_residual = pytest.mark.parametrize("residual", RESIDUALS, ids=lambda f: f.__name__)
every_loss = pytest.mark.parametrize("loss, residual", LOSSES, ids=lambda f: f.__name__)


pytestmark = pytest.mark.usefixtures("in_double_precision")


def networks(obs_dim=O):
    """An online model and another one as its target."""
    made = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        made.append(FlowMap(FlowMapConfig(A, obs_dim, width=8, depth=2)))
    return made


def batch(n=B, dim=A, obs_dim=O, seed=2):
    """actions, x, (t, u, s), obs; with noise from 0.002 to 80, u = s in the last row and s = 0 in the one before."""
    g = torch.Generator().manual_seed(seed)
    actions = torch.randn(n, dim, generator=g)
    t, u, s = sample_span(n, g, zero_mass=0.0)
    u[-1], s[-2] = s[-1], 0.0
    x = actions + t[:, None] * torch.randn(n, dim, generator=g)
    return actions, x, Times(t, u, s), torch.randn(n, obs_dim, generator=g) if obs_dim else None


def far(actions):
    """Data so wide that no target is cut."""
    return 1e6 * actions.abs() + 1e6


# -- each identity, as it is printed, on any network -------------------------------------------------------------


def composed(model, target, x, times, obs):
    """Two jumps, and what one endpoint would have to be to do both."""
    t, u, s = times
    with torch.no_grad():
        end = target(target(x, t, u, obs), u, s, obs)
    return (t[:, None] * end - s[:, None] * x) / (t - s)[:, None]


def test_progressive_residual_is_two_jumps_in_one():
    model, target = networks()
    actions, x, times, obs = batch()
    residual = psd_residual(model, target, far(actions), x, times, obs)
    plain = model.phi(x, times.t, times.s, obs) - composed(model, target, x, times, obs)
    torch.testing.assert_close(residual, plain, rtol=1e-8, atol=1e-9)


def test_lagrangian_residual_is_how_the_end_of_a_jump_misses_the_field():
    """s times (dPhi/ds - f(Phi, s)), with its sign turned and the derivative by differences."""
    model, target = networks()
    actions, x, times, obs = batch()
    t, s, e = times.t, times.s.clamp(min=0.002), 1e-5
    residual = lsd_residual(model, target, far(actions), x, times, obs)
    with torch.no_grad():
        rate = (model(x, t, s * (1 + e), obs) - model(x, t, s * (1 - e), obs)) / (2 * e)
        end = model(x, t, s, obs)
        plain = s[:, None] * target.velocity(end, s, obs) - rate
    torch.testing.assert_close(residual.detach(), plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reference", ["denoiser", "sample"])
def test_eulerian_defect_is_how_the_end_moves_when_the_start_does(reference):
    """Along (x - ref, 1) in (x, ln t), by differences of Phi."""
    model, _ = networks()
    actions, x, (t, _, s), obs = batch()
    with torch.no_grad():
        reference = actions if reference == "sample" else model.denoise(x, t, obs)
        phi, defect = eulerian_defect(model, x, t, s, obs, reference)
        e = 1e-5
        ahead, behind = (model(x + h * (x - reference), t * (1 + h), s, obs) for h in (e, -e))
        torch.testing.assert_close(defect, (ahead - behind) / (2 * e), rtol=1e-5, atol=1e-6)
        assert torch.equal(phi, model.phi(x, t, s, obs))


def test_eulerian_residual_steps_by_the_defect_of_the_target():
    model, target = networks()
    actions, x, times, obs = batch()
    t, s = times.t, times.s
    with torch.no_grad():
        phi, defect = eulerian_defect(target, x, t, s, obs, target.denoise(x, t, obs))
    residual = esd_residual(model, target, far(actions), x, times, obs)
    torch.testing.assert_close(residual, model.phi(x, t, s, obs) - (phi - defect), rtol=1e-12, atol=1e-12)


def test_eulerian_defect_is_linear_in_its_reference():
    """So that a sample of x_0 serves in place of its mean."""
    model, _ = networks()
    actions, x, (t, _, s), obs = batch()
    other = torch.randn(B, A, generator=torch.Generator().manual_seed(5))
    one, two, mean = (eulerian_defect(model, x, t, s, obs, ref)[1] for ref in (actions, other, (actions + other) / 2))
    torch.testing.assert_close(mean, (one + two) / 2)


# -- the exact map ----------------------------------------------------------------------------------------------


@every_residual
@pytest.mark.parametrize("model, tolerance", [(LinearMap(0.5), 1e-12), (LinearMap(2.0), 1e-12), (MixtureMap(), 1e-9)])
def test_no_residual_where_the_map_is_exact(residual, model, tolerance):
    actions, x, times, _ = batch(300, model.config.action_dim, 0)
    assert residual(model, model, actions, x, times, None).abs().max() < tolerance


@every_residual
def test_a_residual_where_it_is_not(residual):
    """Wrong jumps beside a right denoiser: no residual could see an error that all have in common."""

    class Wrong(MixtureMap):
        def phi(self, x, t, s, obs=None):
            return super().phi(x, t, s) + 0.1 * (1 - torch.as_tensor(s) / torch.as_tensor(t))[:, None]

    actions, x, times, _ = batch(300, 1, 0)
    times = Times(times.t, (times.t + times.s) / 2, times.s)
    assert residual(Wrong(), Wrong(), far(actions), x, times, None).abs().median() > 1e-3


@every_residual
def test_a_jump_of_no_length_is_compared_with_the_denoiser(residual):
    model, target = networks()
    actions, x, (t, _, _), obs = batch()
    plain = model.denoise(x, t, obs) - target.denoise(x, t, obs)
    error = residual(model, target, far(actions), x, Times(t, t, t), obs)
    torch.testing.assert_close(error, plain, rtol=1e-9, atol=1e-9)


# -- targets stay among the data ----------------------------------------------------------------------------------


@every_residual
def test_a_target_beyond_twice_the_data_is_cut(residual):
    """The exact phi is a mean of denoisers, which lie among the data."""
    actions, x, times, _ = batch(300, A, 0)
    model, nothing, wild = LinearMap(), LinearMap(), LinearMap()
    with torch.no_grad():
        nothing.gain.zero_(), wild.gain.fill_(-20)
        online = residual(model, nothing, far(actions), x, times, None)  # minus a target of 0
        target = online - residual(model, wild, far(actions), x, times, None)
        limit = 2 * actions.abs().max()
        torch.testing.assert_close(residual(model, wild, actions, x, times, None), online - target.clamp(-limit, limit))
    assert 0.01 < (target.abs() > limit).double().mean() < 0.99


# -- the losses ---------------------------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("obs_dim", [0, O])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_loss_is_denoising_and_distillation(loss, residual, obs_dim, weighted):
    """On a part of the rows, with the noise of those rows; weights on the denoising alone."""
    model, target = networks(obs_dim)
    actions, _, _, obs = batch(10, obs_dim=obs_dim)
    weights = torch.linspace(0.2, 3, 10) if weighted else None
    value, metrics = loss(model, target, actions, obs, weights, torch.Generator().manual_seed(3),
                          distillation_weight=0.7, fraction=0.4, zero_mass=0.3)
    g = torch.Generator().manual_seed(3)
    z, t = torch.randn(10, A, generator=g), sample_t(10, g)
    times = sample_span(4, g, zero_mass=0.3)
    sd = model.config.sigma_data

    def edm_weight(t):
        return (t**2 + sd**2) / (t * sd) ** 2

    error = model.phi(actions + t[:, None] * z, t, t, obs) - actions
    denoising = ((weights if weighted else 1.0) * edm_weight(t) * error.pow(2).sum(1)).mean()
    error = residual(model, target, actions[:4], actions[:4] + times.t[:, None] * z[:4], times,
                     obs[:4] if obs_dim else None)
    distilled = (edm_weight(times.t) * error.pow(2).sum(1)).mean()
    torch.testing.assert_close(value, denoising + 0.7 * distilled, rtol=1e-10, atol=0)
    torch.testing.assert_close(metrics["loss_flow"], denoising.detach(), rtol=1e-10, atol=0)
    torch.testing.assert_close(metrics["loss_distillation"], distilled.detach(), rtol=1e-10, atol=0)
    slopes = [torch.autograd.grad(v, list(model.parameters())) for v in (value, denoising + 0.7 * distilled)]
    torch.testing.assert_close(*slopes, rtol=1e-8, atol=1e-10)


def test_the_lagrangian_gradient_passes_through_the_slope():
    """Against reverse-mode derivatives throughout."""
    model, target = networks(0)
    actions, x, times, _ = batch(obs_dim=0)
    t, s = times.t, times.s.clamp(min=0.002)
    loss = lsd_residual(model, target, far(actions), x, times, None).pow(2).sum()
    level = s.clone().requires_grad_()
    phi = model.phi(x, t, level)
    slope = torch.stack([torch.autograd.grad(phi[:, i].sum(), level, create_graph=True)[0] * s for i in range(A)], 1)
    aim = target.denoise(model(x, t, s), s).detach()
    plain = (phi - (1 - s / t)[:, None] * slope - aim).pow(2).sum()
    torch.testing.assert_close(loss, plain, rtol=1e-9, atol=0)
    parameters = [p for p in model.parameters()]
    torch.testing.assert_close(torch.autograd.grad(loss, parameters), torch.autograd.grad(plain, parameters),
                               rtol=1e-7, atol=1e-8)


@every_loss
def test_nothing_to_distil_leaves_the_denoising(loss, residual):
    """At the exact map the second term is nothing, whatever the batch."""
    value, metrics = loss(MixtureMap(), MixtureMap(), batch(200, 1, 0)[0], None, None, torch.Generator().manual_seed(0))
    assert metrics["loss_distillation"] < 1e-12
    torch.testing.assert_close(value.detach(), metrics["loss_flow"], rtol=1e-9, atol=0)


@pytest.mark.parametrize("fraction, rows", [(0.5, 5), (1.0, 10), (0.01, 1)])
def test_at_least_one_row_is_distilled(fraction, rows, monkeypatch):
    seen = []
    monkeypatch.setattr(distillation, "sample_span", lambda n, *a: (seen.append(n), sample_span(n, *a))[1])
    psd_loss(*networks(0), batch(10)[0], None, None, torch.Generator().manual_seed(0), fraction=fraction)
    assert seen == [rows]
