"""Learning where the answer is known: weights tilt clones, and every method with a critic finds the better arm."""

import pytest
import torch
from small_agents import CLONES, GUIDED, agent, seeded

from gtp_mini.agents import METHODS

POINTS = torch.tensor([[-0.7, 0.0], [0.7, 0.0]])
N = 64
# what makes the small problem quick: its scale of noise, and how strongly a method follows its critic
QUICK = {"width": 32, "lr": 3e-3, "ema": 0.99}
MORE = {"gtp": {"eta": 2.0}, "gtp-sd": {"eta": 2.0}, "fql": {"alpha": 1.0}, "consistency-ac": {"q_weight": 2.0},
        "dipo-offline": {"action_steps": 8, "action_lr": 0.1},
        # divided by its own loss, a row of the rarer arm counts less: the optimum is no longer the data's distribution
        "meanflow": {"adaptive": False}}


def quick(method):
    fields = METHODS[method].config.__dataclass_fields__
    settings = QUICK | MORE.get(method, {})
    if "last_intervals" in fields:
        settings["last_intervals"] = 40
    if "sigma_max" in fields and "levels" not in fields:
        settings["sigma_max"] = 5.0
    return settings


def samples(a, obs=None):
    return a.published().sample(2000, obs=obs, steps=5, generator=seeded(1))


@pytest.mark.parametrize("method", CLONES)
def test_weights_shift_probabilities(method):
    """Two points with weights 1 and 3: a quarter and three quarters of the samples."""
    a, g, weights = agent(method, obs_dim=0, steps=500, **quick(method)), seeded(0), torch.tensor([1.0, 3.0])
    for step in range(500):
        arm = torch.randint(2, (N,), generator=g)
        a.update({"action": POINTS[arm], "weight": weights[arm]}, step, g)
    x = samples(a)
    if method == "gaussian-bc":  # one mode for both
        assert x[:, 0].mean().item() == pytest.approx(0.35, abs=0.1)
        assert x[:, 0].std().item() == pytest.approx(0.7 * 0.75**0.5, abs=0.1)
    else:
        assert (x[:, 0] > 0).float().mean().item() == pytest.approx(0.75, abs=0.1)
    assert x[:, 1].abs().mean() < 0.2  # and nothing else


@pytest.mark.parametrize("method", GUIDED)
def test_the_better_arm_is_preferred(method):
    """One state, two equally frequent actions, one of them paid. Episodes end at once: Q is the reward."""
    a = agent(method, obs_dim=1, steps=400, critic_lr=3e-3, **quick(method))
    g, obs, ones = seeded(0), torch.zeros(N, 1), torch.ones(N)
    for step in range(400):
        arm = torch.randint(2, (N,), generator=g)
        a.update({"obs": obs, "action": POINTS[arm], "reward": arm.float(), "next_obs": obs, "terminal": ones}, step, g)
    q = a.values.critic(torch.zeros(2, 1), POINTS)
    torch.testing.assert_close(q, torch.tensor([[0.0, 1.0]] * 2), atol=0.15, rtol=0)
    assert (samples(a, torch.zeros(2000, 1))[:, 0] > 0).float().mean() > 0.75


def test_one_network_for_all_temperatures_is_asked_for_one():
    """Two arms, std(A) one half: eta = 0 gives one half each, more gives more of the better."""
    a = agent("gtp-sd", obs_dim=1, steps=600, critic_lr=3e-3, eta_conditioned=True, eta_max=4.0, value="expectile",
              expectile=0.5, **quick("gtp-sd"))
    g, obs, ones = seeded(0), torch.zeros(128, 1), torch.ones(128)
    for step in range(600):
        arm = torch.randint(2, (128,), generator=g)
        a.update({"obs": obs, "action": POINTS[arm], "reward": arm.float(), "next_obs": obs, "terminal": ones}, step, g)
    where = torch.zeros(2000, 1)
    shares = [(a.policy.sample(obs=where, steps=5, generator=seeded(1), eta=eta)[:, 0] > 0).float().mean().item()
              for eta in (0.0, 1.0, 3.0)]
    assert shares[0] == pytest.approx(0.5, abs=0.12) and shares[0] + 0.1 < shares[1] < shares[2], shares
    assert torch.equal(samples(a, where), a.policy.sample(obs=where, steps=5, generator=seeded(1), eta=2.0))
