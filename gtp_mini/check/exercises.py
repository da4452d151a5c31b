"""The exercises of the book by number: references, and the mistakes that deserve their own answer."""

import torch
from torch import Tensor

from ..critics import td_target
from ..guidance import EPSILON, advantage_weights
from . import Exercise, Mistake

# ---- 1.1: the flow map of a Gaussian, flow_map(x, t, s, mean, std)


def _gaussian(x: Tensor, t: Tensor, s: Tensor, mean: float, std: float) -> Tensor:
    return mean + (x - mean) * ((std**2 + s**2) / (std**2 + t**2)).sqrt()[:, None]


def _gaussian_inputs(generator: torch.Generator) -> tuple:
    t = 0.5 + 5 * torch.rand(16, generator=generator)
    s = t * torch.rand(16, generator=generator)
    mean, std = (0.3 + torch.rand(2, generator=generator)).tolist()
    return 4 * torch.randn(16, 2, generator=generator), t, s, mean, std


GAUSSIAN_MISTAKES = (
    Mistake(lambda x, t, s, m, sd: _gaussian(x, s, t, m, sd),
            "t and s are swapped: going down from t to s must bring points nearer to the mean."),
    Mistake(lambda x, t, s, m, sd: m + (x - m) * ((sd**2 + s**2) / (sd**2 + t**2))[:, None],
            "That is the ratio of the variances; points are stretched by the ratio of the standard deviations."),
    Mistake(lambda x, t, s, m, sd: x * ((sd**2 + s**2) / (sd**2 + t**2)).sqrt()[:, None],
            "The mean is missing: it is x - mean that shrinks, and the mean comes back at the end."),
    Mistake(lambda x, t, s, m, sd: (x - m) * ((sd**2 + s**2) / (sd**2 + t**2)).sqrt()[:, None],
            "You subtracted the mean and did not add it again."),
    Mistake(lambda x, t, s, m, sd: m + (x - m) * (s / t)[:, None],
            "That is the map of a single point, std = 0. Here the data have a width of their own: std^2 + t^2."),
    Mistake(lambda x, t, s, m, sd: m + (x - m) * ((sd + s) / (sd + t))[:, None],
            "Independent noise adds in variance, not in standard deviation: std^2 + t^2, then the root."),
    Mistake(lambda x, t, s, m, sd: m + (x - m) * (sd**2 / (sd**2 + t**2))[:, None],
            "That is the denoiser E[x_0 | x_t], the average over all starting points; the ODE carries one point."),
    Mistake(lambda x, t, s, m, sd: m + (x - m) * (sd / (sd**2 + t**2).sqrt())[:, None],
            "That goes all the way to s = 0; s may lie anywhere between 0 and t."),
)

# ---- 2.1: advantage weights, weights(advantage, eta)


def _advantage_inputs(generator: torch.Generator) -> tuple:
    return 3 * torch.randn(64, generator=generator) + 0.5, float(0.2 + torch.rand(1, generator=generator))


def _std(a: Tensor) -> Tensor:
    return a.std(correction=0) + EPSILON


WEIGHT_MISTAKES = (
    Mistake(lambda a, eta: (eta * a / _std(a)).exp(),
            "The truncation is missing: max(0, A). Without it the worst actions of the batch are pushed below 1."),
    Mistake(lambda a, eta: (eta * a.clamp(min=0)).exp(),
            "The division by std(A) is missing: a critic that is twice as large must give the same weights."),
    Mistake(lambda a, eta: (eta * a.clamp(max=0) / _std(a)).exp(),
            "The sign is turned: min(0, A) rewards nothing. GTP keeps the good side, max(0, A)."),
    Mistake(lambda a, eta: (a.clamp(min=0) / (eta * _std(a))).exp(),
            "You divided by eta. Here eta multiplies: eta = 0 is cloning, more trusts the critic more."),
    Mistake(lambda a, eta: eta * a.clamp(min=0) / _std(a),
            "The exponential is missing: with this, actions without an advantage are not learned at all."),
    Mistake(lambda a, eta: (eta * a.clamp(min=0) / _std(a.clamp(min=0))).exp(),
            "Take the standard deviation of A itself, before the truncation."),
    Mistake(lambda a, eta: (eta * a.clamp(min=0) / (a.var(correction=0) + EPSILON)).exp(),
            "That divides by the variance; the standard deviation has the unit of A."),
    Mistake(lambda a, eta: (eta * a.clamp(min=0) / _std(a)).softmax(0),
            "A softmax makes the weights of a batch sum to 1; GTP's weights are at least 1 each."),
)

# ---- 3.1: the critic's target, target(reward, terminal, truncated, next_q, gamma) with next_q (2, B)


def _target(reward: Tensor, terminal: Tensor, truncated: Tensor, next_q: Tensor, gamma: float) -> Tensor:
    return td_target(reward, terminal, next_q.amin(0), gamma)


def _target_inputs(generator: torch.Generator) -> tuple:
    kind = torch.randint(3, (64,), generator=generator)
    return (-torch.rand(64, generator=generator), (kind == 1).float(), (kind == 2).float(),
            10 * torch.randn(2, 64, generator=generator) - 20, 0.99)


TARGET_MISTAKES = (
    Mistake(lambda r, d, c, q, g: r + g * (1 - d) * (1 - c) * q.amin(0),
            "A time limit is not an end: where the episode was only cut off (truncated), the future still counts."),
    Mistake(lambda r, d, c, q, g: r + g * (1 - c) * q.amin(0),
            "You masked the truncated steps instead of the terminal ones."),
    Mistake(lambda r, d, c, q, g: r + g * q.amin(0),
            "At the goal the episode ends: the future of a terminal step is worth nothing. Mask it."),
    Mistake(lambda r, d, c, q, g: r + g * d * q.amin(0),
            "The mask is the wrong way round: the future counts where terminal is 0."),
    Mistake(lambda r, d, c, q, g: r + g * (1 - d) * q.amax(0),
            "You took the larger of the two critics. The smaller one is what keeps errors from feeding on themselves."),
    Mistake(lambda r, d, c, q, g: r + g * (1 - d) * q.mean(0),
            "You took the mean of the two critics; clipped double Q takes the smaller."),
    Mistake(lambda r, d, c, q, g: r + (1 - d) * q.amin(0),
            "The discount gamma is missing: a reward tomorrow is worth a little less."),
    Mistake(lambda r, d, c, q, g: g * (r + (1 - d) * q.amin(0)),
            "The reward of this step is not discounted; only what follows is."),
)

EXERCISES: dict[str, Exercise] = {
    "1.1": Exercise(_gaussian, _gaussian_inputs, GAUSSIAN_MISTAKES),
    "2.1": Exercise(lambda a, eta: advantage_weights(a, eta, cap=float("inf")), _advantage_inputs, WEIGHT_MISTAKES),
    "3.1": Exercise(_target, _target_inputs, TARGET_MISTAKES),
}
