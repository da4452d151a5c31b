"""The clock: grids, the times samplers visit, the curriculum, and the draws of (t, u, s)."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gtp_mini.times import (
    LEAST_SPAN,
    LOG_T_MEAN,
    LOG_T_STD,
    RHO,
    SIGMA_MAX,
    SIGMA_MIN,
    Times,
    curriculum_intervals,
    karras_grid,
    karras_index,
    karras_time,
    sample_lognormal,
    sample_span,
    sample_t,
    sample_times,
    sampling_times,
)


def test_grid_follows_karras_et_al():
    grid = karras_grid(18)
    # Eq. 5 of Karras et al. (2022) counts downwards.
    i = np.arange(18, -1, -1)
    ends = SIGMA_MAX ** (1 / RHO), SIGMA_MIN ** (1 / RHO)
    np.testing.assert_allclose(grid, (ends[0] + i / 18 * (ends[1] - ends[0])) ** RHO, rtol=1e-6)
    assert grid.dtype == torch.float32 and (grid.diff() > 0).all()


@given(st.integers(1, 2000), st.floats(1e-4, 0.1), st.floats(0.5, 200), st.floats(1, 10))
def test_grid_ends_and_rises(intervals, low, high, rho):
    grid = karras_grid(intervals, low, high, rho)
    assert len(grid) == intervals + 1
    torch.testing.assert_close(grid[[0, -1]], torch.tensor([low, high]), rtol=1e-6, atol=0)
    assert (grid.diff() > 0).all()


@given(st.integers(1, 2000), st.floats(0, 1))
def test_index_inverts_time(intervals, share):
    index = torch.tensor(share * intervals, dtype=torch.float64)
    torch.testing.assert_close(karras_index(karras_time(index, intervals), intervals), index, atol=1e-9, rtol=1e-9)


def test_samplers_start_at_all_noise_and_end_at_data():
    assert sampling_times(1).tolist() == [80.0, 0.0]
    two = sampling_times(2)
    assert two[0] == 80.0 and two[1].item() == pytest.approx(2.515, abs=1e-3) and two[2] == 0.0
    for steps in (3, 64):
        times = sampling_times(steps, sigma_max=5.0)
        assert len(times) == steps + 1 and times[0].item() == pytest.approx(5.0) and times[-1] == 0.0
        assert (times.diff() < 0).all()
        torch.testing.assert_close(times[:-1], karras_grid(steps, sigma_max=5.0).flip(0)[:-1])


@pytest.mark.parametrize("steps", [0, -1, 65, True, 2.5, "3", None])
def test_absurd_numbers_of_sampling_steps_are_refused(steps):
    with pytest.raises(ValueError, match=f"between 1 and 64, got {steps!r}"):
        sampling_times(steps)


def test_curriculum_doubles_in_eight_equal_stages():
    total = 80_000
    values = [curriculum_intervals(step, total) for step in range(0, total, 500)]
    assert values == [10 * 2 ** (i // 20) for i in range(160)]
    assert curriculum_intervals(total - 1, total) == 1280
    assert curriculum_intervals(69_999, total) == 640 and curriculum_intervals(70_000, total) == 1280


@given(st.integers(1, 10_000), st.integers(0, 20_000), st.integers(1, 50), st.integers(0, 8))
def test_curriculum_stays_between_its_ends_and_never_falls(total, step, first, doublings):
    last = first * 2**doublings
    now, later = (curriculum_intervals(k, total, first, last) for k in (step, step + 1))
    assert first <= now <= later <= last and later in (now, 2 * now)
    if total > doublings:  # as many updates as stages
        assert curriculum_intervals(0, total, first, last) == first
        assert curriculum_intervals(total, total, first, last) == last


@given(st.integers(1, 3), st.integers(1, 1280), st.sampled_from([(0.002, 80.0), (0.002, 5.0), (0.02, 1.0)]),
       st.integers(0, 1000))
def test_times_are_neighbours_on_the_grid_and_ordered(power, intervals, ends, seed):
    intervals = max(intervals // 10**power, 1)
    times = sample_times(500, intervals, torch.Generator().manual_seed(seed), *ends)
    assert (times.s <= times.u).all() and (times.u < times.t).all()
    t, u = (karras_index(x.double(), intervals, *ends) for x in (times.t, times.u))
    torch.testing.assert_close(t, t.round(), atol=1e-3, rtol=0)  # float32
    torch.testing.assert_close(t - u, torch.ones_like(t), atol=1e-3, rtol=0)
    inner = times.s[times.s > 0].double()
    s = karras_index(inner, intervals, *ends)
    torch.testing.assert_close(s, s.round(), atol=1e-3, rtol=0)
    assert times.t.max() <= ends[1] * (1 + 1e-6) and times.u.min() >= ends[0] * (1 - 1e-6)
    assert len(inner) == 0 or inner.min() >= ends[0] * (1 - 1e-6)


def test_number_of_intervals_may_be_a_tensor():
    for a, b in zip(sample_times(100, 40, torch.Generator().manual_seed(0)),
                    sample_times(100, torch.tensor(40.0), torch.Generator().manual_seed(0)), strict=True):
        torch.testing.assert_close(a, b)


def test_t_is_log_normal_cut_to_its_range():
    t = sample_t(50_000, torch.Generator().manual_seed(0), 0.05, 3.0)
    whole = stats.norm(LOG_T_MEAN, LOG_T_STD)
    low, high = whole.cdf(math.log(0.05)), whole.cdf(math.log(3.0))
    assert stats.kstest(t.double().log(), lambda x: (whole.cdf(x) - low) / (high - low)).pvalue > 1e-3


def test_cells_have_the_log_normal_probabilities():
    """As Song & Dhariwal (2023) discretise it: cell i by the difference of erf at its ends; t is the upper end."""
    intervals, n = 12, 100_000
    times = sample_times(n, intervals, torch.Generator().manual_seed(1))
    grid = karras_grid(intervals).double().numpy()
    cdf = stats.norm.cdf(np.log(grid), LOG_T_MEAN, LOG_T_STD)
    expected = np.diff(cdf) / (cdf[-1] - cdf[0])
    counts = np.array([(np.abs(times.t.numpy() / level - 1) < 1e-3).sum() for level in grid[1:]])
    assert counts.sum() == n
    assert stats.chisquare(counts, n * expected).pvalue > 1e-3


def test_s_is_zero_half_of_the_time_and_else_uniform_over_the_levels_up_to_u():
    n, intervals = 100_000, 6
    times = sample_times(n, intervals, torch.Generator().manual_seed(2))
    zero = times.s == 0
    assert stats.binomtest(int(zero.sum()), n, 0.5).pvalue > 1e-3
    u, s = (karras_index(x.double(), intervals).round() for x in (times.u, times.s.clamp(min=SIGMA_MIN)))
    for level in range(1, intervals):
        counts = np.bincount(s[(u == level) & ~zero].int(), minlength=level + 1)
        assert len(counts) == level + 1 and stats.chisquare(counts).pvalue > 1e-4
    assert (u == 0).any() and (s[u == 0] == 0).all()  # u = sigma_min happens; then s is sigma_min or 0
    assert stats.binomtest(int(zero[u == 0].sum()), int((u == 0).sum()), 0.5).pvalue > 1e-4  # independent of the cell


@pytest.mark.parametrize("mass", [0.0, 0.25, 1.0])
def test_mass_of_zero_is_a_setting(mass):
    times = sample_times(20_000, 10, torch.Generator().manual_seed(3), zero_mass=mass)
    assert (times.s == 0).double().mean().item() == pytest.approx(mass, abs=0.02 if 0 < mass < 1 else 0)


@pytest.mark.parametrize("draw", [lambda g: sample_times(50, 10, g), lambda g: sample_times(50, 10, g, window=None),
                                  lambda g: sample_span(50, g)])
def test_same_seed_same_times(draw):
    draws = [torch.stack(draw(torch.Generator().manual_seed(seed))) for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


# -- where u stands -----------------------------------------------------------------------------------------------


@given(st.sampled_from([1, 2, 4, 1000, None]), st.integers(1, 1280), st.sampled_from([0.0, 0.25, 1.0]),
       st.sampled_from([(0.002, 80.0), (0.02, 3.0)]), st.integers(0, 1000))
def test_t_above_u_not_below_s(window, intervals, zero_mass, ends, seed):
    times = sample_times(300, intervals, torch.Generator().manual_seed(seed), *ends, RHO, zero_mass, window)
    assert (times.s <= times.u).all() and (times.u < times.t).all() and (times.s >= 0).all()
    t, u = (karras_index(x.double(), intervals, *ends) for x in (times.t, times.u))
    torch.testing.assert_close(u, u.round(), atol=1e-3, rtol=0)
    assert (t - u).round().max() <= (window or intervals) and times.u.min() >= ends[0] * (1 - 1e-6)


@pytest.mark.parametrize("zero_mass", [0.0, 1.0])
def test_u_is_uniform_down_to_s_or_to_the_edge_of_the_window(zero_mass):
    """With s = 0 it may be the lowest level; test_bias has the whole law with s on the grid."""
    n, intervals, window = 60_000, 6, 3
    times = sample_times(n, intervals, torch.Generator().manual_seed(2), zero_mass=zero_mass, window=window)
    t, u, s = (karras_index(x.double(), intervals).round().clamp(min=0) for x in times)
    for level in range(1, intervals + 1):
        for bottom in [0] if zero_mass else range(level):
            counts = np.bincount(u[(t == level) & (s == bottom)].int(), minlength=level)
            lowest = max(bottom, level - window)
            assert (counts[:lowest] == 0).all() and counts[lowest:].sum() > 50
            assert lowest == level - 1 or stats.chisquare(counts[lowest:]).pvalue > 1e-4


def test_the_window_leaves_the_other_draws_alone():
    """One stream of random numbers: t first, then s, and u last, if it is drawn at all."""
    g = torch.Generator().manual_seed(7)
    adjacent = sample_times(100, 20, g)
    after = torch.rand(3, generator=g)
    plain = torch.Generator().manual_seed(7)
    torch.rand(100, generator=plain), torch.rand(2, 100, generator=plain)
    assert torch.equal(after, torch.rand(3, generator=plain))
    for window in (3, None):
        times = sample_times(100, 20, torch.Generator().manual_seed(7), window=window)
        assert torch.equal(times.t, adjacent.t) and torch.equal(times.s, adjacent.s)
        assert (times.u <= adjacent.u).all() and (times.u < adjacent.u).any()


# -- spans, without a grid ------------------------------------------------------------------------------------------


@given(st.sampled_from([0.0, 0.25, 0.9, 1.0]), st.sampled_from([(0.002, 80.0), (0.02, 3.0)]), st.integers(0, 1000))
def test_spans_are_ordered_within_the_range_and_of_some_length(zero_mass, ends, seed):
    t, u, s = times = sample_span(400, torch.Generator().manual_seed(seed), *ends, zero_mass=zero_mass)
    assert isinstance(times, Times) and all(v.shape == (400,) and v.isfinite().all() for v in times)
    assert (s <= u).all() and (u <= t).all() and u.min() >= ends[0] * (1 - 1e-5) and t.max() <= ends[1] * (1 + 1e-5)
    assert ((s == 0) | (s >= ends[0] * (1 - 1e-5))).all()
    high, low = (karras_index(v.double(), 1, *ends) for v in (t, s.clamp(min=ends[0])))
    assert (high - low).min() > 0.99 * LEAST_SPAN
    share = s * (t - u) / (u * (t - s))  # of the first of two jumps
    assert share.isfinite().all() and share.min() >= 0 and share.max() <= 1 + 1e-5


@pytest.mark.parametrize("mass", [0.0, 0.25, 1.0])
def test_spans_end_at_the_data_and_start_at_all_noise_with_a_probability(mass):
    n = 20_000
    t, _, s = sample_span(n, torch.Generator().manual_seed(3), zero_mass=mass)
    top, zero = t > SIGMA_MAX * (1 - 1e-6), s == 0
    for hit in (top, zero):
        assert stats.binomtest(int(hit.sum()), n, mass).pvalue > 1e-3 if 0 < mass < 1 else hit.double().mean() == mass
    if 0 < mass < 1:  # independently
        assert stats.binomtest(int((top & zero).sum()), n, mass**2).pvalue > 1e-3


def test_spans_are_uniform_in_grid_index():
    times = sample_span(20_000, torch.Generator().manual_seed(4), zero_mass=0.0)
    t, u, s = (karras_index(v.double(), 1) for v in times)
    for share, low in ((t, LEAST_SPAN), (s / (t - LEAST_SPAN), 0), ((u - s) / (t - s), 0)):
        assert stats.kstest(share, stats.uniform(low, 1 - low).cdf).pvalue > 1e-3


def test_log_normal_levels():
    levels = sample_lognormal(20_000, torch.Generator().manual_seed(5), -1.2, 0.7).double()
    assert stats.kstest(levels.log(), stats.norm(-1.2, 0.7).cdf).pvalue > 1e-3
