"""What a flow map is trained on: pure losses, no optimiser, no state.

Equation numbers are those of GTP (Feng et al. 2025). B batch, A action dim. `weights` (B,) multiply each row's squared
error (advantage weights; ones for behaviour cloning). Every loss is a mean over the batch of a sum over dimensions.
"""

import torch
from torch import Tensor

from .flow_map import FlowMap, jump
from .times import Times, sample_times

Metrics = dict[str, Tensor]


def flow_loss(model: FlowMap, actions: Tensor, z: Tensor, t: Tensor, obs: Tensor | None = None,
              weights: Tensor | None = None) -> Tensor:
    """Instantaneous flow loss (Eq. 18): w ||a - phi(a + t z, t, t)||^2. Its optimum is the denoiser E[a | a_t].

    This term alone ties the model to data (and to the weights).
    """
    return _mean(actions - model.phi(actions + t[:, None] * z, t, t, obs), weights)


def consistency_loss(model: FlowMap, target_model: FlowMap, actions: Tensor, z: Tensor, times: Times,
                     obs: Tensor | None = None, weights: Tensor | None = None) -> Tensor:
    """Trajectory consistency loss (Eq. 17): w ||Phi(a_t, t, s) - sg Phi'(a_u, u, s)||^2, compared at s.

    a_u = a + u z with the z of a_t: the score approximation (Eq. 11), which replaces an ODE solver's step by the known
    data point. Phi' is the target (EMA) model; no gradient passes through it.
    """
    online = model(actions + times.t[:, None] * z, times.t, times.s, obs)
    return _mean(online - _target(target_model, actions, z, times, obs), weights)


def gtp_loss(model: FlowMap, target_model: FlowMap, actions: Tensor, obs: Tensor | None, weights: Tensor | None,
             generator: torch.Generator, intervals: Tensor | int, flow_weight: float = 1.0,
             consistency_weight: float = 1.0, zero_mass: float = 0.5) -> tuple[Tensor, Metrics]:
    """L_actor = L_cons + lambda_flow L_flow (Eq. 19), both on the same (t, z); (scalar, metrics).

    One network call serves both terms: they are rows of one batch.
    `intervals` is N(k) of the curriculum, a number or a 0-d tensor.
    """
    c = model.config
    times = sample_times(len(actions), intervals, generator, c.sigma_min, c.sigma_max, c.rho, zero_mass)
    z = torch.randn(actions.shape, generator=generator, device=actions.device)
    x_t = actions + times.t[:, None] * z
    phi = model.phi(x_t.repeat(2, 1), times.t.repeat(2), torch.cat([times.s, times.t]), _twice(obs))
    phi_s, denoised = phi.chunk(2)
    online = jump(x_t, phi_s, times.t, times.s)
    consistency = _mean(online - _target(target_model, actions, z, times, obs), weights)
    flow = _mean(actions - denoised, weights)
    loss = consistency_weight * consistency + flow_weight * flow
    return loss, {"loss_consistency": consistency.detach(), "loss_flow": flow.detach()}


@torch.no_grad()
def _target(target_model: FlowMap, actions: Tensor, z: Tensor, times: Times, obs: Tensor | None) -> Tensor:
    return target_model(actions + times.u[:, None] * z, times.u, times.s, obs)


def _twice(obs: Tensor | None) -> Tensor | None:
    return None if obs is None else obs.repeat(2, 1)


def _mean(error: Tensor, weights: Tensor | None) -> Tensor:
    square = error.pow(2).sum(-1)
    return (square if weights is None else weights * square).mean()
