"""Gaussian behaviour cloning: the classical policy, one mean and one spread per observation. The baseline to beat."""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from ..flow_map import check_obs, start_noise
from ..networks import Observer, mlp
from .actor import ActorAgent, ActorConfig

LOG_STD_MIN, LOG_STD_MAX = -5.0, 2.0  # the usual bounds of Gaussian policies (SAC)


@dataclass(frozen=True)
class GaussianPolicyConfig:
    """Shape of a Gaussian policy."""

    action_dim: int
    obs_dim: int = 0
    width: int = 256
    depth: int = 3
    activation: str = "silu"
    position_dims: int = 0


class GaussianPolicy(Observer):
    """N(mean(obs), diag(std(obs)^2)). Unconditional if obs_dim is 0."""

    def __init__(self, config: GaussianPolicyConfig):
        super().__init__(max(config.obs_dim, 1), config.position_dims)  # unconditional: it sees a constant 0
        self.config = c = config
        self.network = mlp([self.seen_dim] + [c.width] * c.depth + [2 * c.action_dim], c.activation)

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation at obs: (B, O) -> (B, A), (B, A)."""
        mean, log_std = self.network(self.see(obs)).chunk(2, dim=-1)
        return mean, log_std.clamp(LOG_STD_MIN, LOG_STD_MAX).exp()

    def log_prob(self, action: Tensor, obs: Tensor | None = None) -> Tensor:
        """log density of (B, A) actions, (B,)."""
        mean, std = self(self._or_constant(obs, len(action)))
        return torch.distributions.Normal(mean, std).log_prob(action).sum(-1)

    @torch.no_grad()
    def sample(self, n: int | None = None, obs: Tensor | None = None, steps: int = 1,
               generator: torch.Generator | None = None, noise_scale: float = 1.0,
               noise: Tensor | None = None) -> Tensor:
        """n samples, (n, A). `steps` is taken for the common signature: a Gaussian needs one. `noise` (n, A), standard
        normal, is what to use instead of a draw."""
        if n is None:
            if obs is None:
                raise ValueError("sample needs n, or obs with one row per sample")
            n = len(obs)
        mean, std = self(self._or_constant(obs, n))
        return mean + noise_scale * std * start_noise(noise, mean.shape, generator, mean.device)

    def describe(self) -> dict:
        """The configuration as plain data, for saving."""
        return asdict(self.config)

    def _or_constant(self, obs: Tensor | None, n: int) -> Tensor:
        return obs if check_obs(obs, n, self.config.obs_dim) else torch.zeros(n, 1, device=self.obs_mean.device)


@dataclass(frozen=True, kw_only=True)
class GaussianConfig(ActorConfig):
    """A Gaussian as actor."""

    def make_actor(self, obs_dim, action_dim):
        return GaussianPolicy(GaussianPolicyConfig(action_dim, obs_dim, self.width, self.depth, self.activation,
                                                   self.position_dims))


class GaussianBC(ActorAgent):
    """Maximum likelihood of the data's actions: min -E w log pi(a | s)."""

    Config = GaussianConfig

    def clone_loss(self, batch, obs, weights, intervals, generator):
        log_prob = self.actor.log_prob(batch["action"], obs)
        loss = -(log_prob if weights is None else weights * log_prob).mean()
        return loss, {"loss_nll": loss.detach()}
