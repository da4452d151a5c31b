"""Best of N: the choice against a search through the candidates, its temperature against a softmax."""

import pytest
import torch
from torch import nn

from gtp_mini.agents.best_of import BestOfN, BestOfNConfig, choose
from gtp_mini.agents.gaussian import GaussianPolicy, GaussianPolicyConfig
from gtp_mini.critics import QEnsemble
from gtp_mini.flow_map import FlowMap, FlowMapConfig

O, A, B = 3, 2, 5  # noqa: E741


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def parts(kind="flow"):
    torch.manual_seed(0)
    if kind == "flow":
        policy = FlowMap(FlowMapConfig(A, O, width=8, depth=1, sigma_data=2.0, sigma_max=10.0))  # often out of bounds
    else:
        policy = GaussianPolicy(GaussianPolicyConfig(A, O, width=8, depth=1))
    return policy, QEnsemble(O, A, width=8, depth=1, members=3), torch.randn(B, O, generator=seeded(1))


class Uniform(nn.Module):
    """Actions uniform in [-1, 1], whatever the state."""

    def sample(self, n=None, obs=None, steps=1, generator=None, noise_scale=1.0):
        return 2 * torch.rand(len(obs), A, generator=generator) - 1


class FirstNumber(nn.Module):
    """Q is the action's first number."""

    def pessimistic(self, obs, action, spread=None):
        return action[:, 0]


@pytest.mark.parametrize("kind", ["flow", "gaussian"])
@pytest.mark.parametrize("pessimism", [0.0, 0.7])
def test_the_choice_is_the_best_of_its_candidates(kind, pessimism):
    policy, critic, obs = parts(kind)
    chosen = BestOfN(policy, critic, BestOfNConfig(7, pessimism=pessimism)).sample(obs=obs, steps=3, generator=seeded())
    drawn = policy.sample(obs=torch.cat([obs] * 7), steps=3, generator=seeded()).clamp(-1, 1)
    assert chosen.shape == (B, A) and (drawn.abs() == 1).any()
    for i in range(B):
        candidates = [drawn[k * B + i] for k in range(7)]
        q = [critic.pessimistic(obs[i : i + 1], a[None], pessimism or None).item() for a in candidates]
        assert torch.equal(chosen[i], candidates[q.index(max(q))])


def test_pessimism_decides_where_members_disagree():
    """Heads (0, 0) and (-1, 3): the least says the first, the mean the second."""
    class Disagreeing(QEnsemble):
        def forward(self, obs, action):
            return torch.where(action[:, 0] > 0, torch.tensor([[-1.0], [3.0]]), torch.tensor([[0.0], [0.0]]))

    obs = torch.zeros(20, O)
    for pessimism, sign in ((0.0, -1), (0.1, 1), (2.0, -1)):
        model = BestOfN(Uniform(), Disagreeing(O, A, 4, 1), BestOfNConfig(32, pessimism=pessimism))
        assert (model.sample(obs=obs, generator=seeded())[:, 0].sign() == sign).all()


@pytest.mark.parametrize("kind", ["flow", "gaussian"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_one_candidate_is_the_policy_itself(kind, temperature):
    policy, critic, obs = parts(kind)
    model = BestOfN(policy, critic, BestOfNConfig(1, temperature))
    for noise_scale in (1.0, 0.3):
        ours = model.sample(obs=obs, steps=2, generator=seeded(), noise_scale=noise_scale)
        theirs = policy.sample(obs=obs, steps=2, generator=seeded(), noise_scale=noise_scale).clamp(-1, 1)
        assert torch.equal(ours, theirs)


def test_same_seed_same_actions_and_no_graph():
    policy, critic, obs = parts()
    model = BestOfN(policy, critic, BestOfNConfig(4, 1.0))
    a, b, c = (model.sample(len(obs), obs, 2, seeded(s)) for s in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c) and not a.requires_grad


def test_the_best_of_n_uniform_numbers_is_2n_over_n_plus_1_less_1():
    obs = torch.zeros(20_000, O)
    for n in (1, 4, 16):
        x = BestOfN(Uniform(), FirstNumber(), BestOfNConfig(n)).sample(obs=obs, generator=seeded())
        assert x[:, 0].mean().item() == pytest.approx(2 * n / (n + 1) - 1, abs=0.015)
        assert x[:, 1].mean().item() == pytest.approx(0, abs=0.015)  # what the critic does not see stays the policy's


def test_a_temperature_draws_by_the_softmax_of_q():
    q = torch.tensor([0.0, 1.0, -0.5, 2.0])
    for temperature in (0.5, 1.0, 3.0):
        drawn = choose(q[:, None].expand(4, 50_000), temperature, seeded())
        shares = torch.bincount(drawn, minlength=4) / 50_000
        torch.testing.assert_close(shares, (q / temperature).softmax(0), atol=0.01, rtol=0)


def test_the_limits_of_the_temperature():
    q = 100 * torch.randn(6, 3000, generator=seeded())
    assert torch.equal(choose(q, 0.0), q.argmax(0))
    for cold in (1e-3, 1e-37):  # where Q / temperature overflows
        assert (choose(q, cold, seeded()) == q.argmax(0)).float().mean() > 0.999
    shares = torch.bincount(choose(q, 1e9, seeded()), minlength=6) / 3000
    torch.testing.assert_close(shares, torch.full((6,), 1 / 6), atol=0.03, rtol=0)


def test_bad_arguments_are_named():
    model = BestOfN(*parts()[:2])
    assert model.config == BestOfNConfig()
    for call in (lambda: model.sample(), lambda: model.sample(4)):
        with pytest.raises(ValueError, match="best of N needs obs: a critic judges an action in a state"):
            call()
    with pytest.raises(ValueError, match="obs must have one row per sample: 5 rows for n = 4"):
        model.sample(4, torch.zeros(5, O))


@pytest.mark.parametrize("setting, message", [
    ({"candidates": 0}, "candidates must be between 1 and 1024, got 0"),
    ({"candidates": 2000}, "candidates must be between 1 and 1024, got 2000"),
    ({"temperature": -1.0}, "temperature must be 0 or more and finite, got -1.0"),
    ({"temperature": float("nan")}, "temperature must be 0 or more and finite, got nan"),
    ({"pessimism": float("inf")}, "pessimism must be 0 or more and finite, got inf"),
])
def test_settings_that_cannot_be_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        BestOfNConfig(**setting)
