"""The learner of values: one step against loops, in value and gradient; who has a gradient and who has not."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from gtp_mini.agents.learner import ValueConfig, ValueLearner

O, A, B = 3, 2, 6  # noqa: E741
CLIP = 1e9  # off


def learner(seed=0, **config):
    """Small, double, a slow copy that is somewhere else; plain descent at rate 1, so that a step is the gradient."""
    torch.manual_seed(seed)
    place = {"position_dims": 2} if config.get("value") == "place" else {}
    values = ValueLearner(O, A, ValueConfig(**config), width=8, depth=2, **place).double()
    slow = [values.target_critic] + ([values.target_value] if place else [])
    with torch.no_grad():
        for p in (p for network in slow for p in network.parameters()):
            p += 0.3 * torch.randn_like(p)
    for which in values.optimizers:
        values.optimizers[which] = torch.optim.SGD(getattr(values, which).parameters(), lr=1.0)
    return values


def batch(seed=0):
    g = torch.Generator().manual_seed(seed)
    data = {"obs": torch.randn(B, O, generator=g), "action": torch.rand(B, A, generator=g) * 2 - 1,
            "reward": torch.randn(B, generator=g), "next_obs": torch.randn(B, O, generator=g),
            "terminal": torch.tensor([0.0, 1, 0, 0, 1, 0])}
    return {name: value.double() for name, value in data.items()}


def policy(obs):
    """An action of its own at each observation and at each place in the call."""
    place = torch.linspace(-1, 1, len(obs), dtype=obs.dtype)[:, None]
    return torch.sin(3 * obs[:, :A] + 5 * place)


def generator():
    return torch.Generator().manual_seed(0)


def gradient(loss, module):
    return torch.autograd.grad(loss, list(module.parameters()))


def assert_moved_by(before, after, gradients):
    for old, new, g in zip(before.parameters(), after.parameters(), gradients, strict=True):
        torch.testing.assert_close(new, old - g)


# -- one step ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("heads, pessimism, candidates, samples", [(2, 0.0, 1, 1), (2, 0.0, 3, 2), (4, 0.5, 2, 1),
                                                                   (3, 0.0, 1, 0)])
def test_a_step_with_the_policys_values(heads, pessimism, candidates, samples):
    values = learner(critic_heads=heads, pessimism=pessimism, target_candidates=candidates, value_samples=samples,
                     gamma=0.9, reward_scale=2.0, reward_offset=-0.5)
    before, data = deepcopy(values), batch()
    advantage, metrics = values.update(data, policy, CLIP)

    def pessimistic(heads_q):
        if not pessimism:
            return min(heads_q)
        mean = sum(heads_q) / len(heads_q)
        return mean - pessimism * (sum((x - mean) ** 2 for x in heads_q) / len(heads_q)) ** 0.5

    def q(critic, obs, action):  # one row
        return [x.item() for x in critic(obs[None], action[None])[:, 0]]

    actions = policy(torch.cat([data["next_obs"]] * candidates + [data["obs"]] * samples))
    loss = 0.0
    for i in range(B):
        each = [q(before.target_critic, data["next_obs"][i], actions[k * B + i]) for k in range(candidates)]
        future = pessimistic([max(row[e] for row in each) for e in range(heads)])
        target = 2.0 * data["reward"][i] - 0.5 + (0.0 if data["terminal"][i] else 0.9 * future)
        prediction = before.critic(data["obs"][i : i + 1], data["action"][i : i + 1])[:, 0]
        loss = loss + sum((prediction[e] - target) ** 2 for e in range(heads)) / B
    torch.testing.assert_close(metrics["loss_critic"], loss.detach())
    gradients = gradient(loss, before.critic)
    assert_moved_by(before.critic, values.critic, gradients)
    assert metrics["grad_critic"].item() == pytest.approx(sum((g**2).sum().item() for g in gradients) ** 0.5)

    # by the critic just updated, not by its slow copy
    q_data = [pessimistic(q(values.critic, data["obs"][i], data["action"][i])) for i in range(B)]
    assert metrics["q_mean"].item() == pytest.approx(sum(q_data) / B)
    if not samples:
        assert advantage is None and "value_mean" not in metrics
        return
    v = [sum(pessimistic(q(values.critic, data["obs"][i], actions[(candidates + k) * B + i])) for k in range(samples))
         / samples for i in range(B)]
    expected = [a - b for a, b in zip(q_data, v, strict=True)]
    torch.testing.assert_close(advantage, torch.tensor(expected, dtype=torch.float64))
    assert metrics["value_mean"].item() == pytest.approx(sum(v) / B)
    assert metrics["advantage_positive"].item() == pytest.approx(sum(a > 0 for a in expected) / B)
    assert metrics["advantage_std"].item() == pytest.approx(advantage.std(correction=0).item())


@pytest.mark.parametrize("heads, pessimism, expectile", [(2, 0.0, 0.7), (4, 0.5, 0.9)])
def test_a_step_with_expectile_values(heads, pessimism, expectile):
    """V first, on the slow critic; then Q, on the new V. The policy is not asked."""
    values = learner(value="expectile", critic_heads=heads, pessimism=pessimism, expectile=expectile, gamma=0.9,
                     reward_offset=1.0)
    before, data = deepcopy(values), batch()
    advantage, metrics = values.update(data, None, CLIP)

    slow = before.target_critic(data["obs"], data["action"])
    q = slow.min(0).values if not pessimism else slow.mean(0) - pessimism * slow.var(0, correction=0).sqrt()
    v, loss_value = before.value(data["obs"]), 0.0
    for i in range(B):
        loss_value = loss_value + (expectile if q[i] > v[i] else 1 - expectile) * (q[i].detach() - v[i]) ** 2 / B
    torch.testing.assert_close(metrics["loss_value"], loss_value.detach())
    assert_moved_by(before.value, values.value, gradient(loss_value, before.value))

    new_v, next_v = values.value(data["obs"]).detach(), values.value(data["next_obs"]).detach()
    prediction, loss = before.critic(data["obs"], data["action"]), 0.0
    for i in range(B):
        target = data["reward"][i] + 1.0 + 0.9 * (1 - data["terminal"][i]) * next_v[i]
        loss = loss + sum((prediction[e, i] - target) ** 2 for e in range(heads)) / B
    torch.testing.assert_close(metrics["loss_critic"], loss.detach())
    assert_moved_by(before.critic, values.critic, gradient(loss, before.critic))
    torch.testing.assert_close(advantage, q - new_v)
    assert metrics["q_abs_max"].item() == pytest.approx(q.abs().max().item())


class Table(nn.Module):
    """Q of two heads at one state, by the action's first number: 0 or 1."""

    def forward(self, obs, action):
        return torch.tensor([[1.0, 5.0], [4.0, 2.0]], dtype=action.dtype)[:, action[:, 0].long()]


