"""Consistency behaviour cloning (Ding & Jin 2024): jumps to the data only, trained from grid level to grid level."""

from dataclasses import dataclass

from ..objectives import consistency_training_loss
from .actor import ActorAgent, FlowMapActorConfig
from .schedules import CurriculumConfig


@dataclass(frozen=True, kw_only=True)
class ConsistencyConfig(CurriculumConfig, FlowMapActorConfig):
    """The improved recipe (Song & Dhariwal 2023): doubling grid, no moving average in the teacher, 1 / gap weights."""

    inverse_gap: bool = True
    sampler: str = "consistency"


class ConsistencyBC(ActorAgent):
    """min E |f(a_t, t) - sg f(a_u, u)|^2."""

    Config = ConsistencyConfig

    def clone_loss(self, batch, obs, weights, intervals, generator):
        c, action = self.config, batch["action"]
        loss, metrics = consistency_training_loss(self.actor, self.teacher, action, obs, weights, generator, intervals,
                                                  c.inverse_gap)
        return loss, metrics | {"intervals": intervals}
