"""Samplers on distributions whose denoiser and flow map are known."""

import inspect
import math

import numpy as np
import pytest
import torch
from linear_map import LinearMap
from scipy import stats

from gtp_mini import samplers
from gtp_mini.exact import Gaussian, GaussianMixture
from gtp_mini.samplers import SAMPLERS
from gtp_mini.times import karras_grid, sampling_times

DOUBLE = torch.float64
SD = 0.5
GAUSSIAN = Gaussian(torch.tensor([0.3, -0.2]), SD**2 * torch.eye(2))
MIXTURE = GaussianMixture(torch.tensor([[-0.6, 0.0], [0.5, 0.4]]), torch.tensor([0.3, 0.4]))
DETERMINISTIC = [samplers.jumps, samplers.euler, samplers.heun, samplers.one_jump]
every_sampler = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)


def noise(n=30, scale=5.0, dim=2):
    return scale * torch.randn(n, dim, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


# -- what all have in common --------------------------------------------------------------------------------------


def test_all_samplers_are_called_alike():
    assert SAMPLERS.keys() == {"jumps", "euler", "heun", "ddpm", "consistency", "one_jump"}
    assert len({str(inspect.signature(sampler)) for sampler in SAMPLERS.values()}) == 1


@every_sampler
@pytest.mark.parametrize("steps", [1, 4])
def test_path_has_every_stop_from_noise_to_sample(sampler, steps):
    x, times = noise(7), sampling_times(steps, sigma_max=5.0)
    path = sampler(GAUSSIAN, x, times, return_path=True, generator=seeded())
    assert path.shape == (steps + 1, 7, 2) and path.dtype == DOUBLE
    assert torch.equal(path[0], x) and torch.equal(path[-1], sampler(GAUSSIAN, x, times, generator=seeded()))
    for k in range(1, steps + 1 if sampler is not samplers.one_jump else 1):
        torch.testing.assert_close(path[k], sampler(GAUSSIAN, x, times[: k + 1], generator=seeded()))


def test_one_jump_goes_all_the_way_at_once():
    x, times = noise(7), sampling_times(4, sigma_max=5.0)
    path = samplers.one_jump(GAUSSIAN, x, times, return_path=True)
    assert all(torch.equal(stop, GAUSSIAN(x, 5.0, 0.0)) for stop in path[1:])


@every_sampler
def test_same_seed_same_samples(sampler):
    x, times = noise(7), sampling_times(3, sigma_max=5.0)
    a, b, c = (sampler(GAUSSIAN, x, times, generator=seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert torch.equal(a, c) == (sampler in DETERMINISTIC)


@pytest.mark.parametrize("sampler", DETERMINISTIC)
def test_without_fresh_noise_no_random_number_is_drawn(sampler):
    g = seeded()
    sampler(GAUSSIAN, noise(7), sampling_times(3, sigma_max=5.0), generator=g)
    assert torch.equal(g.get_state(), seeded().get_state())


@every_sampler
def test_the_condition_reaches_the_model(sampler):
    class Shift:
        """Data at the condition, whatever x is."""

        def __call__(self, x, t, s, obs):
            return obs + (s / t)[:, None] * (x - obs)

        def denoise(self, x, t, obs):
            return obs

        def velocity(self, x, t, obs):
            return (x - obs) / t[:, None]

    obs = torch.rand(3, 2, dtype=DOUBLE, generator=seeded())
    out = sampler(Shift(), noise(3), torch.tensor([3.0, 1.0, 0.5, 0.0]), obs, generator=seeded())
    torch.testing.assert_close(out, obs)


# -- the deterministic ones against the ODE -------------------------------------------------------------------------


@pytest.mark.parametrize("sampler, order", [(samplers.euler, 1), (samplers.heun, 2)])
@pytest.mark.parametrize("dist", [GAUSSIAN, MIXTURE])
def test_error_falls_with_the_order_of_the_sampler(sampler, order, dist):
    x, steps = noise(), np.array([80, 160, 320])
    exact = dist(x, 5.0, 0.1)
    errors = [(sampler(dist, x, torch.linspace(5.0**0.5, 0.1**0.5, k + 1, dtype=DOUBLE) ** 2) - exact).norm()
              for k in steps]
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(-order, abs=0.1)


@pytest.mark.parametrize("dist", [GAUSSIAN, MIXTURE])
def test_jumps_of_an_exact_map_do_not_depend_on_their_number(dist):
    x = noise(5, 80.0)
    once = samplers.jumps(dist, x, sampling_times(1))
    for steps in (2, 5, 13):
        torch.testing.assert_close(samplers.jumps(dist, x, sampling_times(steps)), once, atol=2e-6, rtol=1e-6)


def test_euler_shrinks_a_gaussian_by_the_product_of_cosines():
    """With alpha = arctan(t / sd), a step from t to s multiplies std / sqrt(sd^2 + t^2) by cos(alpha_t - alpha_s)."""
    model, x = LinearMap(SD), noise(4, 80.0)
    for steps in (1, 2, 5, 10, 20):
        times = sampling_times(steps).double()
        angles = torch.atan(times / SD)
        ratio = torch.cos(angles.diff()).prod()
        exact = samplers.jumps(model, x, times)
        torch.testing.assert_close(samplers.euler(model, x, times), ratio * exact, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(exact, x * SD / math.hypot(SD, 80.0), rtol=1e-9, atol=1e-12)
    published = {1: 0.0062, 5: 0.55, 10: 0.75, 20: 0.87}
    for steps, expected in published.items():
        ratio = torch.cos(torch.atan(sampling_times(steps).double() / SD).diff()).prod()
        assert ratio.item() == pytest.approx(expected, rel=0.02)


def test_heun_ends_with_an_euler_step_where_the_field_is_not_defined():
    x, times = noise(7, 1.0), torch.tensor([1.0, 0.0])
    torch.testing.assert_close(samplers.heun(GAUSSIAN, x, times), GAUSSIAN.denoise(x, 1.0))


def test_all_deterministic_samplers_meet_in_the_limit():
    x = noise(20, 80.0)
    exact = samplers.jumps(MIXTURE, x, sampling_times(1))
    grid = torch.cat([torch.zeros(1), karras_grid(600)]).flip(0)
    torch.testing.assert_close(samplers.heun(MIXTURE, x, grid), exact, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(samplers.euler(MIXTURE, x, grid), exact, atol=0.02, rtol=0.02)


# -- ancestral sampling ---------------------------------------------------------------------------------------------

NARROW, MEAN = 0.05, 0.1  # so that no estimate of the data is clipped
N = 50_000


@pytest.mark.parametrize("steps", [1, 2, 5, 10])
def test_ancestral_marginals_follow_their_recursion(steps):
    """Given x_t with mean m and variance v: x_s is linear in it, with k = sd^2 / (sd^2 + t^2), plus noise."""
    dist = Gaussian(torch.tensor([MEAN]), torch.tensor([[NARROW**2]]))
    times = sampling_times(steps, sigma_max=10.0).double()
    path = samplers.ddpm(dist, noise(N, 10.0, 1), times, return_path=True, generator=seeded())
    mean, variance = 0.0, 100.0
    for t, s, x in zip(times[:-1].tolist(), times[1:].tolist(), path[1:], strict=True):
        ratio, k = (s / t) ** 2, NARROW**2 / (NARROW**2 + t**2)
        slope = ratio + (1 - ratio) * k
        mean, variance = slope * mean + (1 - ratio) * (1 - k) * MEAN, slope**2 * variance + s**2 * (1 - ratio)
        assert stats.kstest(x[:, 0], stats.norm(mean, variance**0.5).cdf).pvalue > 1e-3


def test_many_ancestral_steps_draw_from_the_data():
    """The chain is the reverse process itself, whose step is Gaussian only if it is short."""
    dist = Gaussian(torch.tensor([MEAN]), torch.tensor([[NARROW**2]]))
    grid = torch.cat([torch.zeros(1), karras_grid(300, sigma_max=10.0)]).flip(0)
    x = samplers.ddpm(dist, noise(5000, 10.0, 1), grid, generator=seeded())
    assert x.mean().item() == pytest.approx(MEAN, abs=0.005) and x.std().item() == pytest.approx(NARROW, rel=0.04)


def test_ancestral_steps_draw_fresh_noise_and_the_last_one_none():
    dist = Gaussian(torch.tensor([MEAN]), torch.tensor([[NARROW**2]]))
    times = sampling_times(4, sigma_max=10.0).double()
    path = samplers.ddpm(dist, noise(4000, 10.0, 1), times, return_path=True, generator=seeded())
    fresh = []
    for t, s, x, y in zip(times[:-1], times[1:], path[:-1], path[1:], strict=True):
        mean = (s / t) ** 2 * x + (1 - (s / t) ** 2) * dist.denoise(x, t)
        if s == 0:
            torch.testing.assert_close(y, mean)
        else:
            fresh.append((y - mean) / (s * (1 - (s / t) ** 2).sqrt()))
    z = torch.cat([path[0] / 10, *fresh], 1)  # of the start and of three steps
    assert all(stats.kstest(column, "norm").pvalue > 1e-3 for column in z.T)
    assert (torch.corrcoef(z.T) - torch.eye(4)).abs().max() < 0.06  # about four standard errors


@pytest.mark.parametrize("s", [0.5, 0.0])
def test_ancestral_steps_clip_the_estimate_of_the_data_and_not_the_sample(s):
    far = Gaussian(torch.tensor([5.0, -7.0]), torch.zeros(2, 2))  # the denoiser is its mean
    x, ratio = noise(9), (s / 2.0) ** 2
    y = samplers.ddpm(far, x, torch.tensor([2.0, s]), generator=seeded())
    z = torch.randn(9, 2, generator=seeded(), dtype=DOUBLE)
    edge = torch.tensor([1.0, -1.0], dtype=DOUBLE)
    torch.testing.assert_close(y, ratio * x + (1 - ratio) * edge + s * (1 - ratio) ** 0.5 * z)


# -- consistency sampling -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_consistency_rounds_of_an_exact_map_keep_the_distribution(steps):
    """From the true law of x at sigma_max; every stop then has the law of its level."""
    times = sampling_times(steps, sigma_max=5.0)
    x = GAUSSIAN.mean + noise(N, math.hypot(SD, 5.0))
    path = samplers.consistency(GAUSSIAN, x, times, return_path=True, generator=seeded())
    for t, stop in zip(times.tolist(), path, strict=True):
        for column, mean in zip(stop.T, GAUSSIAN.mean.tolist(), strict=True):
            assert stats.kstest(column, stats.norm(mean, math.hypot(SD, t)).cdf).pvalue > 1e-3


def test_a_consistency_round_is_a_jump_to_the_data_and_fresh_noise():
    x, times = noise(7), torch.tensor([5.0, 1.0, 0.0])
    path = samplers.consistency(GAUSSIAN, x, times, return_path=True, generator=seeded())
    g = seeded()
    for k, (t, s) in enumerate([(5.0, 1.0), (1.0, 0.0)]):
        z = torch.randn(7, 2, generator=g, dtype=DOUBLE)
        torch.testing.assert_close(path[k + 1], GAUSSIAN(path[k], t, 0.0) + s * z)
    assert torch.equal(path[2], GAUSSIAN(path[1], 1.0, 0.0))
