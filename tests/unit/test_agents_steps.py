"""One update of each agent against its paper's box, written out in the paper's own variables."""

import math

import pytest
import torch
from small_agents import A, B, assert_same_networks, batch, on_its_way, seeded, step, to_step_by_hand

from gtp_mini.guidance import effective_sample_size
from gtp_mini.networks import ema_update
from gtp_mini.objectives import gtp_loss

# Diffusion-QL's five levels
ABAR = torch.exp(torch.tensor([-0.1 * i / 5 - 9.9 * (i / 5) ** 2 / 2 for i in range(1, 6)], dtype=torch.float64))

pytestmark = pytest.mark.usefixtures("in_double_precision")


def least(critic, obs, action):
    return critic(obs, action).detach().min(0).values


def td_step(a, data, future, scale=1.0, offset=0.0):
    """Both heads to r + gamma (1 - terminal) future, of the copy `a`."""
    target = scale * data["reward"] + offset + a.config.gamma * (1 - data["terminal"]) * future
    q = a.values.critic(data["obs"], data["action"])
    step(a, "critic", ((q[0] - target) ** 2).mean() + ((q[1] - target) ** 2).mean())


def policy_step(a, data, g, steps, candidates=1, samples=0, **reward):
    """GTP Eq. 16; with candidates Diffusion-QL's max-Q backup. Returns V(s) where samples are asked for."""
    where = torch.cat([data["next_obs"]] * candidates + [data["obs"]] * samples)
    actions = a.policy.sample(obs=where, steps=steps, generator=g).clamp(-1, 1)
    heads = a.values.target_critic(where[: candidates * B], actions[: candidates * B]).detach()
    best = torch.stack([torch.stack([heads[e, k * B : (k + 1) * B] for k in range(candidates)]).max(0).values
                        for e in range(2)])
    td_step(a, data, torch.minimum(best[0], best[1]), **reward)
    own = [least(a.values.critic, data["obs"], actions[(candidates + k) * B : (candidates + k + 1) * B])
           for k in range(samples)]
    return sum(own) / samples if samples else None


def expectile_step(a, data, tau):
    """IQL: V towards the slow critic, Q towards V(s'). Returns Q'(s, a) and V(s)."""
    q = least(a.values.target_critic, data["obs"], data["action"])
    diff = q - a.values.value(data["obs"])
    step(a, "value", (torch.where(diff > 0, tau, 1 - tau) * diff**2).mean())
    td_step(a, data, a.values.value(data["next_obs"]).detach())
    return q, a.values.value(data["obs"]).detach()


def finish(a, decay=51 / 60):
    """The averages; 51 / 60 is the young one's at step 50."""
    ema_update(a.policy, a.actor, decay)
    ema_update(a.values.target_critic, a.values.critic, a.config.critic_ema)


def eps_loss(model, data, g, weights=1.0, action=None):
    """|eps - eps_theta(a_i, i, s)|^2 with a_i = sqrt(abar) a + sqrt(1 - abar) eps."""
    action = data["action"] if action is None else action
    abar = ABAR[torch.randint(5, (B,), generator=g)][:, None]
    eps = torch.randn(B, A, generator=g)
    own = abar.sqrt() * action + (1 - abar).sqrt() * eps
    denoised = model.denoise(own / abar.sqrt(), ((1 - abar) / abar).sqrt()[:, 0], data["obs"])
    predicted = (own - abar.sqrt() * denoised) / (1 - abar).sqrt()
    return (weights * ((eps - predicted) ** 2).sum(-1)).mean()


def chain(model, obs, g):
    """Five ancestral steps in the chain's own variables (Ho et al. 2020, Eqs. 6, 7), with gradient."""
    x = (1 - ABAR[4]).sqrt() * torch.randn(len(obs), A, generator=g)
    for i in range(4, -1, -1):
        before = ABAR[i - 1] if i else torch.tensor(1.0)
        alpha = ABAR[i] / before
        d = model.denoise(x / ABAR[i].sqrt(), ((1 - ABAR[i]) / ABAR[i]).sqrt(), obs).clamp(-1, 1)
        mean = (before.sqrt() * (1 - alpha) * d + alpha.sqrt() * (1 - before) * x) / (1 - ABAR[i])
        x = mean + ((1 - before) / (1 - ABAR[i]) * (1 - alpha)).sqrt() * torch.randn(len(obs), A, generator=g)
    return x


def normalised(q, g):
    j, i = torch.rand(2, generator=g).topk(2).indices
    return -q[j].mean() / q[i].abs().mean().detach()


