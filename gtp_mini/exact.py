"""Closed-form truth: distributions whose denoiser, score and flow map are known.

A model can be wrong in ways that a picture hides; these cannot. All use our clock, x_t = x + t z, and have the methods
of a `FlowMap` (call, denoise, velocity, sample), so samplers, plots and tests take either.
Shapes: x (B, A), times (B,) or a number. Derivations: chapter 1 of the book.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Exact(ABC):
    """What every exact distribution offers, given its denoiser."""

    dim: int

    @abstractmethod
    def denoise(self, x: Tensor, t: Tensor | float, obs: None = None) -> Tensor:
        """E[x_0 | x_t = x], (B, A)."""

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n exact samples of the data distribution, (n, A)."""

    def score(self, x: Tensor, t: Tensor | float) -> Tensor:
        """Gradient of the log density of x_t, (B, A): (E[x_0 | x_t] - x) / t^2 (Tweedie's formula)."""
        return (self.denoise(x, t) - x) / _column(t, x) ** 2

    def velocity(self, x: Tensor, t: Tensor | float, obs: None = None) -> Tensor:
        """Right-hand side of the probability-flow ODE, f = (x - E[x_0 | x_t]) / t = -t score, (B, A)."""
        return (x - self.denoise(x, t)) / _column(t, x)

    def flow_map(self, x: Tensor, t: Tensor | float, s: Tensor | float) -> Tensor:
        """Phi(x, t, s), (B, A), by integrating the ODE (torchdiffeq, adaptive, to about 1e-6).

        Integrated in ln t, where the field of a distribution on any scale is smooth. The last stretch, below a noise
        level of 1e-4, is one jump with the denoiser.
        """
        from torchdiffeq import odeint

        t, s, dtype = _column(t, x).double(), _column(s, x).double(), x.dtype
        t = t.clamp(min=torch.finfo(torch.float32).tiny)  # has a logarithm
        stop = s.maximum(t.clamp(max=1e-4))
        log_t, log_s = t.log(), stop.log()

        def field(r: Tensor, y: Tensor) -> Tensor:  # r runs from 0 to 1 for every row, whatever its own times
            level = (log_t + r * (log_s - log_t)).exp()
            return (log_s - log_t) * (y - self.denoise(y, level[:, 0]))  # dy / d ln t = t f

        y = odeint(field, x.double(), torch.tensor([0.0, 1.0], dtype=torch.float64), rtol=1e-8, atol=1e-9)[-1]
        return (s / stop * y + (1 - s / stop) * self.denoise(y, stop[:, 0])).to(dtype)

    def phi(self, x: Tensor, t: Tensor | float, s: Tensor | float, obs: None = None) -> Tensor:
        """Endpoint estimate (t Phi - s x) / (t - s), for s < t (GTP Eq. 4 solved for phi), (B, A)."""
        t_, s_ = _column(t, x), _column(s, x)
        return (t_ * self.flow_map(x, t, s) - s_ * x) / (t_ - s_)

    def __call__(self, x: Tensor, t: Tensor | float, s: Tensor | float, obs: None = None) -> Tensor:
        return self.flow_map(x, t, s)


class Gaussian(Exact):
    """N(mean, covariance) with mean (A,) and any covariance (A, A). Everything is in closed form, in float64.

    Phi(x, t, s) = mean + (C + s^2 I)^(1/2) (C + t^2 I)^(-1/2) (x - mean): each eigenvector of C is stretched by itself.
    """

    def __init__(self, mean: Tensor, covariance: Tensor):
        self.mean, covariance = torch.as_tensor(mean).double(), torch.as_tensor(covariance).double()
        self.dim = len(self.mean)
        if covariance.shape != (self.dim, self.dim) or not torch.allclose(covariance, covariance.T):
            raise ValueError(f"covariance must be a symmetric ({self.dim}, {self.dim}) matrix, "
                             f"got shape {tuple(covariance.shape)}")
        self.variances, self.axes = torch.linalg.eigh(covariance)  # (A,), (A, A)
        if self.variances.min() < -1e-12:
            raise ValueError(f"covariance has a negative eigenvalue, {self.variances.min():.3g}")
        self.variances = self.variances.clamp(min=0)

    def _scale(self, x: Tensor, factor: Tensor) -> Tensor:
        """mean + axes diag(factor) axes' (x - mean), factor (B, A)."""
        y = ((x.double() - self.mean) @ self.axes) * factor
        return (self.mean + y @ self.axes.T).to(x.dtype)

    def denoise(self, x, t, obs=None):
        return self._scale(x, self.variances / (self.variances + _column(t, x).double() ** 2))

    def flow_map(self, x, t, s):
        t, s = _column(t, x).double(), _column(s, x).double()
        return self._scale(x, ((self.variances + s**2) / (self.variances + t**2)).sqrt())

    def sample(self, n, generator=None):
        z = torch.randn(n, self.dim, generator=generator, dtype=torch.float64)
        return (self.mean + (z * self.variances.sqrt()) @ self.axes.T).float()


