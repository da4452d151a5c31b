"""Consistency-AC (Ding & Jin 2024): Diffusion-QL with a consistency model, so that the gradient of Q passes two jumps.

    actor:   L = E |f(a_t, t, s) - sg f(a_u, u, s)|^2  -  q_weight E[Q_j(s, a^0)] / E|Q_i(s, a^0)|
    critic:  as Diffusion-QL's

a^0 takes K = 2 rounds of a jump to 0 and fresh noise, from sigma_max down. `GuidedAgent` has the critic and the Q term,
`ConsistencyBC` the rest. Beside the published agent: our model is preconditioned as EDM's denoiser; our grid doubles
from 10 to 1280 cells (the authors' option, by default theirs goes from 2 to 150); the second round starts from 2.5 and
not from 2; the critic is as in Diffusion-QL here; and we leave out their q_norm, which divides the critic's targets by
their spread in the batch, as no value function solves such an equation.
"""

from dataclasses import dataclass

from . import diffusion_ql
from .consistency import ConsistencyBC, ConsistencyConfig
from .guided import GuidedAgent, GuidedConfig


@dataclass(frozen=True, kw_only=True)
class ConsistencyACConfig(GuidedConfig, ConsistencyConfig):
    """The defaults are those for most locomotion tasks."""

    lr: float = 3e-4
    q_weight: float = 1.0  # eta in the paper; 0.1 for hopper, 0.01 to 4.5 by maze
    normalise_q: bool = True
    value_samples: int = 0  # there is no V
    target_steps: int = 2  # K, in the critic's target and in the Q term


PER_TASK = {  # the authors' code, offline.py: Diffusion-QL's settings but for these
    task: diffusion_ql.PER_TASK[task] | changed
    for task, changed in {
        "antmaze-umaze": {"q_weight": 0.01},
        "antmaze-umaze-diverse": {"q_weight": 0.01},
        "antmaze-medium-play": {"q_weight": 0.01},
        "antmaze-medium-play-learned": {"q_weight": 0.01},
        "antmaze-medium-diverse": {"q_weight": 0.01},
        "antmaze-large-play": {"q_weight": 4.5},
        "antmaze-large-diverse": {"q_weight": 3.5, "clip": 2.0},
    }.items()
}


class ConsistencyAC(GuidedAgent, ConsistencyBC):
    """The agent."""

    Config = ConsistencyACConfig
