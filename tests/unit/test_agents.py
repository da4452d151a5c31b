"""The learning rules, step by step against the equations, and on problems with a known answer."""

from copy import deepcopy

import pytest
import torch

from gtp_mini.agents import METHODS, make_agent, method_config
from gtp_mini.agents.gaussian import GaussianPolicy, GaussianPolicyConfig
from gtp_mini.agents.gtp import GTPConfig
from gtp_mini.guidance import advantage_weights, effective_sample_size
from gtp_mini.networks import ema_update
from gtp_mini.objectives import gtp_loss

O, A, B = 3, 2, 16  # noqa: E741


def agent(method="gtp", obs_dim=O, steps=100, seed=0, **settings):
    torch.manual_seed(seed)
    return make_agent(method, obs_dim, A, steps, method_config(method, **{"width": 8, "depth": 2} | settings))


def batch(seed=0, terminal=0.3):
    g = torch.Generator().manual_seed(seed)
    return {"obs": torch.randn(B, O, generator=g), "action": torch.rand(B, A, generator=g) * 2 - 1,
            "reward": torch.randn(B, generator=g), "next_obs": torch.randn(B, O, generator=g),
            "terminal": (torch.rand(B, generator=g) < terminal).float()}


def flat(module):
    return torch.cat([p.detach().ravel() for p in module.parameters()])


# -- moving averages --------------------------------------------------------------------------------------------


def test_a_moving_average_keeps_most_of_what_it_was():
    target, online = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    expected = 0.9 * flat(target) + 0.1 * flat(online)
    before = flat(online)
    ema_update(target, online, 0.9)
    torch.testing.assert_close(flat(target), expected)
    assert torch.equal(flat(online), before)


@pytest.mark.parametrize("step, decay", [(0, 0.1), (90, 0.91), (10_000, 0.95)])
@pytest.mark.parametrize("method", ["gtp", "gaussian-bc"])
def test_the_policy_is_the_average_of_the_actor(method, step, decay):
    """0.1 at first, so that the random start is forgotten; later the setting."""
    a = agent(method, ema=0.95)
    a.update(batch(), 0, torch.Generator().manual_seed(0))
    policy = flat(a.policy)
    a.update(batch(1), step, torch.Generator().manual_seed(1))
    torch.testing.assert_close(flat(a.policy), decay * policy + (1 - decay) * flat(a.actor))


# -- one step of GTP --------------------------------------------------------------------------------------------


def test_a_step_is_algorithm_1():
    """Critic from the double-Q target, weights from the critic just updated, then the actor, then both averages."""
    a = agent(eta=1.5, gamma=0.9, target_steps=3, value_samples=2, critic_ema=0.8, ema=0.95, sigma_data=5.0)
    for step in range(3):  # actor, policy and critics apart from one another
        a.update(batch(step), 50, torch.Generator().manual_seed(step))
    by_hand, data = deepcopy(a), batch(9)
    by_hand.optimizers = {name: torch.optim.Adam(module.parameters(), lr=lr) for name, module, lr in
                          (("actor", by_hand.actor, 1e-3), ("critic", by_hand.critic, 3e-4))}
    for name, optimizer in by_hand.optimizers.items():
        optimizer.load_state_dict(deepcopy(a.optimizers[name].state_dict()))
        optimizer.param_groups[0]["fused"] = False

    metrics = a.update(data, 50, torch.Generator().manual_seed(7))

    g, n = torch.Generator().manual_seed(7), B
    where = torch.cat([data["next_obs"], data["obs"], data["obs"]])
    actions = by_hand.policy.sample(obs=where, steps=3, generator=g).clamp(-1, 1)
    assert (actions.abs() == 1).any()  # the clamp is at work
    q_next = by_hand.target_critic(data["next_obs"], actions[:n]).detach()
    target = data["reward"] + 0.9 * (1 - data["terminal"]) * torch.minimum(q_next[0], q_next[1])
    q = by_hand.critic(data["obs"], data["action"])
    critic_loss = ((q[0] - target) ** 2).mean() + ((q[1] - target) ** 2).mean()
    by_hand.optimizers["critic"].zero_grad()
    critic_loss.backward()
    torch.nn.utils.clip_grad_norm_(by_hand.critic.parameters(), 5.0)
    by_hand.optimizers["critic"].step()
    torch.testing.assert_close(flat(a.critic), flat(by_hand.critic))
    torch.testing.assert_close(metrics["loss_critic"], critic_loss.detach())

    def pessimistic(obs, action):
        return by_hand.critic(obs, action).detach().min(0).values

    value = (pessimistic(data["obs"], actions[n : 2 * n]) + pessimistic(data["obs"], actions[2 * n :])) / 2
    weights = advantage_weights(pessimistic(data["obs"], data["action"]) - value, 1.5)
    assert 1 < weights.max() and (weights == 1).any()
    torch.testing.assert_close(metrics["effective_sample_size"], effective_sample_size(weights))
    torch.testing.assert_close(metrics["value_mean"], value.mean())

    loss, _ = gtp_loss(by_hand.actor, by_hand.actor, data["action"], data["obs"], weights, g, 160)  # stage 5 of 8
    by_hand.optimizers["actor"].zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(by_hand.actor.parameters(), 5.0)
    by_hand.optimizers["actor"].step()
    torch.testing.assert_close(flat(a.actor), flat(by_hand.actor))
    torch.testing.assert_close(flat(a.policy), 0.85 * flat(by_hand.policy) + 0.15 * flat(by_hand.actor))  # 51 / 60
    torch.testing.assert_close(flat(a.target_critic), 0.8 * flat(by_hand.target_critic) + 0.2 * flat(by_hand.critic))
    assert metrics["intervals"] == 160


