"""The pieces that objectives share."""

import torch
from torch import Tensor

from ..draws import normal
from ..flow_map import FlowMap, jump

Metrics = dict[str, Tensor]


def flow_loss(model: FlowMap, actions: Tensor, z: Tensor, t: Tensor, obs: Tensor | None = None,
              weights: Tensor | None = None) -> Tensor:
    """Instantaneous flow loss (GTP Eq. 18): w ||a - phi(a + t z, t, t)||^2. Its optimum is the denoiser E[a | a_t].

    It ties the model to data (and to the weights) without bias.
    """
    return mean_square(actions - model.phi(actions + t[:, None] * z, t, t, obs), weights)


def mean_square(error: Tensor, weights: Tensor | None = None, scale: Tensor | None = None) -> Tensor:
    """Mean over rows of weights * scale * |error|^2; error (B, A), the others (B,) or None for ones."""
    square = error.pow(2).sum(-1)
    for factor in (weights, scale):
        square = square if factor is None else factor * square
    return square.mean()


def flow_map(model: FlowMap, x: Tensor, t: Tensor, s: Tensor, obs: Tensor | None) -> Tensor:
    """Phi(x, t, s) without the checks of `model(...)`, which would make a GPU wait."""
    return jump(x, model.phi(x, t, s, obs), t, s)


def noise_like(actions: Tensor, generator: torch.Generator) -> Tensor:
    """z ~ N(0, I) of the shape of the actions."""
    return normal(actions.shape, generator, actions.device)


def repeat(obs: Tensor | None, times: int = 2) -> Tensor | None:
    """The observations several times over, for several sets of rows in one network call."""
    return None if obs is None else obs.repeat(times, 1)
