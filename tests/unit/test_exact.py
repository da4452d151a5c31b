"""Closed forms against one another: flow maps, denoisers and scores that are derived in different ways must agree."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from torch.distributions import Categorical, Independent, MixtureSameFamily, MultivariateNormal, Normal

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
    torch.testing.assert_close(GAUSSIAN(x, t, t * (1 - 1e-15)), x, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(GAUSSIAN(GAUSSIAN(x, t, u), u, s), GAUSSIAN(x, t, s), rtol=1e-12, atol=1e-12)


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
    for gap in (1e-6, 1e-9, 1e-12, 0.0):  # near s = t the quotient loses its digits
        torch.testing.assert_close(dist.phi(x, t, t - gap), dist.denoise(x, t), rtol=2e-6, atol=1e-7)


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
        assert torch.equal(dist(x, t, s)[2], x[2])  # s = t


def test_an_oval_is_a_gaussian_with_that_covariance():
    oval = GaussianMixture(torch.tensor([[0.3, -0.2]]), torch.tensor([[0.5, 0.1]]))
    gaussian = Gaussian(torch.tensor([0.3, -0.2]), torch.diag(torch.tensor([0.25, 0.01])))
    x = points(20, 2, 3.0)
    torch.testing.assert_close(oval.denoise(x, 0.7), gaussian.denoise(x, 0.7), atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(oval(x, 3.0, 0.2), gaussian(x, 3.0, 0.2), atol=1e-6, rtol=1e-6)
    spread = OVALS.sample(40_000, torch.Generator().manual_seed(0)) - torch.tensor([0.0, 1.0])
    torch.testing.assert_close(spread[spread[:, 1] > -0.5].std(0), torch.tensor([0.5, 0.1]), atol=0.01, rtol=0)


# -- densities and scores ---------------------------------------------------------------------------------------


def log_density(dist, x, t):
    """Of x_t, by torch.distributions."""
    if isinstance(dist, Gaussian):
        return MultivariateNormal(MEAN, COVARIANCE + t**2 * torch.eye(3, dtype=DOUBLE)).log_prob(x)
    parts = Independent(Normal(dist.means, (dist.stds**2 + t**2).sqrt()), 1)
    return MixtureSameFamily(Categorical(dist.weights), parts).log_prob(x)


@pytest.mark.parametrize("dist", [GAUSSIAN, LINE, PLANE, OVALS])
@pytest.mark.parametrize("t", [0.0, 1e-7, 0.05, 0.7, 20.0])
def test_score_and_denoiser_are_the_gradient_of_the_log_density(dist, t):
    x = points(8, dist.dim, max(t, 1.0)).requires_grad_()
    torch.testing.assert_close(dist.log_prob(x, t), log_density(dist, x, t), rtol=1e-12, atol=1e-12)
    (gradient,) = torch.autograd.grad(dist.log_prob(x, t).sum(), x)
    (independent,) = torch.autograd.grad(log_density(dist, x, t).sum(), x)
    x = x.detach()
    torch.testing.assert_close(dist.score(x, t), gradient, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(dist.score(x, t), independent, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(dist.velocity(x, t), -t * gradient, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(dist.denoise(x, t), x + t**2 * gradient, rtol=1e-9, atol=1e-12)  # Tweedie


def test_times_of_densities_may_differ_from_row_to_row():
    t = torch.tensor([0.01, 0.5, 10.0])
    for dist in (GAUSSIAN, LINE, PLANE):
        x = points(3, dist.dim)
        for quantity in (dist.log_prob, dist.score, dist.velocity, dist.denoise):
            rows = torch.cat([quantity(x[i : i + 1], t[i]) for i in range(3)])
            torch.testing.assert_close(quantity(x, t), rows, rtol=1e-12, atol=0)


def test_without_noise_the_denoiser_stands_still_or_snaps_to_the_points():
    x = points(5, 2)
    flat = Gaussian(torch.zeros(2), torch.diag(torch.tensor([1.0, 0.0])))  # no width along the second axis
    torch.testing.assert_close(PLANE.denoise(x, 0.0), x)
    torch.testing.assert_close(flat.denoise(x, 0.0), x * torch.tensor([1.0, 0.0]))
    corners = torch.tensor([[-0.6, -0.6], [0.6, 0.5]])
    snapped = point_masses(corners).denoise(x, 0.0)
    assert torch.equal(snapped, corners.double()[torch.cdist(x, corners.double()).argmin(1)])
    for dist in (flat, point_masses(corners), GaussianMixture(corners, [0.0, 1.0])):
        for quantity in (dist.log_prob, dist.score, dist.velocity):
            with pytest.raises(ValueError, match="t must be > 0, got 0"):
                quantity(x, 0.0)
            assert quantity(x, 1e-3).isfinite().all()


# -- integration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t, s", [(80.0, 0.0), (5.0, 0.02), (0.3, 0.0)])
def test_integration_agrees_with_transport(t, s):
    """The same mixture with a second, independent dimension: N(0, sd^2), sd the one of all components."""
    line = GaussianMixture(torch.tensor([[-1.0], [0.2], [1.5]]), 0.2, torch.tensor([2.0, 1.0, 1.0]))
    plane = GaussianMixture(torch.cat([line.means, torch.zeros(3, 1)], 1), 0.2, line.weights)
    x = points(40, 2, math.hypot(1.0, t))
    wide = Gaussian(torch.zeros(1), torch.tensor([[0.04]]))
    exact = torch.cat([line(x[:, :1], t, s), wide(x[:, 1:], t, s)], 1)
    torch.testing.assert_close(plane(x, t, s), exact, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("sd", [0.0, 1e-6, 1e-4, 1e-3, 0.03])
def test_integration_is_as_good_on_every_scale(sd):
    x = points(50, 2, 80.0)
    mixture = GaussianMixture(MEAN[None, :2], sd)
    gaussian = Gaussian(MEAN[:2], sd**2 * torch.eye(2, dtype=DOUBLE))
    for s in (0.0, 1e-3):
        torch.testing.assert_close(mixture(x, 80.0, s), gaussian(x, 80.0, s), atol=2e-6, rtol=0)


def test_a_row_does_not_depend_on_its_batch():
    """One row on the steep side of a mode, among many that hardly move."""
    hard, still = torch.tensor([[0.1, 0.05]], dtype=DOUBLE), torch.zeros(5_000, 2, dtype=DOUBLE)
    times = torch.tensor([1.0] + 5_000 * [1e-3], dtype=DOUBLE)
    together = PLANE(torch.cat([hard, still + 0.5]), times, 0.5 * times)
    torch.testing.assert_close(together[:1], PLANE(hard, 1.0, 0.5), atol=2e-8, rtol=0)


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(2, 4), LEVELS, LEVELS, LEVELS)
def test_maps_of_any_mixture_compose(seed, m, dim, a, b, c):
    t, u, s = sorted((a, b, c), reverse=True)
    means, stds = points(m, dim, 1.0, seed), points(m, dim, 0.5, seed + 1).abs() + 0.05
    dist = GaussianMixture(means, stds, points(m, 1, 1.0, seed + 2)[:, 0].softmax(0))
    x = points(8, dim, math.hypot(1.0, t), seed + 3)
    whole = dist(x, t, s)
    torch.testing.assert_close(dist(dist(x, t, u), u, s), whole, atol=2e-6, rtol=1e-6)


def test_in_the_plane_maps_compose_and_agree_with_small_heun_steps():
    x = points(20, 2, 10.0)
    whole = PLANE(x, 10.0, 0.05)
    torch.testing.assert_close(PLANE(PLANE(x, 10.0, 1.0), 1.0, 0.05), whole, atol=1e-6, rtol=1e-6)
    times = torch.logspace(1, math.log10(0.05), 2001, dtype=DOUBLE)
    torch.testing.assert_close(samplers.heun(PLANE, x, times), whole, atol=2e-6, rtol=1e-6)


def test_a_mixture_of_one_is_a_gaussian():
    mixture = GaussianMixture(MEAN[None, :2], 0.4)
    gaussian = Gaussian(MEAN[:2], 0.16 * torch.eye(2, dtype=DOUBLE))
    x = points(10, 2, 3.0)
    for quantity in ("denoise", "score", "velocity", "log_prob"):
        torch.testing.assert_close(getattr(mixture, quantity)(x, 2.0), getattr(gaussian, quantity)(x, 2.0))
    torch.testing.assert_close(mixture(x, 2.0, 0.0), gaussian(x, 2.0, 0.0), atol=1e-7, rtol=1e-7)


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
    for dist in (PLANE, LINE, GAUSSIAN, point_masses(torch.zeros(1, 2)), point_masses(torch.zeros(1, 1))):
        x = points(5, dist.dim)
        assert torch.equal(dist(x, 0.0, 0.0), x)


# -- samples, precision, bad input ------------------------------------------------------------------------------


def test_samples_have_the_moments():
    n = 200_000
    x = GAUSSIAN.sample(n, torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(x.mean(0), MEAN, atol=0.01, rtol=0)
    torch.testing.assert_close(x.T.cov(), COVARIANCE, atol=0.01, rtol=0)
    x = PLANE.sample(n, torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(x.mean(0), (PLANE.weights[:, None] * PLANE.means).sum(0), atol=0.01, rtol=0)


def test_float32_stays_float32_and_loses_little():
    for dist in (GAUSSIAN, LINE, PLANE):
        x = points(10, dist.dim, 5.0)
        low = dist(x.float(), 5.0, 0.2)
        assert low.dtype == dist.denoise(x.float(), 5.0).dtype == dist.log_prob(x.float(), 5.0).dtype == torch.float32
        torch.testing.assert_close(low.double(), dist(x, 5.0, 0.2), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(dist(x, 0.3, torch.tensor(0.3)), x, atol=1e-6, rtol=1e-6)  # float32's 0.3 is above


def test_no_rows_are_a_batch():
    for dist in (GAUSSIAN, LINE, PLANE):
        x = torch.zeros(0, dist.dim)
        assert dist(x, 1.0, 0.5).shape == dist.denoise(x, torch.zeros(0)).shape == (0, dist.dim)
        assert dist.log_prob(x, 1.0).shape == (0,)


@pytest.mark.parametrize("make, message", [
    (lambda: Gaussian(torch.zeros(2), torch.eye(3)), r"covariance must be of shape \(2, 2\), got shape \(3, 3\)"),
    (lambda: Gaussian(torch.zeros(2), torch.tensor([[1.0, 0.5], [0.0, 1.0]])), "symmetric"),
    (lambda: Gaussian(torch.zeros(1), torch.tensor([[-1.0]])), "negative eigenvalue, -1"),
    (lambda: Gaussian(torch.tensor(0.0), torch.eye(1)), r"mean must be of shape \(A,\), got shape \(\)"),
    (lambda: Gaussian(torch.tensor([math.nan]), torch.eye(1)), "mean must be finite, got nan"),
    (lambda: GaussianMixture(torch.zeros(3), 1.0), r"means must be of shape \(M, A\), got shape \(3,\)"),
    (lambda: GaussianMixture(torch.zeros(0, 2), 1.0), r"means must be of shape \(M, A\), got shape \(0, 2\)"),
    (lambda: GaussianMixture("points", 1.0), "means must be made of numbers, got 'points'"),
    (lambda: GaussianMixture([[0.0], [math.inf]], 1.0), "means must be finite, got inf"),
    (lambda: GaussianMixture(torch.zeros(2, 1), 1.0, [1.0]), r"weights must be of shape \(2,\), got shape \(1,\)"),
    (lambda: GaussianMixture(torch.zeros(2, 1), 1.0, [1.0, -1.0]), r"weights must be 2 numbers >= 0 .* \[1.0, -1.0\]"),
    (lambda: GaussianMixture(torch.zeros(2, 1), 1.0, [0.0, 0.0]), "weights must be 2 numbers >= 0 with a positive sum"),
    (lambda: GaussianMixture(torch.zeros(2, 1), 1.0, [math.nan, 1.0]), "weights must be finite, got nan"),
    (lambda: GaussianMixture(torch.zeros(2, 1), -1.0), "stds must be >= 0"),
    (lambda: GaussianMixture(torch.zeros(2, 1), torch.ones(3)),
     r"stds must be a number or of shape \(2,\) or of shape \(2, 1\), got shape \(3,\)"),
])
def test_distributions_that_do_not_exist_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("dist", [LINE, PLANE, GAUSSIAN])
@pytest.mark.parametrize("change, message", [
    ({"x": lambda x: x[:, 0]}, r"x must be a float tensor of shape \(B, \d\), got torch.float64 of shape \(4,\)"),
    ({"x": lambda x: torch.cat([x, x], 1)}, r"x must be a float tensor of shape \(B, "),
    ({"x": lambda x: x.long()}, "x must be a float tensor .* got torch.int64"),
    ({"x": lambda x: x.tolist()}, "x must be a float tensor .* got list"),
    ({"x": lambda x: x / 0}, "x must be finite, got "),
    ({"t": -1.0, "s": -2.0}, "t is a noise level and must be >= 0, got -1"),
    ({"s": -2.0}, "s is a noise level and must be >= 0, got -2"),
    ({"s": 1.1}, "s must not be above t, flow maps go from noise to data: got t = 1, s = 1.1"),
    ({"s": torch.tensor([0.1, 0.1, 3.0, 0.1])}, "got t = 1, s = 3"),
    ({"t": torch.ones(3)}, r"t must be a number or of shape \(4,\), got shape \(3,\)"),
    ({"t": torch.ones(4, 1)}, r"t must be a number or of shape \(4,\), got shape \(4, 1\)"),
    ({"t": math.inf}, "t must be finite, got inf"),
    ({"t": None}, "t must be made of numbers, got None"),
])
def test_inputs_that_make_no_sense_are_named(dist, change, message):
    x = points(4, dist.dim)
    x = change["x"](x) if "x" in change else x
    t, s = change.get("t", 1.0), change.get("s", 0.5)
    calls = [dist.flow_map, dist.phi, dist]
    if "s" not in change:
        calls += [lambda x, t, s, f=f: f(x, t) for f in (dist.denoise, dist.score, dist.velocity, dist.log_prob)]
    for call in calls:
        with pytest.raises(ValueError, match=message):
            call(x, t, s)


@pytest.mark.parametrize("n", [0, -1, 2.5, True, "3"])
def test_a_number_of_samples_is_a_number(n):
    for dist in (LINE, GAUSSIAN):
        with pytest.raises(ValueError, match="n must be a whole number of at least 1, got "):
            dist.sample(n)
