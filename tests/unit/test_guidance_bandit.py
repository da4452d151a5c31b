"""Guidance on a bandit, where the answer is known: the tilts, and what weights do to a batch, rule by rule."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gtp_mini.guidance import WEIGHT_RULES, advantage_weights, tilt, tilt_truncated

DOUBLE = torch.float64
ETAS = st.floats(0, 5)
SEEDS = st.integers(0, 1000)
RULES = sorted(WEIGHT_RULES)


def values(seed, n=50):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, generator=g, dtype=DOUBLE) + 0.3


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


def test_an_impossible_arm_stays_impossible():
    p = torch.tensor([0.0, 0.4, 0.6])
    for rule in (tilt, tilt_truncated):
        assert rule(p, torch.tensor([9.0, 1.0, 0.0]), 2.0)[0] == 0


COUNTS, ARM_VALUES = torch.tensor([10, 30, 60]), torch.tensor([1.0, 0.5, -0.2], dtype=DOUBLE)


def optimum(rule, eta):
    """What a batch of these arms, each as often as the data have it, must become."""
    p, mean = COUNTS.double() / 100, (COUNTS * ARM_VALUES).sum() / 100
    std = ((COUNTS * (ARM_VALUES - mean) ** 2).sum() / 100).sqrt()
    if rule == "truncated":
        return tilt_truncated(p, ARM_VALUES, eta)
    if rule == "sigmoid":
        plain = p / (1 + torch.exp(-eta * (ARM_VALUES - mean) / std))
        return plain / plain.sum()
    return tilt(p, ARM_VALUES, eta) if rule == "exponential" else tilt(p, ARM_VALUES / std, eta)


def shares(arm, weights):
    return torch.zeros(3, dtype=DOUBLE).index_add(0, arm, weights) / weights.sum()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("normalise", [False, True])
def test_the_weighted_batch_is_the_closed_form(rule, normalise):
    arm = torch.repeat_interleave(torch.arange(3), COUNTS)
    advantage = ARM_VALUES[arm] - ARM_VALUES[arm].mean()
    weights = advantage_weights(advantage, 1.3, rule=rule, normalise=normalise)
    torch.testing.assert_close(shares(arm, weights), optimum(rule, 1.3), rtol=1e-5, atol=0)
    if normalise:
        assert weights.mean().item() == pytest.approx(1)


@pytest.mark.parametrize("rule", RULES)
def test_many_temperatures_in_one_batch_reach_each_its_own_closed_form(rule):
    """And, normalised, each weighs as much as any other."""
    etas = torch.tensor([0.0, 0.3, 1.0, 2.0], dtype=DOUBLE)  # below the cap
    arm = torch.repeat_interleave(torch.arange(3), COUNTS).repeat(4)
    which = torch.repeat_interleave(torch.arange(4), 100)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(0))  # temperatures among one another
    arm, which = arm[order], which[order]
    advantage = ARM_VALUES[arm] - ARM_VALUES[arm].mean()
    raw, even = (advantage_weights(advantage, etas[which], rule=rule, normalise=n) for n in (False, True))
    for k, eta in enumerate(etas.tolist()):
        for weights in (raw, even):
            torch.testing.assert_close(shares(arm[which == k], weights[which == k]), optimum(rule, eta),
                                       rtol=5e-5, atol=0)
        assert even[which == k].mean().item() == pytest.approx(1)
    assert rule == "sigmoid" or raw[which == 3].mean() > 1.5  # which the raw ones do not
