"""Behaviour cloning with shortcut models and with MeanFlow: jumps learned from the model itself."""

from dataclasses import dataclass

from ..objectives import meanflow_loss, shortcut_loss
from .actor import ActorAgent, FlowMapActorConfig
from .base import check_between


@dataclass(frozen=True, kw_only=True)
class ShortcutConfig(FlowMapActorConfig):
    """Dyadic steps on the linear clock, taught by the moving average."""

    fraction: float = 0.25  # of a batch that learns jumps
    ema_teacher: bool = True
    clock: str = "flow-matching"

    def __post_init__(self):
        super().__post_init__()
        check_between(self, 0, 1, "fraction")


class ShortcutBC(ActorAgent):
    """Shortcut models (Frans et al. 2024)."""

    Config = ShortcutConfig

    def clone_loss(self, batch, obs, weights, intervals, generator):
        return shortcut_loss(self.actor, self.teacher, batch["action"], obs, weights, generator, self.config.fraction)


@dataclass(frozen=True, kw_only=True)
class MeanFlowConfig(FlowMapActorConfig):
    """Pairs of logit-normal times; most rows are plain flow matching."""

    fraction: float = 0.25  # of a batch with s < t
    adaptive: bool = False  # rows divided by their own loss, as published: another optimum where dimensions are few
    clock: str = "meanflow"

    def __post_init__(self):
        super().__post_init__()
        check_between(self, 0, 1, "fraction")


class MeanFlowBC(ActorAgent):
    """MeanFlow (Geng et al. 2025)."""

    Config = MeanFlowConfig

    def clone_loss(self, batch, obs, weights, intervals, generator):
        return meanflow_loss(self.actor, self.teacher, batch["action"], obs, weights, generator, self.config.fraction,
                             self.config.adaptive)
