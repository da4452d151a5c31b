"""Value guidance: weights that turn behaviour cloning into policy improvement."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

EPSILON = 1e-6  # added to std(A); the paper writes epsilon and gives no value
WEIGHT_CAP = 100.0  # none is published for GTP; IQL's


def _standardised(advantage: Tensor) -> Tensor:
    """A / (std(A) + epsilon); the standard deviation is the batch's, biased. The mean stays where it is."""
    return advantage / (advantage.std(correction=0) + EPSILON)


# what eta multiplies: an advantage (B,) in the unit of the rule
WEIGHT_RULES: dict[str, Callable[[Tensor], Tensor]] = {
    "truncated": lambda advantage: _standardised(advantage).clamp(min=0),  # exp(eta max(0, A) / std(A)), GTP Eq. 14
    "standardised": _standardised,  # exp(eta A / std(A)): Eq. 14 without its truncation
    "exponential": lambda advantage: advantage,  # exp(eta A), A in units of reward: AWR, IQL, the KL optimum
    "sigmoid": _standardised,  # 2 sigmoid(eta A / std(A)): below 2 without a cap, and 1 at A = 0
}


def advantage_weights(advantage: Tensor, eta: float | Tensor, cap: float = WEIGHT_CAP, rule: str = "truncated",
                      normalise: bool = False) -> Tensor:
    """w = min(exp(eta max(0, A) / (std(A) + epsilon)), cap) (GTP Eq. 14), or by another of `WEIGHT_RULES`.

    Advantages (B,) give weights (B,), without gradient. eta is the advantage temperature, one number or (B,), one for
    each row: 0 gives ones (plain cloning), more trusts the critic more. Under the truncated rule rows with A <= 0 keep
    weight 1, so a batch without a good action is cloned as it is.

    `normalise` divides row i by the mean over the batch's advantages of the weight at row i's own eta. Rows of
    different temperature then count alike in one loss; where eta does not depend on the action, what each temperature
    learns is the same.
    """
    if rule not in WEIGHT_RULES:
        raise ValueError(f"unknown rule {rule!r}; known: {', '.join(WEIGHT_RULES)}")
    if isinstance(eta, Tensor):
        if eta.shape not in ((), advantage.shape):
            raise ValueError(f"eta must be a number, or one for each of the {len(advantage)} advantages, "
                             f"got shape {tuple(eta.shape)}")
    elif not (eta >= 0 and math.isfinite(eta)):
        raise ValueError(f"eta must be 0 or more and finite, got {eta!r}")
    scaled = WEIGHT_RULES[rule](advantage.detach())
    if not normalise:
        return _weight(eta * scaled, rule).clamp(max=cap)  # exp may overflow to inf; the cap catches it
    eta = torch.as_tensor(eta, dtype=scaled.dtype, device=scaled.device)
    table = _log_weight(eta.reshape(-1, 1) * scaled, rule, cap)  # [i, j]: action j at row i's temperature, (B or 1, B)
    peak = table.amax(1)  # what all divide by first: the ratio of two weights survives where both underflow
    return (_log_weight(eta * scaled, rule, cap) - peak).exp() / (table - peak[:, None]).exp().mean(1)


def _weight(x: Tensor, rule: str) -> Tensor:
    return 2 * x.sigmoid() if rule == "sigmoid" else x.exp()


def _log_weight(x: Tensor, rule: str, cap: float) -> Tensor:
    """ln min(w, cap)."""
    return (math.log(2) + logsigmoid(x) if rule == "sigmoid" else x).clamp(max=math.log(cap))


def per_place(weights: Tensor, place: Tensor, side: float, power: float = 1.0) -> Tensor:
    """Weights (N,) that come to n**power in each square of space that has n rows; place (N, D), side in its unit.

    exp(eta A) draws rows of a place as often as they were visited times Z, its mean there: advantage-weighted
    regression drops the Z of the optimum p exp(eta A) / Z, for it changes no optimum. But a network with few updates
    may never learn a place that is hardly ever drawn: one where V is above all that anybody did, so that Z is small, or
    one where few have been. Here weights choose among what was done at a place, and places have the share of the data
    (power 1), the same share each (power 0), or between. A constant that A has at a place cancels, if no cap cuts it.
    A square in which all weights are 0 keeps them. ValueError for a side that is not positive. Ours.
    """
    if not (side > 0 and math.isfinite(side)):
        raise ValueError(f"side must be above 0 and finite, got {side!r}")
    squares, index = place.div(side).floor().unique(dim=0, return_inverse=True)
    total = weights.new_zeros(len(squares)).index_add(0, index, weights)
    share = index.bincount(minlength=len(squares)).to(weights.dtype) ** power
    return weights * (share / torch.where(total > 0, total, 1))[index]


def check_weights(weights: Tensor, n: int) -> None:
    """ValueError unless `weights` are n finite numbers >= 0, (n,), and not all 0."""
    if weights.shape != (n,):
        raise ValueError(f"weights must have shape ({n},), one for each row, got {tuple(weights.shape)}")
    if not weights.isfinite().all():
        raise ValueError("weights contains NaN or infinity; remove those rows first")
    if (weights < 0).any() or not weights.sum() > 0:
        raise ValueError("weights must be >= 0 and not all 0")


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
