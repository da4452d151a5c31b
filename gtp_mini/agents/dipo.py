"""DIPO (Yang et al. 2023), an offline port of ours: actions climb Q themselves, a diffusion model clones the result.

    critic: Q_j(s, a) <- r + gamma min_j' Q'_j'(s', a'),   a' by the averaged policy
    a+   =  a moved by n steps of Adam towards more min_j Q_j(s, a), within [-1, 1]
    actor:  min E |eps - eps_theta(a+_i, i, s)|^2

The original is online, and writes a+ back to its buffer, so that an action climbs further each time it is drawn. Here
every update starts from the data's action: n steps of 0.03 bound how far a+ is from it, which offline is what keeps the
critic honest. No offline numbers are published. `GuidedAgent` has the critic, `DiffusionBC` the chain, of five levels
where the original has 100.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .base import check_between, check_positive
from .diffusion import DDPMConfig, DiffusionBC
from .guided import GuidedAgent, GuidedConfig


@dataclass(frozen=True, kw_only=True)
class DIPOConfig(GuidedConfig, DDPMConfig):
    """The defaults are the published ones for most tasks."""

    lr: float = 3e-4
    action_steps: int = 20  # n; 40 for HalfCheetah
    action_lr: float = 0.03
    action_clip: float = 0.1  # norm of the batch's action gradient, times the action's size; 0.08 to 0.3 by task
    value_samples: int = 0  # there is no V
    target_steps: int = 5  # of the chain
    needs_values = True

    def __post_init__(self):
        super().__post_init__()
        check_between(self, 1, 100, "action_steps")
        check_positive(self, "action_lr", "action_clip")


class DIPO(GuidedAgent, DiffusionBC):
    """The agent."""

    Config = DIPOConfig

    def clone_loss(self, batch, obs, weights, step, generator):
        better = self.improved(batch["obs"], batch["action"])
        loss, metrics = super().clone_loss(batch | {"action": better}, obs, weights, step, generator)
        return loss, metrics | {"action_shift": (better - batch["action"]).norm(dim=-1).mean()}

    def improved(self, obs: Tensor, action: Tensor) -> Tensor:
        """The actions after their steps uphill, (B, A), without gradient."""
        c, action = self.config, action.clone()
        optimizer = torch.optim.Adam([action], lr=c.action_lr, eps=1e-5)
        for _ in range(c.action_steps):
            q = self.values.critic.pessimistic(obs, action.requires_grad_(), c.spread)
            (action.grad,) = torch.autograd.grad(-q.sum(), action)
            nn.utils.clip_grad_norm_([action], c.action_clip * action.shape[1])
            optimizer.step()
            action.requires_grad_(False).clamp_(-1, 1)
        return action