def test_the_best_candidate_of_each_head_and_then_the_lesser_head():
    """Heads (1, 5) and (4, 2): 5 and 4, so 4. The lesser head first would say max(1, 2) = 2."""
    values, data = learner(target_candidates=2, value_samples=0, gamma=0.5), batch()
    values.target_critic = Table()
    both = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=torch.float64).repeat_interleave(B, 0)  # each candidate once
    q = values.critic(data["obs"], data["action"]).detach()
    target = data["reward"] + 0.5 * (1 - data["terminal"]) * 4.0
    _, metrics = values.update(data, lambda obs: both, CLIP)
    torch.testing.assert_close(metrics["loss_critic"], ((q - target) ** 2).mean(1).sum())


@pytest.mark.parametrize("value", ["policy", "expectile", "place"])
def test_gradients_are_where_they_belong(value):
    values, data = learner(value=value), batch()
    leaves = {name: data[name].requires_grad_() for name in ("next_obs", "reward")}
    asked = []

    def act(obs):
        asked.append(policy(obs).detach().requires_grad_())
        return asked[-1]

    advantage, metrics = values.update(data, act, CLIP)
    assert not advantage.requires_grad and advantage.shape == (B,)
    assert all(v.ndim == 0 and not v.requires_grad and v.isfinite() for v in metrics.values())
    for leaf in (*leaves.values(), *asked):
        assert leaf.grad is None
    assert len(asked) == (value == "policy")  # one call, or none
    for name, network in values.named_children():
        for p in network.parameters():
            if name.startswith("target_"):
                assert p.grad is None and not p.requires_grad
            else:
                assert p.grad.abs().max() > 0


