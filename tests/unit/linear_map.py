"""A flow map that is exactly right, for one Gaussian, and has a parameter to take gradients of."""

import torch
from torch import nn

from gtp_mini.flow_map import FlowMap, FlowMapConfig


class LinearMap(FlowMap):
    """phi of N(0, sigma_data^2 I), times `gain`; at gain 1 it is the truth."""

    def __init__(self, sigma_data=0.5, dim=2, **config):
        super().__init__(FlowMapConfig(dim, sigma_data=sigma_data, width=1, depth=1, **config))
        self.network = nn.Identity()
        self.gain = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))

    def phi(self, x, t, s, obs=None):
        t, s = (torch.as_tensor(v, dtype=x.dtype).expand(len(x))[:, None] for v in (t, s))
        sd = self.config.sigma_data
        a_t, a_s = (t**2 + sd**2).sqrt(), (s**2 + sd**2).sqrt()
        return self.gain * sd**2 * (t + s) / (a_t * (t * a_s + s * a_t)) * x
