"""From noise to samples. Every sampler has one signature, and a path on request:

    sampler(model, x, times, obs=None, return_path=False)

x (B, A) is at noise level times[0]; times (K + 1,) descends, usually to 0. Returns (B, A), or (K + 1, B, A) with x
first.
`model` is anything with the methods used: a FlowMap, or an exact distribution of `gtp_mini.exact`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Sampler = Callable[..., Tensor]


def jumps(model, x: Tensor, times: Tensor, obs: Tensor | None = None, return_path: bool = False) -> Tensor:
    """K jumps of the flow map (GTP Eq. 15): exact at any K when the map is."""
    return _walk(lambda x, t, s: model(x, t, s, obs), x, times, return_path)


def euler(model, x: Tensor, times: Tensor, obs: Tensor | None = None, return_path: bool = False) -> Tensor:
    """K Euler steps of the probability-flow ODE (DDIM in this clock): first order, one network call a step."""
    return _walk(lambda x, t, s: x + (s - t)[:, None] * model.velocity(x, t, obs), x, times, return_path)


def heun(model, x: Tensor, times: Tensor, obs: Tensor | None = None, return_path: bool = False) -> Tensor:
    """K Heun steps (EDM's sampler): second order, two calls a step; Euler where the step ends at 0."""

    def step(x: Tensor, t: Tensor, s: Tensor) -> Tensor:
        h, slope = (s - t)[:, None], model.velocity(x, t, obs)
        if float(s[0]) == 0.0:  # the velocity divides by the time
            return x + h * slope
        return x + h * (slope + model.velocity(x + h * slope, s, obs)) / 2

    return _walk(step, x, times, return_path)


def _walk(step: Callable, x: Tensor, times: Tensor, return_path: bool) -> Tensor:
    times = times.to(x.dtype)
    path = [x]
    for t, s in zip(times[:-1], times[1:], strict=True):
        x = step(x, t.expand(len(x)), s.expand(len(x)))
        path.append(x)
    return torch.stack(path) if return_path else x
