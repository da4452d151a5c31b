"""Other papers' clocks against the formulas as those papers print them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gtp_mini.clocks import CLOCKS, DDPM, EDM, FlowMatching, MeanFlow
from gtp_mini.times import SIGMA_MAX, SIGMA_MIN, sampling_times

DOUBLE = torch.float64
ALL = [EDM(), DDPM(), FlowMatching(), MeanFlow()]
every_clock = pytest.mark.parametrize("clock", ALL, ids=lambda clock: type(clock).__name__)


def levels(n=40):
    """Noise levels over more than the whole range, (n,)."""
    return torch.logspace(math.log10(SIGMA_MIN / 2), math.log10(2 * SIGMA_MAX), n, dtype=DOUBLE)


def data(n=40, dim=3):
    """Clean points, noise, and a denoiser's guess that is neither, (n, dim) each."""
    return torch.randn(3, n, dim, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)


# -- times ------------------------------------------------------------------------------------------------------


@every_clock
@given(st.floats(math.log(1e-4), math.log(200)))
def test_noise_level_to_own_time_and_back(clock, log):
    sigma = torch.tensor([log], dtype=DOUBLE).exp()
    torch.testing.assert_close(clock.sigma(clock.time(sigma)), sigma, rtol=1e-9, atol=0)
    torch.testing.assert_close(clock.sigma(clock.time(sigma.float())), sigma.float(), rtol=2e-3, atol=0)


