"""One Gaussian: everything in closed form."""

import torch
from torch import Tensor

from .base import FLOOR, Exact, count, numbers


class Gaussian(Exact):
    """N(mean, covariance) with mean (A,) and any covariance (A, A). Everything is in closed form.

    Phi(x, t, s) = mean + (C + s^2 I)^(1/2) (C + t^2 I)^(-1/2) (x - mean): each eigenvector of C is stretched by itself.
    Raises ValueError if the covariance is not symmetric or has a negative eigenvalue.
    """

    def __init__(self, mean: Tensor, covariance: Tensor):
        self.mean = numbers("mean", mean, ("A",))
        self.dim = len(self.mean)
        self.covariance = numbers("covariance", covariance, (self.dim, self.dim))
        if not torch.allclose(self.covariance, self.covariance.T):
            raise ValueError(f"covariance must be symmetric, got {self.covariance.tolist()}")
        self.variances, self.axes = torch.linalg.eigh(self.covariance)  # (A,), (A, A)
        if self.variances[0] < -1e-6 * self.variances.abs().max():  # float32 makes a 0 less negative than that
            raise ValueError(f"covariance has a negative eigenvalue, {self.variances[0]:.3g}")
        self.variances = self.variances.clamp(min=0)

    def tilted(self, eta: float, linear: Tensor) -> "Gaussian":
        """p(x) exp(eta g.x) / Z for linear = g, (A,): N(mean + eta C g, C).

        The optimum of E[Q] - KL(. | p) / eta (GTP Eq. 12) for the value Q(x) = g.x + any constant.
        """
        eta, g = numbers("eta", eta, ()), numbers("linear", linear, (self.dim,))
        return Gaussian(self.mean + eta * (self.covariance @ g), self.covariance)

    def log_normaliser(self, eta: float, linear: Tensor) -> float:
        """log E[exp(eta g.x)] = eta g.mean + eta^2 g'Cg / 2 for linear = g, (A,)."""
        eta, g = numbers("eta", eta, ()), numbers("linear", linear, (self.dim,))
        return float(eta * (g @ self.mean) + eta**2 * (g @ self.covariance @ g) / 2)

    def sample(self, n, generator=None):
        z = torch.randn(count(n), self.dim, generator=generator, dtype=torch.float64)
        return (self.mean + (z * self.variances.sqrt()) @ self.axes.T).float()

    def _denoise(self, x, t):
        return self.mean + self._scale(x, self.variances / self._total(t))

    def _score(self, x, t):
        return -self._scale(x, 1 / self._total(t))

    def _log_prob(self, x, t):
        square = ((x - self.mean) @ self.axes) ** 2
        return -0.5 * (square / self._total(t) + (2 * torch.pi * self._total(t)).log()).sum(1)

    def _flow_map(self, x, t, s):
        return self.mean + self._scale(x, (self._total(s) / self._total(t)).sqrt())

    def _has_density(self):
        return bool(self.variances.min() > 0)

    def _total(self, t: Tensor) -> Tensor:
        """Variances of x_t along the axes, (B, A)."""
        return (self.variances + t**2).clamp(min=FLOOR)

    def _scale(self, x: Tensor, factor: Tensor) -> Tensor:
        """axes diag(factor) axes' (x - mean), factor (B, A)."""
        return ((x - self.mean) @ self.axes * factor) @ self.axes.T
