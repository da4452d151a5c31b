"""Acting fast: a flow map with its times folded in, in plain numpy.

For a robot that asks for one action at a time, most of `FlowMap.sample` is the cost of starting small operations. With
K fixed, everything that depends on the times alone is a constant: the share of the times (and of the observation's
normalisation) in the first layer is a bias, and a jump x <- Phi(x, t, s) is x <- keep x + gain network(x).
"""

import numpy as np
import torch
from torch import nn

from .flow_map import FlowMap

DETERMINISTIC = ("jumps", "euler", "one_jump")  # samplers that draw no noise on the way


def _silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


def _mish(x: np.ndarray) -> np.ndarray:
    e = np.exp(np.minimum(x, 20))
    n = e * (e + 2)
    return x * (n / (n + 2))  # x tanh(softplus(x)) with one exponential


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


ACTIVATIONS = {"silu": _silu, "mish": _mish, "relu": _relu}


class FastPolicy:
    """A flow map's K-step sampler, `FlowMap.sample` to rounding.

    Raises ValueError for a model with a stochastic sampler.
    """

    def __init__(self, model: FlowMap, steps: int = 2, noise_scale: float = 1.0):
        c = model.config
        if c.sampler not in DETERMINISTIC:
            raise ValueError(f"a model that samples by {c.sampler!r} draws noise on the way; FastPolicy takes "
                             f"{', '.join(DETERMINISTIC)}")
        self.config, self.noise_scale = c, noise_scale * c.sigma_max
        self.activation = ACTIVATIONS[c.activation]
        times = c.sampling_times(steps).double()
        if c.sampler == "one_jump":
            times = times[[0, -1]]
        first, *layers = [m for m in model.network if isinstance(m, nn.Linear)]
        self.layers = [(_array(m.weight.T), _array(m.bias)) for m in layers]
        with torch.no_grad():
            columns = [c.action_dim, c.time_dim, c.time_dim, model.seen_dim, c.time_dim if c.eta is not None else 0]
            w_x, w_t, w_s, w_obs, w_eta = first.weight.double().split(columns, dim=1)
            w_obs = w_obs.clone()  # of a model in double precision it is the model's own
            w_obs[:, : c.obs_dim] /= model.obs_std
            bias = first.bias - w_obs[:, : c.obs_dim] @ model.obs_mean.double()
            self.w_obs, self.wave_numbers = _array(w_obs.T), _array(model.wave_numbers)
            if c.eta is not None:
                bias = bias + w_eta @ model.eta_features(torch.tensor([c.eta]).double())[0]
            self.jumps = []
            for t, s in zip(times[:-1], times[1:], strict=True):
                total, ratio = (t**2 + c.sigma_data**2).sqrt(), s / t
                features = model.time_features(torch.stack([t, t if c.sampler == "euler" else s]))
                self.jumps.append((_array((w_x / total).T), _array(bias + w_t @ features[0] + w_s @ features[1]),
                                   float(ratio + (1 - ratio) * (c.sigma_data / total) ** 2),
                                   float((1 - ratio) * t * c.sigma_data / total)))

    def __call__(self, obs: np.ndarray | None, noise: np.ndarray) -> np.ndarray:
        """Actions (B, A) float32 from observations (B, O) (None for an unconditional model) and standard normal noise
        (B, A). Not clamped, as `FlowMap.sample`."""
        x = self.noise_scale * noise.astype(np.float32, copy=False)
        seen = 0.0 if obs is None else self._see(obs.astype(np.float32, copy=False)) @ self.w_obs
        with np.errstate(over="ignore"):  # exp(-x) in silu is infinite far below 0, where silu is 0
            for w_x, bias, keep, gain in self.jumps:
                h = x @ w_x
                h += bias
                h += seen
                for weight, b in self.layers:
                    h = self.activation(h) @ weight
                    h += b
                x = keep * x + gain * h
        return x

    def _see(self, obs: np.ndarray) -> np.ndarray:
        """As `Observer.see`, but for the normalisation, which is in the weights."""
        if not self.config.position_dims:
            return obs
        angles = (obs[:, : self.config.position_dims, None] * self.wave_numbers).reshape(len(obs), -1)
        return np.concatenate([obs, np.sin(angles), np.cos(angles)], axis=1)


def _array(tensor: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), np.float32)
