"""Samplers on distributions whose denoiser and flow map are known."""

import math

import numpy as np
import pytest
import torch
from linear_map import LinearMap

from gtp_mini import samplers
from gtp_mini.exact import Gaussian, GaussianMixture
from gtp_mini.times import karras_grid, sampling_times

DOUBLE = torch.float64
SD = 0.5
GAUSSIAN = Gaussian(torch.tensor([0.3, -0.2]), SD**2 * torch.eye(2))
MIXTURE = GaussianMixture(torch.tensor([[-0.6, 0.0], [0.5, 0.4]]), torch.tensor([0.3, 0.4]))


def noise(n=30, scale=5.0):
    return scale * torch.randn(n, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))


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


@pytest.mark.parametrize("sampler", [samplers.jumps, samplers.euler, samplers.heun])
def test_path_has_every_stop_from_noise_to_sample(sampler):
    x, times = noise(7), sampling_times(4, sigma_max=5.0)
    path = sampler(GAUSSIAN, x, times, return_path=True)
    assert path.shape == (5, 7, 2)
    assert torch.equal(path[0], x) and torch.equal(path[-1], sampler(GAUSSIAN, x, times))
    for k in range(1, 5):
        torch.testing.assert_close(path[k], sampler(GAUSSIAN, x, times[: k + 1]))


def test_heun_ends_with_an_euler_step_where_the_field_is_not_defined():
    x, times = noise(7, 1.0), torch.tensor([1.0, 0.0])
    torch.testing.assert_close(samplers.heun(GAUSSIAN, x, times), GAUSSIAN.denoise(x, 1.0))


def test_all_samplers_meet_in_the_limit():
    x = noise(20, 80.0)
    exact = samplers.jumps(MIXTURE, x, sampling_times(1))
    grid = torch.cat([torch.zeros(1), karras_grid(600)]).flip(0)
    torch.testing.assert_close(samplers.heun(MIXTURE, x, grid), exact, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(samplers.euler(MIXTURE, x, grid), exact, atol=0.02, rtol=0.02)


def test_the_condition_reaches_the_model():
    class Shift:
        def __call__(self, x, t, s, obs):
            return x + obs

        def velocity(self, x, t, obs):
            return obs

    x, obs = noise(3), torch.arange(6.0, dtype=DOUBLE).view(3, 2)
    times = torch.tensor([3.0, 1.0, 0.5])
    assert torch.equal(samplers.jumps(Shift(), x, times, obs), x + 2 * obs)
    for sampler in (samplers.euler, samplers.heun):
        torch.testing.assert_close(sampler(Shift(), x, times, obs), x - 2.5 * obs)
