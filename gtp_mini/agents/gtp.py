"""Generative trajectory policies (Feng et al. 2025, Algorithm 1): a flow map as the policy, advantages as weights.

Each step: critic update (Eq. 16), weights from the just-updated critic (Eq. 14), actor update (Eq. 19), EMA of both.
With eta = 0 all weights are 1, no critic is needed, and the agent is GTP-BC.
"""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from ..critics import QEnsemble, td_loss, td_target
from ..flow_map import FlowMap, FlowMapConfig
from ..guidance import WEIGHT_CAP, advantage_weights, effective_sample_size
from ..networks import ema_update
from ..objectives import gtp_loss
from ..times import RHO, SIGMA_MAX, SIGMA_MIN, curriculum_intervals, sampling_times
from .base import Agent, Batch, Metrics, adam, gradient_step


@dataclass(frozen=True)
class GTPConfig:
    """Published values where there are any; "ours" marks what the paper leaves open."""

    eta: float = 1.0  # advantage temperature; 0 is behaviour cloning. Ours
    gamma: float = 0.99
    target_steps: int = 2  # K of the policy inside the critic's target; the paper samples with the full K = 5
    value_samples: int = 1  # policy samples whose mean Q is V(s). Ours
    weight_cap: float = WEIGHT_CAP
    flow_weight: float = 1.0  # lambda_flow. Ours
    consistency_weight: float = 1.0  # 0 leaves a weighted diffusion policy
    ema_teacher: bool = False  # True: targets of L_cons from the EMA actor, as Eq. 17 prints; see `teacher`
    zero_mass: float = 0.5  # probability of s = 0 in the consistency loss. Ours
    first_intervals: int = 10  # the curriculum's N at the start ...
    last_intervals: int = 1280  # ... and at the end
    lr: float = 1e-3  # of the actor. Ours; 3e-4 in the lineage, 1e-3 there on one task
    critic_lr: float = 3e-4
    clip: float = 5.0  # gradient norm; 1 to 10 by task in the lineage
    ema: float = 0.999  # per step; the lineage's 0.995 every 5 steps is the same
    critic_ema: float = 0.995
    width: int = 256
    depth: int = 3
    activation: str = "silu"
    layer_norm: bool = True  # in the critic. Ours; every strong AntMaze method has it
    sigma_data: float = 0.5
    sigma_min: float = SIGMA_MIN
    sigma_max: float = SIGMA_MAX
    rho: float = RHO

    def __post_init__(self):
        if not 0 <= self.eta <= 100:
            raise ValueError(f"eta must be between 0 (behaviour cloning) and 100, got {self.eta!r}")
        if not 0 <= self.gamma < 1:
            raise ValueError(f"gamma must be in [0, 1), got {self.gamma!r}")
        for name in ("lr", "critic_lr", "clip", "value_samples", "first_intervals"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}")
        for name in ("flow_weight", "consistency_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)!r}")
        for name in ("ema", "critic_ema", "zero_mass"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {getattr(self, name)!r}")
        if not self.weight_cap >= 1:
            raise ValueError(f"weight_cap must be at least 1, an ordinary weight, got {self.weight_cap!r}")
        if self.last_intervals < self.first_intervals:
            raise ValueError(f"last_intervals must be at least first_intervals ({self.first_intervals}), "
                             f"got {self.last_intervals!r}")
        sampling_times(self.target_steps)  # raises if it is absurd
        self.flow_map(action_dim=1)  # likewise

    def flow_map(self, action_dim: int, obs_dim: int = 0) -> FlowMapConfig:
        """The shape of the actor."""
        return FlowMapConfig(action_dim, obs_dim, self.width, self.depth, self.activation, sigma_data=self.sigma_data,
                             sigma_min=self.sigma_min, sigma_max=self.sigma_max, rho=self.rho)


class GTP(Agent):
    """The agent. obs_dim 0 gives an unconditional model (then eta must be 0)."""

    def __init__(self, obs_dim: int, action_dim: int, total_steps: int, config: GTPConfig | None = None):
        super().__init__()
        self.config = c = config or GTPConfig()
        self.total_steps = total_steps
        self.needs_values = c.eta > 0
        if self.needs_values and obs_dim == 0:
            raise ValueError("eta > 0 needs observations: a critic judges an action in a state")
        self.actor = FlowMap(c.flow_map(action_dim, obs_dim))
        self.policy = deepcopy(self.actor).requires_grad_(False)  # the EMA actor: target, and what is evaluated
        self.optimizers = {"actor": adam(self.actor, c.lr)}
        if self.needs_values:
            self.critic = QEnsemble(obs_dim, action_dim, c.width, c.depth, activation=c.activation,
                                    layer_norm=c.layer_norm)
            self.target_critic = deepcopy(self.critic).requires_grad_(False)
            self.optimizers["critic"] = adam(self.critic, c.critic_lr)

    @property
    def teacher(self) -> FlowMap:
        """Whose jumps the actor learns to agree with: itself, without gradient, or its slow average.

        What is right near the data reaches noise over hundreds of hops from grid level to grid level. Through an
        average that lags by a thousand updates it arrives late. Improved consistency training (Song & Dhariwal 2023)
        drops the average for its bias too; the published GTP keeps it.
        """
        return self.policy if self.config.ema_teacher else self.actor

    def update(self, batch: Batch, step: int, generator: torch.Generator) -> Metrics:
        """One step of Algorithm 1. A batch may bring fixed weights, `weight` (B,), when eta = 0."""
        c = self.config
        intervals = torch.full((), curriculum_intervals(step, self.total_steps, c.first_intervals, c.last_intervals),
                               dtype=torch.float32, device=batch["action"].device)  # filled there: nothing waits
        weights, metrics = batch.get("weight"), {"intervals": intervals}
        if self.needs_values:
            weights, critic_metrics = self._update_critic(batch, generator)
            metrics |= critic_metrics
        metrics |= self._update_actor(batch, weights, intervals, generator)
        # a young average follows quickly, so that the random start is forgotten
        ema_update(self.policy, self.actor, min(c.ema, (1 + step) / (10 + step)))
        if self.needs_values:
            ema_update(self.target_critic, self.critic, c.critic_ema)
        return metrics

    def _update_actor(self, batch: Batch, weights: Tensor | None, intervals: Tensor,
                      generator: torch.Generator) -> Metrics:
        c = self.config
        loss, metrics = gtp_loss(self.actor, self.teacher, batch["action"], batch.get("obs"), weights, generator,
                                 intervals, c.flow_weight, c.consistency_weight, c.zero_mass)
        return metrics | {"grad_actor": gradient_step(self.optimizers["actor"], loss, c.clip)}

    def _update_critic(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Metrics]:
        """Clipped double-Q step; then the advantage weights of the batch, (B,), from the new critic."""
        c, n = self.config, len(batch["action"])
        # the policy's actions at s' (for the target) and at s (for V) come from one call
        where = torch.cat([batch["next_obs"]] + [batch["obs"]] * c.value_samples)
        actions = self.act(where, c.target_steps, generator)
        with torch.no_grad():
            next_value = self.target_critic.pessimistic(batch["next_obs"], actions[:n])
            target = td_target(batch["reward"], batch["terminal"], next_value, c.gamma)
        loss = td_loss(self.critic(batch["obs"], batch["action"]), target)
        norm = gradient_step(self.optimizers["critic"], loss, c.clip)
        with torch.no_grad():
            q = self.critic.pessimistic(torch.cat([batch["obs"], where[n:]]), torch.cat([batch["action"], actions[n:]]))
            value = q[n:].view(c.value_samples, n).mean(0)
            advantage = q[:n] - value
            weights = advantage_weights(advantage, c.eta, c.weight_cap)
        return weights, {"loss_critic": loss.detach(), "grad_critic": norm, "q_mean": q[:n].mean(),
                         "q_abs_max": q.abs().amax(), "value_mean": value.mean(),
                         "advantage_std": advantage.std(correction=0),
                         "advantage_positive": (advantage > 0).float().mean(),
                         "effective_sample_size": effective_sample_size(weights)}

    def set_observation_scale(self, obs: Tensor) -> None:
        for name in ("actor", "policy", "critic", "target_critic"):
            if hasattr(self, name):
                getattr(self, name).set_observation_scale(obs)
