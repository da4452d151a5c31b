"""Transport on a line: one mixture of Gaussians is carried onto another, and no two points change places."""

import torch
from torch import Tensor

HALVINGS = 64  # of a bracket as wide as the components' maps differ: then float64 has no number between its ends


@torch.no_grad()
def transport(x: Tensor, weights: Tensor, means: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """The y with F_after(y) = F_before(x), F(x) = sum_k weights_k N((x - means_k) / stds_k): (B,) -> (B,), float64.

    x (B,); weights and means (M,), the same before and after; standard deviations before and after (B, M), > 0.
    No gradient flows back.

    Bisection. Each component by itself would go to means + after / before (x - means); the answer lies between the
    first and the last of these. Distribution functions are not compared as such: in a gap between components, and in
    the tails, float64 cannot tell one value of F from the next. What the components gain below y is, with what they
    lose, each as a logarithm and from its own side, so that y is as good in a gap 50 standard deviations wide as
    anywhere.
    """
    start = (x[:, None] - means) / before  # (B, M)
    own = means + after * start
    low, high, log_weights = own.amin(1), own.amax(1), weights.log()
    for _ in range(HALVINGS):
        y = (low + high) / 2
        end = (y[:, None] - means) / after
        gain = (log_weights + _log_mass(start, end)).logsumexp(1)
        loss = (log_weights + _log_mass(end, start)).logsumexp(1)
        low, high = torch.where(gain < loss, y, low), torch.where(gain < loss, high, y)
    return (low + high) / 2


def _log_mass(a: Tensor, b: Tensor) -> Tensor:
    """log(N(b) - N(a)) of the standard normal distribution function N where a < b, else -inf; elementwise."""
    above = a + b > 0  # N(b) - N(a) = N(-a) - N(-b): where N is small, it has digits
    lower, upper = torch.where(above, -b, a), torch.where(above, -a, b)
    top = torch.special.log_ndtr(upper)
    mass = top + (-torch.expm1(torch.special.log_ndtr(lower) - top)).log()
    return torch.where(a < b, mass, -torch.inf)
