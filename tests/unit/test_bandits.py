"""Bandits: closed forms of both rules, what samples do, and the price of improvement."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gtp_mini.bandits import DISCRETE, MIXTURE, Bandit, kl
from gtp_mini.exact import GaussianMixture
from gtp_mini.guidance import advantage_weights, tilt

DOUBLE = torch.float64
ETAS = st.floats(0, 4)
SEEDS = st.integers(0, 10_000)
TWO = Bandit([[-0.5], [0.5]], [1.0, 0.0], [0.5, 0.5])


def bandit(seed, m=5, std=0.0):
    g = torch.Generator().manual_seed(seed)
    return Bandit(torch.rand(m, 2, generator=g), torch.randn(m, generator=g), torch.rand(m, generator=g) + 0.01, std)


@given(ETAS)
def test_two_equal_arms(eta):
    """Q = (1, 0): std(A) = 1/2 and A = +-1/2."""
    assert TWO.optimum(eta)[0].item() == pytest.approx(1 / (1 + math.exp(-eta)), abs=1e-12)
    assert TWO.optimum(eta / 0.5)[0].item() == pytest.approx(1 / (1 + math.exp(-2 * eta)), abs=1e-12)  # standardised
    assert TWO.truncated(eta)[0].item() == pytest.approx(1 / (1 + math.exp(-eta)), abs=1e-5)  # epsilon beside std(A)


@given(SEEDS, ETAS)
def test_the_optimum_is_the_best_for_its_price(seed, eta):
    """E[Q] - KL(. | p) / eta is log Z / eta there, and smaller by KL(. | optimum) / eta anywhere else."""
    b = bandit(seed)
    p, best, eta = b.probabilities, b.optimum(eta + 0.1), eta + 0.1
    torch.testing.assert_close(best, p * torch.exp(eta * b.values) / (p * torch.exp(eta * b.values)).sum())
    log_z = b.data.log_normaliser(eta, offsets=b.values)
    for other in (best, p, b.truncated(eta), bandit(seed + 1).probabilities):
        objective = b.expected_value(other) - kl(other, p) / eta
        assert objective == pytest.approx((log_z - kl(other, best)) / eta, abs=1e-9)


@given(SEEDS, ETAS)
def test_the_truncated_rule_is_the_fixed_point_of_the_weights(seed, eta):
    """Data in exact proportion to p, weighted by GTP's rule, have these shares."""
    counts = torch.randint(1, 40, (5,), generator=torch.Generator().manual_seed(seed))
    b = replace(bandit(seed), probabilities=counts)
    arm = torch.repeat_interleave(torch.arange(5), counts)
    w = advantage_weights((b.values - b.values @ b.probabilities)[arm], eta, cap=math.inf)
    shares = torch.zeros(5, dtype=DOUBLE).index_add(0, arm, w) / w.sum()
    torch.testing.assert_close(b.truncated(eta), shares, atol=1e-6, rtol=0)


@given(SEEDS, ETAS, st.floats(-20, 20), st.floats(0.1, 10))
def test_what_does_not_matter(seed, eta, shift, scale):
    b = bandit(seed)
    shifted, scaled = replace(b, values=b.values + shift), replace(b, values=scale * b.values)
    torch.testing.assert_close(b.optimum(0.0), b.probabilities)
    torch.testing.assert_close(b.truncated(0.0), b.probabilities)
    torch.testing.assert_close(shifted.optimum(eta), b.optimum(eta))
    torch.testing.assert_close(shifted.truncated(eta), b.truncated(eta))
    torch.testing.assert_close(scaled.truncated(eta), b.truncated(eta), atol=1e-4, rtol=0)
    torch.testing.assert_close(scaled.optimum(eta / scale), b.optimum(eta))
    same = replace(b, values=torch.ones(5))  # nothing to choose from
    for rule in (same.optimum, same.truncated):
        torch.testing.assert_close(rule(eta), b.probabilities)


@given(SEEDS, ETAS, st.sampled_from([0.0, 0.06]))
def test_policies_are_mixtures_over_the_arms(seed, eta, std):
    b = bandit(seed, std=std)
    for dist, p in ((b.data, b.probabilities), (b.policy(eta), b.optimum(eta)),
                    (replace(b, probabilities=b.truncated(eta)).data, b.truncated(eta)),
                    (b.data.tilted(eta, offsets=b.values), b.optimum(eta))):
        assert type(dist) is GaussianMixture
        torch.testing.assert_close(dist.weights, p)
        assert torch.equal(dist.means, b.arms) and (dist.stds == std).all()


