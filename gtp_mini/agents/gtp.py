"""Generative trajectory policies (Feng et al. 2025, Algorithm 1): a flow map as the policy, advantages as weights.

Each step: critic update (Eq. 16), weights from the just-updated critic (Eq. 14), actor update (Eq. 19), EMA of both;
`GuidedAgent` is that order. With eta = 0 all weights are 1, no critic is needed, and the agent is GTP-BC.
"""

from dataclasses import dataclass

from torch import Tensor

from ..objectives import gtp_loss
from ..objectives.trajectory import MAX_SOLVER_STEPS
from .actor import FlowMapActorConfig
from .base import check_between, check_positive
from .guided import GuidedAgent, GuidedConfig
from .schedules import CurriculumConfig

BETWEEN = ("adjacent", "window", "uniform")


@dataclass(frozen=True, kw_only=True)
class GTPConfig(GuidedConfig, CurriculumConfig, FlowMapActorConfig):
    """The defaults are the published recipe but for the teacher and the learning rate; see `FlowMapActorConfig`.

    The paper's ablations: flow_weight=0, consistency_weight=0, solver_steps=3, eta=0, q_weight > 0.
    """

    eta: float = 1.0  # ours
    flow_weight: float = 1.0  # lambda_flow. Ours
    consistency_weight: float = 1.0  # 0 leaves a weighted diffusion policy
    zero_mass: float = 0.5  # probability of s = 0 in the consistency loss. Ours
    u: str = "adjacent"  # where the teacher stands: the level below t, "window" levels below, or anywhere ("uniform")
    window: int = 4  # levels, with u="window"
    solver_steps: int = 0  # > 0: targets by so many solver steps on the model's field, not by the score approximation

    def __post_init__(self):
        super().__post_init__()
        check_between(self, 0, float("inf"), "flow_weight", "consistency_weight")
        check_between(self, 0, 1, "zero_mass")
        check_between(self, 0, MAX_SOLVER_STEPS, "solver_steps")
        check_positive(self, "window")
        if self.u not in BETWEEN:
            raise ValueError(f"unknown u {self.u!r}; known: {', '.join(BETWEEN)}")


class GTP(GuidedAgent):
    """The agent. obs_dim 0 gives an unconditional model (then eta must be 0)."""

    Config = GTPConfig

    def clone_loss(self, batch, obs: Tensor | None, weights: Tensor | None, intervals, generator):
        c, action = self.config, batch["action"]
        window = {"adjacent": 1, "window": c.window, "uniform": None}[c.u]
        loss, metrics = gtp_loss(
            self.actor, self.teacher, action, obs, weights, generator, intervals,
            c.flow_weight, c.consistency_weight, c.zero_mass, window, c.solver_steps)
        return loss, {"intervals": intervals} | metrics
