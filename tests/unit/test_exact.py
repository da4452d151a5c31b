"""Closed forms against one another: flow maps, denoisers and scores that are derived in different ways must agree."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from gtp_mini import samplers
from gtp_mini.exact import Gaussian, GaussianMixture, point_masses

DOUBLE = torch.float64
OVALS = GaussianMixture(torch.tensor([[0.0, -1.0], [0.0, 1.0]]), torch.tensor([[0.1, 0.1], [0.5, 0.1]]))
LEVELS = st.floats(1e-3, 80)
COVARIANCE = torch.tensor([[0.5, 0.3, 0.0], [0.3, 0.4, -0.1], [0.0, -0.1, 0.2]], dtype=DOUBLE)
MEAN = torch.tensor([0.3, -1.0, 2.0], dtype=DOUBLE)
GAUSSIAN = Gaussian(MEAN, COVARIANCE)
LINE = GaussianMixture(torch.tensor([[-1.0], [0.2], [1.5]]), torch.tensor([0.1, 0.3, 0.05]),
                       torch.tensor([2.0, 1.0, 1.0]))
PLANE = GaussianMixture(torch.tensor([[-1.0, 0.0], [0.5, 0.8], [0.5, -0.8]]), torch.tensor([0.1, 0.3, 0.2]),
                        torch.tensor([0.5, 0.3, 0.2]))


def points(n, dim, scale=1.0, seed=0):
    return scale * torch.randn(n, dim, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def root(matrix):
    """Symmetric square root."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ values.sqrt().diag() @ vectors.T


# -- one Gaussian -----------------------------------------------------------------------------------------------


