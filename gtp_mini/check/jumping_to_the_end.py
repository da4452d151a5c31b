"""Exercises of chapter 3."""

import torch
from torch import Tensor

from . import Answer, Exercise, Mistake, Reading
from .models import SmallMap, no_gradient, value_and_gradient

# ---- 3.1: the consistency loss, loss(F, a, z, t, u), value and gradient


def _error(F: Answer, a: Tensor, z: Tensor, t: Tensor) -> Tensor:
    return F(a + t[:, None] * z, t)


def _loss(F: Answer, a: Tensor, z: Tensor, t: Tensor, u: Tensor) -> Tensor:
    return (_error(F, a, z, t) - no_gradient(_error(F, a, z, u))).square().sum(1).mean()


def _loss_inputs(generator: torch.Generator) -> tuple:
    a, z = torch.randn(2, 16, 2, generator=generator)
    t = 0.5 + torch.rand(16, generator=generator)
    return SmallMap(), a, z, t, 0.8 * t


LOSS_MISTAKES = (
    Mistake(lambda F, a, z, t, u: a.sum(), "That asks no model: compare F at the upper level with F at the lower one."),
    Mistake(lambda F, a, z, t, u: (_error(F, a, z, t) - _error(F, a, z, u)).square().sum(1).mean(),
            "The value is right, the gradient is not: it also runs through the target, which must only teach."),
    Mistake(lambda F, a, z, t, u: no_gradient(_error(F, a, z, t) - _error(F, a, z, u)).square().sum(1).mean(),
            "The value is right, but nothing has a gradient: this trains nothing. Only the target is without one."),
    Mistake(lambda F, a, z, t, u: (no_gradient(_error(F, a, z, t)) - _error(F, a, z, u)).square().sum(1).mean(),
            "The gradient is on the wrong side: the lower level u teaches the upper t, not the other way round."),
    Mistake(lambda F, a, z, t, u: (_error(F, a, z, t) - a).square().sum(1).mean(),
            "That is the denoising loss: its target is the data point, and its optimum the denoiser."),
    Mistake(lambda F, a, z, t, u: (_error(F, a, z, t) - no_gradient(F(a + t[:, None] * z, u))).square().sum(1).mean(),
            "The target's point still has noise t. Its point is a + u z, its time u."),
    Mistake(lambda F, a, z, t, u: (_error(F, a, z, t) - no_gradient(F(a + u[:, None] * z, t))).square().sum(1).mean(),
            "The target's point is right and its time is not: F must be told u."),
    Mistake(lambda F, a, z, t, u: (_error(F, a, z, t) - no_gradient(_error(F, a, z, u))).square().mean(),
            "Sum over the dimensions, mean over the batch; you took the mean of both."),
    Mistake(lambda F, a, z, t, u: (_error(F, a, z, t) - no_gradient(_error(F, a, z, u))).square().sum(),
            "Mean over the batch, please, not its sum: the step must not grow with the batch."),
    Mistake(lambda F, a, z, t, u: (_error(F, a, z, t) - no_gradient(_error(F, a, z, u))).norm(dim=1).mean(),
            "That is the mean distance; the loss has its square. Least squares is what keeps a mean."),
    Mistake(lambda F, a, z, t, u: (_error(F, a, z, t) - no_gradient(F(a, u))).square().sum(1).mean(),
            "The target's point has no noise. It is a + u z, with the same z."),
    Mistake(lambda F, a, z, t, u: (F(a + t[:, None] * z, u)
                                   - no_gradient(F(a + u[:, None] * z, t))).square().sum(1).mean(),
            "The times that F is told are exchanged: a + t z goes with t, a + u z with u."),
    Mistake(lambda F, a, z, t, u: (_error(F, z, a, t) - no_gradient(_error(F, z, a, u))).square().sum(1).mean(),
            "a is the data point and z the noise: the level multiplies z."),
)

# ---- 3.2: how many cells keep 99 % of the spread