@pytest.mark.parametrize("b", [DISCRETE, MIXTURE])
def test_samples_are_pulls_of_the_arms(b):
    n = 40_000
    actions, values, arm = b.sample(n, torch.Generator().manual_seed(0))
    assert actions.shape == (n, 2) and values.shape == arm.shape == (n,) and arm.dtype == torch.int64
    assert actions.dtype == values.dtype == torch.float32
    torch.testing.assert_close(values.double(), b.values[arm], atol=1e-6, rtol=0)
    assert torch.equal(b.arm_of(actions), arm)
    torch.testing.assert_close(b.shares(actions), b.probabilities, atol=0.01, rtol=0)
    assert b.shares(actions).sum().item() == pytest.approx(1.0)
    around = (actions - b.arms[arm]).double()
    assert around.std().item() == pytest.approx(b.std, rel=0.02, abs=1e-7)
    assert around.mean().item() == pytest.approx(0.0, abs=0.002)
    again = b.sample(n, torch.Generator().manual_seed(0))
    assert all(torch.equal(one, other) for one, other in zip((actions, values, arm), again, strict=True))
    torch.testing.assert_close(b.shares(b.policy(2.0).sample(n, torch.Generator().manual_seed(1))), b.optimum(2.0),
                               atol=0.01, rtol=0)


def test_shares_of_arms_that_nobody_pulls_are_zero():
    actions = torch.tensor([[-0.5, 0.7], [-0.9, 0.1], [1.0, -0.2]])
    assert DISCRETE.shares(actions).tolist() == pytest.approx([0.0, 2 / 3, 1 / 3, 0.0])
    assert DISCRETE.arm_of(torch.tensor([[-0.1, -0.1]])).tolist() == [0]


@pytest.mark.parametrize("b", [DISCRETE, MIXTURE])
def test_the_ready_bandits_are_well_posed(b):
    assert b.arms.abs().max() + 3 * b.std <= 0.8
    gaps = torch.pdist(b.arms)
    assert gaps.min() > 16 * b.std and gaps.min() > 0.5
    assert len(b.values.unique()) == len(b.probabilities.unique()) == len(b.arms)
    assert b.values.argmax() == b.probabilities.argmin()
    for eta in torch.linspace(0, 4, 9).tolist():
        assert b.optimum(eta).min() > 0.04 and b.truncated(eta).min() > 5e-4


# -- divergence and value ---------------------------------------------------------------------------------------


@given(SEEDS)
def test_kl_is_that_of_torch(seed):
    p, q = bandit(seed).probabilities, bandit(seed + 1).probabilities
    wanted = torch.distributions.kl_divergence(torch.distributions.Categorical(p), torch.distributions.Categorical(q))
    assert kl(p, q) == pytest.approx(wanted.item(), rel=1e-6, abs=1e-6)
    assert kl(p, p) == 0.0 and kl(p, q) >= 0


def test_kl_where_arms_are_missing():
    assert kl([1.0, 0.0], [0.5, 0.5]) == pytest.approx(math.log(2))
    assert kl([0.5, 0.5], [1.0, 0.0]) == math.inf
    assert kl([0.0, 1.0, 0.0], [0.0, 1.0, 0.0]) == 0.0


def test_kl_of_arms_is_that_of_actions_where_arms_do_not_overlap():
    """Monte Carlo, over samples of the policy."""
    policy = MIXTURE.policy(3.0)
    x = policy.sample(20_000, torch.Generator().manual_seed(0))
    ratio = policy.log_prob(x, 0.0) - MIXTURE.data.log_prob(x, 0.0)
    assert kl(MIXTURE.optimum(3.0), MIXTURE.probabilities) == pytest.approx(ratio.mean().item(), abs=0.02)


