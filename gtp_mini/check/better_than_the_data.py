"""Exercises of chapter 7."""

import torch
from torch import Tensor

from ..guidance import EPSILON, advantage_weights
from . import Exercise, Mistake, Reading

# ---- 7.1: advantage weights, weights(advantage, eta)


def _advantage_inputs(generator: torch.Generator) -> tuple:
    # eta up to 4: some weights exceed the library's cap of 100
    return 3 * torch.randn(64, generator=generator) + 0.5, float(0.2 + 3.8 * torch.rand(1, generator=generator))


def _std(a: Tensor) -> Tensor:
    return a.std(correction=0) + EPSILON


def _mean_one(w: Tensor) -> Tensor:
    return w / w.mean()


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
    Mistake(advantage_weights, "That has the cap of 100; the weights are asked for without it."),
    Mistake(lambda a, eta: (eta * a.clamp(min=0) / (a.std() + EPSILON)).exp(),
            "That standard deviation divides by B - 1; the biased one was asked for, std(correction=0)."),
    Mistake(lambda a, eta: (a > 0) * (eta * a.clamp(min=0) / _std(a)).exp(),
            "Actions without an advantage keep the weight 1, e^0: they are still cloned."),
    Mistake(lambda a, eta: (eta * a).exp(),
            "Those are the weights of the optimum. Eq. 14 divides by std(A) and cuts at 0."),
    Mistake(lambda a, eta: (eta * a.abs() / _std(a)).exp(),
            "The absolute value rewards bad actions as good ones; max(0, A) leaves them at weight 1."),
    Mistake(lambda a, eta: (eta * (a - a.mean()).clamp(min=0) / _std(a)).exp(),
            "The mean of A is not subtracted: its zero, where Q is V, is where the rule cuts."),
    Mistake(lambda a, eta: _mean_one((eta * a.clamp(min=0) / _std(a)).exp()),
            "You divided by the mean weight; Eq. 14 does not, its weights are at least 1 each."),
    Mistake(lambda a, eta: torch.ones_like(a), "With all weights 1 the data are cloned as they are."),
)

# ---- 7.2: the optimum on a bandit, tilted(p, q, eta)


def _tilted(p: Tensor, q: Tensor, eta: float) -> Tensor:
    return (p.log() + eta * q).softmax(0)


def _tilted_inputs(generator: torch.Generator) -> tuple:
    p = 0.1 + torch.rand(6, generator=generator)
    q = torch.randn(6, generator=generator) + 300 * torch.rand(1, generator=generator)
    return p / p.sum(), q, float(0.5 + torch.rand(1, generator=generator))


def _spread(p: Tensor, q: Tensor) -> Tensor:
    return (p * (q - (p * q).sum()) ** 2).sum().sqrt()


TILTED_MISTAKES = (
    Mistake(lambda p, q, eta: (eta * q).softmax(0), "The data's p is missing: this policy would not stay near them."),
    Mistake(lambda p, q, eta: (p + eta * q).softmax(0), "The exponent needs log p, so that its exponential is p."),
    Mistake(lambda p, q, eta: (p.log() + q / eta).softmax(0),
            "You divided by eta; here eta multiplies, and 0 is the data's policy."),
    Mistake(lambda p, q, eta: p * (eta * (q - q.amax())).exp(), "It does not add up to 1: divide by Z."),
    Mistake(lambda p, q, eta: (p.log() - eta * q).softmax(0), "The sign: better arms must gain."),
    Mistake(lambda p, q, eta: (p.log() + eta * (q - (p * q).sum()).clamp(min=0)).softmax(0),
            "That truncates at the mean, as Eq. 14 does; the optimum pushes bad arms down against each other."),
    Mistake(lambda p, q, eta: torch.nn.functional.one_hot(q.argmax(), len(q)).float(),
            "That is the best arm alone, eta at infinity."),
    Mistake(lambda p, q, eta: p, "That is the data's policy, eta = 0."),
    Mistake(lambda p, q, eta: p * (eta * q).softmax(0),
            "It does not add up to 1: the softmax divides by a sum without p. Put log p into the exponent."),
    Mistake(lambda p, q, eta: (p * eta * q).softmax(0), "p multiplies the exponential, not the exponent."),
    Mistake(lambda p, q, eta: (p.log() + eta * q / _spread(p, q)).softmax(0),
            "The optimum does not divide by a standard deviation; that is Eq. 14's."),
    Mistake(lambda p, q, eta: (p.log() + eta * q).log_softmax(0), "Those are the logarithms of the probabilities."),
)

# ---- 7.3: effective sample size, effective(w)


def _effective(w: Tensor) -> Tensor:
    return w.sum() ** 2 / (len(w) * (w**2).sum())


def _weights_inputs(generator: torch.Generator) -> tuple:
    return (torch.randn(64, generator=generator).exp(),)


EFFECTIVE_MISTAKES = (
    Mistake(lambda w: w.new_tensor(1.0), "1 is right for equal weights alone; these are not."),
    Mistake(lambda w: w.sum() ** 2 / (w**2).sum(), "That is a number of samples; divide by B for the share."),
    Mistake(lambda w: (w**2).sum() / w.sum() ** 2, "Upside down: that is 1 / (number of samples that count)."),
    Mistake(lambda w: w.sum() / (len(w) * (w**2).sum()), "The sum of the weights has to be squared: a common factor of "
                                                          "all weights must not matter."),
    Mistake(lambda w: w.mean() / w.square().mean(), "The mean of the weights has to be squared: a common factor of all "
                                                    "weights must not matter."),
    Mistake(lambda w: w.mean(), "That is the mean weight, and says nothing about how unequal they are."),
    Mistake(lambda w: w.mean() / w.amax(), "A share, but of the largest weight: one outlier decides it."),
    Mistake(lambda w: w.sum() ** 2 / (len(w) ** 2 * (w**2).sum()), "One factor B too many: equal weights must give 1."),
    Mistake(lambda w: (w > 1).float().mean(), "How many are above 1 is not the question."),
    Mistake(lambda w: 1 / _effective(w), "Upside down: that is how many samples stand for one that counts."),
    Mistake(lambda w: 1 / w.new_tensor(len(w)), "The square of the sum cancels: the denominator has the sum of the "
                                                "squares."),
)

# ---- 7.4: how often best-of-16 pulls an arm with a tenth of the data

BEST_OF = Reading(0.8147, 0.005, (
    Mistake(0.1, "That is one draw."),
    Mistake(1.6, "Sixteen tenths cannot be a probability: the draws may hit it several times."),
    Mistake(1.0, "Nearly, but all sixteen may miss it."),
    Mistake(0.1853, "That is the chance that all sixteen miss it."),
    Mistake(0.9, "That is the chance to miss it once."),
    Mistake(0.3294, "That is the chance to hit it exactly once; at least once is enough."),
))

EXERCISES = {
    "7.1": Exercise(lambda a, eta: advantage_weights(a, eta, cap=float("inf")), _advantage_inputs, WEIGHT_MISTAKES),
    "7.2": Exercise(_tilted, _tilted_inputs, TILTED_MISTAKES),
    "7.3": Exercise(_effective, _weights_inputs, EFFECTIVE_MISTAKES),
    "7.4": BEST_OF,
}
