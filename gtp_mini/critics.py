"""Critics: how good is an action in a state? And the losses that are made of them."""

import torch
from torch import Tensor

from .draws import uniform
from .networks import Observer, ensemble_mlp

Q_FLOOR = 1e-6  # of mean |Q| where it divides: a critic that is 0 everywhere gives no gradient instead of NaN. Ours


class QEnsemble(Observer):
    """An ensemble of Q(obs, action) in one batched product; two members by default. (B, O), (B, A) -> (E, B)."""

    def __init__(self, obs_dim: int, action_dim: int, width: int = 256, depth: int = 3, members: int = 2,
                 activation: str = "silu", layer_norm: bool = True, position_dims: int = 0):
        super().__init__(obs_dim, position_dims)
        self.obs_dim, self.action_dim, self.width, self.depth = obs_dim, action_dim, width, depth
        self.members, self.activation, self.layer_norm = members, activation, layer_norm
        sizes = [self.seen_dim + action_dim] + [width] * depth + [1]
        self.network = ensemble_mlp(members, sizes, activation, layer_norm)

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        """Q of each member, (members, B), at observations (B, O) and actions (B, A)."""
        x = torch.cat([self.see(obs), action], dim=-1)
        return self.network(x.expand(self.members, *x.shape)).squeeze(-1)

    def pessimistic(self, obs: Tensor, action: Tensor, spread: float | None = None) -> Tensor:
        """The value that the members agree on, (B,); see `lower_bound`."""
        return lower_bound(self(obs, action), spread)

    def describe(self) -> dict:
        """The arguments that make this ensemble, as plain data, for saving."""
        names = ("obs_dim", "action_dim", "width", "depth", "members", "activation", "layer_norm",
                 "position_dims")
        return {name: getattr(self, name) for name in names}


class ValueNet(Observer):
    """V(obs), (B, O) -> (B,), the mean of its members; with `place_alone` of the position in the observation."""

    def __init__(self, obs_dim: int, width: int = 256, depth: int = 3, activation: str = "silu",
                 layer_norm: bool = True, position_dims: int = 0, place_alone: bool = False, members: int = 1):
        super().__init__(obs_dim, position_dims, place_alone)
        self.members = members
        self.network = ensemble_mlp(members, [self.seen_dim] + [width] * depth + [1], activation, layer_norm)

    def each(self, obs: Tensor) -> Tensor:
        """V of each member, (members, B), at observations (B, O)."""
        x = self.see(obs)
        return self.network(x.expand(self.members, *x.shape)).squeeze(-1)

    def forward(self, obs: Tensor) -> Tensor:
        """V, (B,), at observations (B, O)."""
        return self.each(obs).mean(0)


def lower_bound(q: Tensor, spread: float | None = None) -> Tensor:
    """Pessimism over an ensemble, (E, B) -> (B,): the least of the members, or mean - spread * std (biased)."""
    return q.amin(0) if spread is None else q.mean(0) - spread * q.std(0, correction=0)


def td_target(reward: Tensor, terminal: Tensor, next_value: Tensor, discount: float | Tensor) -> Tensor:
    """r + discount (1 - terminal) V(s'), (B,), discount a number or (B,). A time limit is not a terminal: its future
    counts."""
    return reward + discount * (1 - terminal) * next_value


def td_loss(q: Tensor, target: Tensor) -> Tensor:
    """Squared error of every member to the one target (GTP Eq. 16); q (E, B), target (B,). Sums members, means rows."""
    return (q - target.detach()).pow(2).mean(1).sum()


def expectile_loss(diff: Tensor, expectile: float) -> Tensor:
    """mean |tau - 1(diff < 0)| diff^2, diff = Q - V (IQL, Kostrikov et al. 2022, Eq. 5). Its minimum over V is the
    tau-expectile of Q: tau = 1/2 the mean, tau near 1 near the best action in the data."""
    return ((expectile - (diff < 0).to(diff.dtype)).abs() * diff**2).mean()


def normalised_q_loss(q: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """-mean Q_j / mean |Q_i|, i and j two members drawn at random (Diffusion-QL, Wang et al. 2023, Eq. 3); q (E, B).

    The divisor has no gradient: it takes the unit of reward out of the loss. q is at the policy's actions.
    """
    if len(q) < 2:
        raise ValueError(f"normalised_q_loss divides one member by another and needs 2 or more, got {len(q)}")
    j_and_i = uniform((len(q),), generator, q.device).topk(2).indices  # stays on the device
    q_j, q_i = q.index_select(0, j_and_i)
    return -q_j.mean() / q_i.detach().abs().mean().clamp(min=Q_FLOOR)


def linear_q_loss(q: Tensor, spread: float | None = None) -> Tensor:
    """-mean of the pessimistic value, in the unit of reward; q (E, B). GTP's ablation: large weights of it diverge."""
    return -lower_bound(q, spread).mean()