def test_every_network_moves_and_metrics_carry_no_graph():
    a = agent()
    before = {name: flat(getattr(a, name)) for name in ("actor", "policy", "critic", "target_critic")}
    metrics = a.update(batch(), 0, torch.Generator().manual_seed(0))
    for name, value in before.items():
        assert not torch.equal(flat(getattr(a, name)), value), name
    assert all(v.ndim == 0 and not v.requires_grad and v.isfinite() for v in metrics.values())


def test_the_curriculum_counts_global_steps():
    a = agent("gtp-bc", steps=800)
    seen = [a.update(batch(), step, torch.Generator().manual_seed(0))["intervals"].item() for step in (0, 99, 100, 799)]
    assert seen == [10, 10, 20, 1280]


def test_the_teacher_is_the_actor_or_its_average():
    assert agent().teacher is not agent().policy
    a, b = agent(), agent(ema_teacher=True)
    assert a.teacher is a.actor and b.teacher is b.policy


def test_without_temperature_there_is_no_critic():
    for a in (agent("gtp-bc"), agent("gtp", eta=0.0)):
        assert not a.needs_values and not hasattr(a, "critic") and set(a.optimizers) == {"actor"}
        only = {name: batch()[name] for name in ("obs", "action")}
        a.update(only, 0, torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="eta > 0 needs observations"):
        agent("gtp", obs_dim=0)


def test_observations_are_normalised_in_all_networks():
    a, obs = agent(), 3 + 2 * torch.randn(100, O, generator=torch.Generator().manual_seed(0))
    a.set_observation_scale(obs)
    for name in ("actor", "policy", "critic", "target_critic"):
        torch.testing.assert_close(getattr(a, name).obs_mean, obs.mean(0))
    b = agent("gaussian-bc")
    b.set_observation_scale(obs)
    for net in (b.actor, b.policy):
        torch.testing.assert_close(net.obs_std, obs.std(0))


def test_actions_for_the_world_are_clamped():
    a = agent(sigma_data=5.0)
    obs = torch.randn(500, O)
    raw = a.policy.sample(obs=obs, steps=1, generator=torch.Generator().manual_seed(0))
    assert raw.abs().max() > 1
    acted = a.act(obs, 1, torch.Generator().manual_seed(0))
    assert torch.equal(acted, raw.clamp(-1, 1))


