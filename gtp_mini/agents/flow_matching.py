"""Flow-matching behaviour cloning (Lipman et al. 2023): the velocity of straight paths, integrated by Euler."""

from dataclasses import dataclass

from ..clocks import FlowMatching
from ..objectives import denoising_loss
from .actor import ActorAgent, FlowMapActorConfig


@dataclass(frozen=True, kw_only=True)
class FlowConfig(FlowMapActorConfig):
    """Steps are evenly spaced in flow matching's own time; its policies take ten (FQL)."""

    sampler: str = "euler"
    clock: str = "flow-matching"


class FlowBC(ActorAgent):
    """min E |v(x_t, t) - (a - z)|^2."""

    Config = FlowConfig

    def clone_loss(self, batch, obs, weights, intervals, generator):
        return denoising_loss(self.actor, None, batch["action"], obs, weights, generator, FlowMatching())
