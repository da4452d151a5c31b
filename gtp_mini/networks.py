"""The plain networks under everything: an MLP, features of a time, and an ensemble of MLPs in one product."""

import math

import torch
from torch import Tensor, nn

ACTIVATIONS = {"silu": nn.SiLU, "mish": nn.Mish, "relu": nn.ReLU}
LOG_TIME_SCALE = 0.25  # c_noise = ln(t) / 4 (Karras et al. 2022, Table 1)


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
def set_scale(mean: Tensor, std: Tensor, data: Tensor, keep_units: bool = False) -> None:
    """Fills the buffers mean and std (O,) from data (M, O). What does not vary keeps its scale: std 1. With keep_units
    that holds for what varies by more than 1, too: only small numbers are made larger."""
    mean.copy_(data.mean(0))
    spread = data.std(0) if len(data) > 1 else torch.zeros_like(std)
    if keep_units:
        spread = spread.clamp(max=1)
    std.copy_(torch.where(spread > 1e-6 * mean.abs().clamp(min=1), spread, 1.0))  # below it is rounding in float32


@torch.no_grad()
def ema_update(target: nn.Module, online: nn.Module, decay: float) -> None:
    """target <- decay * target + (1 - decay) * online, parameter by parameter, in one fused call."""
    torch._foreach_lerp_(list(target.parameters()), list(online.parameters()), 1 - decay)
