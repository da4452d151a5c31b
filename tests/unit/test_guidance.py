"""Advantage weights: their formulas, what they must not depend on, where they must be one, and their edges."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gtp_mini.guidance import WEIGHT_RULES, advantage_weights, check_weights, effective_sample_size, per_place

DOUBLE = torch.float64
ETAS = st.floats(0, 5)
SEEDS = st.integers(0, 1000)
RULES = sorted(WEIGHT_RULES)
UNITLESS = [rule for rule in RULES if rule != "exponential"]  # those that divide by std(A)


def values(seed, n=50):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, generator=g, dtype=DOUBLE) + 0.3


def by_hand(advantages, eta, cap, rule):
    """One weight after the other, in Python's own arithmetic; epsilon left out."""
    mean = sum(advantages) / len(advantages)
    std = math.sqrt(sum((a - mean) ** 2 for a in advantages) / len(advantages))
    formula = {"truncated": lambda a: math.exp(eta * max(0.0, a) / std),
               "standardised": lambda a: math.exp(eta * a / std),
               "exponential": lambda a: math.exp(eta * a),
               "sigmoid": lambda a: 2 / (1 + math.exp(-eta * a / std))}[rule]
    return [min(formula(a), cap) for a in advantages]


# -- the formulas -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("eta, cap", [(1.7, 100.0), (0.4, 1.2), (3.0, 20.0)])
def test_weights_are_their_formula(rule, eta, cap):
    advantage = values(0)
    expected = by_hand(advantage.tolist(), eta, cap, rule)
    torch.testing.assert_close(advantage_weights(advantage, eta, cap, rule), torch.tensor(expected, dtype=DOUBLE),
                               rtol=2e-5, atol=0)
    normalised = torch.tensor([w / (sum(expected) / 50) for w in expected], dtype=DOUBLE)
    torch.testing.assert_close(advantage_weights(advantage, eta, cap, rule, normalise=True), normalised,
                               rtol=4e-5, atol=0)


def test_the_published_rule_is_the_default():
    advantage = values(0)
    assert torch.equal(advantage_weights(advantage, 1.3), advantage_weights(advantage, 1.3, 100.0, "truncated", False))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("normalise", [False, True])
def test_each_row_has_its_own_temperature(rule, normalise):
    """Row i of a batch of temperatures is row i of the batch at that one temperature."""
    advantage, eta = values(0), 2 * torch.rand(50, generator=torch.Generator().manual_seed(1), dtype=DOUBLE)
    eta[3] = 0
    together = advantage_weights(advantage, eta, 2.5, rule, normalise)
    for i in range(50):
        alone = advantage_weights(advantage, eta[i].item(), 2.5, rule, normalise)
        assert together[i].item() == pytest.approx(alone[i].item(), rel=1e-12)
    assert together[3].item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(advantage_weights(advantage, torch.tensor(0.7), 2.5, rule, normalise),
                               advantage_weights(advantage, 0.7, 2.5, rule, normalise))


# -- what they must not depend on ---------------------------------------------------------------------------------


@given(st.sampled_from(UNITLESS), SEEDS, ETAS, st.floats(0.1, 100), st.booleans())
def test_the_scale_of_rewards_does_not_matter(rule, seed, eta, scale, normalise):
    torch.testing.assert_close(advantage_weights(scale * values(seed), eta, rule=rule, normalise=normalise),
                               advantage_weights(values(seed), eta, rule=rule, normalise=normalise), rtol=1e-3, atol=0)


@given(SEEDS, ETAS, st.floats(0.1, 100))
def test_the_exponential_rule_has_eta_in_the_unit_of_reward(seed, eta, scale):
    torch.testing.assert_close(advantage_weights(scale * values(seed), eta / scale, rule="exponential"),
                               advantage_weights(values(seed), eta, rule="exponential"))


@given(st.sampled_from(RULES), SEEDS, ETAS, st.floats(-100, 100))
def test_a_constant_in_q_and_v_does_not_matter(rule, seed, eta, shift):
    q, v = values(seed), values(seed + 1)
    torch.testing.assert_close(advantage_weights((q + shift) - (v + shift), eta, rule=rule),
                               advantage_weights(q - v, eta, rule=rule))


