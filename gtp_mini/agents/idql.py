"""IDQL (Hansen-Estruch et al. 2023): the data's behaviour as a diffusion model, IQL's critic to choose from it.

    values: IQL's
    actor:  min E |eps - eps_theta(a_i, i, s)|^2, no weights
    acting: N samples, the one with the best Q (their Algorithm 2 with the greedy choice, IDQL-A)

Training the actor and training the critic do not touch. `GuidedAgent` has the values and the choice, `DiffusionBC` the
chain. Beside the published agent: their network is a residual one with dropout, trained at batch 512 for two steps per
step of the critic; ours is the one of all methods here. Their exp-weighted variant is eta > 0 with the "exponential"
rule.
"""

from dataclasses import dataclass

from .base import ANTMAZE
from .diffusion import DDPMConfig, DiffusionBC
from .guided import GuidedAgent, GuidedConfig


@dataclass(frozen=True, kw_only=True)
class IDQLConfig(GuidedConfig, DDPMConfig):
    """The defaults are those for locomotion."""

    lr: float = 3e-4
    lr_schedule: str = "cosine"
    value: str = "expectile"
    expectile: float = 0.7  # 0.9 for AntMaze
    test_candidates: int = 64  # N; 16, 64 and 256 are tried


PER_TASK = {task: {"expectile": 0.9} for task in ANTMAZE}


class IDQL(GuidedAgent, DiffusionBC):
    """The agent."""

    Config = IDQLConfig
