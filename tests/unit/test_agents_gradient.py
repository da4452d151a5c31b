"""The gradient of Q at the actor's own samples: it passes every step of the sampler, and stops there."""

import pytest
import torch
from small_agents import batch, flat, on_its_way, seeded

from gtp_mini import samplers


@pytest.mark.parametrize("method, steps", [("diffusion-ql", 5), ("consistency-ac", 2), ("consistency-ac", 3),
                                           ("fql", 1), ("gtp", 3), ("fawac", 4), ("idql", 5)])
@pytest.mark.usefixtures("in_double_precision")
def test_q_reaches_the_actor_through_every_step_of_its_sampler(method, steps):
    """Its slope along a random direction of parameter space, against a quotient of differences in float64."""
    a, obs = on_its_way(method, q_weight=1.0), batch(9)["obs"]
    parameters = list(a.actor.parameters())
    direction = [torch.randn(p.shape, generator=seeded(i)) for i, p in enumerate(parameters)]

    def q_at(h):
        with torch.no_grad():
            for p, start, d in zip(parameters, starts, direction, strict=True):
                p.copy_(start + h * d)
        return a.values.critic(obs, a.sample_with_gradient(obs, steps, seeded(3))).mean()

    starts = [p.detach().clone() for p in parameters]
    slopes = torch.autograd.grad(q_at(0.0), parameters)
    slope = sum((s * d).sum() for s, d in zip(slopes, direction, strict=True)).item()
    h = 1e-6
    assert slope == pytest.approx((q_at(h) - q_at(-h)).item() / (2 * h), rel=1e-5) and abs(slope) > 1e-5


def test_samples_with_gradient_are_samples():
    for method in ("diffusion-ql", "consistency-ac", "gtp", "fql"):
        a, obs = on_its_way(method, q_weight=1.0), batch(9)["obs"]
        plain = a.actor.sample(obs=obs, steps=3, generator=seeded(3)).clamp(-1, 1)
        torch.testing.assert_close(a.sample_with_gradient(obs, 3, seeded(3)).detach(), plain, rtol=0, atol=0)


@pytest.mark.parametrize("method", ["diffusion-ql", "consistency-ac", "fql", "gtp"])
def test_q_in_the_actors_loss_leaves_the_critic_alone(method):
    """The same critic, and the same gradient in it, as without."""
    on, off = (on_its_way(method, q_weight=1.0, test_candidates=2) for _ in range(2))
    object.__setattr__(off.config, "q_weight", 0.0)
    for a in (on, off):
        a.update(batch(9), 50, seeded(7))
    assert torch.equal(flat(on.values), flat(off.values)) and not torch.equal(flat(on.actor), flat(off.actor))
    for p, q in zip(on.values.critic.parameters(), off.values.critic.parameters(), strict=True):
        assert torch.equal(p.grad, q.grad)


def test_one_jump_is_one_whatever_the_number_of_steps():
    a, obs = on_its_way("fql"), batch(9)["obs"]
    once, often = (a.policy.sample(obs=obs, steps=k, generator=seeded(3)) for k in (1, 7))
    assert torch.equal(once, often)
    path = a.policy.sample(obs=obs, steps=4, generator=seeded(3), return_path=True)
    assert len(path) == 5 and all(torch.equal(x, once) for x in path[1:]) and path[0].std() > 40
    times = a.policy.config.sampling_times(1)
    assert torch.equal(samplers.jumps(a.policy, path[0], times, obs), once)
