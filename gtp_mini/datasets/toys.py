"""Two-dimensional distributions to look at. Each: name -> sampler(n, generator) -> (n, 2), about within [-1, 1]."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..exact import GaussianMixture, point_masses

RING_RADIUS, RING_STD = 0.8, 0.05


def ring_of_gaussians(modes: int = 8, radius: float = RING_RADIUS, std: float = RING_STD) -> GaussianMixture:
    """Equal Gaussians on a circle, as an exact distribution."""
    angles = torch.arange(modes) * (2 * math.pi / modes)
    return GaussianMixture(radius * torch.stack([angles.cos(), angles.sin()], -1), std)


def two_points(half: float = 0.7) -> GaussianMixture:
    """Half of the mass at (-half, 0), half at (half, 0)."""
    return point_masses(torch.tensor([[-half, 0.0], [half, 0.0]]))


def two_moons(n: int, generator: torch.Generator | None = None, noise: float = 0.05) -> Tensor:
    """Two interleaved half circles."""
    angle = math.pi * torch.rand(n, generator=generator)
    upper = torch.rand(n, generator=generator) < 0.5
    x = torch.where(upper, angle.cos() - 0.5, 0.5 - angle.cos())
    y = torch.where(upper, angle.sin() - 0.25, 0.25 - angle.sin())
    return 0.6 * torch.stack([x, y], -1) + noise * torch.randn(n, 2, generator=generator)


def checkerboard(n: int, generator: torch.Generator | None = None, cells: int = 4) -> Tensor:
    """Uniform on the dark squares of a cells x cells board over [-0.9, 0.9]^2."""
    column = torch.randint(cells, (n,), generator=generator)
    row = 2 * torch.randint(cells // 2, (n,), generator=generator) + column % 2
    within = torch.rand(n, 2, generator=generator)
    return 0.9 * ((torch.stack([column, row], -1) + within) * (2 / cells) - 1)


def spiral(n: int, generator: torch.Generator | None = None, turns: float = 2.0, noise: float = 0.02) -> Tensor:
    """One arm that winds outwards, uniform along its length."""
    angle = 2 * math.pi * turns * torch.rand(n, generator=generator).sqrt()
    arm = 0.9 * angle / (2 * math.pi * turns)
    return torch.stack([arm * angle.cos(), arm * angle.sin()], -1) + noise * torch.randn(n, 2, generator=generator)


TOYS: dict[str, Callable[..., Tensor]] = {
    "ring": ring_of_gaussians().sample,
    "two-points": two_points().sample,
    "two-moons": two_moons,
    "checkerboard": checkerboard,
    "spiral": spiral,
}


def toy(name: str, n: int, seed: int = 0) -> Tensor:
    """n samples of a named toy density, (n, 2): ring, two-points, two-moons, checkerboard or spiral.

    ValueError for another name.
    """
    if name not in TOYS:
        raise ValueError(f"unknown toy {name!r}; known: {', '.join(TOYS)}")
    return TOYS[name](n, torch.Generator().manual_seed(seed))
