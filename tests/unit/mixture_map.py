"""A flow map that is exactly right, for a mixture on a line, with derivatives in everything; and exact expectations."""

import numpy as np
import torch
from torch import Tensor, nn

from gtp_mini.exact import GaussianMixture
from gtp_mini.flow_map import FlowMap, FlowMapConfig

MIXTURE = GaussianMixture(torch.tensor([[-0.5], [0.4]]), torch.tensor([0.5, 0.35]), torch.tensor([0.35, 0.65]))


class MixtureMap(FlowMap):
    """phi of `MIXTURE`, plus `shift`, plus `tilt` times x; at shift = tilt = 0 it is the truth. Float64."""

    def __init__(self, **config):
        super().__init__(FlowMapConfig(1, width=1, depth=1, **config))
        self.network = nn.Identity()
        self.shift, self.tilt = (nn.Parameter(torch.zeros((), dtype=torch.float64)) for _ in range(2))

    def phi(self, x, t, s, obs=None):
        t, s = (torch.as_tensor(v, dtype=x.dtype).expand(len(x)) for v in (t, s))
        wrong = self.shift + self.tilt * x
        if torch.equal(t, s):  # only to save time
            return _denoise(x, t[:, None]) + wrong
        y = MIXTURE.flow_map(x, t, s)
        t, s = t[:, None], s[:, None]
        # F_s(y) = F_t(x), found by bisection: a step of Newton's method leaves y where it is, and gives it derivatives
        y = y - (_cdf(y, s) - _cdf(x, t)) / _density(y, s)
        near = t - s <= 1e-9 * t
        jump = (t * y - s * x) / torch.where(near, 1.0, t - s)
        return torch.where(near, _denoise(x, t), jump) + wrong


def _standard(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Places in units of each component's width at t, and those widths, (B, M)."""
    widths = (MIXTURE.stds.T**2 + t**2).sqrt()
    return (x - MIXTURE.means.T) / widths, widths


def _cdf(x: Tensor, t: Tensor) -> Tensor:
    return (MIXTURE.weights * torch.special.ndtr(_standard(x, t)[0])).sum(1, keepdim=True)


def _density(x: Tensor, t: Tensor) -> Tensor:
    z, widths = _standard(x, t)
    return (MIXTURE.weights * torch.exp(-(z**2) / 2) / widths).sum(1, keepdim=True) / (2 * torch.pi) ** 0.5


def _denoise(x: Tensor, t: Tensor) -> Tensor:
    z, widths = _standard(x, t)
    share = (MIXTURE.weights.log() - z**2 / 2 - widths.log()).softmax(1)
    return (share * (MIXTURE.means.T + MIXTURE.stds.T**2 / widths * z)).sum(1, keepdim=True)


def quadrature(dist: GaussianMixture = MIXTURE, nodes: int = 48) -> tuple[Tensor, Tensor, Tensor]:
    """Places and weights for exact expectations over data a of a mixture on a line and noise z: a, z (B, 1), w (B,).

    The mean over rows of w f(a, z) is E f by Gauss-Hermite quadrature: exact for polynomials of degree 2 nodes - 1 in
    each component, and to rounding for what is smooth.
    """
    places, weights = (torch.from_numpy(v) for v in np.polynomial.hermite_e.hermegauss(nodes))
    weights = weights / weights.sum()
    a = (dist.means + dist.stds * places)[:, :, None].expand(-1, -1, nodes)  # (M, nodes, nodes)
    z = places.expand_as(a)
    w = dist.weights[:, None, None] * weights[:, None] * weights
    return a.reshape(-1, 1), z.reshape(-1, 1), w.flatten() * w.numel()
