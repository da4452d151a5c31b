"""Self-distillation: three identities of the exact flow map, turned into targets without bias.

GTP's target a + u z is a point of the data's noise, not of the model's trajectory, and shrinks what is learnt (chapter
5 of the book). Here the model is compared with itself along its own trajectory; the denoising term alone carries the
data and the weights. After Boffi et al. 2025 (arXiv 2505.18825), rewritten for x_t = a + t z and the endpoint phi::

    progressive   Phi(x, t, s) = Phi(Phi(x, t, u), u, s)        one far jump is two nearer ones
    Lagrangian    d/ds Phi(x, t, s) = f(Phi(x, t, s), s)        the end of a jump moves with the field
    Eulerian      (d/dt + f(x, t) d/dx) Phi(x, t, s) = 0        and forgets where on its trajectory it began

Every loss is::

    w lambda(t') ||a - phi(a_t', t', t')||^2  +  distillation_weight * lambda(t) ||phi(x, t, s) - target||^2,

with lambda(t) = (t^2 + sigma_data^2) / (t sigma_data)^2, which makes all noise levels count alike (EDM), t' drawn as
GTP draws t, and (t, u, s) drawn over the whole triangle for the first `fraction` of the rows. No gradient passes
through the target, but the Lagrangian keeps that of its slope d phi / d ln s.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jvp

from ..clocks import EDM
from ..flow_map import FlowMap, jump
from ..times import Times, sample_span, sample_t
from .terms import Metrics, mean_square, noise_like

Residual = Callable[[FlowMap, FlowMap, Tensor, Tensor, Times, Tensor | None], Tensor]  # -> error of phi, (B, A)


def psd_residual(model: FlowMap, target_model: FlowMap, actions: Tensor, x: Tensor, times: Times,
                 obs: Tensor | None) -> Tensor:
    """Progressive: Phi(x, t, s) = Phi(Phi(x, t, u), u, s), written for phi.

    phi(x, t, s) - sg[c phi'(x, t, u) + (1 - c) phi'(y, u, s)], y = Phi'(x, t, u), c = s (t - u) / (u (t - s)).
    """
    t, u, s = times
    with torch.no_grad():
        first = target_model.phi(x, t, u, obs)
        second = target_model.phi(jump(x, first, t, u), u, s, obs)
        share = torch.where(t > s, s * (t - u) / (u * (t - s)), 0.0)[:, None]  # a jump of no length is the denoiser's
        target = _within(share * first + (1 - share) * second, actions)
    return model.phi(x, t, s, obs) - target


def lsd_residual(model: FlowMap, target_model: FlowMap, actions: Tensor, x: Tensor, times: Times,
                 obs: Tensor | None) -> Tensor:
    """Lagrangian: d/ds Phi(x, t, s) = f(Phi(x, t, s), s), written for phi; the only tangent is that of ln s.

    phi - (1 - s/t) d phi / d ln s - sg D'(Phi(x, t, s), s). Needs s > 0: s = 0 is taken as sigma_min.
    """
    t, s = times.t, times.s.clamp(min=model.config.sigma_min)
    phi, slope = jvp(lambda level: model.phi(x, t, level, obs), (s,), (s,))
    with torch.no_grad():
        target = _within(target_model.denoise(jump(x, phi, t, s), s, obs), actions)
    return phi - (1 - s / t)[:, None] * slope - target


def esd_residual(model: FlowMap, target_model: FlowMap, actions: Tensor, x: Tensor, times: Times,
                 obs: Tensor | None) -> Tensor:
    """Eulerian: Phi(x, t, s) does not change when (x, t) moves along its own trajectory, written for phi.

    phi - sg(phi' - g), g as in `eulerian_defect` with the model's own denoiser D'(x, t) as reference.
    """
    with torch.no_grad():
        phi, defect = eulerian_defect(target_model, x, times.t, times.s, obs, target_model.denoise(x, times.t, obs))
        target = _within(phi - defect, actions)
    return model.phi(x, times.t, times.s, obs) - target


def eulerian_defect(model: FlowMap, x: Tensor, t: Tensor, s: Tensor, obs: Tensor | None,
                    reference: Tensor) -> tuple[Tensor, Tensor]:
    """phi(x, t, s) and g = (s/t) (phi - ref) + (1 - s/t) d phi, (B, A) each; g is 0 where phi is exact.

    d phi is the derivative in the direction (x - ref, 1) of (x, ln t). ref is E[x_0 | x], or a sample of it: g is
    linear in ref, so that a clean point a, for x = a + t z, gives a g that is 0 on average. That is MeanFlow's.
    """
    phi, slope = jvp(lambda point, level: model.phi(point, level, s, obs), (x, t), (x - reference, t))
    ratio = (s / t)[:, None]
    return phi, ratio * (phi - reference) + (1 - ratio) * slope


def _within(target: Tensor, actions: Tensor) -> Tensor:
    """The exact phi is an average of denoisers, so it lies among the data. A target at more than twice their largest
    coordinate is a run-away of the model that teaches itself, and is cut."""
    limit = 2 * actions.abs().amax()
    return target.clamp(-limit, limit)


def psd_loss(*arguments, **options) -> tuple[Tensor, Metrics]:
    """Denoising plus progressive self-distillation. Arguments of `self_distillation_loss` without the residual."""
    return self_distillation_loss(psd_residual, *arguments, **options)


def lsd_loss(*arguments, **options) -> tuple[Tensor, Metrics]:
    """Denoising plus Lagrangian self-distillation. Arguments of `self_distillation_loss` without the residual."""
    return self_distillation_loss(lsd_residual, *arguments, **options)


def esd_loss(*arguments, **options) -> tuple[Tensor, Metrics]:
    """Denoising plus Eulerian self-distillation. Arguments of `self_distillation_loss` without the residual."""
    return self_distillation_loss(esd_residual, *arguments, **options)


def self_distillation_loss(residual: Residual, model: FlowMap, target_model: FlowMap, actions: Tensor,
                           obs: Tensor | None, weights: Tensor | None, generator: torch.Generator,
                           distillation_weight: float = 1.0, fraction: float = 1.0,
                           zero_mass: float = 0.25) -> tuple[Tensor, Metrics]:
    """The sum that heads this module, with a residual of phi (B, A) as its second term; (scalar, metrics)."""
    c, n = model.config, max(int(fraction * len(actions)), 1)
    clock = EDM(c.sigma_data)
    z = noise_like(actions, generator)
    t = sample_t(len(actions), generator, c.sigma_min, c.sigma_max)
    denoising = mean_square(actions - model.phi(actions + t[:, None] * z, t, t, obs), weights, clock.error_weight(t))
    times = sample_span(n, generator, c.sigma_min, c.sigma_max, c.rho, zero_mass)
    x = actions[:n] + times.t[:, None] * z[:n]
    error = residual(model, target_model, actions[:n], x, times, None if obs is None else obs[:n])
    distillation = mean_square(error, scale=clock.error_weight(times.t))
    loss = denoising + distillation_weight * distillation
    return loss, {"loss_flow": denoising.detach(), "loss_distillation": distillation.detach()}
