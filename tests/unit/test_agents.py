"""What every learning rule shares: moving averages, state, clipping, scales, and who gets a gradient."""

import pytest
import torch
from small_agents import CLONES, GUIDED, A, O, agent, batch, flat, on_its_way, seeded

from gtp_mini.agents import METHODS
from gtp_mini.agents.base import gradient_step
from gtp_mini.agents.best_of import BestOfN
from gtp_mini.agents.gaussian import GaussianPolicy, GaussianPolicyConfig
from gtp_mini.networks import WAVELENGTHS, Observer, ema_update

# -- moving averages --------------------------------------------------------------------------------------------------


def test_a_moving_average_keeps_most_of_what_it_was():
    target, online = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    expected = 0.9 * flat(target) + 0.1 * flat(online)
    before = flat(online)
    ema_update(target, online, 0.9)
    torch.testing.assert_close(flat(target), expected)
    assert torch.equal(flat(online), before)


@pytest.mark.parametrize("at, decay", [(0, 0.1), (90, 0.91), (10_000, 0.95)])
@pytest.mark.parametrize("method", ["gtp", "gaussian-bc", "fql"])
def test_the_policy_is_the_average_of_the_actor(method, at, decay):
    """0.1 at first, so that the random start is forgotten; later the setting."""
    a = agent(method, ema=0.95)
    a.update(batch(), 0, seeded(0))
    policy = flat(a.policy)
    a.update(batch(1), at, seeded(1))
    torch.testing.assert_close(flat(a.policy), decay * policy + (1 - decay) * flat(a.actor))


# -- for every method -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_network_moves_and_metrics_carry_no_graph(method):
    a = agent(method)
    before = {name: flat(module) for name, module in a.named_modules() if list(module.parameters(recurse=False))}
    metrics = a.update(batch(), 0, seeded(0))
    for name, module in a.named_modules():
        assert name not in before or not torch.equal(flat(module), before[name]), name
    assert all(v.ndim == 0 and not v.requires_grad and v.isfinite() for v in metrics.values())
    assert {"grad_actor"} | ({"loss_critic", "grad_critic", "q_abs_max"} if a.needs_values else set()) <= set(metrics)


@pytest.mark.parametrize("method", METHODS)
def test_state_is_everything(method):
    """An agent filled from another's tensors goes on as that one does, bit by bit."""
    a, b = agent(method), agent(method, seed=1)
    for at in range(3):
        a.update(batch(at), at, seeded(at))
    b.load_state_tensors({name: value.clone() for name, value in a.state_tensors().items()})
    for x in (a, b):
        for at in range(3, 6):
            x.update(batch(at), at, seeded(at))
    ours, theirs = a.state_tensors(), b.state_tensors()
    assert ours.keys() == theirs.keys() and all(torch.equal(v, theirs[k]) for k, v in ours.items())
    for which, optimizer in a.optimizers.items():
        slots = [name for name in ours if name.startswith(f"optimizer/{which}/")]
        assert len(slots) == 3 * len(optimizer.param_groups[0]["params"])


@pytest.mark.parametrize("method", METHODS)
def test_observations_are_normalised_in_all_networks(method):
    a, obs = agent(method), 3 + 2 * torch.randn(100, O, generator=seeded(0))
    a.set_observation_scale(obs)
    scales = [(name, buffer) for name, buffer in a.named_buffers() if name.endswith(("obs_mean", "obs_std"))]
    assert len(scales) >= 4 + 4 * a.needs_values
    for name, buffer in scales:
        torch.testing.assert_close(buffer, obs.mean(0) if name.endswith("mean") else obs.std(0))


@pytest.mark.parametrize("method", METHODS)
def test_positions_are_waves_in_all_networks(method):
    """Every network that sees observations sees their first entries as waves too; what is updated stays finite."""
    a = agent(method, position_dims=2)
    networks = [module for module in a.modules() if isinstance(module, Observer)]
    assert len(networks) >= 2 + 2 * a.needs_values
    assert all(network.position_dims == 2 and network.see(torch.zeros(4, O)).shape == (4, network.seen_dim) and
               network.seen_dim == O + 4 * len(WAVELENGTHS) for network in networks)
    assert all(m.isfinite() for m in a.update(batch(), 0, seeded(0)).values())


@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_trained_by_gradient_has_none(method):
    """Averages and slow copies, that is; everything else has."""
    a = on_its_way(method)
    trained = {id(p) for optimizer in a.optimizers.values() for p in optimizer.param_groups[0]["params"]}
    for name, p in a.named_parameters():
        assert (p.grad is not None) == (id(p) in trained), name
        assert not name.startswith(("policy.", "values.target_critic.")) or id(p) not in trained


