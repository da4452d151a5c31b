"""Diffusion and flow matching: one regression in different clocks."""

import torch
from torch import Tensor

from ..clocks import Clock
from ..flow_map import FlowMap
from .terms import Metrics, mean_square, noise_like


def denoising_loss(model: FlowMap, target_model: FlowMap | None, actions: Tensor, obs: Tensor | None,
                   weights: Tensor | None, generator: torch.Generator, clock: Clock) -> tuple[Tensor, Metrics]:
    """w * error_weight(t) * ||a - phi(a_t, t, t)||^2 with t drawn by `clock`: the loss of the clock's own method.

    clocks.EDM: lambda(sigma) |D - a|^2 (Karras et al. 2022). clocks.DDPM: |z - eps_theta|^2 (Ho et al. 2020, Eq. 14).
    clocks.FlowMatching: |v_theta - (a - z)|^2 (Lipman et al. 2023, their straight paths down to no noise).
    clocks.MeanFlow: the same counted backwards. All have the denoiser as their optimum. `target_model` is not used.
    """
    c = model.config
    t = clock.sample(len(actions), generator, c.sigma_min, c.sigma_max)
    z = noise_like(actions, generator)
    error = actions - model.phi(actions + t[:, None] * z, t, t, obs)
    loss = mean_square(error, weights, clock.error_weight(t))
    return loss, {"loss_denoising": loss.detach()}
