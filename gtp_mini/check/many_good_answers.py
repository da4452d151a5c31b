"""Exercises of chapter 6."""

import torch
from torch import Tensor

from . import Answer, Exercise, Mistake, Reading
from .models import SmallMap, no_gradient, value_and_gradient

# ---- 6.1: the Gaussian at the crossing

CROSSING = Reading(0.7071, 0.005, (
    Mistake(0.5, "That is the variance."),
    Mistake(1.0, "Each coordinate is 0 half of the time."),
    Mistake(0.68, "That is what the data have near the middle; the question is about four directions, equally likely."),
    Mistake(0.1, "That is the hand's spread, one step down a road; at the crossing it is that of the directions."),
    Mistake(0.25, "A quarter of the directions has +1 there and a quarter -1: the mean square is a half; its root."),
    Mistake(0.0, "The mean is 0; the spread is not."),
    Mistake(1.4142, "Upside down: the root of one half."),
    Mistake(0.8165, "That divides by n - 1 = 3; maximum likelihood divides by n."),
))

# ---- 6.2: the trajectory consistency loss, loss(Phi, a, z, t, u, s), value and gradient


def _at(Phi: Answer, a: Tensor, z: Tensor, t: Tensor, s: Tensor) -> Tensor:
    return Phi(a + t[:, None] * z, t, s)


def _loss(Phi: Answer, a: Tensor, z: Tensor, t: Tensor, u: Tensor, s: Tensor) -> Tensor:
    return (_at(Phi, a, z, t, s) - no_gradient(_at(Phi, a, z, u, s))).square().sum(1).mean()


def _loss_inputs(generator: torch.Generator) -> tuple:
    a, z = torch.randn(2, 16, 2, generator=generator)
    t = 0.5 + torch.rand(16, generator=generator)
    return SmallMap(), a, z, t, 0.8 * t, 0.3 * t


LOSS_MISTAKES = (
    Mistake(lambda Phi, a, z, t, u, s: no_gradient(_at(Phi, a, z, t, s) - _at(Phi, a, z, u, s)).square().sum(1).mean(),
            "The value is right, and still there is no gradient anywhere: this trains nothing."),
    Mistake(lambda Phi, a, z, t, u, s: (_at(Phi, a, z, t, s) - _at(Phi, a, z, u, s)).square().sum(1).mean(),
            "Now both sides have a gradient: the target would be pulled towards what it should teach."),
    Mistake(lambda Phi, a, z, t, u, s: _loss(Phi, a, z, u, t, s),
            "The gradient is on the wrong side: the jump from u is the target."),
    Mistake(lambda Phi, a, z, t, u, s: _loss(Phi, a, z, t, u, 0 * s),
            "Compare at s, not at 0: that would be a consistency model."),
    Mistake(lambda Phi, a, z, t, u, s: _loss(Phi, a, z, t, t, s),
            "Both sides jump from t: the difference is always 0. The target jumps from u."),
    Mistake(lambda Phi, a, z, t, u, s: (_at(Phi, a, z, t, s) - no_gradient(_at(Phi, a, z, u, s))).square().mean(),
            "Sum over the dimensions, mean over the batch; you took the mean of both."),
    Mistake(lambda Phi, a, z, t, u, s: (_at(Phi, a, z, t, s) - a).square().sum(1).mean(),
            "That target is the data point: its optimum is no flow map, but an average of end points."),
    Mistake(lambda Phi, a, z, t, u, s: (
        _at(Phi, a, z, t, u) - no_gradient(_at(Phi, a, z, u, s))).square().sum(1).mean(),
            "The jump from t ends at u, the one from u at s: both must end at s, where they are compared."),
    Mistake(lambda Phi, a, z, t, u, s: (
        _at(Phi, a, z, t, s) - no_gradient(Phi(_at(Phi, a, z, t, u), u, s))).square().sum(1).mean(),
            "That jumps on from where the model's own jump ends, as GTP-SD does. Here the point at u is a + u z."),
    Mistake(lambda Phi, a, z, t, u, s: (
        _at(Phi, a, z, t, s) - no_gradient(Phi(a + t[:, None] * z, u, s))).square().sum(1).mean(),
            "The target jumps from u and so starts at the point with the noise of u, a + u z."),
    Mistake(lambda Phi, a, z, t, u, s: (
        Phi(a + t[:, None] * z, s, t) - no_gradient(Phi(a + u[:, None] * z, s, u))).square().sum(1).mean(),
            "t and s are swapped: Phi(x, t, s) jumps from t to s."),
    Mistake(lambda Phi, a, z, t, u, s: len(a) * _loss(Phi, a, z, t, u, s),
            "Sum over the dimensions, mean over the batch; you took the sum of both."),
    Mistake(lambda Phi, a, z, t, u, s: (
        _at(Phi, a, z, t, s) - no_gradient(_at(Phi, a, z, u, s))).norm(dim=1).mean(),
            "That is the distance; the loss is its square."),
)

