"""Diffusion-QL (Wang et al. 2023): a diffusion policy that is pulled uphill on Q through its own sampler.

    actor:   L = E |eps - eps_theta(a_i, i, s)|^2  -  q_weight E[Q_j(s, a^0)] / E|Q_i(s, a^0)|        (their Eqs. 2, 3)
    critic:  Q_j(s, a) <- r + gamma min_j' Q'_j'(s', a'^0),   a' by the averaged policy                         (Eq. 4)

a^0 is the end of the five-step chain, and the gradient runs back through all of its steps. On most mazes the target
takes, of ten actions at s', each head's best (the max-Q backup).

`GuidedAgent` has the critic and the Q term, `DiffusionBC` the chain. Beside the published agent: our critic has layer
normalisation, our activation is SiLU, and one action is drawn when the policy is used, as for every method here.
The published policy draws 50 and picks one by softmax of Q: test_candidates=50, test_temperature=1.
"""

from dataclasses import dataclass

from .diffusion import DDPMConfig, DiffusionBC
from .guided import GuidedAgent, GuidedConfig


@dataclass(frozen=True, kw_only=True)
class DiffusionQLConfig(GuidedConfig, DDPMConfig):
    """The defaults are those for locomotion."""

    lr: float = 3e-4
    q_weight: float = 1.0  # eta in the paper; 0.5 to 4.5 by maze
    normalise_q: bool = True
    value_samples: int = 0  # there is no V
    target_steps: int = 5  # T, of the chain in the critic's target and in the Q term


def _maze(q_weight: float, clip: float, max_q: bool = True, lr: float = 3e-4) -> dict:
    # the paper's reward there is 4 (r - 1/2); our tasks' is r - 1
    return {"q_weight": q_weight, "clip": clip, "lr": lr, "target_candidates": 10 if max_q else 1,
            "reward_scale": 4.0, "reward_offset": 2.0}


PER_TASK = {  # the authors' code, main.py; their gn is our clip
    "antmaze-umaze": _maze(0.5, 2.0, max_q=False),
    "antmaze-umaze-diverse": _maze(2.0, 3.0),
    "antmaze-medium-play": _maze(2.0, 2.0, lr=1e-3),
    "antmaze-medium-diverse": _maze(3.0, 1.0),
    "antmaze-large-play": _maze(4.5, 10.0),
    "antmaze-large-diverse": _maze(3.5, 7.0),
}
PER_TASK["antmaze-medium-play-learned"] = PER_TASK["antmaze-medium-play"]  # the same maze, another walker


class DiffusionQL(GuidedAgent, DiffusionBC):
    """The agent."""

    Config = DiffusionQLConfig
