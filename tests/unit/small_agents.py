"""Small agents, a batch for them, and a copy of an agent to be stepped by hand."""

from copy import deepcopy

import torch

from gtp_mini.agents import METHODS, make_agent, method_config

O, A, B = 3, 2, 16  # noqa: E741
CLONES = [name for name, method in METHODS.items() if not method.config.needs_values]
GUIDED = [name for name in METHODS if name not in CLONES]


def agent(method="gtp", obs_dim=O, steps=100, seed=0, **settings):
    torch.manual_seed(seed)
    return make_agent(method, obs_dim, A, steps, method_config(method, **{"width": 8, "depth": 2} | settings))


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def batch(seed=0, terminal=0.3):
    g = seeded(seed)
    return {"obs": torch.randn(B, O, generator=g), "action": torch.rand(B, A, generator=g) * 2 - 1,
            "reward": torch.randn(B, generator=g), "next_obs": torch.randn(B, O, generator=g),
            "terminal": (torch.rand(B, generator=g) < terminal).float()}


def flat(module):
    return torch.cat([p.detach().ravel() for p in module.parameters()])


def on_its_way(method, **settings):
    """An agent after three updates, so that actor, average, critic and its target are apart from one another."""
    a = agent(method, **settings)
    for step in range(3):
        a.update(batch(step), 50, seeded(step))
    return a


def to_step_by_hand(a):
    """A copy with plain optimisers in the same state."""
    copy = deepcopy(a)
    for optimizer in copy.optimizers.values():
        optimizer.param_groups[0]["fused"] = False
    return copy


def step(a, which, loss):
    """A step of an optimiser of such a copy, its gradient clipped by norm."""
    optimizer = a.optimizers[which]
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], a.config.clip)
    optimizer.step()


def assert_same_networks(a, b):
    """All parameters, up to rounding: a step of Adam is about 1e-3."""
    for (name, ours), (_, theirs) in zip(a.named_parameters(), b.named_parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-8, msg=lambda text, name=name: f"{name}: {text}")
