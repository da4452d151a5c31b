"""Diffusion behaviour cloning: only the denoiser is learned, samples take many small steps.

Two forms of one method. `diffusion` is EDM (Karras et al. 2022): any noise level, Euler steps on its grid. `ddpm` is
the chain of Diffusion-BC (Wang et al. 2023): variance preserving, five levels, ancestral sampling with clipping.
"""

from dataclasses import dataclass

from ..clocks import DDPM, EDM, Clock
from ..objectives import denoising_loss
from .actor import ActorAgent, FlowMapActorConfig
from .base import check_between


@dataclass(frozen=True, kw_only=True)
class DiffusionConfig(FlowMapActorConfig):
    """EDM's form."""

    sampler: str = "euler"

    def training_clock(self) -> Clock:
        """Draws the noise levels of a batch, and weighs the errors."""
        return EDM(self.sigma_data)


@dataclass(frozen=True, kw_only=True)
class DDPMConfig(FlowMapActorConfig):
    """Diffusion-BC's form. Five sampling steps visit the levels that were trained."""

    levels: int = 5
    sampler: str = "ddpm"
    clock: str = "ddpm"
    sigma_max: float = DDPM().last

    def __post_init__(self):
        super().__post_init__()
        check_between(self, 1, 64, "levels")

    def training_clock(self) -> Clock:
        """Draws one of the levels, weighs the errors as errors of the noise."""
        return DDPM(self.levels)


class DiffusionBC(ActorAgent):
    """min E |prediction error in the clock's own terms|^2."""

    Config = DiffusionConfig

    def clone_loss(self, batch, obs, weights, intervals, generator):
        clock = self.config.training_clock()
        return denoising_loss(self.actor, None, batch["action"], obs, weights, generator, clock)
