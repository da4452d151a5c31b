"""Advantage weights: what they must not depend on, where they must be one, and the bandit's exact answers."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gtp_mini.guidance import advantage_weights, effective_sample_size, tilt, tilt_truncated

DOUBLE = torch.float64
ETAS = st.floats(0, 5)
SEEDS = st.integers(0, 1000)


def values(seed, n=50):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, generator=g, dtype=DOUBLE) + 0.3


def test_weights_are_equation_14():
    advantage, eta = values(0), 1.7
    std = math.sqrt(sum((a - advantage.mean()) ** 2 for a in advantage) / len(advantage))
    for a, w in zip(advantage.tolist(), advantage_weights(advantage, eta).tolist(), strict=True):
        assert w == pytest.approx(min(math.exp(eta * max(0.0, a) / std), 100.0), rel=1e-5)


@given(SEEDS, ETAS, st.floats(0.1, 100))
def test_the_scale_of_rewards_does_not_matter(seed, eta, scale):
    torch.testing.assert_close(advantage_weights(scale * values(seed), eta), advantage_weights(values(seed), eta),
                               rtol=1e-3, atol=0)


@given(SEEDS, ETAS, st.floats(-100, 100))
def test_a_constant_in_q_and_v_does_not_matter(seed, eta, shift):
    q, v = values(seed), values(seed + 1)
    torch.testing.assert_close(advantage_weights((q + shift) - (v + shift), eta), advantage_weights(q - v, eta))


@given(SEEDS, ETAS)
def test_without_temperature_or_good_actions_all_weights_are_one(seed, eta):
    assert (advantage_weights(values(seed), 0.0) == 1).all()
    assert (advantage_weights(-values(seed).abs(), eta) == 1).all()


@given(SEEDS, st.floats(0.1, 5), st.floats(0.1, 2))
def test_weights_rise_with_advantage_and_with_temperature(seed, eta, more):
    advantage = values(seed).sort().values
    weights, hotter = (advantage_weights(advantage, e, cap=math.inf) for e in (eta, eta + more))
    assert (weights.diff() >= 0).all() and (weights >= 1).all() and (hotter >= weights).all()
    assert (weights[advantage > 0].diff() > 0).all()


def test_no_spread_and_overflow_stay_finite():
    for level in (0.0, 1.0, -1.0, 1e30):
        assert advantage_weights(torch.full((5,), level), 1.0).isfinite().all()
    assert advantage_weights(torch.tensor([5.0]), 100.0).tolist() == [100.0]
    assert advantage_weights(torch.tensor([0.0, 0.0, 9.0]), 100.0, cap=20.0).max() == 20.0
    assert advantage_weights(torch.tensor([0.0, 0.0, 9.0]), torch.tensor(1.0)).isfinite().all()


def test_no_gradient_flows_through_weights():
    advantage = values(0).requires_grad_()
    assert not advantage_weights(advantage, 1.0).requires_grad


@given(SEEDS, st.floats(1e-3, 1e3))
def test_effective_sample_size_is_a_share(seed, scale):
    weights = values(seed).abs() + 1e-9
    share = effective_sample_size(weights).item()
    assert 0 < share <= 1 + 1e-12
    assert effective_sample_size(scale * weights).item() == pytest.approx(share)
    assert effective_sample_size(scale * torch.ones(20)).item() == pytest.approx(1.0)
    k = 1 + seed % 20
    assert effective_sample_size(torch.tensor([1.0] * k + [0.0] * (20 - k))).item() == pytest.approx(k / 20)


@given(ETAS)
def test_two_equal_arms(eta):
    """Q = (1, 0): std 1/2, A = +-1/2."""
    p, q = torch.tensor([0.5, 0.5], dtype=DOUBLE), torch.tensor([1.0, 0.0], dtype=DOUBLE)
    advantage = q - 0.5
    standardised = tilt(p, advantage / 0.5, eta)
    assert standardised[0].item() == pytest.approx(1 / (1 + math.exp(-2 * eta)))
    assert tilt_truncated(p, q, eta)[0].item() == pytest.approx(1 / (1 + math.exp(-eta)), abs=1e-5)
    assert tilt(p, q, eta)[0].item() == pytest.approx(1 / (1 + math.exp(-eta)))


@given(SEEDS, ETAS, st.floats(-10, 10))
def test_the_tilt_is_a_distribution_in_which_a_baseline_cancels(seed, eta, shift):
    p, q = values(seed, 6).softmax(0), values(seed + 1, 6)
    best = tilt(p, q, eta)
    assert best.sum().item() == pytest.approx(1.0)
    torch.testing.assert_close(best, tilt(p, q + shift, eta))
    torch.testing.assert_close(tilt_truncated(p, q, eta), tilt_truncated(p, q + shift, eta))  # its baseline moves along
    plain = p * torch.exp(eta * q)
    torch.testing.assert_close(best, plain / plain.sum())
    # it is the maximum of E[Q] - KL / eta: any other distribution does worse
    if eta > 0.1:
        def objective(r):
            return (r * q).sum() - (r * (r / p).log()).sum() / eta
        for other in (p, tilt_truncated(p, q, eta), tilt(p, q, 0.9 * eta), tilt(p, q, 1.1 * eta)):
            assert objective(best) >= objective(other) - 1e-12


@given(SEEDS, st.floats(0, 4))
def test_more_temperature_means_more_value(seed, eta):
    p, q = values(seed, 6).softmax(0), values(seed + 1, 6)
    for rule in (tilt, tilt_truncated):
        assert (rule(p, q, eta + 0.5) * q).sum() > (rule(p, q, eta) * q).sum()
        torch.testing.assert_close(rule(p, q, 0.0), p)


def test_the_truncated_rule_is_what_the_weights_do_to_a_batch():
    """Arms drawn in proportion to p: the weighted shares are those of the formula."""
    counts, q = torch.tensor([10, 30, 60]), torch.tensor([1.0, 0.5, -0.2], dtype=DOUBLE)
    arm = torch.repeat_interleave(torch.arange(3), counts)
    weights = advantage_weights(q[arm] - q[arm].mean(), 1.3)
    shares = torch.zeros(3, dtype=DOUBLE).index_add(0, arm, weights) / weights.sum()
    torch.testing.assert_close(shares, tilt_truncated(counts.double() / 100, q, 1.3))


def test_an_impossible_arm_stays_impossible():
    p = torch.tensor([0.0, 0.4, 0.6])
    for rule in (tilt, tilt_truncated):
        assert rule(p, torch.tensor([9.0, 1.0, 0.0]), 2.0)[0] == 0
