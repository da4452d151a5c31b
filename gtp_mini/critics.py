"""Critics: how good is an action in a state?"""

import torch
from torch import Tensor, nn

from .networks import ensemble_mlp, set_scale


class DoubleQ(nn.Module):
    """An ensemble of Q(obs, action) in one batched product; two members by default. (B, O), (B, A) -> (E, B)."""

    def __init__(self, obs_dim: int, action_dim: int, width: int = 256, depth: int = 3, members: int = 2,
                 activation: str = "silu", layer_norm: bool = True):
        super().__init__()
        self.members = members
        self.network = ensemble_mlp(members, [obs_dim + action_dim] + [width] * depth + [1], activation, layer_norm)
        self.register_buffer("obs_mean", torch.zeros(obs_dim))
        self.register_buffer("obs_std", torch.ones(obs_dim))

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        x = torch.cat([(obs - self.obs_mean) / self.obs_std, action], dim=-1)
        return self.network(x.expand(self.members, *x.shape)).squeeze(-1)

    def minimum(self, obs: Tensor, action: Tensor) -> Tensor:
        """min over the members, (B,): the pessimistic value."""
        return self(obs, action).amin(0)

    def set_observation_scale(self, obs: Tensor) -> None:
        """Takes mean and standard deviation of (M, O) observations as the normalisation of the state."""
        set_scale(self.obs_mean, self.obs_std, obs)


def td_target(reward: Tensor, terminal: Tensor, next_value: Tensor, gamma: float) -> Tensor:
    """r + gamma (1 - terminal) V(s'), (B,). A time limit is not a terminal: its future counts."""
    return reward + gamma * (1 - terminal) * next_value


def td_loss(q: Tensor, target: Tensor) -> Tensor:
    """Squared error of every member to the one target (GTP Eq. 16); q (E, B), target (B,). Sums members, means rows."""
    return (q - target.detach()).pow(2).mean(1).sum()