@pytest.mark.parametrize("method", list(METHODS))
def test_state_is_everything(method):
    """An agent filled from another's tensors goes on as that one does, bit by bit."""
    a, b = agent(method), agent(method, seed=1)
    for step in range(3):
        a.update(batch(step), step, torch.Generator().manual_seed(step))
    b.load_state_tensors({name: value.clone() for name, value in a.state_tensors().items()})
    for x in (a, b):
        for step in range(3, 6):
            x.update(batch(step), step, torch.Generator().manual_seed(step))
    ours, theirs = a.state_tensors(), b.state_tensors()
    assert ours.keys() == theirs.keys() and all(torch.equal(v, theirs[k]) for k, v in ours.items())
    assert any("optimizer/actor" in name for name in ours)


def test_gradients_are_clipped_by_norm_and_reported_before():
    moved = []
    for clip in (1e9, 1e-3):
        a = agent("gtp-bc", clip=clip)
        a.optimizers["actor"] = torch.optim.SGD(a.actor.parameters(), lr=1.0)
        before = flat(a.actor)
        norm = a.update(batch(), 0, torch.Generator().manual_seed(0))["grad_actor"].item()
        moved.append((flat(a.actor) - before).norm().item())
    assert moved[0] == pytest.approx(norm, rel=1e-3) and norm > 1e-2
    assert moved[1] == pytest.approx(1e-3, rel=1e-2)


# -- problems with a known answer -------------------------------------------------------------------------------


def test_weights_shift_probabilities():
    """Two points with weights 1 and 3: a quarter and three quarters of the samples."""
    a = agent("gtp-bc", obs_dim=0, steps=1500, width=64, sigma_max=5.0, last_intervals=80)
    g = torch.Generator().manual_seed(0)
    points, weights = torch.tensor([[-0.7, 0.0], [0.7, 0.0]]), torch.tensor([1.0, 3.0])
    for step in range(1500):
        rows = torch.randint(2, (256,), generator=g)
        a.update({"action": points[rows], "weight": weights[rows]}, step, g)
    x = a.policy.sample(4000, steps=3, generator=torch.Generator().manual_seed(1))
    assert (x[:, 0] > 0).float().mean().item() == pytest.approx(0.75, abs=0.05)


def test_a_critic_learns_the_value_of_a_bandit_and_the_actor_follows():
    """One state, two actions, one of them paid. Episodes end at once: Q is the reward."""
    a = agent("gtp", obs_dim=1, steps=600, width=32, eta=2.0, sigma_max=5.0, last_intervals=40, critic_lr=3e-3)
    g = torch.Generator().manual_seed(0)
    points = torch.tensor([[-0.7, 0.0], [0.7, 0.0]])
    ones = torch.ones(128)
    for step in range(600):
        arm = torch.randint(2, (128,), generator=g)
        obs = torch.zeros(128, 1)
        a.update({"obs": obs, "action": points[arm], "reward": arm.float(), "next_obs": obs, "terminal": ones}, step, g)
    q = a.critic(torch.zeros(2, 1), points)
    torch.testing.assert_close(q, torch.tensor([[0.0, 1.0]] * 2), atol=0.15, rtol=0)
    x = a.policy.sample(obs=torch.zeros(2000, 1), steps=3, generator=torch.Generator().manual_seed(1))
    # std(A) is about a half, so the weights are about 1 and exp(2): 88 %
    assert 0.75 < (x[:, 0] > 0).float().mean() < 0.97


# -- Gaussian cloning -------------------------------------------------------------------------------------------


