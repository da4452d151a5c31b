"""What the agents with a flow map share: its configuration, its moving average, cloning, and weights by advantage."""

from abc import abstractmethod
from copy import deepcopy
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from ..flow_map import FlowMap, FlowMapConfig, check_eta
from ..guidance import WEIGHT_CAP, WEIGHT_RULES, advantage_weights, effective_sample_size
from ..networks import ema_update
from ..times import RHO, SIGMA_MAX, SIGMA_MIN, curriculum_intervals
from .base import Agent, Batch, Metrics, adam, check_between, check_positive, gradient_step
from .best_of import BestOfN, BestOfNConfig
from .learner import ValueConfig, ValueLearner


@dataclass(frozen=True, kw_only=True)
class ActorConfig:
    """A flow map and how it is trained. Published values where there are any; "ours" marks our choice."""

    lr: float = 1e-3  # ours; 3e-4 in the lineage, 1e-3 there on one task
    clip: float = 5.0  # gradient norm; 1 to 10 by task in the lineage
    ema: float = 0.999  # per step; the lineage's 0.995 every 5 steps is the same
    ema_teacher: bool = False  # True: the targets of a loss come from the moving average; see `FlowMapAgent.teacher`
    width: int = 256
    depth: int = 3
    activation: str = "silu"
    sigma_data: float = 0.5
    sigma_min: float = SIGMA_MIN
    sigma_max: float = SIGMA_MAX
    rho: float = RHO
    sampler: str = "jumps"
    clock: str = "edm"

    def __post_init__(self):
        check_positive(self, "lr", "clip")
        check_between(self, 0, 1, "ema")
        self.flow_map(action_dim=1)  # raises if it is absurd

    def flow_map(self, action_dim: int, obs_dim: int = 0) -> FlowMapConfig:
        """The shape of the actor."""
        shared = {name: value for name, value in asdict(self).items() if name in FlowMapConfig.__annotations__}
        return FlowMapConfig(action_dim, obs_dim, **shared | {"eta": None})


@dataclass(frozen=True, kw_only=True)
class CurriculumConfig:
    """The number of grid intervals N(k), which doubles from the first to the last in equal stages."""

    first_intervals: int = 10
    last_intervals: int = 1280

    def __post_init__(self):
        check_positive(self, "first_intervals")
        if self.last_intervals < self.first_intervals:
            raise ValueError(f"last_intervals must be at least first_intervals ({self.first_intervals}), "
                             f"got {self.last_intervals!r}")

    def intervals(self, step: int, total_steps: int, device: torch.device) -> Tensor:
        """N(k) as a 0-d tensor, filled on the device so that nothing waits."""
        return torch.full((), curriculum_intervals(step, total_steps, self.first_intervals, self.last_intervals),
                          dtype=torch.float32, device=device)


class FlowMapAgent(Agent):
    """Behaviour cloning with a flow map. A subclass says what the loss of a batch is."""

    def __init__(self, obs_dim: int, action_dim: int, total_steps: int, config: ActorConfig):
        super().__init__()
        self.config, self.total_steps = config, total_steps
        self.actor = FlowMap(config.flow_map(action_dim, obs_dim))
        self.policy = deepcopy(self.actor).requires_grad_(False)
        self.optimizers = {"actor": adam(self.actor, config.lr)}

    @property
    def teacher(self) -> FlowMap:
        """Whose jumps the actor learns to agree with: itself, without gradient, or its slow average.

        What is right near the data reaches noise over hundreds of hops from grid level to grid level. Through an
        average that lags by a thousand updates it arrives late. Improved consistency training (Song & Dhariwal 2023)
        drops the average for its bias too; the published GTP keeps it.
        """
        return self.policy if self.config.ema_teacher else self.actor

    @abstractmethod
    def actor_loss(self, batch: Batch, obs: Tensor | None, weights: Tensor | None, step: int,
                   generator: torch.Generator) -> tuple[Tensor, Metrics]:
        """What the actor minimises. obs is what its network takes as such; weights (B,) or None for ones."""

    def update(self, batch: Batch, step: int, generator: torch.Generator) -> Metrics:
        """One gradient step. A batch may bring fixed weights, `weight` (B,)."""
        return self.update_actor(batch, batch.get("obs"), batch.get("weight"), step, generator)

    def update_actor(self, batch: Batch, obs: Tensor | None, weights: Tensor | None, step: int,
                     generator: torch.Generator) -> Metrics:
        """A step on `actor_loss`, then the moving average."""
        loss, metrics = self.actor_loss(batch, obs, weights, step, generator)
        metrics["grad_actor"] = gradient_step(self.optimizers["actor"], loss, self.config.clip)
        # a young average follows quickly, so that the random start is forgotten
        ema_update(self.policy, self.actor, min(self.config.ema, (1 + step) / (10 + step)))
        return metrics

    def set_observation_scale(self, obs: Tensor) -> None:
        for module in self.children():
            module.set_observation_scale(obs)


