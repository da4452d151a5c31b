"""Best of N: the policy proposes, the critic chooses. No training of its own; any policy, any critic."""

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from ..critics import QEnsemble


@dataclass(frozen=True)
class BestOfNConfig:
    """How one of the candidates is chosen."""

    candidates: int = 16  # N; IDQL tries 16, 64 and 256, Diffusion-QL has 50
    temperature: float = 0.0  # 0: the best; above: one drawn by softmax(Q / temperature), Diffusion-QL's has 1
    pessimism: float = 0.0  # of Q over the critic's members: 0 the least, c > 0 their mean - c std

    def __post_init__(self):
        if not 1 <= self.candidates <= 1024:
            raise ValueError(f"candidates must be between 1 and 1024, got {self.candidates!r}")
        for name in ("temperature", "pessimism"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be 0 or more and finite, got {getattr(self, name)!r}")


class BestOfN(nn.Module):
    """Draws N actions of a policy in each state and keeps one, by the critic (IDQL, Hansen-Estruch et al. 2023).

    `policy` is any module with `sample`. One candidate is the policy itself.
    """

    def __init__(self, policy: nn.Module, critic: QEnsemble, config: BestOfNConfig | None = None):
        super().__init__()
        self.policy, self.critic, self.config = policy, critic, config or BestOfNConfig()

    @torch.no_grad()
    def sample(self, n: int | None = None, obs: Tensor | None = None, steps: int = 5,
               generator: torch.Generator | None = None, noise_scale: float = 1.0) -> Tensor:
        """One action in [-1, 1] for each observation: (B, O) -> (B, A)."""
        if obs is None:
            raise ValueError("best of N needs obs: a critic judges an action in a state")
        if n is not None and n != len(obs):
            raise ValueError(f"obs must have one row per sample: {len(obs)} rows for n = {n}")
        c = self.config
        where = obs.repeat(c.candidates, 1)  # (N B, O), one block of B for each candidate
        actions = self.policy.sample(obs=where, steps=steps, generator=generator, noise_scale=noise_scale).clamp(-1, 1)
        q = self.critic.pessimistic(where, actions, c.pessimism or None).view(c.candidates, len(obs))
        chosen = choose(q, c.temperature, generator)
        return actions.view(c.candidates, len(obs), -1)[chosen, torch.arange(len(obs), device=chosen.device)]

    def describe(self) -> dict:
        """Policy, critic and configuration as plain data, for saving."""
        return {"policy": {"kind": type(self.policy).__name__, "config": self.policy.describe()},
                "critic": self.critic.describe(), "choice": asdict(self.config)}


def choose(q: Tensor, temperature: float, generator: torch.Generator | None = None) -> Tensor:
    """An index for each column of (N, B) values, (B,): the best, or one drawn by softmax(Q / temperature)."""
    if temperature == 0:
        return q.argmax(0)
    # p_k / e_k with e_k exponential is largest at k with probability p_k; in logarithms, from the best down
    race = torch.empty_like(q).exponential_(generator=generator)
    return ((q - q.amax(0)) / temperature - race.log()).argmax(0)