@given(LEVELS, LEVELS, LEVELS)
def test_gaussian_maps_compose_and_stand_still(a, b, c):
    t, u, s = sorted((a, b, c), reverse=True)
    x = MEAN + points(5, 3, t)
    torch.testing.assert_close(GAUSSIAN(x, t, t), x, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(GAUSSIAN(GAUSSIAN(x, t, u), u, s), GAUSSIAN(x, t, s), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(GAUSSIAN(GAUSSIAN(x, t, 0.0), 0.0, t), x, rtol=1e-9, atol=1e-9)


def test_gaussian_is_the_matrix_formula():
    x, t, s = points(4, 3, 2.0), 1.3, 0.4
    eye = torch.eye(3, dtype=DOUBLE)
    matrix = root(COVARIANCE + s**2 * eye) @ torch.linalg.inv(root(COVARIANCE + t**2 * eye))
    torch.testing.assert_close(GAUSSIAN(x, t, s), MEAN + (x - MEAN) @ matrix.T, rtol=1e-12, atol=1e-12)
    gain = COVARIANCE @ torch.linalg.inv(COVARIANCE + t**2 * eye)
    torch.testing.assert_close(GAUSSIAN.denoise(x, t), MEAN + (x - MEAN) @ gain.T, rtol=1e-12, atol=1e-12)


def test_isotropic_gaussian_is_the_scalar_formula():
    sd, t, s = 0.5, 3.0, 0.7
    dist = Gaussian(MEAN, sd**2 * torch.eye(3))
    x = points(4, 3, 3.0)
    torch.testing.assert_close(dist(x, t, s), MEAN + (x - MEAN) * math.sqrt((sd**2 + s**2) / (sd**2 + t**2)))
    a_t, a_s = math.hypot(t, sd), math.hypot(s, sd)
    phi = MEAN + (x - MEAN) * sd**2 * (t + s) / (a_t * (t * a_s + s * a_t))
    torch.testing.assert_close(dist.phi(x, t, s), phi)
    torch.testing.assert_close(dist.phi(x, t, 0.0), dist(x, t, 0.0))
    torch.testing.assert_close(dist.phi(x, t, t - 1e-6), dist.denoise(x, t), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dist", [GAUSSIAN, LINE, PLANE])
@pytest.mark.parametrize("t, s", [(2.0, 0.5), (0.6, 0.3), (10.0, 1.0)])
def test_a_flow_map_is_carried_along_by_the_field(dist, t, s):
    """d Phi(x, t, s) / dt + (d Phi / dx) f(x, t) = 0, and d Phi / ds = f(Phi, s)."""
    x, h = points(6, dist.dim, t), 1e-4

    def along(level):  # first-order motion of the starting point with the field
        return dist(x + (level - t) * dist.velocity(x, t), level, s)

    torch.testing.assert_close((along(t + h) - along(t - h)) / (2 * h), torch.zeros_like(x), atol=2e-4, rtol=0)
    ends = (dist(x, t, s + h) - dist(x, t, s - h)) / (2 * h)
    torch.testing.assert_close(ends, dist.velocity(dist(x, t, s), s), atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(dist.velocity(x, t), (x - dist.denoise(x, t)) / t)


@pytest.mark.parametrize("dist", [GAUSSIAN, LINE, PLANE])
@pytest.mark.parametrize("t, s", [(5.0, 0.5), (80.0, 0.05)])
def test_flow_maps_agree_with_an_independent_integrator(dist, t, s):
    x = points(5, dist.dim, t)

    def field(r, y):
        y = torch.tensor(y).view_as(x)
        return dist.velocity(y, float(np.exp(r))).ravel().numpy() * np.exp(r)

    y = integrate.solve_ivp(field, (math.log(t), math.log(s)), x.ravel().numpy(), "LSODA", rtol=1e-10, atol=1e-11)
    torch.testing.assert_close(dist(x, t, s), torch.tensor(y.y[:, -1]).view_as(x), atol=2e-7, rtol=2e-7)


def test_times_may_differ_from_row_to_row():
    t, s = torch.tensor([80.0, 2.0, 0.5], dtype=DOUBLE), torch.tensor([0.3, 0.0, 0.5], dtype=DOUBLE)
    for dist in (GAUSSIAN, LINE, PLANE):
        x = points(3, dist.dim)
        rows = torch.cat([dist(x[i : i + 1], t[i].item(), s[i].item()) for i in range(3)])
        torch.testing.assert_close(dist(x, t, s), rows, atol=1e-7, rtol=1e-7)
        torch.testing.assert_close(dist(x, t, s)[2], x[2], atol=1e-9, rtol=1e-9)


def test_an_oval_is_a_gaussian_with_that_covariance():
    oval = GaussianMixture(torch.tensor([[0.3, -0.2]]), torch.tensor([[0.5, 0.1]]))
    gaussian = Gaussian(torch.tensor([0.3, -0.2]), torch.diag(torch.tensor([0.25, 0.01])))
    x = points(20, 2, 3.0)
    torch.testing.assert_close(oval.denoise(x, 0.7), gaussian.denoise(x, 0.7), atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(oval(x, 3.0, 0.2), gaussian(x, 3.0, 0.2), atol=1e-6, rtol=1e-6)
    spread = OVALS.sample(40_000, torch.Generator().manual_seed(0)) - torch.tensor([0.0, 1.0])
    torch.testing.assert_close(spread[spread[:, 1] > -0.5].std(0), torch.tensor([0.5, 0.1]), atol=0.01, rtol=0)


# -- scores -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dist", [GAUSSIAN, LINE, PLANE, OVALS])
@pytest.mark.parametrize("t", [0.05, 0.7, 20.0])
def test_score_is_the_gradient_of_the_log_density(dist, t):
    x = (points(8, dist.dim, max(t, 1.0))).requires_grad_()
    if dist is GAUSSIAN:
        eye = torch.eye(3, dtype=DOUBLE)
        log_density = torch.distributions.MultivariateNormal(MEAN, COVARIANCE + t**2 * eye).log_prob(x)
    else:
        total = (dist.stds**2 + t**2).sqrt()
        parts = torch.distributions.Normal(dist.means, total).log_prob(x[:, None]).sum(-1)
        log_density = (dist.weights.log() + parts).logsumexp(-1)
    (gradient,) = torch.autograd.grad(log_density.sum(), x)
    torch.testing.assert_close(dist.score(x.detach(), t), gradient, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(dist.velocity(x.detach(), t), -t * gradient, rtol=1e-8, atol=1e-10)


# -- mixtures ---------------------------------------------------------------------------------------------------


@given(LEVELS, LEVELS, st.integers(0, 99))
def test_on_a_line_the_flow_map_is_monotone_transport(a, b, seed):
    t, s = max(a, b), min(a, b)
    x = LINE.means.mean() + points(20, 1, math.hypot(1.0, t), seed)
    y = LINE(x, t, s)
    torch.testing.assert_close(LINE.cdf(y[:, 0], s), LINE.cdf(x[:, 0], t), atol=1e-10, rtol=0)
    order = x[:, 0].argsort()
    assert (y[order, 0].diff() >= 0).all()
    if t > 0.3:  # else there are gaps between the components where F does not rise by a bit of float64
        torch.testing.assert_close(LINE(x, t, t), x, atol=1e-8, rtol=1e-8)


def test_on_a_line_transport_is_as_good_above_as_below():
    """One distribution and its mirror image; the far tails too."""
    mirror = GaussianMixture(-LINE.means, LINE.stds, LINE.weights)
    x = torch.linspace(-40, 40, 81, dtype=DOUBLE)[:, None]
    torch.testing.assert_close(mirror(-x, 5.0, 0.1), -LINE(x, 5.0, 0.1), atol=1e-8, rtol=0)


@given(LEVELS, LEVELS, LEVELS)
def test_on_a_line_maps_compose(a, b, c):
    t, u, s = sorted((a, b, c), reverse=True)
    x = points(10, 1, math.hypot(1.0, t))
    torch.testing.assert_close(LINE(LINE(x, t, u), u, s), LINE(x, t, s), atol=1e-7, rtol=1e-7)


def test_cdf_is_that_of_a_mixture():
    x = torch.linspace(-3, 3, 13, dtype=DOUBLE)
    for t in (0.0, 0.4):
        sd = np.hypot(LINE.stds[:, 0].numpy(), t)
        parts = stats.norm.cdf((x.numpy()[:, None] - LINE.means.T.numpy()) / sd)
        np.testing.assert_allclose(LINE.cdf(x, t), parts @ [0.5, 0.25, 0.25], atol=1e-14)


@pytest.mark.parametrize("t, s", [(80.0, 0.0), (5.0, 0.02), (0.3, 0.0)])
def test_integration_agrees_with_transport(t, s):
    """The same mixture with a second, independent dimension: N(0, sd^2), sd the one of all components."""
    line = GaussianMixture(torch.tensor([[-1.0], [0.2], [1.5]]), 0.2, torch.tensor([2.0, 1.0, 1.0]))
    plane = GaussianMixture(torch.cat([line.means, torch.zeros(3, 1)], 1), 0.2, line.weights)
    x = points(40, 2, math.hypot(1.0, t))
    wide = Gaussian(torch.zeros(1), torch.tensor([[0.04]]))
    exact = torch.cat([line(x[:, :1], t, s), wide(x[:, 1:], t, s)], 1)
    torch.testing.assert_close(plane(x, t, s), exact, atol=1e-6, rtol=1e-6)


def test_in_the_plane_maps_compose_and_agree_with_small_heun_steps():
    x = points(20, 2, 10.0)
    whole = PLANE(x, 10.0, 0.05)
    torch.testing.assert_close(PLANE(PLANE(x, 10.0, 1.0), 1.0, 0.05), whole, atol=1e-6, rtol=1e-6)
    times = torch.logspace(1, math.log10(0.05), 4001, dtype=DOUBLE)
    torch.testing.assert_close(samplers.heun(PLANE, x, times), whole, atol=1e-6, rtol=1e-6)


def test_a_mixture_of_one_is_a_gaussian():
    mixture = GaussianMixture(MEAN[None, :2], 0.4)
    gaussian = Gaussian(MEAN[:2], 0.16 * torch.eye(2, dtype=DOUBLE))
    x = points(10, 2, 3.0)
    torch.testing.assert_close(mixture.denoise(x, 2.0), gaussian.denoise(x, 2.0))
    torch.testing.assert_close(mixture(x, 2.0, 0.0), gaussian(x, 2.0, 0.0), atol=1e-7, rtol=1e-7)


# -- point masses -----------------------------------------------------------------------------------------------


@given(st.floats(0.1, 3), st.floats(0.05, 80), st.floats(-100, 100))
def test_two_points_have_a_hyperbolic_tangent_for_denoiser(m, t, at):
    dist = point_masses(torch.tensor([[-m], [m]], dtype=DOUBLE))
    x = torch.tensor([[at]], dtype=DOUBLE)
    torch.testing.assert_close(dist.denoise(x, t), m * torch.tanh(m * x / t**2), atol=1e-10, rtol=1e-10)
    if abs(dist.cdf(x[:, 0], t).item() - 0.5) > 1e-12:  # else no float64 tells the sides of the gap apart
        torch.testing.assert_close(dist(x, t, 0.0), m * x.sign(), atol=1e-9, rtol=0)


def test_unequal_points_divide_the_noise_by_their_weights():
    dist = point_masses(torch.tensor([[-1.0], [1.0]]), torch.tensor([0.3, 0.7]))
    x = points(2000, 1, 10.0)
    assert torch.equal(dist(x, 10.0, 0.0)[:, 0] > 0, dist.cdf(x[:, 0], 10.0) > 0.3)
    noise = 1000 * torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0))
    assert (dist(noise, 1000.0, 0.0) > 0).double().mean().item() == pytest.approx(0.7, abs=0.015)


@pytest.mark.parametrize("s", [0.0, 1e-5, 1e-3])
def test_in_the_plane_points_attract_along_a_line(s):
    """Two points in the plane: what is across the line between them shrinks as t does, what is along is transport."""
    plane = point_masses(torch.tensor([[-0.7, 0.0], [0.7, 0.0]]))
    line = point_masses(torch.tensor([[-0.7], [0.7]]))
    x = points(50, 2, 3.0)
    x = x[x[:, 0].abs() > 0.05]
    exact = torch.cat([line(x[:, :1], 3.0, s), x[:, 1:] * s / 3.0], 1)
    torch.testing.assert_close(plane(x, 3.0, s), exact, atol=1e-6, rtol=1e-6)


def test_at_no_noise_a_flow_map_stands_still():
    x = points(5, 2)
    for dist in (PLANE, Gaussian(MEAN[:2], COVARIANCE[:2, :2])):
        torch.testing.assert_close(dist(x, 0.0, 0.0), x)
    x = LINE.means + 0.1
    torch.testing.assert_close(LINE(x, 0.0, 0.0), x, atol=1e-9, rtol=1e-9)


# -- samples, precision, bad input ------------------------------------------------------------------------------


def test_samples_have_the_moments():
    n = 200_000
    x = GAUSSIAN.sample(n, torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(x.mean(0), MEAN, atol=0.01, rtol=0)
    torch.testing.assert_close(x.T.cov(), COVARIANCE, atol=0.01, rtol=0)
    x = LINE.sample(n, torch.Generator().manual_seed(0))[:, 0].double()
    assert stats.kstest(x, lambda v: LINE.cdf(torch.tensor(v), 0.0).numpy()).pvalue > 1e-3
    x = PLANE.sample(n, torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(x.mean(0), (PLANE.weights[:, None] * PLANE.means).sum(0), atol=0.01, rtol=0)


def test_float32_stays_float32_and_loses_little():
    for dist in (GAUSSIAN, LINE, PLANE):
        x = points(10, dist.dim, 5.0)
        low = dist(x.float(), 5.0, 0.2)
        assert low.dtype == dist.denoise(x.float(), 5.0).dtype == torch.float32
        torch.testing.assert_close(low.double(), dist(x, 5.0, 0.2), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("make, message", [
    (lambda: Gaussian(torch.zeros(2), torch.eye(3)), r"symmetric \(2, 2\) matrix, got shape \(3, 3\)"),
    (lambda: Gaussian(torch.zeros(2), torch.tensor([[1.0, 0.5], [0.0, 1.0]])), "symmetric"),
    (lambda: Gaussian(torch.zeros(1), torch.tensor([[-1.0]])), "negative eigenvalue, -1"),
    (lambda: GaussianMixture(torch.zeros(3), 1.0), r"means must be \(M, A\), got shape \(3,\)"),
    (lambda: GaussianMixture(torch.zeros(2, 1), 1.0, torch.tensor([1.0])), "weights must be 2 numbers"),
    (lambda: GaussianMixture(torch.zeros(2, 1), 1.0, torch.tensor([1.0, -1.0])), "weights must be 2 numbers"),
    (lambda: GaussianMixture(torch.zeros(2, 1), -1.0), "stds must be >= 0"),
    (lambda: GaussianMixture(torch.zeros(2, 1), torch.ones(3)), "stds"),
])
def test_distributions_that_do_not_exist_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
