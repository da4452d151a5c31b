"""Noise levels: the clock of every model here.

Time is the noise level: `x_t = x + t z` with `z ~ N(0, I)`; data live at t = 0, noise at t = sigma_max.
The grid is that of Karras et al. (2022, Eq. 5), counted upwards: index 0 is sigma_min, index N is sigma_max.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .draws import normal, uniform

SIGMA_MIN, SIGMA_MAX, RHO = 0.002, 80.0, 7.0  # Karras et al. 2022, Table 1
LOG_T_MEAN, LOG_T_STD = -1.1, 2.0  # log-normal over t of improved consistency training (Song & Dhariwal 2023)
LEAST_SPAN = 1e-3  # of the grid's index, between the ends of a jump that is compared with itself
MAX_SAMPLING_STEPS = 64  # more jumps than this only cost time; a typing error is likelier


def karras_time(index: Tensor, intervals: Tensor | int, sigma_min: float = SIGMA_MIN,
                sigma_max: float = SIGMA_MAX, rho: float = RHO) -> Tensor:
    """Noise level of a grid index, any shape; 0 -> sigma_min, intervals -> sigma_max. Indices may be fractions."""
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return (low + index / intervals * (high - low)) ** rho


def karras_index(t: Tensor, intervals: Tensor | int, sigma_min: float = SIGMA_MIN,
                 sigma_max: float = SIGMA_MAX, rho: float = RHO) -> Tensor:
    """Inverse of `karras_time`: the (fractional) grid index of a noise level."""
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return intervals * (t ** (1 / rho) - low) / (high - low)


def karras_grid(intervals: int, sigma_min: float = SIGMA_MIN, sigma_max: float = SIGMA_MAX,
                rho: float = RHO) -> Tensor:
    """All N + 1 noise levels, ascending, float32, shape (N + 1,)."""
    return karras_time(torch.arange(intervals + 1, dtype=torch.float64), intervals, sigma_min, sigma_max, rho).float()


def sampling_times(steps: int, sigma_min: float = SIGMA_MIN, sigma_max: float = SIGMA_MAX,
                   rho: float = RHO, device: torch.device | str | None = None) -> Tensor:
    """The K + 1 noise levels a K-step sampler visits: the descending grid with its last level put to 0.

    Evenly spaced in grid index, so that K = 1 is (sigma_max, 0) and K = 2 stops once, at 2.5 of 80.
    Raises ValueError unless 1 <= steps <= 64.
    """
    check_steps(steps)
    times = karras_grid(steps, sigma_min, sigma_max, rho).flip(0)
    times[-1] = 0.0
    return times.to(device)


def check_steps(steps: int) -> None:
    """ValueError unless steps is a number of sampling steps."""
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= MAX_SAMPLING_STEPS:
        raise ValueError(f"sampling steps must be a whole number between 1 and {MAX_SAMPLING_STEPS}, got {steps!r}")


def curriculum_intervals(step: int, total_steps: int, first: int = 10, last: int = 1280) -> int:
    """Number of grid intervals N(k) at global step k: doubles in equal stages from `first` to `last`.

    Song & Dhariwal (2023), as GTP reports it (10 -> 1280: eight stages). The stages stretch over `total_steps`,
    and k is the global step, so that a resumed run goes on where it was.
    """
    stages = int(math.log2(last // first)) + 1
    length = max(total_steps // stages, 1)
    return min(first * 2 ** (step // length), last)


class Times(NamedTuple):
    """One draw of training times, each (B,), with s <= u <= t and s < t."""

    t: Tensor  # from
    u: Tensor  # between
    s: Tensor  # to (the paper's tau)


def sample_t(n: int, generator: torch.Generator, sigma_min: float = SIGMA_MIN, sigma_max: float = SIGMA_MAX) -> Tensor:
    """Log-normal noise levels cut to [sigma_min, sigma_max], shape (n,), by inverting the cumulative distribution."""
    low, high = (0.5 * (1 + math.erf((math.log(v) - LOG_T_MEAN) / (LOG_T_STD * math.sqrt(2))))
                 for v in (sigma_min, sigma_max))
    p = low + (high - low) * uniform((n,), generator)
    return torch.exp(LOG_T_MEAN + LOG_T_STD * torch.special.ndtri(p)).clamp(sigma_min, sigma_max)


def sample_lognormal(n: int, generator: torch.Generator, log_mean: float, log_std: float) -> Tensor:
    """exp(N(log_mean, log_std^2)), (n,)."""
    return torch.exp(log_mean + log_std * normal((n,), generator))


def sample_times(n: int, intervals: Tensor | int, generator: torch.Generator, sigma_min: float = SIGMA_MIN,
                 sigma_max: float = SIGMA_MAX, rho: float = RHO, zero_mass: float = 0.5,
                 window: int | None = 1) -> Times:
    """Draws (t, u, s) for the trajectory consistency loss of GTP.

    A log-normal t falls into a grid cell; t is the cell's upper end. s is uniform over the grid levels below t, or
    exactly 0 with probability `zero_mass` (our choice: the published text leaves both open). u is uniform over the
    grid levels from s up to the one below t, but at most `window` cells below t; None for all of them.

    Adjacent u (window 1) is what makes the doubling curriculum meaningful: with u spread over the grid the loss has a
    fixed point that shrinks the samples however fine the grid.
    """
    cell = karras_index(sample_t(n, generator, sigma_min, sigma_max), intervals, sigma_min, sigma_max, rho).floor()
    cell = cell.clamp(min=0).minimum(torch.as_tensor(intervals, device=cell.device) - 1)
    pick, to_zero = uniform((2, n), generator)
    to = (pick * (cell + 1)).floor().minimum(cell)
    to_zero = to_zero < zero_mass
    between = cell
    if window != 1:
        lowest = torch.where(to_zero, 0, to)
        lowest = lowest if window is None else lowest.maximum(cell + 1 - window)
        between = lowest + (uniform((n,), generator) * (cell + 1 - lowest)).floor()
        between = between.minimum(cell)
    t, u, s = (karras_time(index, intervals, sigma_min, sigma_max, rho) for index in (cell + 1, between, to))
    return Times(t, u, torch.where(to_zero, torch.zeros_like(s), s))


def sample_span(n: int, generator: torch.Generator, sigma_min: float = SIGMA_MIN, sigma_max: float = SIGMA_MAX,
                rho: float = RHO, zero_mass: float = 0.25) -> Times:
    """Draws (t, u, s) with s <= u <= t and u >= sigma_min, anywhere between, for the self-distillations; no grid.

    All uniform in grid index, which is where samplers stop; s is exactly 0 with probability `zero_mass`, and t is
    sigma_max with the same probability, because every sample starts there. Our choice. t and s are at least a
    thousandth of the range apart, so that quotients by t - s are safe.
    """
    a, b, c, from_top, to_zero = uniform((5, n), generator)
    top = torch.where(from_top < zero_mass, torch.ones_like(a), LEAST_SPAN + (1 - LEAST_SPAN) * a)
    bottom = torch.where(to_zero < zero_mass, torch.zeros_like(b), b * (top - LEAST_SPAN))
    middle = (bottom + c * (top - bottom)).minimum(top)  # rounding may exceed it
    t, u, s = (karras_time(i, 1, sigma_min, sigma_max, rho) for i in (top, middle, bottom))
    return Times(t, u, torch.where(to_zero < zero_mass, torch.zeros_like(s), s))
