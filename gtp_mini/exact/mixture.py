"""Mixtures of Gaussians, and of points."""

import torch
from torch import Tensor

from .base import FLOOR, Exact, count, distribution, numbers
from .transport import transport


class GaussianMixture(Exact):
    """sum_k weights_k N(means_k, diag(stds_k^2)): means (M, A), weights (M,) or equal; stds >= 0: a number, (M,) for
    round components or (M, A). stds = 0 are point masses.

    The denoiser averages the components' denoisers with the posterior weights of the components. In one dimension the
    flow map is monotone transport, F_s(Phi(x, t, s)) = F_t(x), exact to rounding, without gradient; in more it is
    integrated to about 1e-6. Raises ValueError for shapes that do not fit, negative stds, and weights that are
    negative or all 0; other weights are divided by their sum.
    """

    def __init__(self, means: Tensor, stds: Tensor | float, weights: Tensor | None = None):
        self.means = numbers("means", means, ("M", "A"))
        m, self.dim = self.means.shape
        stds = numbers("stds", stds, (), (m,), (m, self.dim))
        self.stds = (stds[:, None] if stds.ndim == 1 else stds).expand(m, self.dim).clone()  # (M, A)
        if (self.stds < 0).any():
            raise ValueError(f"stds must be >= 0, got {self.stds.tolist()}")
        self.weights = distribution("weights", torch.ones(m) if weights is None else weights, m)

    def tilted(self, eta: float, linear: Tensor | None = None, offsets: Tensor | None = None) -> "GaussianMixture":
        """p(x) exp(eta Q(x)) / Z for the value Q(x) = g.x + c_k on component k: linear g (A,), offsets c (M,), or 0.

        Again a mixture: means_k + eta S_k g, the same stds (S_k = diag(stds_k^2)), and weights proportional to
        weights_k exp(eta (c_k + g.means_k) + eta^2 g'S_k g / 2). With stds = 0 these are discrete data whose points
        weigh w_k exp(eta Q). The optimum of E[Q] - KL(. | p) / eta (GTP Eq. 12).
        """
        means, log_weights = self._tilt(eta, linear, offsets)
        return GaussianMixture(means, self.stds, log_weights.softmax(0))

    def log_normaliser(self, eta: float, linear: Tensor | None = None, offsets: Tensor | None = None) -> float:
        """log E[exp(eta Q(x))] for the value Q of `tilted`."""
        return float(self._tilt(eta, linear, offsets)[1].logsumexp(0))

    def responsibilities(self, x: Tensor, t: Tensor | float) -> Tensor:
        """Posterior probability of each component given x_t = x, (B, M)."""
        return self._log_joint(*self._inputs(x, t)).softmax(1).to(x)

    def cdf(self, x: Tensor, t: Tensor | float) -> Tensor:
        """Distribution function of x_t in one dimension: (B, 1) -> (B,)."""
        if self.dim != 1:
            raise ValueError(f"cdf is for one dimension, this mixture has {self.dim}")
        x_, t_ = self._inputs(x, t)
        z = (x_ - self.means.T) / self._total(t_)[..., 0].sqrt()
        return (self.weights * torch.special.log_ndtr(z).exp()).sum(1).to(x)  # ndtr itself loses the lower tail

    def sample(self, n, generator=None):
        which = torch.multinomial(self.weights, count(n), replacement=True, generator=generator)
        z = torch.randn(n, self.dim, generator=generator, dtype=torch.float64)
        return (self.means[which] + self.stds[which] * z).float()

    def _denoise(self, x, t):
        centres = self.means + self.stds**2 / self._total(t) * (x[:, None] - self.means)  # (B, M, A)
        return (self._log_joint(x, t).softmax(1)[..., None] * centres).sum(1)

    def _score(self, x, t):
        return (self._log_joint(x, t).softmax(1)[..., None] * (self.means - x[:, None]) / self._total(t)).sum(1)

    def _log_prob(self, x, t):
        return self._log_joint(x, t).logsumexp(1)

    def _flow_map(self, x, t, s):
        if self.dim > 1:
            return super()._flow_map(x, t, s)
        before, after = (self._total(level)[..., 0].sqrt() for level in (t, s))
        return transport(x[:, 0], self.weights, self.means[:, 0], before, after)[:, None]

    def _has_density(self):
        return bool(self.stds.min() > 0)

    def _total(self, t: Tensor) -> Tensor:
        """Variance of each component of x_t along each axis, (B, M, A)."""
        return (self.stds**2 + t[:, :, None] ** 2).clamp(min=FLOOR)

    def _log_joint(self, x: Tensor, t: Tensor) -> Tensor:
        """log weights_k N(x; means_k, S_k + t^2 I), (B, M)."""
        total = self._total(t)
        square = (x[:, None] - self.means) ** 2
        return self.weights.log() - 0.5 * (square / total + (2 * torch.pi * total).log()).sum(-1)

    def _tilt(self, eta: float, linear: Tensor | None, offsets: Tensor | None) -> tuple[Tensor, Tensor]:
        """Means and log weights, not normalised, of the tilted mixture."""
        m, eta = len(self.means), numbers("eta", eta, ())
        g = numbers("linear", torch.zeros(self.dim) if linear is None else linear, (self.dim,))
        c = numbers("offsets", torch.zeros(m) if offsets is None else offsets, (m,))
        shift = eta * self.stds**2 * g
        return self.means + shift, self.weights.log() + eta * (c + (self.means + shift / 2) @ g)


def point_masses(points: Tensor, weights: Tensor | None = None) -> GaussianMixture:
    """Discrete data: points (M, A) with weights (M,); the mixture whose components have no width."""
    return GaussianMixture(points, 0.0, weights)
