"""Diffusion and flow matching: each loss as its own paper writes it, and the denoiser as the optimum of all."""

import pytest
import torch
from linear_map import LinearMap
from mixture_map import MixtureMap, quadrature

from gtp_mini.clocks import DDPM, EDM, FlowMatching, MeanFlow
from gtp_mini.exact import GaussianMixture
from gtp_mini.flow_map import FlowMap, FlowMapConfig
from gtp_mini.objectives import denoising, denoising_loss, flow_loss

DOUBLE = torch.float64
B, A, O = 7, 2, 3  # noqa: E741
CLOCKS = [EDM(), EDM(0.7, -0.4, 0.9), DDPM(), DDPM(8), FlowMatching(), MeanFlow()]
every_clock = pytest.mark.parametrize("clock", CLOCKS, ids=lambda clock: type(clock).__name__)


pytestmark = pytest.mark.usefixtures("in_double_precision")


def network(obs_dim=O):
    torch.manual_seed(0)
    return FlowMap(FlowMapConfig(A, obs_dim, width=8, depth=2))


def batch(obs_dim=O):
    g = torch.Generator().manual_seed(2)
    obs = torch.randn(B, obs_dim, generator=g) if obs_dim else None
    return torch.randn(B, A, generator=g), obs, 3 * torch.rand(B, generator=g)


def own_squares(clock, model, actions, z, t, obs):
    """Squared error of each row, in the method's own terms: its time, its sample, its prediction, its target."""
    tau = clock.time(t)[:, None]

    def denoised(x_own, scale):
        return model.phi(x_own / scale, t, t, obs)

    if isinstance(clock, FlowMatching):  # data at 1, v = a - z
        x = (1 - tau) * z + tau * actions
        error = (denoised(x, tau) - x) / (1 - tau) - (actions - z)
    elif isinstance(clock, MeanFlow):  # data at 0, v = z - a
        x = (1 - tau) * actions + tau * z
        error = (x - denoised(x, 1 - tau)) / tau - (z - actions)
    elif isinstance(clock, DDPM):  # epsilon
        abar = torch.exp(-0.1 * tau - 9.9 * tau**2 / 2)
        x = abar.sqrt() * actions + (1 - abar).sqrt() * z
        error = (x - abar.sqrt() * denoised(x, abar.sqrt())) / (1 - abar).sqrt() - z
    else:  # lambda(sigma) |D - a|^2
        sd = clock.sigma_data
        error = (denoised(actions + tau * z, 1.0) - actions) * (tau**2 + sd**2).sqrt() / (tau * sd)
    return error.pow(2).sum(1)


@every_clock
@pytest.mark.parametrize("obs_dim", [0, O])
@pytest.mark.parametrize("weighted", [False, True])
def test_value_and_gradient_are_those_of_the_methods_own_loss(clock, obs_dim, weighted):
    model, (actions, obs, weights) = network(obs_dim), batch(obs_dim)
    loss, metrics = denoising_loss(model, None, actions, obs, weights if weighted else None,
                                   torch.Generator().manual_seed(3), clock)
    g = torch.Generator().manual_seed(3)
    t = clock.sigma(clock.draw(B, g)).clamp(0.002, 80.0)
    squares = own_squares(clock, model, actions, torch.randn(B, A, generator=g), t, obs)
    plain = (weights * squares if weighted else squares).mean()
    torch.testing.assert_close(loss, plain, rtol=1e-9, atol=0)
    slopes = [torch.autograd.grad(value, list(model.parameters())) for value in (loss, plain)]
    torch.testing.assert_close(*slopes, rtol=1e-7, atol=1e-10)
    assert torch.equal(metrics["loss_denoising"], loss.detach())


@every_clock
@pytest.mark.parametrize("t", [0.1, 0.6, 2.0, 20.0])
def test_the_exact_denoiser_is_the_optimum_in_every_clock(clock, t, monkeypatch):
    """Expectations by quadrature: no gradient at the truth, and some beside it."""
    a, z, weights = quadrature()
    monkeypatch.setattr(denoising, "noise_like", lambda actions, generator: z)
    monkeypatch.setattr(clock, "draw", lambda n, generator: clock.time(torch.full((n,), t)))
    model = MixtureMap()

    def slopes():
        loss, _ = denoising_loss(model, None, a, None, weights, torch.Generator(), clock)
        return torch.stack(torch.autograd.grad(loss / clock.error_weight(torch.tensor(t)), [model.shift, model.tilt]))

    assert slopes().abs().max() < 1e-6
    with torch.no_grad():
        model.shift.fill_(0.01)
    assert slopes()[0] == pytest.approx(0.02, rel=1e-4)  # of |shift|^2


@pytest.mark.parametrize("t", [0.1, 0.5, 2.0, 20.0])
def test_the_floor_of_the_flow_loss_is_what_the_noisy_point_does_not_tell(t):
    """d sd^2 t^2 / (sd^2 + t^2) for N(0, sd^2 I); and no slope there."""
    sd = 0.5
    a, z, weights = quadrature(GaussianMixture(torch.zeros(1, 1), sd), nodes=3)
    model = LinearMap(sd, dim=1)
    loss = flow_loss(model, a, z, torch.full((len(a),), t), weights=weights)
    torch.testing.assert_close(loss.detach(), torch.tensor(sd**2 * t**2 / (sd**2 + t**2)), rtol=1e-12, atol=0)
    assert abs(torch.autograd.grad(loss, model.gain)[0]) < 1e-12 * t**2


def test_weights_tilt_the_data():
    """The weighted flow loss is stationary at the denoiser of weight x density."""
    points, advantage, t = torch.tensor([[-0.7], [0.7]]), torch.tensor([1.0, 3.0]), 0.9
    a, z, weights = quadrature(GaussianMixture(points, 0.0))
    weights = weights * torch.where(a[:, 0] < 0, *advantage)

    def slope(truth):
        model, shift = LinearMap(dim=1), torch.zeros((), requires_grad=True)
        model.phi = lambda x, t, s, obs=None: truth.denoise(x, t) + shift
        loss = flow_loss(model, a, z, torch.full((len(a),), t), weights=weights)
        return torch.autograd.grad(loss, shift)[0].item()

    assert abs(slope(GaussianMixture(points, 0.0, advantage))) < 1e-6
    assert slope(GaussianMixture(points, 0.0)) < -0.5


def test_the_target_model_is_not_asked():
    actions, obs, _ = batch()
    values = [denoising_loss(network(), target, actions, obs, None, torch.Generator().manual_seed(0), EDM())[0]
              for target in (None, network(), "nobody")]
    assert values[0] == values[1] == values[2]