@every_clock
@given(st.floats(1e-6, 1 - 1e-6))
def test_own_time_to_noise_level_and_back(clock, tau):
    tau = torch.tensor([tau], dtype=DOUBLE)
    torch.testing.assert_close(clock.time(clock.sigma(tau)), tau, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("clock, at_data", [(EDM(), 0.0), (DDPM(), 0.0), (FlowMatching(), 1.0), (MeanFlow(), 0.0)])
def test_data_is_where_there_is_no_noise(clock, at_data):
    zero = torch.zeros(1, dtype=DOUBLE)
    assert clock.time(zero).item() == at_data and clock.sigma(torch.tensor([at_data], dtype=DOUBLE)).item() == 0
    rising = (clock.sigma(torch.linspace(0.01, 0.99, 50, dtype=DOUBLE)).diff() > 0)
    assert (rising if at_data == 0 else ~rising).all()


@pytest.mark.parametrize("levels", [5, 10])
def test_ddpm_has_the_cumulative_products_of_diffusion_ql(levels):
    i, b_min, b_max = np.arange(1, levels + 1), 0.1, 10.0
    alpha = np.exp(-b_min / levels - 0.5 * (b_max - b_min) * (2 * i - 1) / levels**2)
    abar = torch.from_numpy(np.cumprod(alpha))
    clock, tau = DDPM(levels), torch.from_numpy(i / levels)
    torch.testing.assert_close(clock.sigma(tau), ((1 - abar) / abar).sqrt())
    torch.testing.assert_close(clock.scale(clock.sigma(tau)), abar.sqrt())
    assert clock.last == pytest.approx(clock.sigma(tau)[-1].item())


def test_the_five_levels_of_diffusion_ql():
    sigma = DDPM().sigma(torch.arange(1, 6) / 5)
    torch.testing.assert_close(sigma, torch.tensor([0.494, 1.139, 2.304, 4.974, 12.45]), rtol=4e-4, atol=5e-4)


# -- samples ----------------------------------------------------------------------------------------------------


def forward(clock, tau, x_0, z):
    """The noisy sample as the method's own paper makes it."""
    tau = tau[:, None]
    if isinstance(clock, FlowMatching):
        return (1 - tau) * z + tau * x_0
    if isinstance(clock, MeanFlow):
        return (1 - tau) * x_0 + tau * z
    if isinstance(clock, DDPM):
        abar = torch.exp(-0.1 * tau - 9.9 * tau**2 / 2)
        return abar.sqrt() * x_0 + (1 - abar).sqrt() * z
    return x_0 + tau * z


@every_clock
def test_own_samples_are_ours_to_a_scale(clock):
    sigma, (x_0, z, _) = levels(), data()
    own = clock.scale(sigma)[:, None] * (x_0 + sigma[:, None] * z)
    torch.testing.assert_close(own, forward(clock, clock.time(sigma), x_0, z), rtol=1e-8, atol=1e-11)


# -- predictions ------------------------------------------------------------------------------------------------


@every_clock
def test_denoiser_to_prediction_and_back(clock):
    sigma, (x, guess, _) = levels(), data()
    torch.testing.assert_close(clock.denoised(x, sigma, clock.prediction(x, sigma, guess)), guess, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(clock.prediction(x, sigma, clock.denoised(x, sigma, guess)), guess, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("clock, target", [
    (DDPM(), lambda x_0, z, sigma: z),
    (FlowMatching(), lambda x_0, z, sigma: x_0 - z),
    (MeanFlow(), lambda x_0, z, sigma: z - x_0),
    (EDM(0.7), lambda x_0, z, sigma: (x_0 - 0.7**2 / (sigma**2 + 0.7**2) * (x_0 + sigma * z))  # x_0 - c_skip x
     / (sigma * 0.7 / (sigma**2 + 0.7**2).sqrt())),  # by c_out
])
def test_a_perfect_guess_gives_the_target_that_the_paper_regresses_on(clock, target):
    sigma, (x_0, z, _) = levels(), data()
    x = x_0 + sigma[:, None] * z
    torch.testing.assert_close(clock.prediction(x, sigma, x_0), target(x_0, z, sigma[:, None]), rtol=1e-6, atol=1e-6)


@every_clock
def test_error_weight_is_how_much_larger_the_own_error_is(clock):
    sigma, (x, one, other) = levels(), data()
    own = (clock.prediction(x, sigma, one) - clock.prediction(x, sigma, other)).pow(2).sum(1)
    ours = (one - other).pow(2).sum(1)
    torch.testing.assert_close(clock.error_weight(sigma), own / ours, rtol=1e-6, atol=0)


# -- one step of Euler's method is the same in all clocks ---------------------------------------------------------


def own_step(clock, x_own, tau, tau_next, prediction):
    """Euler's step in the method's own terms; DDIM's for the variance-preserving chain."""
    if isinstance(clock, DDPM):
        abar, abar_next = (torch.exp(-0.1 * v - 9.9 * v**2 / 2)[:, None] for v in (tau, tau_next))
        guess = (x_own - (1 - abar).sqrt() * prediction) / abar.sqrt()
        return abar_next.sqrt() * guess + (1 - abar_next).sqrt() * prediction
    if isinstance(clock, EDM):
        return x_own + (tau_next - tau)[:, None] * (x_own - clock.denoised(x_own, tau, prediction)) / tau[:, None]
    return x_own + (tau_next - tau)[:, None] * prediction


@every_clock
@pytest.mark.parametrize("share", [0.0, 0.4, 0.95])
def test_one_step_in_all_clocks(clock, share):
    t, (x, guess, _) = levels(), data()
    s = share * t
    ours = (s / t)[:, None] * x + (1 - s / t)[:, None] * guess
    x_own, prediction = clock.scale(t)[:, None] * x, clock.prediction(x, t, guess)
    theirs = own_step(clock, x_own, clock.time(t), clock.time(s), prediction)
    torch.testing.assert_close(theirs, clock.scale(s)[:, None] * ours, rtol=1e-7, atol=1e-9)


# -- draws ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clock, law", [
    (EDM(), stats.lognorm(s=1.2, scale=math.exp(-1.2)).cdf),
    (EDM(0.5, -0.4, 2.0), stats.lognorm(s=2.0, scale=math.exp(-0.4)).cdf),
    (FlowMatching(), stats.uniform().cdf),
    (MeanFlow(), lambda tau: stats.norm(-0.4, 1).cdf(np.log(tau / (1 - tau)))),
])
def test_training_times_have_the_papers_law(clock, law):
    assert stats.kstest(clock.draw(20_000, torch.Generator().manual_seed(0)).double(), law).pvalue > 1e-3


def test_ddpm_trains_on_its_levels_alone_and_equally():
    tau = DDPM(5).draw(20_000, torch.Generator().manual_seed(0))
    values, counts = tau.unique(return_counts=True)
    torch.testing.assert_close(values, torch.arange(1, 6) / 5)
    assert stats.chisquare(counts).pvalue > 1e-3


@every_clock
def test_noise_levels_of_a_batch_are_cut_to_the_range(clock, monkeypatch):
    sigma = clock.sample(5000, torch.Generator().manual_seed(0), 0.3, 1.5)
    assert 0.3 <= sigma.min() and sigma.max() <= 1.5 and sigma.shape == (5000,)
    again = clock.sigma(clock.draw(5000, torch.Generator().manual_seed(0)))
    inside = (again > 0.3) & (again < 1.5)
    assert torch.equal(sigma[inside], again[inside]) and inside.any()
    monkeypatch.setattr(clock, "draw", lambda n, generator: torch.tensor([0.0, 1.0]))  # both ends of the interval
    ends = clock.sample(2, torch.Generator())
    assert ends.isfinite().all() and ends.min() >= SIGMA_MIN and ends.max() <= SIGMA_MAX


# -- grids ------------------------------------------------------------------------------------------------------


@every_clock
@given(st.integers(1, 64), st.sampled_from([(0.002, 80.0), (0.002, 12.0), (0.02, 3.0)]))
def test_grids_go_down_from_all_noise_to_none(clock, steps, ends):
    grid = clock.grid(steps, *ends)
    assert grid.shape == (steps + 1,) and grid.dtype == torch.float32
    assert grid[0].item() == pytest.approx(ends[1]) and grid[-1] == 0
    assert (grid.diff() <= 0).all() and (grid.diff()[grid[1:] < ends[1]] < 0).all()


@pytest.mark.parametrize("clock, own_ends", [(DDPM(), None), (FlowMatching(), (0, 1)), (MeanFlow(), (1, 0))])
def test_steps_are_even_in_own_time(clock, own_ends):
    """The linear clocks begin at pure noise, whose level sigma_max stands for."""
    grid = clock.grid(10).double()
    first, last = own_ends or (clock.time(torch.tensor(80.0, dtype=DOUBLE)).item(), 0)
    own = torch.linspace(first, last, 11, dtype=DOUBLE)
    torch.testing.assert_close(clock.time(grid)[1:], own[1:], rtol=1e-5, atol=1e-5)
    assert grid[0].item() == pytest.approx(80.0)


def test_two_steps_of_flow_matching_stop_halfway():
    """At tau = 1/2, where data and noise weigh the same: where a shortcut model's two half steps meet."""
    for clock in (FlowMatching(), MeanFlow()):
        torch.testing.assert_close(clock.grid(2), torch.tensor([80.0, 1.0, 0.0]))


@pytest.mark.parametrize("levels", [5, 10])
def test_as_many_steps_as_ddpm_has_levels_stop_at_those_that_were_trained(levels):
    clock = DDPM(levels)
    trained = clock.sigma(torch.arange(levels, 0, -1, dtype=DOUBLE) / levels)
    torch.testing.assert_close(clock.grid(levels, sigma_max=clock.last)[:-1].double(), trained, rtol=1e-6, atol=0)


def test_edm_has_the_grid_of_karras_et_al():
    for steps in (1, 5, 18):
        assert torch.equal(EDM().grid(steps, 0.01, 20.0), sampling_times(steps, 0.01, 20.0))


@every_clock
@pytest.mark.parametrize("steps", [0, 65, 2.5, "3"])
def test_absurd_numbers_of_steps_are_refused(clock, steps):
    with pytest.raises(ValueError, match=f"between 1 and 64, got {steps!r}"):
        clock.grid(steps)


def test_clocks_have_names():
    assert {name: kind() is not None for name, kind in CLOCKS.items()} == dict.fromkeys(
        ("edm", "ddpm", "flow-matching", "meanflow"), True)