# ---- 6.3: shares of the goals, shares(ends, goals, reach)


def _shares(ends: Tensor, goals: Tensor, reach: float) -> Tensor:
    return (torch.cdist(ends, goals) <= reach).float().mean(0)


def _shares_inputs(generator: torch.Generator) -> tuple:
    goals = torch.tensor([[8.0, 0.0], [0.0, 8.0], [-8.0, 0.0]])
    which = torch.randint(3, (60,), generator=generator)
    ends = goals[which] * torch.linspace(0.6, 1.05, 60)[:, None] + 0.4 * torch.randn(60, 2, generator=generator)
    return ends, goals, float(1.2 + 0.6 * torch.rand(1, generator=generator))  # not 1, which is its own square


SHARES_MISTAKES = (
    Mistake(lambda ends, goals, r: torch.ones(len(goals)) / len(goals),
            "The same share for every goal, wherever the episodes ended: count those within reach of each."),
    Mistake(lambda ends, goals, r: torch.cdist(ends, goals).argmin(1).bincount(minlength=len(goals)) / len(ends),
            "Episodes that ended nowhere count for their nearest goal: look at the distance."),
    Mistake(lambda ends, goals, r: torch.cdist(ends, goals).argmin(1).bincount(minlength=len(goals)),
            "Those are counts, and episodes that ended nowhere are among them: compare the distance with reach, and "
            "divide by the number of episodes."),
    Mistake(lambda ends, goals, r: _shares(ends, goals, r) / _shares(ends, goals, r).sum(),
            "Divide by all episodes, not by those that arrived: the shares need not add up to 1."),
    Mistake(lambda ends, goals, r: (torch.cdist(ends, goals) <= r).float().sum(0), "Those are counts; divide by the "
                                                                                    "number of episodes."),
    Mistake(lambda ends, goals, r: (torch.cdist(ends, goals) > r).float().mean(0), "That counts who is *not* there."),
    Mistake(lambda ends, goals, r: (torch.cdist(ends, goals) <= r).float().mean(1).mean() * torch.ones(len(goals)),
            "That is one number for all goals; keep the goals apart, and take the mean over episodes."),
    Mistake(lambda ends, goals, r: ((ends[:, None] - goals).abs().sum(-1) <= r).float().mean(0),
            "Within reach means the Euclidean distance, not the sum of the two coordinates'."),
    Mistake(lambda ends, goals, r: ((ends[:, None] - goals).abs().amax(-1) <= r).float().mean(0),
            "That is a box around the goal. Reach is a Euclidean distance, not the larger of the two coordinates'."),
    Mistake(lambda ends, goals, r: (torch.cdist(ends, goals).square() <= r).float().mean(0),
            "That is the distance's square; compare the distance itself with reach."),
)

EXERCISES = {
    "6.1": CROSSING,
    "6.2": Exercise(_loss, _loss_inputs, LOSS_MISTAKES, value_and_gradient),
    "6.3": Exercise(_shares, _shares_inputs, SHARES_MISTAKES),
}
