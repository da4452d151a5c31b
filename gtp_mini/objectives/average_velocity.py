"""Shortcut models and MeanFlow: methods that learn the mean velocity of a jump on the linear path.

A mean velocity V over [t, s] and our endpoint estimate are one thing: in either linear clock phi is what V points at,
so an error of V is an error of phi divided by the same sigma / (1 + sigma) as an instantaneous velocity's.
"""

import torch
from torch import Tensor

from ..clocks import FlowMatching, MeanFlow
from ..flow_map import FlowMap
from ..times import Times
from .distillation import esd_residual, psd_residual
from .terms import Metrics, mean_square, noise_like

SHORTCUT_LEVELS = 7  # 128 base steps
MEANFLOW_OFFSET = 0.01  # of the adaptive weight 1 / (loss + c)


def shortcut_loss(model: FlowMap, target_model: FlowMap, actions: Tensor, obs: Tensor | None, weights: Tensor | None,
                  generator: torch.Generator, fraction: float = 0.25) -> tuple[Tensor, Metrics]:
    """Shortcut models (Frans et al. 2024, Eq. 5): flow matching, and a step of 2d agrees with two steps of d.

    Steps are dyadic, d = 2^-k, and start at multiples of 2d of the linear clock; the midpoint is where two of the
    target model's steps meet. The first `fraction` of the rows are such steps, the others flow matching.
    """
    c, clock, n = model.config, FlowMatching(), max(int(fraction * len(actions)), 1)
    z = noise_like(actions, generator)
    t = clock.sample(len(actions) - n, generator, c.sigma_min, c.sigma_max)
    pick = torch.rand(n, generator=generator, device=actions.device)
    step = 0.5 ** torch.randint(SHORTCUT_LEVELS, (n,), generator=generator, device=actions.device)  # 2d: 1 .. 2^-6
    start = (pick / step).floor() * step
    # at tau = 0 there is no scale: the noise level stops at sigma_max; at tau = 1 it is 0
    times = Times(*(clock.sigma(tau).clamp(max=c.sigma_max) for tau in (start, start + step / 2, start + step)))
    x = actions + torch.cat([times.t, t])[:, None] * z
    flow = actions[n:] - model.phi(x[n:], t, t, None if obs is None else obs[n:])
    error = psd_residual(model, target_model, actions[:n], x[:n], times, None if obs is None else obs[:n])
    weights_flow = None if weights is None else weights[n:]
    flow = mean_square(flow, weights_flow, clock.error_weight(t)) * (1 - n / len(actions))
    jumps = mean_square(error, None, clock.error_weight(times.t)) * (n / len(actions))
    return flow + jumps, {"loss_flow": flow.detach(), "loss_distillation": jumps.detach()}


def meanflow_loss(model: FlowMap, target_model: FlowMap, actions: Tensor, obs: Tensor | None, weights: Tensor | None,
                  generator: torch.Generator, fraction: float = 0.25, adaptive: bool = True) -> tuple[Tensor, Metrics]:
    """MeanFlow (Geng et al. 2025, Eq. 9-11): the Eulerian identity with the sample's own velocity as reference.

    Times are two logit-normal draws; all rows but the first `fraction` have s = t, where the loss is flow matching.
    `adaptive` weighs each row by 1 / (its loss + 0.01), without gradient (their Eq. 22 with p = 1).
    """
    c, clock, n = model.config, MeanFlow(), max(int(fraction * len(actions)), 1)
    one, two = (clock.sample(len(actions), generator, c.sigma_min, c.sigma_max) for _ in range(2))
    t, s = torch.maximum(one, two), torch.minimum(one, two)
    s = torch.where(torch.arange(len(t), device=t.device) < n, s, t)
    x = actions + t[:, None] * noise_like(actions, generator)
    error = esd_residual(model, target_model, actions, x, Times(t, t, s), obs, reference=actions)
    scale = clock.error_weight(t)
    if adaptive:
        scale = scale / (scale * error.detach().pow(2).sum(-1) + MEANFLOW_OFFSET)
    loss = mean_square(error, weights, scale)
    return loss, {"loss_meanflow": loss.detach()}