@given(SEEDS)
def test_the_frontier_rises(seed):
    """More temperature: more value, further away. No rule is above the optimum at the same distance."""
    b = bandit(seed)
    etas = torch.linspace(0, 4, 9).tolist()
    for rule in (b.optimum, b.truncated):
        value = torch.tensor([b.expected_value(rule(eta)) for eta in etas])
        price = torch.tensor([kl(rule(eta), b.probabilities) for eta in etas])
        assert (value.diff() > 0).all() and (price.diff() > 0).all()
    other = b.truncated(1.0)
    low, high = 0.0, 200.0
    for _ in range(60):  # the temperature at which the optimum is as far from the data
        eta = (low + high) / 2
        low, high = (eta, high) if kl(b.optimum(eta), b.probabilities) < kl(other, b.probabilities) else (low, eta)
    assert b.expected_value(b.optimum(low)) >= b.expected_value(other) - 1e-9


def test_expected_value_is_a_mean():
    assert DISCRETE.expected_value(DISCRETE.probabilities) == pytest.approx(0.4 * 0 + 0.3 * 0.3 + 0.2 * 0.6 + 0.1 * 1)
    _, values, _ = MIXTURE.sample(40_000, torch.Generator().manual_seed(0))
    assert values.mean().item() == pytest.approx(MIXTURE.expected_value(MIXTURE.probabilities), abs=0.01)


# -- input ------------------------------------------------------------------------------------------------------


def test_a_bandit_is_its_own_and_does_not_change():
    arms = torch.zeros(2, 1, dtype=DOUBLE)
    b = Bandit(arms, [0, 1], [1, 3])
    arms += 1
    assert b != DISCRETE and DISCRETE != MIXTURE and len({b, DISCRETE, MIXTURE}) == 3  # compared as a whole
    assert (b.arms == 0).all() and b.probabilities.tolist() == [0.25, 0.75] and b.values.dtype == DOUBLE
    with pytest.raises(AttributeError):
        b.std = 1.0
    torch.testing.assert_close(b.optimum(1.0), tilt(b.probabilities, b.values, 1.0))


@pytest.mark.parametrize("call, message", [
    (lambda: Bandit(torch.zeros(2), [0, 1], [1, 1]), r"arms must be of shape \(M, A\), got shape \(2,\)"),
    (lambda: Bandit(torch.zeros(2, 1), [0, 1, 2], [1, 1]), r"values must be of shape \(2,\), got shape \(3,\)"),
    (lambda: Bandit(torch.zeros(2, 1), [0, math.nan], [1, 1]), "values must be finite, got nan"),
    (lambda: Bandit(torch.zeros(2, 1), [0, 1], [1]), r"probabilities must be of shape \(2,\), got shape \(1,\)"),
    (lambda: Bandit(torch.zeros(2, 1), [0, 1], [2, -1]), "probabilities must be 2 numbers >= 0 with a positive sum"),
    (lambda: Bandit(torch.zeros(2, 1), [0, 1], [0, 0]), "probabilities must be 2 numbers >= 0 with a positive sum"),
    (lambda: Bandit(torch.zeros(2, 1), [0, 1], [1, 1], -0.1), "std must be >= 0, got -0.1"),
    (lambda: Bandit(torch.zeros(2, 1), [0, 1], [1, 1], [0.1, 0.1]), r"std must be a number, got shape \(2,\)"),
    (lambda: DISCRETE.optimum(-1.0), "eta must be >= 0, got -1"),
    (lambda: DISCRETE.truncated(math.inf), "eta must be finite, got inf"),
    (lambda: DISCRETE.sample(0), "n must be a whole number of at least 1, got 0"),
    (lambda: DISCRETE.shares(torch.zeros(3, 1)), r"actions must be of shape \(n, 2\), got shape \(3, 1\)"),
    (lambda: DISCRETE.shares(torch.zeros(0, 2)), r"actions must be of shape \(n, 2\), got shape \(0, 2\)"),
    (lambda: DISCRETE.expected_value([1.0]), r"p must be of shape \(4,\), got shape \(1,\)"),
    (lambda: kl([0.5, 0.5], [1.0]), r"q must be of shape \(2,\), got shape \(1,\)"),
    (lambda: kl(0.5, [1.0]), r"p must be of shape \(M,\), got shape \(\)"),
    (lambda: kl([-0.5, 1.5], [0.5, 0.5]), "p must be 2 numbers >= 0"),
])
def test_nonsense_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
