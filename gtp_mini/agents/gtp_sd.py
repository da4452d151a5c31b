"""GTP-SD: a generative trajectory policy whose global loss is self-distillation.

The denoising term carries data and advantage weights; what ties far jumps together is an identity of the flow map on
the model's own trajectories, which has no bias, needs no curriculum and no weights. V is an expectile over the data's
actions (IQL), which asks no policy, and the weights are exp(eta A), untruncated, normalised over the batch. Everything
else is GTP's.
"""

from dataclasses import dataclass

from torch import Tensor

from ..objectives import esd_loss, lsd_loss, psd_loss
from .actor import FlowMapActorConfig
from .base import check_between, check_positive
from .guided import GuidedAgent, GuidedConfig

DISTILLATIONS = {"progressive": psd_loss, "lagrangian": lsd_loss, "eulerian": esd_loss}


@dataclass(frozen=True, kw_only=True)
class GTPSDConfig(GuidedConfig, FlowMapActorConfig):
    """The defaults are our choice; their few-step quality is on record in data/study."""

    eta: float = 10.0  # in units of reward, as the rule below takes it; IQL's for mazes, 3 for locomotion
    weight_rule: str = "exponential"
    normalise_weights: bool = True  # self-distillation has none: its share of the loss must not depend on eta
    value: str = "expectile"
    expectile: float = 0.9  # IQL's for mazes, 0.7 for locomotion
    distillation: str = "progressive"
    distillation_weight: float = 3.0
    fraction: float = 1.0  # of the batch on which jumps are compared
    zero_mass: float = 0.25  # share of the jumps that end at 0, and of those that start at sigma_max

    def __post_init__(self):
        super().__post_init__()
        check_positive(self, "distillation_weight", "fraction")
        check_between(self, 0, 1, "fraction", "zero_mass")
        if self.distillation not in DISTILLATIONS:
            raise ValueError(f"unknown distillation {self.distillation!r}; known: {', '.join(DISTILLATIONS)}")


class GTPSD(GuidedAgent):
    """The agent. obs_dim 0 gives an unconditional model (then eta must be 0)."""

    Config = GTPSDConfig

    def clone_loss(self, batch, obs: Tensor | None, weights: Tensor | None, intervals, generator):
        c, loss = self.config, DISTILLATIONS[self.config.distillation]
        return loss(self.actor, self.teacher, batch["action"], obs, weights, generator, c.distillation_weight,
                    c.fraction, c.zero_mass)
