"""The learner on a chain whose values are known."""

import pytest
import torch

from gtp_mini.agents.learner import ValueConfig, ValueLearner

N, GAMMA = 4, 0.8  # states 0 .. 3; a step right from the last one is paid 1 and ends


def chain():
    """Every state with every action (-1: left, a wall at 0; +1: right), once: the whole of the problem as a batch."""
    state = torch.arange(N).repeat_interleave(2)
    step = torch.tensor([-1, 1]).repeat(N)
    end = (state == N - 1) & (step == 1)
    following = (state + step).clamp(0, N - 1)
    one_hot = torch.eye(N)
    return state, following, end, {"obs": one_hot[state], "action": step[:, None].float(), "reward": end.float(),
                                   "next_obs": one_hot[following], "terminal": end.float()}


def fixed_point(value_of):
    """Q (2 N,) by iteration; value_of takes Q's table (N, 2), left and right, and gives V (N,)."""
    _, following, end, data = chain()
    q = torch.zeros(2 * N)
    for _ in range(200):
        v = value_of(q.view(N, 2))
        q = data["reward"] + GAMMA * (~end) * v[following]
    return q, v


def expectile_of_pair(table, tau):
    """Of a and b, a <= b, equally likely: tau (b - v) = (1 - tau)(v - a)."""
    low, high = table.amin(1), table.amax(1)
    return (1 - tau) * low + tau * high


def trained(act=None, steps=250, **config):
    torch.manual_seed(0)
    config = ValueConfig(gamma=GAMMA, critic_lr=3e-3, critic_ema=0.9, **config)
    values, data = ValueLearner(N, 1, config, width=32, depth=2), chain()[3]
    for _ in range(steps):
        advantage, _ = values.update(data, act, 5.0)
        values.soft_update()
    return values, advantage, data


@pytest.mark.parametrize("candidates", [1, 2])
def test_the_policys_values_of_a_chain(candidates):
    """Always right. Or, where left and right are both candidates and the best counts, the best policy, the same: asked
    with one candidate, left only is worth nothing."""
    def right(obs):
        return torch.ones(len(obs), 1)

    def left_then_right(obs):  # the two candidates at s', then one action for V
        n = 2 * N
        return torch.cat([-torch.ones(n, 1), torch.ones(n, 1), torch.ones(n, 1)])

    values, advantage, data = trained(right if candidates == 1 else left_then_right, target_candidates=candidates)
    q, v = fixed_point(lambda table: table[:, 1])
    torch.testing.assert_close(q.view(N, 2)[:, 1], GAMMA ** torch.arange(N - 1, -1, -1))  # 0.512, 0.64, 0.8, 1
    found = values.critic(data["obs"], data["action"]).detach()
    torch.testing.assert_close(found, q.expand(2, -1), atol=0.01, rtol=0)
    torch.testing.assert_close(advantage, q - v.repeat_interleave(2), atol=0.01, rtol=0)


def test_a_policy_that_never_arrives_is_worth_nothing():
    values, _, data = trained(lambda obs: -torch.ones(len(obs), 1))
    expected = data["reward"].expand(2, -1)  # only the one paid step
    torch.testing.assert_close(values.critic(data["obs"], data["action"]).detach(), expected, atol=0.01, rtol=0)


@pytest.mark.parametrize("tau", [0.5, 0.9])
def test_the_expectile_values_of_a_chain(tau):
    """At one half V is the mean over the data's actions, near 1 nearly that of the best."""
    values, advantage, data = trained(value="expectile", expectile=tau)
    q, v = fixed_point(lambda table: expectile_of_pair(table, tau))
    found = values.critic(data["obs"], data["action"]).detach()
    torch.testing.assert_close(found, q.expand(2, -1), atol=0.01, rtol=0)
    torch.testing.assert_close(values.value(data["obs"]).detach(), v.repeat_interleave(2), atol=0.01, rtol=0)
    torch.testing.assert_close(advantage, q - v.repeat_interleave(2), atol=0.01, rtol=0)
    if tau == 0.5:
        torch.testing.assert_close(v, q.view(N, 2).mean(1), atol=1e-6, rtol=0)


def test_rewards_are_scaled_and_moved():
    """Only right, so that every episode has a length that is known: N - state steps."""
    scale, offset = 4.0, -1.0
    values, _, data = trained(lambda obs: torch.ones(len(obs), 1), reward_scale=scale, reward_offset=offset)
    expected = [sum(GAMMA**k * (scale * (k == N - 1 - s) + offset) for k in range(N - s)) for s in range(N)]
    found = values.critic(data["obs"], data["action"]).detach().view(2, N, 2)[:, :, 1]
    torch.testing.assert_close(found, torch.tensor(expected).expand(2, -1), atol=0.02, rtol=0)