@dataclass(frozen=True, kw_only=True)
class CriticConfig(ValueConfig):
    """Options of every agent with a critic, beside those of the critic itself."""

    test_candidates: int = 1  # actions drawn per decision when the policy is used; the critic picks one
    test_temperature: float = 0.0  # of that choice: 0 takes the best, 1 draws by softmax of Q (Diffusion-QL)

    def __post_init__(self):
        super().__post_init__()
        check_positive(self, "test_candidates")
        check_between(self, 0, 1000, "test_temperature")


class CriticAgent(FlowMapAgent):
    """A flow map and a critic."""

    def __init__(self, obs_dim: int, action_dim: int, total_steps: int, config):
        super().__init__(obs_dim, action_dim, total_steps, config)
        if self.needs_values:
            if obs_dim == 0:
                raise ValueError("an agent with a critic needs observations; without them use a clone (eta = 0)")
            self.values = ValueLearner(obs_dim, action_dim, config, config.width, config.depth, config.activation)
            self.optimizers |= self.values.optimizers

    needs_values = True

    def published(self):
        c = self.config
        if not self.needs_values or c.test_candidates == 1:
            return self.policy
        return BestOfN(self.policy, self.values.target_critic,
                       BestOfNConfig(c.test_candidates, c.test_temperature, c.pessimism))

    def update_values(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor | None, Metrics]:
        """A step of the critic; the batch's advantages (B,) by the new one."""
        return self.values.update(batch, lambda obs: self.act(obs, self.config.target_steps, generator), generator,
                                  self.config.clip)


@dataclass(frozen=True, kw_only=True)
class WeightedConfig(CriticConfig):
    """Advantage weights, for any agent whose loss takes weights."""

    eta: float = 1.0  # advantage temperature; 0 is behaviour cloning. Ours
    weight_rule: str = "truncated"  # as Eq. 14; see guidance.WEIGHT_RULES
    weight_cap: float = WEIGHT_CAP
    eta_conditioned: bool = False  # one network for every temperature up to eta_max; eta is then where it samples
    eta_max: float = 8.0

    def __post_init__(self):
        super().__post_init__()
        check_eta(self.eta)
        check_positive(self, "eta_max")
        if self.weight_rule not in WEIGHT_RULES:
            raise ValueError(f"unknown weight_rule {self.weight_rule!r}; known: {', '.join(WEIGHT_RULES)}")
        if not self.weight_cap >= 1:
            raise ValueError(f"weight_cap must be at least 1, an ordinary weight, got {self.weight_cap!r}")


class WeightedAgent(CriticAgent):
    """GTP's Algorithm 1 with any loss for the actor: critic (Eq. 16), weights from the just-updated critic (Eq. 14),
    actor, moving averages. With eta = 0 all weights are 1, and there is no critic."""

    @property
    def needs_values(self) -> bool:
        return self.config.eta > 0 or self.config.eta_conditioned

    def update(self, batch: Batch, step: int, generator: torch.Generator) -> Metrics:
        c, obs = self.config, batch.get("obs")
        if not self.needs_values:
            return super().update(batch, step, generator)
        advantage, metrics = self.update_values(batch, generator)
        eta = draw_eta(len(advantage), c.eta_max, generator) if c.eta_conditioned else c.eta
        weights = advantage_weights(advantage, eta, c.weight_cap, c.weight_rule, normalise=c.eta_conditioned)
        if c.eta_conditioned:
            obs = self.actor.condition(obs, len(obs), eta)
        metrics |= self.update_actor(batch, obs, weights, step, generator)
        self.values.soft_update()
        return metrics | {"effective_sample_size": effective_sample_size(weights)}


def draw_eta(n: int, eta_max: float, generator: torch.Generator, zero_mass: float = 0.125) -> Tensor:
    """Temperatures to train one network for all of them, (n,): 0 with probability `zero_mass`, else 1 + eta is
    log-uniform up to 1 + eta_max. Our choice."""
    pick, to_zero = torch.rand(2, n, generator=generator, device=generator.device)
    eta = torch.expm1(pick * torch.log1p(torch.tensor(eta_max, device=generator.device)))
    return torch.where(to_zero < zero_mass, torch.zeros_like(eta), eta)