# -- the boxes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("q_weight", [0.0, 0.3])
def test_gtp_is_algorithm_1(q_weight):
    """Critic from the double-Q target, weights from the critic just updated, then the actor, then both averages;
    and its ablation with Q itself in the loss."""
    a = on_its_way("gtp", eta=1.5, gamma=0.9, target_steps=3, value_samples=2, critic_ema=0.8, ema=0.95,
                   sigma_data=5.0, q_weight=q_weight)
    hand, data, g = to_step_by_hand(a), batch(9), seeded(7)
    metrics = a.update(data, 50, seeded(7))

    value = policy_step(hand, data, g, 3, samples=2)
    advantage = least(hand.values.critic, data["obs"], data["action"]) - value
    weights = torch.exp(1.5 * advantage.clamp(min=0) / (advantage.std(correction=0) + 1e-6))
    assert 1 < weights.max() < 100 and (weights == 1).any()
    torch.testing.assert_close(metrics["effective_sample_size"], effective_sample_size(weights))
    torch.testing.assert_close(metrics["value_mean"], value.mean())
    loss, _ = gtp_loss(hand.actor, hand.actor, data["action"], data["obs"], weights, g, 160)  # stage 5 of 8
    if q_weight:
        x, times = 80 * torch.randn(B, A, generator=g), hand.actor.config.sampling_times(3)
        for t, s in zip(times[:-1], times[1:], strict=True):
            x = s / t * x + (1 - s / t) * hand.actor.phi(x, t, s, data["obs"])
        loss_q = -hand.values.critic(data["obs"], x.clamp(-1, 1)).min(0).values.mean()
        torch.testing.assert_close(metrics["loss_q"], loss_q.detach())
        loss = loss + q_weight * loss_q
    step(hand, "actor", loss)
    finish(hand)
    assert_same_networks(a, hand)
    assert metrics["intervals"] == 160


@pytest.mark.parametrize("candidates", [1, 3])
def test_diffusion_ql(candidates):
    a = on_its_way("diffusion-ql", q_weight=2.0, target_candidates=candidates, reward_scale=4.0, reward_offset=2.0)
    hand, data, g = to_step_by_hand(a), batch(9), seeded(7)
    metrics = a.update(data, 50, seeded(7))
    policy_step(hand, data, g, 5, candidates, scale=4.0, offset=2.0)
    clone = eps_loss(hand.actor, data, g)
    loss_q = normalised(hand.values.critic(data["obs"], chain(hand.actor, data["obs"], g)), g)
    step(hand, "actor", clone + 2.0 * loss_q)
    finish(hand)
    assert_same_networks(a, hand)
    torch.testing.assert_close(metrics["loss_q"], loss_q.detach())


def test_consistency_ac():
    """On a grid of one cell, t is sigma_max and u is sigma_min; then two rounds, from 80 and from 2.5."""
    a = on_its_way("consistency-ac", q_weight=0.7, first_intervals=1, last_intervals=1)
    hand, data, g = to_step_by_hand(a), batch(9), seeded(7)
    metrics = a.update(data, 50, seeded(7))
    policy_step(hand, data, g, 2)
    torch.rand(B, generator=g), torch.rand(2, B, generator=g)  # which t and which s: there is one of each
    z, zero = torch.randn(B, A, generator=g), torch.zeros(B)
    far, near = (hand.actor.phi(data["action"] + t * z, t, zero, data["obs"]) for t in (80.0, 0.002))
    clone = (((far - near.detach()) ** 2).sum(-1) / (80 - 0.002)).mean()
    x = hand.actor.phi(80 * torch.randn(B, A, generator=g), 80.0, zero, data["obs"])
    middle = hand.actor.config.sampling_times(2)[1].item()
    assert 2.4 < middle < 2.6
    x = hand.actor.phi(x + middle * torch.randn(B, A, generator=g), middle, zero, data["obs"])
    torch.randn(B, A, generator=g)  # fresh noise of level 0
    step(hand, "actor", clone + 0.7 * normalised(hand.values.critic(data["obs"], x.clamp(-1, 1)), g))
    finish(hand)
    assert_same_networks(a, hand)
    torch.testing.assert_close(metrics["loss_consistency"], clone.detach())


def test_iql():
    a = on_its_way("iql", expectile=0.8, eta=5.0, weight_cap=1.0)
    hand, data = to_step_by_hand(a), batch(9)
    metrics = a.update(data, 50, seeded(7))
    q, value = expectile_step(hand, data, 0.8)
    weights = torch.exp(5.0 * (q - value)).clamp(max=1.0)
    assert (weights == 1).any() and (weights < 1).any()
    mean, std = hand.actor(data["obs"])
    log_prob = (-0.5 * ((data["action"] - mean) / std) ** 2 - std.log() - 0.5 * math.log(2 * math.pi)).sum(-1)
    step(hand, "actor", -(weights * log_prob).mean())
    finish(hand)
    assert_same_networks(a, hand)
    torch.testing.assert_close(metrics["loss_nll"], -(weights * log_prob).mean().detach())


