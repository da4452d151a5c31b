"""Value guidance: weights that turn behaviour cloning into policy improvement."""

import torch
from torch import Tensor

EPSILON = 1e-6  # added to std(A); the paper writes epsilon and gives no value
WEIGHT_CAP = 100.0  # none is published for GTP; IQL's


def advantage_weights(advantage: Tensor, eta: float | Tensor, cap: float = WEIGHT_CAP) -> Tensor:
    """w = min(exp(eta max(0, A) / (std(A) + epsilon)), cap) (GTP Eq. 14), (B,) -> (B,), without gradient.

    eta is the advantage temperature: 0 gives ones (plain cloning), more trusts the critic more. The standard deviation
    is the batch's, biased. Rows with A <= 0 keep weight 1, so a batch without a good action is cloned as it is.
    """
    advantage = advantage.detach()
    scaled = advantage.clamp(min=0) / (advantage.std(correction=0) + EPSILON)
    return torch.exp(eta * scaled).clamp(max=cap)  # exp may overflow to inf; the cap catches it


def effective_sample_size(weights: Tensor) -> Tensor:
    """(sum w)^2 / (B sum w^2), in (0, 1]: the share of the batch that still counts. 0-d tensor."""
    return weights.sum() ** 2 / (len(weights) * weights.pow(2).sum())


def tilt(probabilities: Tensor, values: Tensor, eta: Tensor | float) -> Tensor:
    """The KL-regularised optimum on a discrete bandit: p_k exp(eta A_k) / sum (GTP Eq. 12); (M,), (M,) -> (M,).

    A baseline cancels, so values and advantages give the same answer.
    """
    return (probabilities.log() + eta * values).softmax(-1)


def tilt_truncated(probabilities: Tensor, values: Tensor, eta: Tensor | float) -> Tensor:
    """What GTP's rule (Eq. 14) gives on the same bandit: p_k exp(eta max(0, A_k) / std(A)) / sum; (M,) -> (M,).

    A = values minus their mean under p, std under p. It departs from the optimum: actions below average are not
    pushed down against each other, and the temperature is in units of std(A).
    """
    advantage = values - (probabilities * values).sum()
    std = (probabilities * advantage**2).sum().sqrt()
    return (probabilities.log() + eta * advantage.clamp(min=0) / (std + EPSILON)).softmax(-1)
