"""`fit`: behaviour cloning on tensors, in one call."""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from .agents import METHODS, Agent, make_agent, method_config
from .agents.base import Batch, pick_device
from .divergence import check_metrics, check_tensors, value_limit
from .guidance import check_weights
from .remember import remembered_states
from .returns import n_step_returns

CHECK_EVERY = 500  # updates between two looks at the metrics, for which a GPU has to wait


def fit(actions: Tensor, obs: Tensor | None = None, method: str = "gtp", steps: int = 20_000, seed: int = 0,
        weights: Tensor | None = None, batch_size: int = 256, device: str = "cpu", progress: bool = False,
        **settings) -> nn.Module:
    """Clones (M, A) actions, given (M, O) observations if there are any; returns the model (its moving average).

    `weights` (M,) >= 0 tilt the data: the model then draws in proportion to weight x density.
    `method` is a name of `gtp_mini.METHODS` ("gtp" here is its clone, eta = 0: tensors alone have no rewards);
    `settings` are fields of its configuration, `width=128` say. Same seed, same machine, same model.
    Raises ValueError for what cannot be fitted, DivergedError if training goes wrong.
    """
    actions, obs, weights = _checked(actions, obs, weights)
    for name, value in (("steps", steps), ("batch_size", batch_size)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number, at least 1, got {value!r}")
    if method in METHODS:
        method = METHODS[method].clone or method
    config = method_config(method, **settings)
    if config.needs_values:
        raise ValueError(f"fit has no rewards, and {method!r} with eta = {getattr(config, 'eta', 0)} needs some; "
                         f"use weights, or fit_agent or train")
    data = {k: v for k, v in (("action", actions), ("obs", obs), ("weight", weights)) if v is not None}
    arguments = {"method": method, "steps": steps, "seed": seed, "batch_size": batch_size, "device": device, **settings}
    return fit_agent(data, progress=progress, **arguments).published()


def fit_agent(data: Batch, method: str, steps: int, seed: int = 0, batch_size: int = 256, device: str = "cpu",
              progress: bool = False, callback: Callable[[int, Agent], None] | None = None,
              moments: Sequence[int] | None = None, **settings) -> Agent:
    """Trains an agent on tensors and returns it whole, with its critic if it has one.

    `data` are the columns of M transitions that the method reads: action (M, A), and obs (M, O), and for a method with
    a critic reward (M,), next_obs (M, O) and terminal (M,), with n_step > 1 also episode (M,). They are taken as they
    are; `fit` checks its own.
    `callback(updates so far, agent)` is called after every update, or at the `moments` that are named; then it must not
    change the agent.
    """
    arguments = {"method": method, "steps": steps, "seed": seed, "batch_size": batch_size, "device": device, **settings}
    device = pick_device(device)
    obs, action = data.get("obs"), data["action"]
    config = method_config(method, **settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        agent = make_agent(method, 0 if obs is None else obs.shape[1], action.shape[1], steps, config).to(device)
    data = {name: value.to(device) for name, value in data.items()}
    if obs is not None:
        agent.set_observation_scale(data["obs"])
    generator = torch.Generator(device).manual_seed(seed)
    limit = value_limit(data["reward"], config) if agent.needs_values else math.inf
    if agent.needs_values and config.n_step > 1:
        if "episode" not in data:
            raise ValueError(f"n_step = {config.n_step} needs the column episode (M,), to know where episodes end")
        data = n_step_returns(data, config.n_step, config.gamma)

    def training() -> Iterator[int]:
        for step in _counted(steps, progress):
            rows = torch.randint(len(action), (batch_size,), generator=generator, device=device)
            metrics = agent.update({name: value[rows] for name, value in data.items()}, step, generator)
            if (step + 1) % CHECK_EVERY == 0 or step + 1 == steps:
                check_metrics({name: value.item() for name, value in metrics.items()}, limit, step + 1)
            yield step + 1
        check_tensors(agent.state_tensors(), steps)

    if callback and moments is None:
        visited = training()
    else:
        visited = remembered_states(agent, training(), sorted({*(moments or ()), steps}), data, arguments)
    for done in visited:
        if callback and (moments is None or done in moments):
            callback(done, agent)
    return agent


def _checked(actions: Tensor, obs: Tensor | None, weights: Tensor | None):
    """float32 tensors of matching length, or a ValueError that says what is wrong."""
    given = {"actions": actions, "obs": obs, "weights": weights}
    tensors = {name: None if value is None else _numbers(name, value) for name, value in given.items()}
    for name in ("actions", "obs"):
        value = tensors[name]
        if value is None:
            continue
        if value.ndim != 2 or len(value) == 0:
            raise ValueError(f"{name} must have 2 dimensions and at least one row, got shape {tuple(value.shape)}")
        if len(value) != len(tensors["actions"]):
            raise ValueError(f"{name} has {len(value)} rows, actions {len(tensors['actions'])}: they must match")
        if not value.isfinite().all():
            raise ValueError(f"{name} contains NaN or infinity; remove those rows first")
    if weights is not None:
        check_weights(tensors["weights"], len(tensors["actions"]))
    return tensors.values()


def _numbers(name: str, value: object) -> Tensor:
    try:
        return torch.as_tensor(value, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} must be numbers, in rows of one length: {error}") from None


def _counted(steps: int, progress: bool):
    if not progress:
        return range(steps)
    from rich.progress import track

    return track(range(steps), description="training")