@pytest.mark.parametrize("eta", [0.0, 1.0])  # no weights, and the option exp(eta A)
def test_idql(eta):
    a = on_its_way("idql", eta=eta, weight_rule="exponential")
    hand, data, g = to_step_by_hand(a), batch(9), seeded(7)
    a.update(data, 50, seeded(7))
    q, value = expectile_step(hand, data, 0.7)
    step(hand, "actor", eps_loss(hand.actor, data, g, torch.exp(eta * (q - value)).clamp(max=100)))
    finish(hand)
    assert_same_networks(a, hand)


def v_loss(model, data, g, weights=1.0):
    """|v(a_tau, tau) - (a - z)|^2 with a_tau = (1 - tau) z + tau a."""
    # noise levels are kept between sigma_min and 80
    tau, z = torch.rand(B, generator=g).clamp(1 / 81, 1 / 1.002)[:, None], torch.randn(B, A, generator=g)
    x = (1 - tau) * z + tau * data["action"]
    denoised = model.denoise(x / tau, ((1 - tau) / tau)[:, 0], data["obs"])
    v = (denoised - x) / (1 - tau)
    return (weights * ((v - (data["action"] - z)) ** 2).sum(-1)).mean()


@pytest.mark.parametrize("mean_of_heads", [True, False])
def test_fql(mean_of_heads):
    a = on_its_way("fql", alpha=4.0, mean_of_heads=mean_of_heads, flow_steps=3)
    hand, data, g = to_step_by_hand(a), batch(9), seeded(7)
    aggregate = (lambda q: q.mean(0)) if mean_of_heads else (lambda q: q.min(0).values)
    metrics = a.update(data, 50, seeded(7))

    def mu(model, obs, z):  # one call, from all the noise to none
        return model.phi(80 * z, 80.0, 0.0, obs)

    actions = mu(hand.policy, data["next_obs"], torch.randn(B, A, generator=g)).clamp(-1, 1).detach()
    td_step(hand, data, aggregate(hand.values.target_critic(data["next_obs"], actions)).detach())
    flow = v_loss(hand.flow, data, g)
    step(hand, "flow", flow)
    z = torch.randn(B, A, generator=g)
    x = 80 * z / 81  # Euler in flow matching's own time, the start cut to noise level 80
    with torch.no_grad():
        for tau, end in ((1 / 81, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 1)):
            d = hand.flow.denoise(x / tau, (1 - tau) / tau, data["obs"])
            x = x + (end - tau) * (d - x) / (1 - tau)
    distillation = ((mu(hand.actor, data["obs"], z) - x.clamp(-1, 1)) ** 2).mean()
    climbing = mu(hand.actor, data["obs"], torch.randn(B, A, generator=g)).clamp(-1, 1)
    step(hand, "actor", 4.0 * distillation - aggregate(hand.values.critic(data["obs"], climbing)).mean())
    finish(hand)
    assert_same_networks(a, hand)
    torch.testing.assert_close(metrics["loss_denoising"], flow.detach())
    torch.testing.assert_close(metrics["loss_distillation"], distillation.detach())


def test_fawac():
    a = on_its_way("fawac", eta=0.8, target_steps=2)
    hand, data, g = to_step_by_hand(a), batch(9), seeded(7)
    a.update(data, 50, seeded(7))
    value = policy_step(hand, data, g, 2, samples=1)
    advantage = least(hand.values.critic, data["obs"], data["action"]) - value
    step(hand, "actor", v_loss(hand.actor, data, g, torch.exp(0.8 * advantage)))
    finish(hand)
    assert_same_networks(a, hand)


def test_dipo():
    """Adam by its formula, from each action of the data."""
    a = on_its_way("dipo-offline", action_steps=4, action_clip=0.05)
    hand, data, g = to_step_by_hand(a), batch(9), seeded(7)
    original = data["action"].clone()
    metrics = a.update(data, 50, seeded(7))
    assert torch.equal(data["action"], original)  # nothing is written back
    policy_step(hand, data, g, 5)
    x, m, v = original.clone(), torch.zeros(B, A), torch.zeros(B, A)
    for k in range(1, 5):
        x.requires_grad_()
        slope, = torch.autograd.grad(-hand.values.critic(data["obs"], x).min(0).values.sum(), x)
        assert slope.norm() > 0.05 * A
        slope = slope * 0.05 * A / (slope.norm() + 1e-6)
        m, v = 0.9 * m + 0.1 * slope, 0.999 * v + 0.001 * slope**2
        x = x.detach() - 0.03 * (m / (1 - 0.9**k)) / ((v / (1 - 0.999**k)).sqrt() + 1e-5)
        x = x.clamp(-1, 1)
    assert (x.abs() == 1).any()
    step(hand, "actor", eps_loss(hand.actor, data, g, action=x))
    finish(hand)
    assert_same_networks(a, hand)
    torch.testing.assert_close(metrics["action_shift"], (x - original).norm(dim=-1).mean())
