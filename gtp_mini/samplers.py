"""From noise to samples. Every sampler has one signature, and a path on request::

    sampler(model, x, times, obs=None, return_path=False, generator=None)

x (B, A) is at noise level times[0]; times (K + 1,) descend, usually to 0. Returns (B, A), or (K + 1, B, A) with x
first. One network call a step, Heun two. `generator` draws the fresh noise of the samplers that take some.
`model` is anything with the methods used: a FlowMap, or an exact distribution of `gtp_mini.exact`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .draws import normal

Sampler = Callable[..., Tensor]


def jumps(model, x: Tensor, times: Tensor, obs: Tensor | None = None, return_path: bool = False,
          generator: torch.Generator | None = None) -> Tensor:
    """K jumps of the flow map (GTP Eq. 15): exact at any K when the map is."""
    return _walk(lambda x, t, s: model(x, t, s, obs), x, times, return_path)


def euler(model, x: Tensor, times: Tensor, obs: Tensor | None = None, return_path: bool = False,
          generator: torch.Generator | None = None) -> Tensor:
    """K Euler steps of the probability-flow ODE (DDIM, and flow matching's Euler steps): first order."""

    def step(x: Tensor, t: Tensor, s: Tensor) -> Tensor:
        ratio = (s / t)[:, None]
        return ratio * x + (1 - ratio) * model.denoise(x, t, obs)

    return _walk(step, x, times, return_path)


def heun(model, x: Tensor, times: Tensor, obs: Tensor | None = None, return_path: bool = False,
         generator: torch.Generator | None = None) -> Tensor:
    """K Heun steps (EDM's sampler, without its fresh noise): second order, two calls a step; Euler where a step ends
    at 0."""

    def step(x: Tensor, t: Tensor, s: Tensor) -> Tensor:
        h, slope = (s - t)[:, None], model.velocity(x, t, obs)
        if float(s[0]) == 0.0:  # the velocity divides by the time
            return x + h * slope
        return x + h * (slope + model.velocity(x + h * slope, s, obs)) / 2

    return _walk(step, x, times, return_path)


def ddpm(model, x: Tensor, times: Tensor, obs: Tensor | None = None, return_path: bool = False,
         generator: torch.Generator | None = None) -> Tensor:
    """K ancestral steps (Ho et al. 2020, Eq. 7, in our clock), the estimate of the data clipped to [-1, 1] as in
    Diffusion-QL: stochastic, but for the last step.

    Draws x_s from q(x_s | x_t, x_0 = D): mean (s/t)^2 x + (1 - (s/t)^2) D, variance s^2 (1 - (s/t)^2).
    """

    def step(x: Tensor, t: Tensor, s: Tensor) -> Tensor:
        ratio = ((s / t) ** 2)[:, None]
        mean = ratio * x + (1 - ratio) * model.denoise(x, t, obs).clamp(-1, 1)
        return mean + s[:, None] * (1 - ratio).sqrt() * _noise(x, generator)

    return _walk(step, x, times, return_path)


def consistency(model, x: Tensor, times: Tensor, obs: Tensor | None = None, return_path: bool = False,
                generator: torch.Generator | None = None) -> Tensor:
    """K rounds of a jump to 0 and fresh noise up to the next level (Song et al. 2023, Algorithm 1).

    Stochastic, but for the last round. Where the map is exact, every level has the true distribution again.
    """

    def step(x: Tensor, t: Tensor, s: Tensor) -> Tensor:
        return model(x, t, torch.zeros_like(s), obs) + s[:, None] * _noise(x, generator)

    return _walk(step, x, times, return_path)


def one_jump(model, x: Tensor, times: Tensor, obs: Tensor | None = None, return_path: bool = False,
             generator: torch.Generator | None = None) -> Tensor:
    """The first jump goes all the way, whatever K: for a map that knows no other (FQL). The path stays where it
    arrived."""
    sample = jumps(model, x, times[[0, -1]], obs)
    return torch.stack([x] + [sample] * (len(times) - 1)) if return_path else sample


SAMPLERS: dict[str, Sampler] = {f.__name__: f for f in (jumps, euler, heun, ddpm, consistency, one_jump)}


def _noise(x: Tensor, generator: torch.Generator | None) -> Tensor:
    return normal(x.shape, generator, x.device, x.dtype)


def _walk(step: Callable, x: Tensor, times: Tensor, return_path: bool) -> Tensor:
    times = times.to(x.dtype)
    path = [x]
    for t, s in zip(times[:-1], times[1:], strict=True):
        x = step(x, t.expand(len(x)), s.expand(len(x)))
        path.append(x)
    return torch.stack(path) if return_path else x