@pytest.mark.parametrize("value", ["policy", "expectile", "place"])
def test_gradients_are_clipped(value):
    values = learner(value=value)
    before = deepcopy(values)
    _, metrics = values.update(batch(), policy, 1e-3)
    for which in values.optimizers:
        moved = sum(((a - b) ** 2).sum() for a, b in zip(getattr(before, which).parameters(),
                                                         getattr(values, which).parameters(), strict=True)) ** 0.5
        assert moved.item() == pytest.approx(1e-3, rel=1e-2) and metrics[f"grad_{which}"] > 0.01


def test_the_slow_critic_follows_when_it_is_told():
    values = learner(critic_ema=0.9)
    before = deepcopy(values)
    values.update(batch(), policy, CLIP)
    for old, new in zip(before.target_critic.parameters(), values.target_critic.parameters(), strict=True):
        assert torch.equal(old, new)
    values.soft_update()
    for old, new, fast in zip(before.target_critic.parameters(), values.target_critic.parameters(),
                              values.critic.parameters(), strict=True):
        torch.testing.assert_close(new, 0.9 * old + 0.1 * fast)


def test_a_fresh_target_is_its_critic_and_all_take_the_scale_of_observations():
    torch.manual_seed(0)
    values, obs = ValueLearner(O, A, ValueConfig(value="expectile"), 8, 2), 3 + 2 * torch.randn(50, O)
    assert set(values.optimizers) == {"critic", "value"}
    assert all(torch.equal(p, q) for p, q in zip(values.critic.parameters(), values.target_critic.parameters(),
                                                 strict=True))
    values.set_observation_scale(obs)
    for network in (values.critic, values.target_critic, values.value):
        torch.testing.assert_close(network.obs_mean, obs.mean(0))
        torch.testing.assert_close(network.obs_std, obs.std(0))


# -- values of the place alone ----------------------------------------------------------------------------------------


def test_a_value_of_the_place_sees_nothing_else():
    values, obs = learner(value="place"), torch.randn(B, O, dtype=torch.float64)
    values.set_observation_scale(3 * obs + 1)
    other = obs.clone()
    other[:, 2] += 5
    assert torch.equal(values.value(obs), values.value(other))
    assert not torch.equal(values.critic(obs, obs[:, :A]), values.critic(other, obs[:, :A]))
    obs.requires_grad_()
    values.value(obs).sum().backward()
    assert (obs.grad[:, :2] != 0).all() and (obs.grad[:, 2] == 0).all()


def test_it_is_an_expectile_of_returns_by_its_slow_copy():
    values, data = learner(value="place", expectile=0.8, gamma=0.9, reward_scale=0.5, critic_ema=0.9), batch()
    data["discount"] = torch.tensor([0.9, 0.81, 0.9, 0.5, 0.9, 0.9], dtype=torch.float64)  # of returns of some steps
    v, ahead = values.value(data["obs"]).detach(), values.target_value(data["next_obs"])
    expected = 0.0
    for i in range(B):
        error = 0.5 * data["reward"][i] + data["discount"][i] * (1 - data["terminal"][i]) * ahead[i] - v[i]
        expected += (0.8 if error > 0 else 0.2) * error**2 / B
    before = deepcopy(values)
    advantage, metrics = values.update(data, None, CLIP)
    torch.testing.assert_close(metrics["loss_value"], expected)
    q = values.target_critic.pessimistic(data["obs"], data["action"], None)
    torch.testing.assert_close(advantage, q - values.value(data["obs"]))
    values.soft_update()
    for old, new, fast in zip(before.target_value.parameters(), values.target_value.parameters(),
                              values.value.parameters(), strict=True):
        torch.testing.assert_close(new, 0.9 * old + 0.1 * fast)


