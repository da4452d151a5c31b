"""FAWAC: flow matching, weighted by advantage (Park et al. 2025, App. E.2, as a baseline of FQL).

    critic: Q(s, a) <- r + gamma min_j Q'_j(s', a'),   a' by the averaged policy
    actor:  min E exp(eta (Q(s, a) - V(s))) |v(a_tau, tau, s) - (a - z)|^2

AWAC's weights (Nair et al. 2020) on a flow; of published methods the nearest to GTP's weighting. `GuidedAgent` has
critic and weights, `FlowBC` the flow. V(s) is Q at one action of the policy; weights are capped at 100, as IQL's.
"""

from dataclasses import dataclass

from .flow_matching import FlowBC, FlowConfig
from .guided import GuidedAgent, GuidedConfig


@dataclass(frozen=True, kw_only=True)
class FAWACConfig(GuidedConfig, FlowConfig):
    """One setting for all tasks."""

    lr: float = 3e-4
    eta: float = 3.0  # alpha in the paper, chosen among 0.3, 1, 3, 10 by task; here ours
    weight_rule: str = "exponential"
    target_steps: int = 10  # Euler steps of its policies


class FAWAC(GuidedAgent, FlowBC):
    """The agent."""

    Config = FAWACConfig
