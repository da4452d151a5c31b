"""The methods by name. One algorithm a file; each reads like its paper's box."""

import math
from dataclasses import dataclass, field, fields, replace

from . import consistency_ac, diffusion_ql, fql, idql, iql
from .average_velocity import MeanFlowBC, ShortcutBC
from .base import Agent, Config
from .consistency import ConsistencyBC
from .consistency_ac import ConsistencyAC
from .diffusion import DDPMConfig, DiffusionBC
from .diffusion_ql import DiffusionQL
from .dipo import DIPO
from .fawac import FAWAC
from .flow_matching import FlowBC
from .fql import FQL
from .gaussian import GaussianBC
from .gtp import GTP
from .gtp_sd import GTPSD
from .idql import IDQL
from .iql import IQL


@dataclass(frozen=True)
class Method:
    """A name of `fit` and `train`: an agent, its configuration, and what makes the name differ from the agent.

    `per_task` are settings that the method's authors publish for a task (or ours, where the agent's file says so);
    `clone` names the method that learns from actions alone, which `fit` takes for it. `sampling_steps` is the K that
    the method is trained for, or that its authors use; GTP's is 5 in the paper and 2 here.
    """

    agent: type[Agent]
    config: Config
    description: str
    per_task: dict[str, dict] = field(default_factory=dict)
    clone: str | None = None
    sampling_steps: int = 2


# Where all demonstrators walk the same way, actions differ by little but their noise, and a critic that is still
# learning has more to say than it knows: our choice is a cooler temperature there.
COOLER = {"antmaze-umaze": {"eta": 0.25}}

METHODS: dict[str, Method] = {
    "gaussian-bc": Method(GaussianBC, GaussianBC.Config(), "cloning with a Gaussian: one mean, one spread",
                          sampling_steps=1),
    "diffusion": Method(DiffusionBC, DiffusionBC.Config(), "cloning with a diffusion model (EDM), Euler steps",
                        sampling_steps=10),
    "ddpm": Method(DiffusionBC, DDPMConfig(), "cloning with the five-step chain of Diffusion-QL", sampling_steps=5),
    "flow-matching": Method(FlowBC, FlowBC.Config(), "cloning with flow matching, Euler steps", sampling_steps=10),
    "consistency": Method(ConsistencyBC, ConsistencyBC.Config(), "cloning with a consistency model"),
    "shortcut": Method(ShortcutBC, ShortcutBC.Config(), "cloning with a shortcut model"),
    "meanflow": Method(MeanFlowBC, MeanFlowBC.Config(), "cloning with MeanFlow"),
    "gtp": Method(GTP, GTP.Config(), "generative trajectory policy: flow map, advantage weights (eta > 0)",
                  COOLER, clone="gtp-bc"),
    "gtp-bc": Method(GTP, GTP.Config(eta=0.0), "the same without a critic: behaviour cloning (eta = 0)"),
    "gtp-sd": Method(GTPSD, GTPSD.Config(), "GTP whose far jumps learn from the model's own trajectories",
                     clone="gtp-sd-bc"),
    "gtp-sd-bc": Method(GTPSD, GTPSD.Config(eta=0.0), "the same without a critic"),
    "diffusion-ql": Method(DiffusionQL, DiffusionQL.Config(), "the chain, pulled uphill on Q through its five steps",
                           diffusion_ql.PER_TASK, clone="ddpm", sampling_steps=5),
    "consistency-ac": Method(ConsistencyAC, ConsistencyAC.Config(), "a consistency model, pulled uphill on Q",
                             consistency_ac.PER_TASK, clone="consistency"),
    "iql": Method(IQL, IQL.Config(), "implicit Q-learning: expectile values, a weighted Gaussian", iql.PER_TASK,
                  clone="gaussian-bc", sampling_steps=1),
    "idql": Method(IDQL, IDQL.Config(), "a cloned chain, of whose samples IQL's critic takes the best", idql.PER_TASK,
                   clone="ddpm", sampling_steps=5),
    "fql": Method(FQL, FQL.Config(), "flow Q-learning: a one-step policy, distilled from a flow, climbs Q",
                  fql.PER_TASK, clone="flow-matching", sampling_steps=1),
    "fawac": Method(FAWAC, FAWAC.Config(), "flow matching with advantage weights", clone="flow-matching",
                    sampling_steps=10),
    "dipo-offline": Method(DIPO, DIPO.Config(), "actions climb Q, the chain clones them (an offline port)",
                           clone="ddpm", sampling_steps=5),
}


def method_config(name: str, **overrides) -> Config:
    """The configuration of a method with some fields replaced. ValueError for an unknown name or field, or a value
    that the field cannot have."""
    if name not in METHODS:
        raise ValueError(f"unknown method {name!r}; known: {', '.join(METHODS)}")
    config = METHODS[name].config
    known = [f.name for f in fields(config)]
    for key in overrides:
        if key not in known:
            raise ValueError(f"method {name!r} has no setting {key!r}; it has: {', '.join(known)}")
        if not _fits(overrides[key], getattr(config, key)):
            kind = {bool: "true or false", int: "a whole number", float: "a number", str: "a name"}
            raise ValueError(f"{key} must be {kind[type(getattr(config, key))]}, got {overrides[key]!r}")
    return replace(config, **overrides)


def _fits(value: object, default: object) -> bool:
    """Whether a value is of the kind of a field's default; a whole number is a number, a boolean is none."""
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return type(value) is type(default)


def make_agent(name: str, obs_dim: int, action_dim: int, total_steps: int, config: Config | None = None) -> Agent:
    """A fresh agent of a named method. Seed torch before: the networks are drawn from its global generator."""
    return METHODS[name].agent(obs_dim, action_dim, total_steps, config or method_config(name))