def test_heads_of_v_learn_as_each_would_alone_and_v_is_their_mean():
    together, data = learner(value="place", value_heads=3, n_step=5), batch()
    alone = [learner(value="place", n_step=5) for _ in range(3)]
    for i, one in enumerate(alone):
        for net, own in ((together.value, one.value), (together.target_value, one.target_value)):
            for many, single in zip(net.parameters(), own.parameters(), strict=True):
                single.data.copy_(many.data[i : i + 1])
    before = together.value(data["obs"])
    for _ in range(4):
        for values in (together, *alone):
            values.update(data, None, float("inf"))
            values.soft_update()
    each = torch.cat([one.value.each(data["obs"]) for one in alone])
    torch.testing.assert_close(together.value.each(data["obs"]), each)
    torch.testing.assert_close(together.value(data["obs"]), each.mean(0))
    assert each.std(0).min() > 0 and not torch.allclose(before, each.mean(0))


def test_it_credits_a_place_with_the_best_way_that_anybody_went_from_there():
    """A corridor of 9 cells, the goal at its right end. Who walks left walks on to the left end: with legs in sight
    their V is that of never arriving; V of the place, and so the gain, tells that they went the wrong way."""
    rows = []
    for episode, (start, way) in enumerate([(s, way) for s in range(1, 8) for way in (-1, 1)]):
        at = start
        while 0 < at < 8:
            rows.append((at, way, at + way, float(at + way == 8), episode))
            at += way
    at, way, to, there, episode = torch.tensor(rows, dtype=torch.float32).T
    data = {"obs": torch.stack([at, way], 1), "next_obs": torch.stack([to, way], 1), "action": way[:, None],
            "reward": there - 1, "terminal": there, "episode": episode.long()}

    def gains(value):
        torch.manual_seed(0)
        config = ValueConfig(value=value, expectile=0.9, gamma=0.9, critic_lr=3e-3, critic_ema=0.9)
        values = ValueLearner(2, 1, config, width=32, depth=2, position_dims=1)
        values.set_observation_scale(data["obs"])
        for _ in range(600):
            values.update({name: x for name, x in data.items() if name != "episode"}, None, 10.0)
            values.soft_update()
        return values.gains(data)

    wrong, middle = way < 0, (at > 1) & (at < 7)
    blind, legs = gains("place"), gains("expectile")
    assert (blind[wrong & middle] < -0.5).all() and (blind[~wrong & middle] > -0.3).all()
    assert (legs[wrong & middle].abs() < 0.3).all()


def test_the_place_has_to_be_known():
    with pytest.raises(ValueError, match=r"values of the place alone \(value=place\) need position_dims"):
        ValueLearner(O, A, ValueConfig(value="place"))


# -- configurations ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting, message", [
    ({"gamma": 1.0}, r"gamma must be in \[0, 1\), got 1.0"),
    ({"critic_lr": 0.0}, "critic_lr must be positive, got 0.0"),
    ({"reward_scale": -1.0}, "reward_scale must be positive, got -1.0"),
    ({"reward_scale": float("inf")}, "reward_scale must be positive, got inf"),
    ({"reward_offset": float("nan")}, "reward_offset must be finite, got nan"),
    ({"critic_ema": 1.5}, "critic_ema must be between 0 and 1, got 1.5"),
    ({"critic_heads": 1}, "critic_heads must be between 2 and 10, got 1"),
    ({"critic_heads": 11}, "critic_heads must be between 2 and 10, got 11"),
    ({"pessimism": -0.5}, "pessimism must be 0 or more and finite, got -0.5"),
    ({"pessimism": float("nan")}, "pessimism must be 0 or more and finite, got nan"),
    ({"expectile": 1.0}, "expectile must be between 0 and 1, both excluded, got 1.0"),
    ({"value": "median"}, "unknown value 'median'; known: policy, expectile"),
    ({"value_samples": -1}, "value_samples must be between 0 and 64, got -1"),
    ({"target_candidates": 0}, "target_candidates must be between 1 and 64, got 0"),
    ({"target_steps": 65}, "between 1 and 64, got 65"),
])
def test_settings_that_cannot_be_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        ValueConfig(**setting)
