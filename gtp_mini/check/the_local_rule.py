"""Exercises of chapter 2."""

import torch
from torch import Tensor

from . import Answer, Exercise, Mistake, Reading

# ---- 2.1: the share of the spread that one Euler step from t = 80 keeps, sigma = 0.5

EULER_STEP = Reading(0.00625, 0.00006, (
    Mistake(1.0, "That is what the flow map keeps, or the angle was arctan(sigma / t). Euler's step ends at the "
                 "denoiser of t = 80, which hardly knows the point."),
    Mistake(0.0, "Nearly, and that is what one sees; but the denoiser does know a little. Four digits were asked."),
    Mistake(0.0791, "No root is needed: the cosine is the share of the spread itself."),
    Mistake(0.5, "That is sigma. The share is the cosine of arctan(t / sigma)."),
    Mistake(1.5645, "That is the angle arctan(80 / 0.5); take its cosine."),
    Mistake(0.0125, "sigma is 0.5: cos arctan(80 / 0.5), not arctan(80)."),
    Mistake(-0.9756, "That is the cosine of 80 / 0.5; the angle is the arctan of it."),
    Mistake(0.99375, "That is the share that is lost; asked is what is kept."),
    Mistake(160.0, "That is t / sigma, the tangent of the angle; the share is the angle's cosine."),
    Mistake(0.625, "In per cent. Asked is a share, a number between 0 and 1."),
))

# ---- 2.2: the denoiser from flow matching's velocity, denoised(x, t, v)


def _denoised(x: Tensor, t: Tensor, v: Tensor) -> Tensor:
    return (x + t[:, None] * v) / (1 + t[:, None])


def _denoised_inputs(generator: torch.Generator) -> tuple:
    x, v = torch.randn(2, 16, 2, generator=generator)
    return x, 0.1 + 3 * torch.rand(16, generator=generator), v


DENOISED_MISTAKES = (
    Mistake(lambda x, t, v: x + (t / (1 + t))[:, None] * v,
            "x is on our clock; flow matching's point is tau x, with tau = 1 / (1 + t)."),
    Mistake(lambda x, t, v: x - t[:, None] * v,
            "That is right for the velocity of our ODE. Flow matching's is another: x_0 - z on its own clock."),
    Mistake(lambda x, t, v: x + t[:, None] * v,
            "The point and the time left both belong on flow matching's clock; everything is divided by 1 + t."),
    Mistake(lambda x, t, v: (x - t[:, None] * v) / (1 + t[:, None]),
            "The sign: flow matching's velocity points at the data. MeanFlow's points away from them."),
    Mistake(lambda x, t, v: (x + v) / (1 + t[:, None]),
            "The time left to the data is 1 - tau = t / (1 + t), not 1 / (1 + t)."),
    Mistake(lambda x, t, v: (t[:, None] * x + v) / (1 + t[:, None]),
            "tau and 1 - tau are exchanged: the data are at tau = 1, where t = 0."),
    Mistake(lambda x, t, v: x / (1 + t[:, None]),
            "That is flow matching's point; the velocity is missing."),
    Mistake(lambda x, t, v: t[:, None] * x + (1 - t)[:, None] * v,
            "t is our noise level, which may be above 1, and not flow matching's time: that is tau = 1 / (1 + t)."),
    Mistake(lambda x, t, v: (1 + t)[:, None] * x + (t / (1 + t))[:, None] * v,
            "x / tau is the way back. x is on our clock already; flow matching's point is tau x."),
    Mistake(lambda x, t, v: x, "That is the noisy point itself; nothing is done to it yet."),
    Mistake(lambda x, t, v: x + (1 - t)[:, None] * v,
            "x and t are on our clock, the formula is on flow matching's: its point is tau x, with tau = 1 / (1 + t)."),
    Mistake(lambda x, t, v: x / (1 + t[:, None]) + v,
            "From here to the data it is not the whole line: v counts for the time left, 1 - tau."),
    Mistake(lambda x, t, v: (x - v) / (1 + t[:, None]),
            "That is the mean of the noise, the line's other end. The data lie ahead: plus (1 - tau) v."),
)

# ---- 2.3: one step of Heun's method, heun_step(x, t, s, velocity)


def _heun(x: Tensor, t: Tensor, s: Tensor, velocity: Answer) -> Tensor:
    h, slope = (s - t)[:, None], velocity(x, t)
    return x + h * (slope + velocity(x + h * slope, s)) / 2


def _heun_inputs(generator: torch.Generator) -> tuple:
    t = 0.5 + torch.rand(16, generator=generator)
    s = t * (0.2 + 0.7 * torch.rand(16, generator=generator))
    return torch.randn(16, 2, generator=generator), t, s, lambda x, time: x.sin() / time[:, None] + time[:, None] ** 2


def _heun_in_two(x: Tensor, t: Tensor, s: Tensor, velocity: Answer) -> Tensor:
    middle = (t + s) / 2
    return x + (s - t)[:, None] * velocity(x + (middle - t)[:, None] * velocity(x, t), middle)


HEUN_MISTAKES = (
    Mistake(lambda x, t, s, f: x + (s - t)[:, None] * (f(x, t) + f(x + (s - t)[:, None] * f(x, t), t)) / 2,
            "The second slope is still asked at the old time: the place has moved, the time has not."),
    Mistake(lambda x, t, s, f: x + (s - t)[:, None] * (f(x, t) + f(x, s)) / 2,
            "Now the time has moved, and the place not: the second slope belongs at x + h * slope."),
    Mistake(lambda x, t, s, f: x + (s - t)[:, None] * f(x, t), "That is Euler's step."),
    Mistake(lambda x, t, s, f: x + (s - t)[:, None] * f(x + (s - t)[:, None] * f(x, t), s),
            "Only the second slope is used; Heun's method takes the mean of both."),
    Mistake(lambda x, t, s, f: x + (s - t)[:, None] * (f(x, t) + f(x + (s - t)[:, None] * f(x, t), s)),
            "The mean, not the sum: divide by 2."),
    Mistake(_heun_in_two, "That is the midpoint method: of order 2 as well, but not Heun's."),
    Mistake(lambda x, t, s, f: x + (t - s)[:, None] * (f(x, t) + f(x + (t - s)[:, None] * f(x, t), s)) / 2,
            "h is s - t, and negative: the step goes down to less noise."),
    Mistake(lambda x, t, s, f: x + (s - t)[:, None] * (f(x, t) + f(x + (s - t)[:, None] * f(x, t), (t + s) / 2)) / 2,
            "The second slope is asked where the step ends, x + h * slope, but at the middle's time; there it is s."),
    Mistake(lambda x, t, s, f: x + (s - t)[:, None] * (f(x, t) + f(x + f(x, t), s)) / 2,
            "A slope is no distance: Euler's step ends at x + h * slope."),
)

EXERCISES = {
    "2.1": EULER_STEP,
    "2.2": Exercise(_denoised, _denoised_inputs, DENOISED_MISTAKES),
    "2.3": Exercise(_heun, _heun_inputs, HEUN_MISTAKES),
}
