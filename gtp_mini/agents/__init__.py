"""The methods by name. One algorithm a file; each reads like its paper's box."""

import math
from dataclasses import dataclass, fields, replace

from .base import Agent
from .gaussian import GaussianBC, GaussianConfig
from .gtp import GTP, GTPConfig


@dataclass(frozen=True)
class Method:
    """A name of `fit` and `train`: an agent, its configuration, and what makes the name differ from the agent."""

    agent: type[Agent]
    config: object
    description: str


METHODS: dict[str, Method] = {
    "gtp": Method(GTP, GTPConfig(), "generative trajectory policy: flow map, advantage weights (eta > 0)"),
    "gtp-bc": Method(GTP, GTPConfig(eta=0.0), "the same without a critic: behaviour cloning (eta = 0)"),
    "gaussian-bc": Method(GaussianBC, GaussianConfig(), "behaviour cloning with a Gaussian: one mean, one spread"),
}


def method_config(name: str, **overrides) -> object:
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


def make_agent(name: str, obs_dim: int, action_dim: int, total_steps: int, config: object | None = None) -> Agent:
    """A fresh agent of a named method. Seed torch before: the networks are drawn from its global generator."""
    return METHODS[name].agent(obs_dim, action_dim, total_steps, config or method_config(name))