CELLS = Reading(320, 0.5, (
    Mistake(160, "Just not: 160 cells keep 98.2 %."),
    Mistake(640, "More than enough; half of them will do."),
    Mistake(1280, "The end of the published schedule, and four times as fine as needed here."),
    Mistake(80, "80 cells keep 96.5 %."),
    Mistake(40, "40 cells keep 93.1 %."),
    Mistake(20, "20 cells keep 86.8 %."),
    Mistake(10, "10 cells keep three quarters."),
))

# ---- 3.3: multistep sampling, rounds(F, x, times, noise)


def _rounds(F: Answer, x: Tensor, times: Tensor, noise: Tensor) -> Tensor:
    for i in range(len(times) - 1):
        x = F(x, times[i].expand(len(x))) + times[i + 1] * noise[i]
    return x


def _rounds_inputs(generator: torch.Generator) -> tuple:
    times = torch.tensor([5.0, 2.0, 0.7, 0.0])
    return (lambda x, t: 0.3 + (x - 0.3) * 0.5 / (0.25 + t**2).sqrt()[:, None],
            5 * torch.randn(32, 2, generator=generator), times, torch.randn(3, 32, 2, generator=generator))


def _each(step: Answer) -> Answer:
    def run(F: Answer, x: Tensor, times: Tensor, noise: Tensor) -> Tensor:
        for i in range(len(times) - 1):
            x = step(F, x, times[i].expand(len(x)), times[i + 1].expand(len(x)), noise[i])
        return x

    return run


ROUNDS_MISTAKES = (
    Mistake(_each(lambda F, x, t, s, n: F(x + s[:, None] * n, t)),
            "The noise is still added before the jump: from the second round on, x has noise times[i + 1] and F is "
            "told times[i]."),
    Mistake(_each(lambda F, x, t, s, n: F(x, t)),
            "Without fresh noise the second jump starts from clean points and is told that they are noisy."),
    Mistake(_each(lambda F, x, t, s, n: F(x, t) + t[:, None] * n),
            "Fresh noise has the *next* level, times[i + 1]; with the old one the sampler never gets lower."),
    Mistake(_each(lambda F, x, t, s, n: F(x, s) + s[:, None] * n),
            "x is at noise level times[i]: that is what F must be told."),
    Mistake(_each(lambda F, x, t, s, n: x + s[:, None] * n), "The jump is missing: only noise is added."),
    Mistake(lambda F, x, times, noise: F(x, times[0].expand(len(x))), "That is one jump; more rounds follow."),
    Mistake(_each(lambda F, x, t, s, n: F(x, t) + (t**2 - s**2).sqrt()[:, None] * n),
            "That noise would bring a point from level s up to t. After the jump the point is clean: add level s."),
    Mistake(lambda F, x, times, noise: _rounds(F, x, times, noise[:1].expand_as(noise)),
            "Every round adds the same noise; the fresh noise of round i is noise[i]."),
    Mistake(_each(lambda F, x, t, s, n: F(x + s[:, None] * n, s)),
            "F is told the level that was just added, but x comes with noise times[0] as well. Jump first, told "
            "times[i]; then add the noise."),
    Mistake(_each(lambda F, x, t, s, n: F(x + t[:, None] * n, t)),
            "x comes with noise times[0], and the first round adds it a second time. Jump first, then add level "
            "times[i + 1]."),
    Mistake(lambda F, x, times, noise: _rounds(F, x, times[:-1], noise),
            "The last round is missing: x comes back noisy. There are len(times) - 1 rounds, the last one to level 0."),
    Mistake(lambda F, x, times, noise: _rounds(F, x, times, noise.roll(-1, 0)),
            "The rounds are right, but not whose noise they take: the fresh noise of round i, from level times[i] to "
            "times[i + 1], is noise[i]."),
)

EXERCISES = {
    "3.1": Exercise(_loss, _loss_inputs, LOSS_MISTAKES, value_and_gradient),
    "3.2": CELLS,
    "3.3": Exercise(_rounds, _rounds_inputs, ROUNDS_MISTAKES),
}
