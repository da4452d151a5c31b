"""The plain networks under everything: an MLP, what it sees of observations and times, an ensemble of MLPs in one
product."""

import math

import torch
from torch import Tensor, nn

ACTIVATIONS = {"silu": nn.SiLU, "mish": nn.Mish, "relu": nn.ReLU}
LOG_TIME_SCALE = 0.25  # c_noise = ln(t) / 4 (Karras et al. 2022, Table 1)
WAVELENGTHS = (32.0, 16.0, 8.0, 4.0, 2.0)  # metres: octaves from the size of a maze to half of its corridors. Ours


def check_activation(name: str) -> None:
    """ValueError for an activation that there is not."""
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {name!r}; known: {', '.join(ACTIVATIONS)}")


def mlp(sizes: list[int], activation: str = "silu") -> nn.Sequential:
    """Linear layers of the given sizes with an activation between them (none after the last)."""
    check_activation(activation)
    layers: list[nn.Module] = []
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(n_in, n_out), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


class TimeFeatures(nn.Module):
    """Sines and cosines of the logarithm of a noise level: (B,) -> (B, dim).

    The slowest frequency turns by about two radians over the whole range of noise, the fastest sixteen times as quickly
    (our choice).
    `floor` is added before the logarithm, so that time 0 has a place; pass sigma_min.
    """

    def __init__(self, dim: int, floor: float):
        super().__init__()
        self.floor = floor
        self.register_buffer("frequencies", torch.logspace(-1, 3, dim // 2, base=2.0) * math.pi / 2, persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        angles = LOG_TIME_SCALE * torch.log(t + self.floor)[:, None] * self.frequencies  # (B, dim / 2)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


class Observer(nn.Module):
    """A network that sees observations (B, O): normalised, and the first `position_dims` of their entries, metres, as
    sines and cosines of `WAVELENGTHS` too; with `place_alone` nothing but these entries.

    Where in a maze the ant is decides where it should go, but its legs tell almost as well where it is going. An MLP
    learns slowly what changes quickly in its input (spectral bias, Rahaman et al. 2019), so it believes the legs, and
    walks on in the direction in which it walks. With these features (Tancik et al. 2020) it steers.
    Raises ValueError if there are fewer entries than position_dims, or if the place alone is none.
    """

    def __init__(self, obs_dim: int, position_dims: int = 0, place_alone: bool = False):
        super().__init__()
        if not 0 <= position_dims <= obs_dim:
            raise ValueError(f"position_dims must be between 0 and the size of an observation ({obs_dim}), "
                             f"got {position_dims!r}")
        if place_alone and not position_dims:
            raise ValueError("values of the place alone (value=place) need position_dims: how many entries of an "
                             "observation, from the first, are metres")
        self.position_dims, self.kept_dims = position_dims, position_dims if place_alone else obs_dim
        self.seen_dim = self.kept_dims + 2 * len(WAVELENGTHS) * position_dims
        self.register_buffer("obs_mean", torch.zeros(obs_dim))
        self.register_buffer("obs_std", torch.ones(obs_dim))
        self.register_buffer("wave_numbers", 2 * math.pi / torch.tensor(WAVELENGTHS), persistent=False)

    def see(self, obs: Tensor) -> Tensor:
        """(B, O) -> (B, seen_dim): the normalised observation, then sines, then cosines, position by position."""
        seen = ((obs - self.obs_mean) / self.obs_std)[:, : self.kept_dims]
        if not self.position_dims:
            return seen
        angles = (obs[:, : self.position_dims, None] * self.wave_numbers).flatten(1)
        return torch.cat([seen, angles.sin(), angles.cos()], dim=-1)

    def set_observation_scale(self, obs: Tensor) -> None:
        """Takes mean and standard deviation of (M, O) observations as the normalisation."""
        set_scale(self.obs_mean, self.obs_std, obs)


class EnsembleLinear(nn.Module):
    """E linear layers as one batched product: (E, B, n_in) -> (E, B, n_out)."""

    def __init__(self, members: int, n_in: int, n_out: int):
        super().__init__()
        bound = 1 / math.sqrt(n_in)  # as nn.Linear
        self.weight = nn.Parameter(torch.empty(members, n_in, n_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, n_out).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)


def ensemble_mlp(members: int, sizes: list[int], activation: str = "silu", layer_norm: bool = False) -> nn.Sequential:
    """E independent MLPs evaluated together: (E, B, sizes[0]) -> (E, B, sizes[-1])."""
    layers: list[nn.Module] = []
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
        layers.append(EnsembleLinear(members, n_in, n_out))
        if layer_norm:
            layers.append(nn.LayerNorm(n_out, elementwise_affine=False))  # shared layers must not tie the members
        layers.append(ACTIVATIONS[activation]())
    return nn.Sequential(*layers[: -2 if layer_norm else -1])


@torch.no_grad()
def set_scale(mean: Tensor, std: Tensor, data: Tensor) -> None:
    """Fills the buffers mean and std (O,) from data (M, O). What does not vary keeps its scale: std 1."""
    mean.copy_(data.mean(0))
    spread = data.std(0) if len(data) > 1 else torch.zeros_like(std)
    std.copy_(torch.where(spread > 1e-6 * mean.abs().clamp(min=1), spread, 1.0))  # below it is rounding in float32


@torch.no_grad()
def ema_update(target: nn.Module, online: nn.Module, decay: float) -> None:
    """target <- decay * target + (1 - decay) * online, parameter by parameter, in one fused call."""
    torch._foreach_lerp_(list(target.parameters()), list(online.parameters()), 1 - decay)