class GaussianMixture(Exact):
    """sum_k weights_k N(means_k, diag(stds_k^2)): means (M, A), weights (M,), stds >= 0: a number, (M,) for round
    components or (M, A). stds = 0 are point masses.

    The denoiser averages the components' denoisers with the posterior weights of the components. In one dimension the
    flow map is the monotone map between the two distribution functions, F_s(Phi(x, t, s)) = F_t(x), solved by
    bisection; in more it is integrated.
    """

    def __init__(self, means: Tensor, stds: Tensor | float, weights: Tensor | None = None):
        self.means = torch.as_tensor(means).double()
        if self.means.ndim != 2:
            raise ValueError(f"means must be (M, A), got shape {tuple(self.means.shape)}")
        m, self.dim = self.means.shape
        stds = torch.as_tensor(stds).double()
        if stds.shape not in ((), (m,), (m, self.dim)):
            raise ValueError(f"stds must be a number, {m} of them or ({m}, {self.dim}), got shape {tuple(stds.shape)}")
        self.stds = (stds[:, None] if stds.ndim == 1 else stds).expand(m, self.dim).clone()  # (M, A)
        self.weights = torch.full((m,), 1 / m).double() if weights is None else torch.as_tensor(weights).double()
        if self.weights.shape != (m,) or (self.weights < 0).any() or not self.weights.sum() > 0:
            raise ValueError(f"weights must be {m} numbers >= 0 with a positive sum, got {self.weights.tolist()}")
        if (self.stds < 0).any():
            raise ValueError(f"stds must be >= 0, got {self.stds.tolist()}")
        self.weights = self.weights / self.weights.sum()

    def responsibilities(self, x: Tensor, t: Tensor | float) -> Tensor:
        """Posterior probability of each component given x_t = x, (B, M)."""
        variance = self._variances(x, t)
        square = (x.double()[:, None] - self.means).pow(2)
        return (self.weights.log() - 0.5 * (square / variance + variance.log()).sum(-1)).softmax(-1)

    def denoise(self, x, t, obs=None):
        shrink = self.stds**2 / self._variances(x, t)
        centres = self.means + shrink * (x.double()[:, None] - self.means)  # (B, M, A)
        return (self.responsibilities(x, t)[..., None] * centres).sum(1).to(x.dtype)

    def flow_map(self, x, t, s):
        if self.dim > 1:
            return super().flow_map(x, t, s)
        lower, upper, s = self.cdf(x[:, 0], t), self.cdf(x[:, 0], t, upper=True), _column(s, x)[:, 0].double()
        reach = 40 * (self.stds.max() + s.max() + 1e-12)  # at 40 standard deviations a float64 tail is 0
        low = (self.means.min() - reach).expand(len(x)).clone()
        high = (self.means.max() + reach).expand(len(x)).clone()
        for _ in range(200):  # halves until float64 has no number between
            middle = (low + high) / 2
            # each half by its own tail, where float64 is fine: near 1 it cannot tell 7 standard deviations from 8
            below = torch.where(lower < 0.5, self.cdf(middle, s) < lower, self.cdf(middle, s, upper=True) > upper)
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return ((low + high) / 2)[:, None].to(x.dtype)

    def cdf(self, x: Tensor, t: Tensor | float, upper: bool = False) -> Tensor:
        """Distribution function of x_t in one dimension, or with `upper` 1 minus it: (B,) -> (B,), float64."""
        total = self._variances(x, t)[..., 0].sqrt()  # (B, M)
        z = (x.double()[:, None] - self.means[:, 0]) / total.clamp(min=1e-300)
        # erfc keeps the digits of a small tail; torch's ndtr, which is 1 + erf, does not
        return (self.weights * torch.special.erfc((z if upper else -z) / math.sqrt(2)) / 2).sum(-1)

    def sample(self, n, generator=None):
        which = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        z = torch.randn(n, self.dim, generator=generator, dtype=torch.float64)
        return (self.means[which] + self.stds[which] * z).float()

    def _variances(self, x: Tensor, t: Tensor | float) -> Tensor:
        """Of each component of x_t, along each axis: (B, M, A)."""
        return self.stds**2 + _column(t, x)[:, :, None].double() ** 2


def point_masses(points: Tensor, weights: Tensor | None = None) -> GaussianMixture:
    """Discrete data: points (M, A) with weights (M,); the mixture whose components have no width."""
    return GaussianMixture(points, 0.0, weights)


def _column(t: Tensor | float, x: Tensor) -> Tensor:
    """A time for each row of x, as a column (B, 1)."""
    t = torch.as_tensor(t, dtype=x.dtype if not isinstance(t, Tensor) else t.dtype, device=x.device)
    return (t.expand(len(x)) if t.ndim == 0 else t)[:, None]