@given(SEEDS, st.floats(0, 2), st.floats(-3, 3))
def test_a_baseline_cancels_from_normalised_exponential_weights_and_not_from_truncated_ones(seed, eta, shift):
    advantage = values(seed)
    for rule in ("exponential", "standardised"):
        torch.testing.assert_close(*(advantage_weights(a, eta, math.inf, rule, True)
                                     for a in (advantage, advantage + shift)))
    if eta > 0.1 and shift > 0.1:
        assert not torch.allclose(*(advantage_weights(a, eta, math.inf, normalise=True)
                                    for a in (advantage, advantage + shift)))


@given(st.sampled_from(RULES), SEEDS, st.booleans())
def test_without_temperature_all_weights_are_one(rule, seed, normalise):
    for eta in (0.0, 0, torch.tensor(0.0), torch.zeros(50)):
        weights = advantage_weights(values(seed).float(), eta, rule=rule, normalise=normalise)
        assert (weights == 1).all() if not normalise else torch.allclose(weights, torch.ones(50))


@given(SEEDS, ETAS)
def test_without_good_actions_the_truncated_rule_clones(seed, eta):
    worse = -values(seed).abs()
    assert (advantage_weights(worse, eta) == 1).all()
    if eta > 0.01:
        for rule in RULES:
            assert rule == "truncated" or (advantage_weights(worse, eta, rule=rule) < 1).all()


@given(st.sampled_from(RULES), SEEDS, st.floats(0.1, 5), st.floats(0.1, 2))
def test_weights_rise_with_advantage_and_move_away_from_one_with_temperature(rule, seed, eta, more):
    advantage = values(seed).sort().values
    weights, hotter = (advantage_weights(advantage, e, math.inf, rule) for e in (eta, eta + more))
    good = advantage > 0
    assert (weights[good].diff() > 0).all() and (hotter[good] > weights[good]).all() and (weights[good] > 1).all()
    if rule == "truncated":
        assert (weights[~good] == 1).all() and (hotter[~good] == 1).all()
    else:
        assert (weights.diff() > 0).all() and (hotter[~good] < weights[~good]).all()


def test_truncation_keeps_the_good_side_and_the_sigmoid_is_bounded_and_even():
    advantage = values(0)
    good = advantage > 0
    truncated, standardised, sigmoid = (advantage_weights(advantage, 1.5, rule=rule)
                                        for rule in ("truncated", "standardised", "sigmoid"))
    torch.testing.assert_close(truncated[good], standardised[good])
    assert (sigmoid > 0).all() and (sigmoid < 2).all()
    mirrored = advantage_weights(-advantage, 1.5, rule="sigmoid")
    torch.testing.assert_close(sigmoid + mirrored, torch.full_like(mirrored, 2.0))


# -- edges ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("normalise", [False, True])
def test_no_spread_and_overflow_stay_finite(rule, normalise):
    for level in (0.0, 1.0, -1.0, 1e30, -1e30):
        for eta in (1.0, 100.0, torch.linspace(0, 100, 5)):
            weights = advantage_weights(torch.full((5,), level), eta, rule=rule, normalise=normalise)
            assert weights.isfinite().all() and (weights >= 0).all()
            if normalise:  # equal actions count alike, however good or bad
                torch.testing.assert_close(weights, torch.ones(5))
    weights = advantage_weights(torch.tensor([-900.0, 0.0, 900.0]), 100.0, rule=rule, normalise=normalise)
    assert weights.isfinite().all()
    assert advantage_weights(torch.tensor([5.0]), 100.0, rule=rule, normalise=normalise).isfinite().all()


def test_the_cap_holds():
    assert advantage_weights(torch.tensor([5.0]), 100.0).tolist() == [100.0]
    assert advantage_weights(torch.tensor([0.0, 0.0, 9.0]), 100.0, cap=20.0).max() == 20.0
    capped = advantage_weights(torch.tensor([0.0, 0.0, 9.0]), 100.0, cap=20.0, normalise=True)
    torch.testing.assert_close(capped, torch.tensor([3.0, 3.0, 60.0]) / 22)  # capped first, then divided


def test_far_below_the_baseline_normalised_weights_still_tell_actions_apart():
    """exp(-1000) is 0 in any float; the ratio of two such weights is not."""
    weights = advantage_weights(torch.tensor([-1000.0, -1001.0]), 1.0, rule="exponential", normalise=True)
    torch.testing.assert_close(weights, torch.tensor([2 / (1 + math.exp(-1)), 2 / (1 + math.e)]))


