"""Critics: the ensemble against separate networks, targets and losses against arithmetic, in value and gradient."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from gtp_mini.critics import (
    QEnsemble,
    ValueNet,
    expectile_loss,
    linear_q_loss,
    lower_bound,
    normalised_q_loss,
    td_loss,
    td_target,
)
from gtp_mini.networks import ensemble_mlp, mlp


@pytest.fixture
def critic():
    torch.manual_seed(0)
    return QEnsemble(3, 2, width=8, depth=2, members=3)


def inputs(n=5):
    g = torch.Generator().manual_seed(1)
    return torch.randn(n, 3, generator=g), torch.randn(n, 2, generator=g)


def doubles(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("activation", ["silu", "relu", "mish"])
def test_an_ensemble_is_separate_networks(layer_norm, activation):
    torch.manual_seed(0)
    net = ensemble_mlp(3, [5, 8, 8, 1], activation, layer_norm)
    x = torch.randn(3, 7, 5)
    y = net(x)
    linear = [layer for layer in net if hasattr(layer, "weight") and layer.weight is not None]
    for e in range(3):
        h = x[e]
        for depth, layer in enumerate(linear):
            h = h @ layer.weight[e] + layer.bias[e]
            if depth < 2:
                h = functional.layer_norm(h, (8,)) if layer_norm else h
                h = getattr(functional, activation)(h)
        torch.testing.assert_close(y[e], h)


def test_members_start_apart_and_learn_apart(critic):
    obs, action = inputs()
    q = critic(obs, action)
    assert q.shape == (3, 5) and not torch.allclose(q[0], q[1])
    q[1].sum().backward()
    for p in critic.parameters():
        assert len(p) == 3  # every parameter is a member's: nothing is shared
        assert p.grad[1].abs().max() > 0 and (p.grad[[0, 2]] == 0).all()


def test_members_start_as_linear_layers_do():
    torch.manual_seed(0)
    ours, theirs = ensemble_mlp(50, [16, 4]), [mlp([16, 4]) for _ in range(50)]
    for name in ("weight", "bias"):
        a = getattr(ours[0], name)
        b = torch.stack([getattr(net[0], name) for net in theirs])
        assert a.abs().max() <= 0.25 and a.std().item() == pytest.approx(b.std().item(), rel=0.1)


def test_the_state_is_normalised_and_the_action_is_not(critic):
    obs, action = inputs(500)
    before = critic((obs - obs.mean(0)) / obs.std(0), action)
    critic.set_observation_scale(obs)
    torch.testing.assert_close(critic(obs, action), before)


def test_only_terminals_cut_the_future():
    reward, terminal = torch.tensor([0.0, 1.0, -1.0]), torch.tensor([0.0, 1.0, 0.0])
    target = td_target(reward, terminal, torch.tensor([10.0, 20.0, 30.0]), 0.9)
    torch.testing.assert_close(target, torch.tensor([9.0, 1.0, 26.0]))


def test_td_loss_sums_members_and_means_rows():
    q = torch.tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
    target = torch.tensor([0.0, 1.0], requires_grad=True)
    loss = td_loss(q, target)
    assert loss.item() == sum(sum((q[e, i].item() - target[i].item()) ** 2 for i in range(2)) / 2 for e in range(2))
    loss.backward()
    torch.testing.assert_close(q.grad, q.detach() - target.detach())
    assert target.grad is None


# -- pessimism --------------------------------------------------------------------------------------------------------


def test_pessimism_is_over_members_of_each_row(critic):
    obs, action = inputs()
    q = critic(obs, action)
    assert critic.pessimistic(obs, action).tolist() == [min(q[e, i].item() for e in range(3)) for i in range(5)]
    for spread in (0.0, 0.5, 2.0):
        expected = []
        for i in range(5):
            row = [q[e, i].item() for e in range(3)]
            mean = sum(row) / 3
            expected.append(mean - spread * math.sqrt(sum((x - mean) ** 2 for x in row) / 3))
        torch.testing.assert_close(critic.pessimistic(obs, action, spread), torch.tensor(expected))


@given(seed=st.integers(0, 1000), spread=st.floats(0, 3), shift=st.floats(-10, 10), scale=st.floats(0.1, 10))
def test_pessimism_moves_and_stretches_with_its_members(seed, spread, shift, scale):
    q = doubles(seed, 4, 6)
    for s in (None, spread):
        bound = lower_bound(q, s)
        torch.testing.assert_close(lower_bound(scale * q + shift, s), scale * bound + shift)
        assert (bound <= q.mean(0) + 1e-12).all()
        same = q[:1].expand(4, 6)
        torch.testing.assert_close(lower_bound(same, s), q[0])  # members that agree are believed
        torch.testing.assert_close(lower_bound(q[[2, 0, 3, 1]], s), bound)
    # of two members the least is the mean less one standard deviation
    torch.testing.assert_close(lower_bound(q[:2], 1.0), lower_bound(q[:2]))


def test_an_ensemble_can_be_made_again_from_its_description(critic):
    again = QEnsemble(**critic.describe())
    again.load_state_dict(critic.state_dict())
    assert torch.equal(again(*inputs()), critic(*inputs()))


# -- V ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer_norm", [False, True])
def test_a_value_net_is_one_network_of_the_normalised_state(layer_norm):
    torch.manual_seed(0)
    net, (obs, _) = ValueNet(3, width=8, depth=2, activation="relu", layer_norm=layer_norm), inputs(50)
    net.set_observation_scale(obs)
    h = (obs - obs.mean(0)) / obs.std(0)
    for depth, layer in enumerate(layer for layer in net.network if getattr(layer, "weight", None) is not None):
        h = h @ layer.weight[0] + layer.bias[0]
        if depth < 2:
            h = functional.relu(functional.layer_norm(h, (8,)) if layer_norm else h)
    assert net(obs).shape == (50,)
    torch.testing.assert_close(net(obs), h[:, 0])


def test_the_expectile_loss_is_its_formula_in_value_and_gradient():
    q, v, tau = doubles(0, 7), doubles(1, 7).requires_grad_(), 0.8
    loss = expectile_loss(q - v, tau)
    loss.backward()
    weight = [tau if q[i] > v[i] else 1 - tau for i in range(7)]
    assert {0.8, 1 - 0.8} == set(weight)
    assert loss.item() == pytest.approx(sum(weight[i] * (q[i] - v[i]).item() ** 2 for i in range(7)) / 7)
    expected = [-2 * weight[i] * (q[i] - v[i]).item() / 7 for i in range(7)]
    torch.testing.assert_close(v.grad, torch.tensor(expected, dtype=torch.float64))


@given(seed=st.integers(0, 1000), tau=st.floats(0.05, 0.95), p=st.floats(0.05, 0.95))
def test_its_minimum_is_the_expectile(seed, tau, p):
    """Of two points 0 and 1 with probabilities 1 - p and p it is tau p / (tau p + (1 - tau)(1 - p)); at one half, of
    anything, the mean."""
    def slope(values, v, expectile):
        v = torch.tensor(v, dtype=torch.float64, requires_grad=True)
        expectile_loss(values - v, expectile).backward()
        return v.grad.item()

    heads = round(1000 * p)
    coins = torch.cat([torch.ones(heads), torch.zeros(1000 - heads)]).double()
    share = heads / 1000
    exact = tau * share / (tau * share + (1 - tau) * (1 - share))
    assert slope(coins, exact, tau) == pytest.approx(0, abs=1e-12)
    assert slope(coins, exact + 0.01, tau) > 0 > slope(coins, exact - 0.01, tau)
    values = doubles(seed, 30)
    assert slope(values, values.mean().item(), 0.5) == pytest.approx(0, abs=1e-12)


# -- Q as a loss ------------------------------------------------------------------------------------------------------


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("members", [2, 4])
def test_the_normalised_q_loss_divides_one_member_by_another(members):
    q, seen, g = 0.3 + doubles(0, members, 5), [], seeded(0)  # of either sign
    expected = {(j, i): -sum(q[j].tolist()) / sum(abs(x) for x in q[i].tolist())
                for j in range(members) for i in range(members) if i != j}
    for _ in range(400):
        leaf = q.clone().requires_grad_()
        loss = normalised_q_loss(leaf, g)
        pair = [key for key, value in expected.items() if loss.item() == pytest.approx(value, rel=1e-12)]
        assert len(pair) == 1
        loss.backward()
        gradient = torch.zeros_like(q)
        gradient[pair[0][0]] = -1 / sum(abs(x) for x in q[pair[0][1]].tolist())  # -1/B over mean |Q_i|; none by Q_i
        torch.testing.assert_close(leaf.grad, gradient)
        seen += pair
    counts = [seen.count(pair) for pair in expected]
    assert min(counts) > 0.5 * 400 / len(expected)  # every pair has its turn
    torch.testing.assert_close(normalised_q_loss(q, seeded(3)), normalised_q_loss(q, seeded(3)), rtol=0, atol=0)


@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 100))
def test_the_unit_of_reward_leaves_the_normalised_q_loss_and_not_the_linear_one(seed, scale):
    q = doubles(seed, 2, 8)
    torch.testing.assert_close(normalised_q_loss(scale * q, seeded(seed)), normalised_q_loss(q, seeded(seed)))
    torch.testing.assert_close(linear_q_loss(scale * q), scale * linear_q_loss(q))


def test_a_critic_that_is_zero_everywhere_gives_no_nan():
    q = torch.zeros(2, 4, requires_grad=True)
    loss = normalised_q_loss(q, seeded(0))
    loss.backward()
    assert loss == 0 and q.grad.isfinite().all()
    with pytest.raises(ValueError, match="needs 2 or more, got 1"):
        normalised_q_loss(torch.zeros(1, 4))


def test_the_linear_q_loss_follows_the_member_that_promises_least():
    q = torch.tensor([[1.0, 5.0, -2.0], [2.0, 4.0, -1.0]], requires_grad=True)
    loss = linear_q_loss(q)
    loss.backward()
    assert loss.item() == pytest.approx(-(1 + 4 - 2) / 3)
    torch.testing.assert_close(q.grad, -torch.tensor([[1.0, 0, 1], [0, 1, 0]]) / 3)
    assert linear_q_loss(q.detach(), 1.0).item() == pytest.approx(-(1 + 4 - 2) / 3)
    assert linear_q_loss(q.detach(), 0.0).item() == pytest.approx(-(1.5 + 4.5 - 1.5) / 3)


def test_ascent_on_q_moves_actions_uphill_and_through_the_critic(critic):
    obs, action = inputs()
    action.requires_grad_()
    linear_q_loss(critic(obs, action)).backward()
    with torch.no_grad():
        better = critic.pessimistic(obs, action - 1e-3 * action.grad / action.grad.norm())
        assert better.mean() > critic.pessimistic(obs, action).mean()
