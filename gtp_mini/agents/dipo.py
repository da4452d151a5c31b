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
from torch import Tensor
from torch.func import grad

from .base import check_between, check_positive
from .diffusion import DDPMConfig, DiffusionBC
from .guided import GuidedAgent, GuidedConfig

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-5  # of Adam; the last as the authors set it


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

    def clone_loss(self, batch, obs, weights, intervals, generator):
        better = self.improved(batch["obs"], batch["action"])
        loss, metrics = super().clone_loss(batch | {"action": better}, obs, weights, intervals, generator)
        return loss, metrics | {"action_shift": (better - batch["action"]).norm(dim=-1).mean()}

    def improved(self, obs: Tensor, action: Tensor) -> Tensor:
        """The actions after their steps uphill, (B, A), without gradient."""
        c, action = self.config, action.detach()
        downhill = grad(lambda action: -self.values.critic.pessimistic(obs, action, c.spread).sum())
        mean = square = torch.zeros_like(action)
        for k in range(1, c.action_steps + 1):  # Adam (Kingma & Ba 2015, Algorithm 1)
            g = downhill(action).detach()
            g = g * (c.action_clip * action.shape[1] / (g.norm() + 1e-6)).clamp(max=1)
            mean, square = mean + (1 - BETA_1) * (g - mean), square + (1 - BETA_2) * (g**2 - square)
            step = (mean / (1 - BETA_1**k)) / ((square / (1 - BETA_2**k)).sqrt() + EPSILON)
            action = (action - c.action_lr * step).clamp(-1, 1)
        return action