@pytest.mark.parametrize("eta", [1.0, torch.ones(50, dtype=DOUBLE)])
def test_no_gradient_flows_through_weights(eta):
    for rule in RULES:
        for normalise in (False, True):
            assert not advantage_weights(values(0).requires_grad_(), eta, rule=rule, normalise=normalise).requires_grad


@pytest.mark.parametrize("given, message", [
    ({"rule": "softmax"}, "unknown rule 'softmax'; known: truncated, standardised, exponential, sigmoid"),
    ({"eta": -0.1}, "eta must be 0 or more and finite, got -0.1"),
    ({"eta": math.inf}, "eta must be 0 or more and finite, got inf"),
    ({"eta": math.nan}, "eta must be 0 or more and finite, got nan"),
    ({"eta": torch.ones(49)}, r"eta must be a number, or one for each of the 50 advantages, got shape \(49,\)"),
    ({"eta": torch.ones(50, 1)}, r"got shape \(50, 1\)"),
])
def test_bad_arguments_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        advantage_weights(**{"advantage": values(0), "eta": 1.0} | given)


@pytest.mark.parametrize("weights, message", [
    (torch.ones(3), r"weights must have shape \(4,\), one for each row, got \(3,\)"),
    (torch.ones(4, 1), r"got \(4, 1\)"),
    (torch.tensor(1.0), r"got \(\)"),
    (torch.tensor([1.0, math.nan, 1, 1]), "weights contains NaN or infinity"),
    (torch.tensor([1.0, math.inf, 1, 1]), "weights contains NaN or infinity"),
    (torch.tensor([1.0, -1e-9, 1, 1]), "weights must be >= 0 and not all 0"),
    (torch.zeros(4), "weights must be >= 0 and not all 0"),
])
def test_weights_that_cannot_be_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        check_weights(weights, 4)


def test_weights_that_can_be_are_taken():
    check_weights(torch.tensor([0.0, 0.0, 1e-9, 5.0]), 4)


@given(SEEDS, st.floats(1e-3, 1e3))
def test_effective_sample_size_is_a_share(seed, scale):
    weights = values(seed).abs() + 1e-9
    share = effective_sample_size(weights).item()
    assert 0 < share <= 1 + 1e-12
    assert effective_sample_size(scale * weights).item() == pytest.approx(share)
    assert effective_sample_size(scale * torch.ones(20)).item() == pytest.approx(1.0)
    k = 1 + seed % 20
    assert effective_sample_size(torch.tensor([1.0] * k + [0.0] * (20 - k))).item() == pytest.approx(k / 20)


# -- places keep their share ------------------------------------------------------------------------------------


def walk(seed, n=300, dims=2):
    """Advantages (n,) at places (n, dims) within two metres of the origin."""
    return values(seed, n), 4 * torch.rand(n, dims, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE) - 2


@given(SEEDS, st.floats(0.1, 5), st.floats(0.2, 3), st.integers(1, 3), st.floats(0, 1))
def test_places_have_their_share_and_weights_their_ratios_there(seed, eta, side, dims, power):
    advantage, place = walk(seed, dims=dims)
    weights = advantage_weights(advantage, eta, math.inf, "exponential")
    found = per_place(weights, place, side, power)
    squares = [tuple(math.floor(x / side) for x in row) for row in place.tolist()]
    for square in set(squares):
        here = torch.tensor([other == square for other in squares])
        assert torch.isclose(found[here].sum(), here.sum().double() ** power)
        assert torch.allclose(found[here] / found[here].sum(), weights[here] / weights[here].sum())


@given(SEEDS, st.floats(0.1, 5))
def test_what_values_are_wrong_by_at_a_place_cancels(seed, eta):
    advantage, place = walk(seed)
    wrong = torch.randn(5, 5, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)
    off = advantage + wrong[tuple(place.floor().long().T)]
    one, other = (per_place(advantage_weights(a, eta, math.inf, "exponential"), place, 1.0) for a in (advantage, off))
    assert torch.allclose(one, other)


def test_a_place_without_weight_keeps_none_and_a_side_must_be_a_length():
    place = torch.tensor([[0.5], [0.7], [1.5], [-0.5]])
    assert per_place(torch.tensor([1.0, 3.0, 0.0, 2.0]), place, 1.0).tolist() == [0.5, 1.5, 0.0, 1.0]
    for side in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="side must be above 0 and finite"):
            per_place(torch.ones(4), place, side)
