"""Exercises of chapter 1."""

import torch
from torch import Tensor

from . import Exercise, Mistake, Reading

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
    Mistake(lambda x, t, s, m, sd: m + (x - m) * ((sd + s**2) / (sd + t**2)).sqrt()[:, None],
            "std is not squared: under the root stand variances, std^2 + s^2 over std^2 + t^2."),
    Mistake(lambda x, t, s, m, sd: m + (x - m) * ((sd**2 + s * t) / (sd**2 + t**2))[:, None],
            "That is Phi with the denoiser in the place of the endpoint estimate: right only where s is close to t."),
    Mistake(lambda x, t, s, m, sd: x, "That leaves the points where they are, which is right only at s = t."),
)

# ---- 1.2: the denoiser of two points, denoise(x, t, m)


def _two_points(x: Tensor, t: Tensor, m: float) -> Tensor:
    return m * (m * x / t[:, None] ** 2).tanh()


def _two_points_inputs(generator: torch.Generator) -> tuple:
    t = 0.3 + 2 * torch.rand(16, generator=generator)
    return t[:, None] * torch.randn(16, 1, generator=generator), t, float(0.4 + torch.rand(1, generator=generator))


TWO_POINTS_MISTAKES = (
    Mistake(lambda x, t, m: m * x.sign(),
            "That is the nearer point, where the ODE ends. The denoiser is an average: far from both it hesitates."),
    Mistake(lambda x, t, m: m * (m * x / t[:, None]).tanh(),
            "The exponent of a Gaussian has the variance, t^2, not t."),
    Mistake(lambda x, t, m: m * (2 * m * x / t[:, None] ** 2).tanh(),
            "A factor 2 too much: (p - q) / (p + q) is tanh of half of log(p / q), and log(p / q) is 2 m x / t^2."),
    Mistake(lambda x, t, m: m * (m * x / (2 * t[:, None] ** 2)).tanh(),
            "Half of what it should be: (x + m)^2 - (x - m)^2 is 4 m x, so log(p / q) is 2 m x / t^2, and tanh takes "
            "half of that."),
    Mistake(lambda x, t, m: m * (x / t[:, None] ** 2).tanh(),
            "The odds depend on how far apart the points are: log(p / q) is 2 m x / t^2, with an m."),
    Mistake(lambda x, t, m: x, "That is the noisy point itself. Asked is the mean of m and -m, weighed by their odds."),
    Mistake(lambda x, t, m: torch.zeros_like(x),
            "That is the mean of all data; x says which of the two points is the likelier."),
    Mistake(lambda x, t, m: (x - m * (m * x / t[:, None] ** 2).tanh()) / t[:, None],
            "That is the ODE's velocity, (x - D) / t; asked is D."),
    Mistake(lambda x, t, m: (m * x / t[:, None] ** 2).tanh(),
            "The points lie at +m and -m: the average of the signs has to be multiplied by m."),
    Mistake(lambda x, t, m: m * (m * x / t[:, None] ** 2).sigmoid(),
            "That mixes m and 0. The other point is -m."),
    Mistake(lambda x, t, m: (2 * m * x / t[:, None] ** 2).sigmoid(),
            "That is the probability of +m; the mean is m(2p - 1)."),
    Mistake(lambda x, t, m: m * (2 * m * x / t[:, None] ** 2).sigmoid(),
            "That is m times the probability p of +m, as if the other point were 0. It is -m: the mean is m(2p - 1)."),
    Mistake(lambda x, t, m: m**2 / (m**2 + t[:, None] ** 2) * x,
            "That is the denoiser of a Gaussian with the same spread; two points are not Gaussian."),
)

# ---- 1.3: what is lost by starting at T = 2, for data of standard deviation 0.5

START = Reading(0.9701, 0.002, (
    Mistake(1.0, "Nearly, but not at T = 2: there the data are still a quarter as wide as the noise."),
    Mistake(0.9412, "That is the share of the variance; the spread is its root."),
    Mistake(1.0308, "Upside down: too little noise to start with gives too little spread at the end."),
    Mistake(0.8, "Widths of independent parts add in squares: sqrt(T^2 + 0.5^2), not T + 0.5."),
    Mistake(0.2425, "That is by how much the ODE shrinks everything, 0.5 / sqrt(4.25). Compare the spread that is "
                    "left with the data's."),
    Mistake(0.4851, "That is the standard deviation itself; divide it by the data's, 0.5."),
    Mistake(0.0299, "That is the share that is lost; asked is the share that comes out."),
    Mistake(97.0, "In per cent. Asked is a share, a number between 0 and 1."),
))

EXERCISES = {
    "1.1": Exercise(_gaussian, _gaussian_inputs, GAUSSIAN_MISTAKES),
    "1.2": Exercise(_two_points, _two_points_inputs, TWO_POINTS_MISTAKES),
    "1.3": START,
}
