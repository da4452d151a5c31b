"""Consistency training and GTP's trajectory consistency: a far jump must agree with a jump from a little nearer.

Equation numbers are those of GTP (Feng et al. 2025).

The nearer point is a + u z, with the a and z of the far one: no solver and no teacher's field are needed. But it is not
where the ODE takes a + t z; it is random given that point, and a regression keeps only its mean. For data of one
Gaussian with standard deviation d, each hop from t to u keeps a share cos(arctan(t/d) - arctan(u/d)) of the spread.
Over the levels of a grid, each with the one below, the product tends to 1 as the grid is refined: hence the curriculum.
With u drawn anywhere below t it does not: less than a third is left on any grid, for t up to 80 and d = 0.5.
"""

import torch
from torch import Tensor

from ..flow_map import FlowMap, jump
from ..times import Times, sample_times
from .terms import Metrics, flow_map, mean_square, noise_like, repeat

MAX_SOLVER_STEPS = 3  # the paper's ablation takes up to three


def consistency_loss(model: FlowMap, target_model: FlowMap, actions: Tensor, z: Tensor, times: Times,
                     obs: Tensor | None = None, weights: Tensor | None = None) -> Tensor:
    """Trajectory consistency loss (Eq. 17): w ||Phi(a_t, t, s) - sg Phi'(a_u, u, s)||^2, compared at s.

    a_u = a + u z with the z of a_t: the score approximation (Eq. 11), which replaces an ODE solver's step by the known
    data point. Phi' is the target (EMA) model; no gradient passes through it.
    """
    online = flow_map(model, actions + times.t[:, None] * z, times.t, times.s, obs)
    return mean_square(online - _target(target_model, actions, z, times, obs), weights)


def consistency_training_loss(model: FlowMap, target_model: FlowMap, actions: Tensor, obs: Tensor | None,
                              weights: Tensor | None, generator: torch.Generator, intervals: Tensor | int,
                              inverse_gap: bool = False) -> tuple[Tensor, Metrics]:
    """Consistency training (Song et al. 2023, Eq. 10): the same with s = 0 only, w ||f(a_t, t) - sg f'(a_u, u)||^2.

    `inverse_gap` divides each row by t - u, as improved consistency training does (Song & Dhariwal 2023).
    """
    c = model.config
    times = sample_times(len(actions), intervals, generator, c.sigma_min, c.sigma_max, c.rho, zero_mass=1.0)
    z = noise_like(actions, generator)
    online = flow_map(model, actions + times.t[:, None] * z, times.t, times.s, obs)
    scale = 1 / (times.t - times.u) if inverse_gap else None
    loss = mean_square(online - _target(target_model, actions, z, times, obs), weights, scale)
    return loss, {"loss_consistency": loss.detach()}


def gtp_loss(model: FlowMap, target_model: FlowMap, actions: Tensor, obs: Tensor | None, weights: Tensor | None,
             generator: torch.Generator, intervals: Tensor | int, flow_weight: float = 1.0,
             consistency_weight: float = 1.0, zero_mass: float = 0.5, window: int | None = 1,
             solver_steps: int = 0) -> tuple[Tensor, Metrics]:
    """L_actor = L_cons + lambda_flow L_flow (Eq. 19), both on the same (t, z); (scalar, metrics).

    One network call serves both terms: they are rows of one batch.
    `intervals` is N(k) of the curriculum, a number or a 0-d tensor; `window` says how far u may lie below t (see
    `times.sample_times`). `solver_steps` > 0 replaces the score approximation by so many steps of Heun's method on the
    target model's own field: the ablation of the paper's Table 3.
    """
    c = model.config
    times = sample_times(len(actions), intervals, generator, c.sigma_min, c.sigma_max, c.rho, zero_mass, window)
    z = noise_like(actions, generator)
    x_t = actions + times.t[:, None] * z
    phi = model.phi(x_t.repeat(2, 1), times.t.repeat(2), torch.cat([times.s, times.t]), repeat(obs))
    phi_s, denoised = phi.chunk(2)
    online = jump(x_t, phi_s, times.t, times.s)
    if solver_steps:
        with torch.no_grad():
            x_u = solve(target_model, x_t, times.t, times.u, obs, solver_steps)
            target = flow_map(target_model, x_u, times.u, times.s, obs)
    else:
        target = _target(target_model, actions, z, times, obs)
    consistency = mean_square(online - target, weights)
    flow = mean_square(actions - denoised, weights)
    loss = consistency_weight * consistency + flow_weight * flow
    return loss, {"loss_consistency": consistency.detach(), "loss_flow": flow.detach()}


def solve(model: FlowMap, x: Tensor, t: Tensor, u: Tensor, obs: Tensor | None, steps: int) -> Tensor:
    """The model's own ODE from t to u > 0 by `steps` of Heun's method, each row at its own times, (B, A)."""
    if not 1 <= steps <= MAX_SOLVER_STEPS:
        raise ValueError(f"solver_steps must be between 1 and {MAX_SOLVER_STEPS}, got {steps!r}")
    h = (u - t) / steps
    for i in range(steps):
        now = t + i * h
        slope = model.velocity(x, now, obs)
        ahead = model.velocity(x + h[:, None] * slope, now + h, obs)
        x = x + h[:, None] * (slope + ahead) / 2
    return x


@torch.no_grad()
def _target(target_model: FlowMap, actions: Tensor, z: Tensor, times: Times, obs: Tensor | None) -> Tensor:
    return flow_map(target_model, actions + times.u[:, None] * z, times.u, times.s, obs)
