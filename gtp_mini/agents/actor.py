"""What all agents share: an actor, its moving average, and a loss. Here are the flow maps as actors."""

from abc import ABC, abstractmethod
from copy import deepcopy
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from ..draws import normal
from ..flow_map import FlowMap, FlowMapConfig
from ..networks import check_activation, ema_update
from ..samplers import SAMPLERS
from ..times import RHO, SIGMA_MAX, SIGMA_MIN
from .base import Agent, Batch, Config, Metrics, adam, check_between, check_positive, gradient_step
from .schedules import LR_SCHEDULES, CurriculumConfig, check_schedule


@dataclass(frozen=True, kw_only=True)
class ActorConfig(Config, ABC):
    """A network and how it is trained. Published values where there are any; "ours" marks our choice."""

    lr: float = 3e-4  # in the lineage (Ding & Jin 2024) and nearly all baselines
    clip: float = 5.0  # gradient norm, of the critic's too; 1 to 10 by task in the lineage
    lr_schedule: str = "constant"  # or "cosine": of the actor, down to 0 at the last step
    ema: float = 0.999  # per step; the lineage's 0.995 every 5 steps is the same
    width: int = 256
    depth: int = 3
    activation: str = "silu"
    position_dims: int = 0  # the first so many entries of an observation are metres; see networks.Observer

    def __post_init__(self):
        super().__post_init__()
        check_positive(self, "lr", "clip", "width", "depth")
        check_between(self, 0, 1, "ema")
        check_between(self, 0, 64, "position_dims")
        check_schedule(self, "lr_schedule")
        check_activation(self.activation)

    @abstractmethod
    def make_actor(self, obs_dim: int, action_dim: int) -> nn.Module:
        """A fresh actor, drawn from torch's global generator."""


@dataclass(frozen=True, kw_only=True)
class FlowMapActorConfig(ActorConfig):
    """A flow map as actor."""

    lr: float = 1e-3  # ours; 3e-4 in the lineage, 1e-3 there on one task
    ema_teacher: bool = False  # True: the targets of a loss come from the moving average; see `ActorAgent.teacher`
    sigma_data: float = 0.5
    sigma_min: float = SIGMA_MIN
    sigma_max: float = SIGMA_MAX
    rho: float = RHO
    sampler: str = "jumps"
    clock: str = "edm"

    def __post_init__(self):
        super().__post_init__()
        self.flow_map(action_dim=1)  # raises if it is absurd

    def flow_map(self, action_dim: int, obs_dim: int = 0) -> FlowMapConfig:
        """The shape of the actor."""
        shared = {name: value for name, value in asdict(self).items() if name in FlowMapConfig.__annotations__}
        if not getattr(self, "eta_conditioned", False):
            shared["eta"] = None
        return FlowMapConfig(action_dim, obs_dim, **shared)

    def make_actor(self, obs_dim, action_dim):
        return FlowMap(self.flow_map(action_dim, obs_dim))


class ActorAgent(Agent):
    """Behaviour cloning. A subclass says what the loss of a batch is."""

    def __init__(self, obs_dim: int, action_dim: int, total_steps: int, config: ActorConfig):
        super().__init__()
        self.config, self.total_steps = config, total_steps
        self.actor = config.make_actor(obs_dim, action_dim)
        self.policy = deepcopy(self.actor).requires_grad_(False)
        self.optimizers = {"actor": adam(self.actor, config.lr)}

    @property
    def needs_values(self) -> bool:
        return self.config.needs_values

    @property
    def teacher(self) -> FlowMap:
        """Whose jumps the actor learns to agree with: itself, without gradient, or its slow average.

        What is right near the data reaches noise over hundreds of hops from grid level to grid level. Through an
        average that lags by a thousand updates it arrives late. Improved consistency training (Song & Dhariwal 2023)
        drops the average for its bias too; the published GTP keeps it.
        """
        return self.policy if self.config.ema_teacher else self.actor

    @abstractmethod
    def clone_loss(self, batch: Batch, obs: Tensor | None, weights: Tensor | None, intervals: Tensor | None,
                   generator: torch.Generator) -> tuple[Tensor, Metrics]:
        """How far the actor is from the batch's actions. obs is what its network takes as such; weights (B,) or None
        for ones; `intervals` is N(k) of the curriculum, None where there is none."""

    def actor_loss(self, batch: Batch, obs: Tensor | None, weights: Tensor | None, intervals: Tensor | None,
                   generator: torch.Generator) -> tuple[Tensor, Metrics]:
        """What the actor minimises: `clone_loss`, and what a subclass adds."""
        return self.clone_loss(batch, obs, weights, intervals, generator)

    def intervals(self, step: int) -> Tensor | None:
        """N(k) of the curriculum at a global step, a 0-d tensor filled on the device; None where there is none."""
        if not isinstance(self.config, CurriculumConfig):
            return None
        n = self.config.intervals(step, self.total_steps)
        return torch.full((), n, dtype=torch.float32, device=next(self.actor.parameters()).device)

    def update(self, batch: Batch, step: int, generator: torch.Generator) -> Metrics:
        """One gradient step. A batch may bring fixed weights, `weight` (B,)."""
        return self.update_actor(batch, batch.get("obs"), batch.get("weight"), step, generator)

    def update_actor(self, batch: Batch, obs: Tensor | None, weights: Tensor | None, step: int,
                     generator: torch.Generator) -> Metrics:
        """A step on `actor_loss`, then the moving average."""
        self.optimizers["actor"].param_groups[0]["lr"] = self.learning_rate(step)
        loss, metrics = self.run("actor_loss", batch, obs, weights, self.intervals(step), generator=generator)
        metrics["grad_actor"] = gradient_step(self.optimizers["actor"], loss, self.config.clip)
        # a young average follows quickly, so that the random start is forgotten
        ema_update(self.policy, self.actor, min(self.config.ema, (1 + step) / (10 + step)))
        return metrics

    def learning_rate(self, step: int) -> float:
        """Of the actor at a global step."""
        return self.config.lr * LR_SCHEDULES[self.config.lr_schedule](step / self.total_steps)

    def sample_with_gradient(self, obs: Tensor, steps: int, generator: torch.Generator) -> Tensor:
        """Actions of the actor itself, (B, A), with their gradient through all K steps. What the clamp to [-1, 1] cuts
        has none, as published (Diffusion-QL): from outside, Q cannot pull an action back; cloning does."""
        c = self.actor.config
        noise = c.sigma_max * normal((len(obs), c.action_dim), generator, obs.device)
        times = c.sampling_times(steps, obs.device)
        return SAMPLERS[c.sampler](self.actor, noise, times, obs, generator=generator).clamp(-1, 1)

    def set_observation_scale(self, obs: Tensor) -> None:
        for module in self.children():
            module.set_observation_scale(obs)