def test_likelihood_is_that_of_a_normal_distribution():
    torch.manual_seed(0)
    policy = GaussianPolicy(GaussianPolicyConfig(A, O, width=8, depth=1))
    data = batch()
    mean, std = policy(data["obs"])
    normal = torch.distributions.MultivariateNormal(mean, torch.diag_embed(std**2))
    torch.testing.assert_close(policy.log_prob(data["action"], data["obs"]), normal.log_prob(data["action"]))
    x = policy.sample(obs=data["obs"][:1].expand(20_000, O), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(x.mean(0), mean[0], atol=0.05, rtol=0)
    torch.testing.assert_close(x.std(0), std[0], rtol=0.05, atol=0)
    assert torch.equal(policy.sample(obs=data["obs"], noise_scale=0.0), mean)


@pytest.mark.parametrize("weighted", [False, True])
def test_gaussian_cloning_finds_mean_and_spread(weighted):
    a = agent("gaussian-bc", obs_dim=0, lr=3e-3, ema=0.99, width=16)
    g = torch.Generator().manual_seed(0)
    for step in range(800):
        x = torch.tensor([0.3, -0.5]) + torch.tensor([0.1, 0.4]) * torch.randn(256, A, generator=g)
        # weights exp(a_0 / 0.1): a Gaussian whose first mean is moved by one standard deviation
        a.update({"action": x} | ({"weight": (x[:, 0] / 0.1 - 3.5).exp()} if weighted else {}), step, g)
    mean, std = a.policy(torch.zeros(1, 1))
    torch.testing.assert_close(mean[0], torch.tensor([0.4 if weighted else 0.3, -0.5]), atol=0.03, rtol=0)
    torch.testing.assert_close(std[0], torch.tensor([0.1, 0.4]), atol=0.03, rtol=0)


def test_a_gaussian_policy_asks_for_its_observation():
    policy, free = (GaussianPolicy(GaussianPolicyConfig(A, n, width=8, depth=1)) for n in (O, 0))
    for call in (lambda: policy.sample(4), lambda: policy.log_prob(torch.zeros(4, A))):
        with pytest.raises(ValueError, match=r"needs obs of shape \(4, 3\), got none"):
            call()
    with pytest.raises(ValueError, match="sample needs n, or obs"):
        policy.sample()
    with pytest.raises(ValueError, match="unconditional, leave obs out"):
        free.sample(obs=torch.zeros(4, O))


# -- configurations ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method, setting, message", [
    ("no-such", {}, "unknown method 'no-such'; known: gtp, gtp-bc, gaussian-bc"),
    ("gtp", {"etta": 1}, "method 'gtp' has no setting 'etta'; it has: eta, gamma"),
    ("gaussian-bc", {"eta": 1}, "method 'gaussian-bc' has no setting 'eta'"),
    ("gtp", {"eta": -1}, r"eta must be between 0 \(behaviour cloning\) and 100, got -1"),
    ("gtp", {"eta": 101.0}, "eta must be between"),
    ("gtp", {"eta": float("nan")}, "eta must be a number, got nan"),
    ("gtp", {"eta": "hot"}, "eta must be a number, got 'hot'"),
    ("gtp", {"eta": True}, "eta must be a number, got True"),
    ("gtp", {"width": 2.5}, "width must be a whole number, got 2.5"),
    ("gtp", {"width": 0}, "width must be positive, got 0"),
    ("gtp", {"layer_norm": "no"}, "layer_norm must be true or false, got 'no'"),
    ("gtp", {"activation": "tanh"}, "unknown activation 'tanh'"),
    ("gtp", {"gamma": 1.0}, r"gamma must be in \[0, 1\), got 1.0"),
    ("gtp", {"lr": 0}, "lr must be positive, got 0"),
    ("gtp", {"target_steps": 65}, "between 1 and 64, got 65"),
    ("gtp", {"sigma_max": 1e-3}, "sigma_max must be above sigma_min"),
    ("gtp", {"last_intervals": 5}, r"last_intervals must be at least first_intervals \(10\), got 5"),
    ("gtp", {"zero_mass": 1.5}, "zero_mass must be between 0 and 1, got 1.5"),
    ("gtp", {"ema": -0.1}, "ema must be between 0 and 1"),
    ("gtp", {"flow_weight": -1}, "flow_weight must be 0 or more"),
    ("gtp", {"weight_cap": 0.5}, "weight_cap must be at least 1"),
    ("gaussian-bc", {"lr": -1.0}, "lr must be positive"),
    ("gaussian-bc", {"depth": 0}, "depth must be positive"),
    ("gaussian-bc", {"activation": "x"}, "unknown activation 'x'"),
])
def test_settings_that_cannot_be_are_refused(method, setting, message):
    with pytest.raises(ValueError, match=message):
        method_config(method, **setting)


def test_a_whole_number_will_do_for_a_number():
    assert method_config("gtp", eta=2) == GTPConfig(eta=2.0)
