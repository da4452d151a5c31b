"""Implicit Q-learning (Kostrikov et al. 2022): values from the data's actions alone, then weighted regression.

    V:      min E |tau - 1(Q' < V)| (Q'(s, a) - V(s))^2          (their Eq. 5)
    critic: Q(s, a) <- r + gamma V(s')                           (Eq. 6)
    actor:  max E min(exp(beta (Q'(s, a) - V(s))), 100) log pi(a | s)   (Eq. 7)

The same weights with V from the policy's own actions (value="policy") are advantage-weighted regression (Peng et al.
2019; Nair et al. 2020). `GuidedAgent` has values and weights, `GaussianBC` the likelihood. Beside the published agent:
our networks are 3 x 256 SiLU, theirs 2 x 256 ReLU; our spread depends on the state. Theirs acts by the mean: evaluate
with noise_scale=0.
"""

from dataclasses import dataclass

from .base import ANTMAZE
from .gaussian import GaussianBC, GaussianConfig
from .guided import GuidedAgent, GuidedConfig


@dataclass(frozen=True, kw_only=True)
class IQLConfig(GuidedConfig, GaussianConfig):
    """The defaults are those for locomotion."""

    lr_schedule: str = "cosine"
    value: str = "expectile"
    expectile: float = 0.7  # tau; 0.9 for AntMaze
    eta: float = 3.0  # beta; 10 for AntMaze
    weight_rule: str = "exponential"
    weight_cap: float = 100.0

    def __post_init__(self):
        super().__post_init__()
        if self.q_weight or self.eta_conditioned:
            raise ValueError("q_weight and eta_conditioned need a flow map as policy; a Gaussian takes neither")


PER_TASK = {task: {"expectile": 0.9, "eta": 10.0} for task in ANTMAZE}


class IQL(GuidedAgent, GaussianBC):
    """The agent."""

    Config = IQLConfig
