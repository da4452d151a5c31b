"""Exponential tilts p exp(eta Q) / Z in closed form, against densities, quadrature and importance weights."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from gtp_mini.exact import Gaussian, GaussianMixture, point_masses
from gtp_mini.guidance import tilt

DOUBLE = torch.float64
ETAS = st.floats(-3, 3)
SEEDS = st.integers(0, 10_000)


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def gaussian(seed, dim=3):
    root = normal(dim, dim, seed=seed)
    return Gaussian(normal(dim, seed=seed + 1), root @ root.T / dim + 0.05 * torch.eye(dim))


def mixture(seed, m=4, dim=2):
    return GaussianMixture(normal(m, dim, seed=seed), 0.1 + normal(m, dim, seed=seed + 1).abs(),
                           normal(m, seed=seed + 2).softmax(0))


def assert_same(a, b):
    for name in ("means", "stds", "weights") if isinstance(a, GaussianMixture) else ("mean", "covariance"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("make, dim", [(gaussian, 3), (mixture, 2)])
@given(seed=SEEDS, eta=ETAS)
def test_a_tilted_density_is_the_density_times_the_weight(make, dim, seed, eta):
    dist, g, x = make(seed), normal(dim, seed=seed + 3), 2 * normal(10, dim, seed=seed + 4)
    wanted = dist.log_prob(x, 0.0) + eta * (x @ g) - dist.log_normaliser(eta, g)
    torch.testing.assert_close(dist.tilted(eta, g).log_prob(x, 0.0), wanted, rtol=1e-9, atol=1e-9)


@given(SEEDS, ETAS)
def test_a_value_may_depend_on_the_component(seed, eta):
    """Component by component: each is a Gaussian, whose tilt is known from above."""
    dist, g, c = mixture(seed), normal(2, seed=seed + 3), 3 * normal(4, seed=seed + 4)
    tilted = dist.tilted(eta, g, c)
    parts = [Gaussian(mean, torch.diag(std**2)) for mean, std in zip(dist.means, dist.stds, strict=True)]
    logs = torch.tensor([part.log_normaliser(eta, g) for part in parts], dtype=DOUBLE)
    mass = dist.weights.log() + eta * c + logs
    assert dist.log_normaliser(eta, g, c) == pytest.approx(mass.logsumexp(0).item(), abs=1e-10)
    wanted = GaussianMixture(torch.stack([part.tilted(eta, g).mean for part in parts]), dist.stds, mass.softmax(0))
    assert type(tilted) is GaussianMixture
    assert_same(tilted, wanted)


def test_the_normaliser_by_quadrature():
    dist = GaussianMixture([[-0.6], [0.5]], [0.2, 0.4], [0.3, 0.7])

    def integrand(x, power):
        return x**power * math.exp(1.7 * 0.8 * x + dist.log_prob(torch.tensor([[x]], dtype=DOUBLE), 0.0).item())

    def weighted(power):
        return integrate.quad(integrand, -6, 8, power, epsabs=1e-12)[0]

    assert dist.log_normaliser(1.7, [0.8]) == pytest.approx(math.log(weighted(0)), abs=1e-9)
    tilted = dist.tilted(1.7, [0.8])
    assert (tilted.weights @ tilted.means).item() == pytest.approx(weighted(1) / weighted(0), abs=1e-9)


def test_importance_weights_say_the_same():
    """Weighted samples of p have the moments of the tilted p, and the mean weight is its normaliser."""
    eta, n = 0.7, 400_000
    g = torch.tensor([0.8, -0.5], dtype=DOUBLE)
    c = torch.tensor([0.0, 1.0, -1.0], dtype=DOUBLE)
    stds = [[0.3, 0.5], [0.6, 0.2], [0.4, 0.4]]
    dist = GaussianMixture([[-1.0, 0.0], [0.5, 0.8], [0.5, -0.8]], stds, [0.5, 0.2, 0.3])
    generator = torch.Generator().manual_seed(0)
    k = torch.multinomial(dist.weights, n, replacement=True, generator=generator)
    x = dist.means[k] + dist.stds[k] * torch.randn(n, 2, generator=generator, dtype=DOUBLE)
    w = torch.exp(eta * (x @ g + c[k]))
    tilted = dist.tilted(eta, g, c)
    assert w.mean().log().item() == pytest.approx(dist.log_normaliser(eta, g, c), abs=0.005)
    shares = torch.zeros(3, dtype=DOUBLE).index_add(0, k, w) / w.sum()
    torch.testing.assert_close(tilted.weights, shares, atol=0.005, rtol=0)
    torch.testing.assert_close(tilted.weights @ tilted.means, w @ x / w.sum(), atol=0.005, rtol=0)

    gauss = gaussian(0)
    x = gauss.sample(n, generator).double()
    w = torch.exp(eta * (x @ normal(3)))
    torch.testing.assert_close(gauss.tilted(eta, normal(3)).mean, w @ x / w.sum(), atol=0.02, rtol=0)


@given(SEEDS, ETAS, ETAS, st.floats(-50, 50))
def test_tilts_add_up_and_a_baseline_cancels(seed, one, two, shift):
    dist, g, c = mixture(seed), normal(2, seed=seed + 3), normal(4, seed=seed + 4)
    assert_same(dist.tilted(0.0, g, c), dist)
    assert_same(dist.tilted(1.0), dist)
    assert_same(dist.tilted(one, g, c).tilted(two, g, c), dist.tilted(one + two, g, c))
    assert_same(dist.tilted(one, g, c + shift), dist.tilted(one, g, c))
    assert dist.log_normaliser(one, g, c + shift) == pytest.approx(dist.log_normaliser(one, g, c) + one * shift)
    part, h = gaussian(seed), normal(3, seed=seed + 5)
    assert_same(part.tilted(0.0, h), part)
    assert_same(part.tilted(one, h).tilted(two, h), part.tilted(one + two, h))


@given(SEEDS, ETAS)
def test_the_normaliser_is_the_cumulant_generating_function(seed, eta):
    """d log Z / d eta = E[Q] under the tilt."""
    dist, g, c, h = mixture(seed), normal(2, seed=seed + 3), normal(4, seed=seed + 4), 1e-5
    slope = (dist.log_normaliser(eta + h, g, c) - dist.log_normaliser(eta - h, g, c)) / (2 * h)
    tilted = dist.tilted(eta, g, c)
    assert slope == pytest.approx((tilted.weights @ (tilted.means @ g + c)).item(), abs=1e-5, rel=1e-6)


@given(SEEDS, ETAS)
def test_discrete_data_are_reweighted(seed, eta):
    """Q per point, linear or not; the weighted denoiser of the data is the denoiser of the tilt."""
    at, w, q = normal(5, 2, seed=seed), normal(5, seed=seed + 1).softmax(0), normal(5, seed=seed + 2)
    dist, g = point_masses(at, w), normal(2, seed=seed + 3)
    tilted = dist.tilted(eta, offsets=q)
    torch.testing.assert_close(tilted.means, at)
    torch.testing.assert_close(tilted.weights, tilt(w, q, eta))
    assert_same(dist.tilted(eta, linear=g), dist.tilted(eta, offsets=at @ g))
    x, t = normal(6, 2, seed=seed + 4), 0.7
    kernel = torch.exp(-(x[:, None] - at).pow(2).sum(-1) / (2 * t**2)) * w * torch.exp(eta * q)
    torch.testing.assert_close(tilted.denoise(x, t), kernel @ at / kernel.sum(1, keepdim=True), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("call, message", [
    (lambda: mixture(0).tilted(math.nan), "eta must be finite, got nan"),
    (lambda: mixture(0).tilted(torch.ones(2)), r"eta must be a number, got shape \(2,\)"),
    (lambda: mixture(0).tilted(1.0, torch.ones(3)), r"linear must be of shape \(2,\), got shape \(3,\)"),
    (lambda: mixture(0).tilted(1.0, offsets=torch.ones(3)), r"offsets must be of shape \(4,\), got shape \(3,\)"),
    (lambda: mixture(0).log_normaliser(1.0, offsets=[0.0, math.inf, 0.0, 0.0]), "offsets must be finite, got inf"),
    (lambda: gaussian(0).tilted(normal(3), 1.0), r"eta must be a number, got shape \(3,\)"),
    (lambda: gaussian(0).log_normaliser(1.0, torch.ones(2)), r"linear must be of shape \(3,\), got shape \(2,\)"),
])
def test_tilts_that_do_not_exist_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
