"""Shortcut models and MeanFlow: methods that learn the mean velocity of a jump on the linear path.

A mean velocity V over [t, s] and our endpoint estimate are one thing: in either linear clock phi is what V points at,
x_own + (time left to the data) V. So an error of V is an error of phi divided by sigma / (1 + sigma) at t, as an
instantaneous velocity's is, and both losses here are the papers' own, number by number.
"""

import torch
from torch import Tensor

from ..clocks import FlowMatching, MeanFlow
from ..draws import integers, uniform
from ..flow_map import FlowMap
from ..times import Times
from .distillation import eulerian_defect, psd_residual
from .terms import Metrics, mean_square, noise_like

SHORTCUT_LEVELS = 7  # 128 base steps
MEANFLOW_OFFSET = 0.01  # of the adaptive weight 1 / (loss + c)


def shortcut_loss(model: FlowMap, target_model: FlowMap, actions: Tensor, obs: Tensor | None, weights: Tensor | None,
                  generator: torch.Generator, fraction: float = 0.25) -> tuple[Tensor, Metrics]:
    """Shortcut models (Frans et al. 2024): flow matching, and a step of 2d agrees with two steps of d.

    Steps are dyadic, d = 2^-k, and start at multiples of 2d of the linear clock; the midpoint is where two of the
    target model's steps meet. The first `fraction` of the rows are such steps, at least one, the others flow matching.
    The loss is a mean over all rows; the two metrics are its two parts.
    """
    c, clock, rows = model.config, FlowMatching(), len(actions)
    n = max(int(fraction * rows), 1)
    z = noise_like(actions, generator)
    t = clock.sample(rows - n, generator, c.sigma_min, c.sigma_max)
    pick = uniform((n,), generator)
    step = 0.5 ** integers(SHORTCUT_LEVELS, (n,), generator)  # 2d: 1 .. 2^-6
    start = (pick / step).floor() * step
    # at tau = 0 the noise level is infinite: it stops at sigma_max; at tau = 1 it is 0
    times = Times(*(clock.sigma(tau).clamp(max=c.sigma_max) for tau in (start, start + step / 2, start + step)))
    x = actions + torch.cat([times.t, t])[:, None] * z
    error = psd_residual(model, target_model, actions[:n], x[:n], times, None if obs is None else obs[:n])
    jumps = mean_square(error, None, clock.error_weight(times.t)) * (n / rows)
    if n == rows:
        return jumps, {"loss_flow": torch.zeros_like(jumps).detach(), "loss_distillation": jumps.detach()}
    flow = actions[n:] - model.phi(x[n:], t, t, None if obs is None else obs[n:])
    flow = mean_square(flow, None if weights is None else weights[n:], clock.error_weight(t)) * (1 - n / rows)
    return flow + jumps, {"loss_flow": flow.detach(), "loss_distillation": jumps.detach()}


def meanflow_loss(model: FlowMap, target_model: FlowMap, actions: Tensor, obs: Tensor | None, weights: Tensor | None,
                  generator: torch.Generator, fraction: float = 0.25, adaptive: bool = True) -> tuple[Tensor, Metrics]:
    """MeanFlow (Geng et al. 2025, Eq. 9): ||u - sg(v - (t - s) du/dt)||^2 in their clock, with v = z - a of the sample.

    It is the Eulerian identity with a as reference: their u is off its target by (1 + t) / (1 + s) times our g, divided
    by t / (1 + t) like every velocity. Times are two logit-normal draws; all rows but the first `fraction`, at least
    one, have s = t, where the loss is flow matching.

    `adaptive` divides each row by (its loss + 0.01), without gradient: their weight with p = 1. That is descent on the
    logarithm of each row's loss, and has another optimum: not the mean of the targets but a place among the most
    frequent ones. Where |error|^2 is nearly the same in every row, as in many dimensions, they hardly differ; for
    actions in few dimensions with many good answers they do, and only False learns the flow map.
    """
    c, clock, n = model.config, MeanFlow(), max(int(fraction * len(actions)), 1)
    one, two = (clock.sample(len(actions), generator, c.sigma_min, c.sigma_max) for _ in range(2))
    t, s = torch.maximum(one, two), torch.minimum(one, two)
    s = torch.where(torch.arange(len(t), device=t.device) < n, s, t)
    x = actions + t[:, None] * noise_like(actions, generator)
    with torch.no_grad():
        phi, defect = eulerian_defect(target_model, x, t, s, obs, reference=actions)
        target = phi - ((1 + t) / (1 + s))[:, None] * defect
    error = model.phi(x, t, s, obs) - target
    scale = clock.error_weight(t)
    if adaptive:
        scale = scale / (scale * error.detach().pow(2).sum(-1) + MEANFLOW_OFFSET)
    loss = mean_square(error, weights, scale)
    return loss, {"loss_meanflow": loss.detach()}