@pytest.mark.parametrize("method", sorted({*GUIDED} - {"fql", "dipo-offline"}))  # whose actors learn from more
def test_without_their_critic_guided_methods_are_their_clones(method):
    off = agent(method, eta=0.0, q_weight=0.0, test_candidates=1)
    assert not off.needs_values and not hasattr(off, "values") and set(off.optimizers) == {"actor"}
    clone = METHODS[method].clone
    plain = agent(clone, **({} if clone.startswith("gtp") else {"lr": off.config.lr}))
    only = {name: batch()[name] for name in ("obs", "action")}
    for a in (off, plain):
        a.update(only, 0, seeded(0))
    assert torch.equal(flat(off.actor), flat(plain.actor))
    with pytest.raises(ValueError, match="an agent with a critic needs observations"):
        agent(method, obs_dim=0)


@pytest.mark.parametrize("method", GUIDED)
def test_the_choice_among_candidates_is_what_is_published(method):
    a = agent(method, test_candidates=7, test_temperature=0.5, pessimism=0.25)
    best = a.published()
    assert isinstance(best, BestOfN) and best.policy is a.policy and best.critic is a.values.target_critic
    assert (best.config.candidates, best.config.temperature, best.config.pessimism) == (7, 0.5, 0.25)
    assert agent(method, test_candidates=1).published().sample(obs=torch.zeros(4, O)).shape == (4, A)


def test_clones_read_actions_alone():
    assert {"gtp-bc", "ddpm", "consistency", "flow-matching", "gaussian-bc"} < set(CLONES)
    for method in CLONES:
        agent(method).update({name: batch()[name] for name in ("obs", "action")}, 0, seeded(0))
        agent(method, obs_dim=0).update({"action": batch()["action"]}, 0, seeded(0))


# -- one gradient step ------------------------------------------------------------------------------------------------


def test_gradients_are_clipped_by_norm_and_reported_before():
    moved = []
    for clip in (1e9, 1e-3):
        a = agent("gtp-bc", clip=clip, lr=1.0)
        a.optimizers["actor"] = torch.optim.SGD(a.actor.parameters(), lr=1.0)
        before = flat(a.actor)
        norm = a.update(batch(), 0, seeded(0))["grad_actor"].item()
        moved.append((flat(a.actor) - before).norm().item())
    assert moved[0] == pytest.approx(norm, rel=1e-3) and norm > 1e-2
    assert moved[1] == pytest.approx(1e-3, rel=1e-2)


def test_a_loss_may_pass_through_another_network_and_leaves_it_alone():
    first, second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
    second.weight.grad = torch.ones_like(second.weight)
    gradient_step(torch.optim.SGD(first.parameters(), lr=0.1), second(first(torch.ones(3, 2))).sum(), 1.0)
    assert first.weight.grad is not None and (second.weight.grad == 1).all() and second.bias.grad is None


def test_actions_for_the_world_are_clamped():
    a = agent(sigma_data=5.0)
    obs = torch.randn(500, O)
    raw = a.policy.sample(obs=obs, steps=1, generator=seeded(0))
    assert raw.abs().max() > 1
    assert torch.equal(a.act(obs, 1, seeded(0)), raw.clamp(-1, 1))


# -- a Gaussian as actor ----------------------------------------------------------------------------------------------


def test_likelihood_is_that_of_a_normal_distribution():
    torch.manual_seed(0)
    policy = GaussianPolicy(GaussianPolicyConfig(A, O, width=8, depth=1))
    data = batch()
    mean, std = policy(data["obs"])
    normal = torch.distributions.MultivariateNormal(mean, torch.diag_embed(std**2))
    torch.testing.assert_close(policy.log_prob(data["action"], data["obs"]), normal.log_prob(data["action"]))
    x = policy.sample(obs=data["obs"][:1].expand(20_000, O), generator=seeded(0))
    torch.testing.assert_close(x.mean(0), mean[0], atol=0.05, rtol=0)
    torch.testing.assert_close(x.std(0), std[0], rtol=0.05, atol=0)
    assert torch.equal(policy.sample(obs=data["obs"], noise_scale=0.0), mean)


@pytest.mark.parametrize("weighted", [False, True])
def test_gaussian_cloning_finds_mean_and_spread(weighted):
    a = agent("gaussian-bc", obs_dim=0, lr=3e-3, ema=0.99, width=16)
    g = seeded(0)
    for at in range(800):
        x = torch.tensor([0.3, -0.5]) + torch.tensor([0.1, 0.4]) * torch.randn(256, A, generator=g)
        # weights exp(a_0 / 0.1): a Gaussian whose first mean is moved by one standard deviation
        a.update({"action": x} | ({"weight": (x[:, 0] / 0.1 - 3.5).exp()} if weighted else {}), at, g)
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
