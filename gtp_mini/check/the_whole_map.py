"""Exercises of chapter 4."""

import torch
from torch import Tensor

from . import Exercise, Mistake, Reading

# ---- 4.1: the endpoint of a jump, endpoint(x, y, t, s)


def _endpoint(x: Tensor, y: Tensor, t: Tensor, s: Tensor) -> Tensor:
    return (t[:, None] * y - s[:, None] * x) / (t - s)[:, None]


def _jump_inputs(generator: torch.Generator) -> tuple:
    x, y = torch.randn(2, 16, 2, generator=generator)
    t = 0.5 + torch.rand(16, generator=generator)
    return x, y, t, t * (0.1 + 0.7 * torch.rand(16, generator=generator))


ENDPOINT_MISTAKES = (
    Mistake(lambda x, y, t, s: (s / t)[:, None] * x + (1 - s / t)[:, None] * y,
            "That is the other direction: the map from the endpoint. Solve it for phi."),
    Mistake(lambda x, y, t, s: y, "The jump ended at y, but at s it was only on its way: phi is where it aimed."),
    Mistake(lambda x, y, t, s: (t[:, None] * x - s[:, None] * y) / (t - s)[:, None],
            "x and y are exchanged: as s goes to 0, phi must be y."),
    Mistake(lambda x, y, t, s: y - (s / t)[:, None] * x, "Divide by 1 - s / t as well."),
    Mistake(lambda x, y, t, s: (t[:, None] * y + s[:, None] * x) / (t + s)[:, None],
            "That is an average of x and y; phi lies beyond y, on the line from x: the sign of s x is minus."),
    Mistake(lambda x, y, t, s: (x - y) / (t - s)[:, None], "That is the mean velocity V; phi = x - t V."),
    Mistake(lambda x, y, t, s: x - s[:, None] * (x - y) / (t - s)[:, None],
            "From x the line is followed for the time t, all the way to 0, not for s."),
    Mistake(lambda x, y, t, s: x + (t / (t - s))[:, None] * (x - y),
            "The sign: from x the line goes towards y and beyond, not away from it."),
    Mistake(lambda x, y, t, s: (t / (t - s))[:, None] * (x - y),
            "That is what the jump all the way would take off x; phi is x less that."),
    Mistake(lambda x, y, t, s: (y - (s / t)[:, None] * x) / (1 - s)[:, None], "Divide by 1 - s / t, not by 1 - s."),
)

# ---- 4.2: the endpoint of two jumps, composed(first, second, t, u, s)


def _composed(first: Tensor, second: Tensor, t: Tensor, u: Tensor, s: Tensor) -> Tensor:
    share = (s * (t - u) / (u * (t - s)))[:, None]
    return share * first + (1 - share) * second


def _composed_inputs(generator: torch.Generator) -> tuple:
    first, second = torch.randn(2, 16, 2, generator=generator)
    t = 0.5 + torch.rand(16, generator=generator)
    u = t * (0.5 + 0.4 * torch.rand(16, generator=generator))
    return first, second, t, u, u * (0.1 + 0.8 * torch.rand(16, generator=generator))


def _with_share(share) -> object:
    return lambda first, second, t, u, s: (
        share(t, u, s)[:, None] * first + (1 - share(t, u, s))[:, None] * second)


COMPOSED_MISTAKES = (
    Mistake(_with_share(lambda t, u, s: (t - u) / (t - s)),
            "That weighs by the lengths of the jumps, as mean velocities on our clock would; endpoints need the factor "
            "s / u as well."),
    Mistake(_with_share(lambda t, u, s: 1 - s * (t - u) / (u * (t - s))),
            "The two shares are exchanged. At s = 0 only the second endpoint counts."),
    Mistake(_with_share(lambda t, u, s: 0.5 + 0 * t), "Half and half is not it: put the formula for Phi into itself."),
    Mistake(_with_share(lambda t, u, s: s / u * (1 - u / t)),
            "Nearly: that is the share before both sides are divided by 1 - s / t."),
    Mistake(lambda first, second, t, u, s: (s / u * (1 - u / t))[:, None] * first + (1 - s / u)[:, None] * second,
            "Divide by 1 - s / t: the left-hand side is (1 - s / t) phi."),
    Mistake(lambda first, second, t, u, s: second,
            "That is right at s = 0 only; on the way the first jump's aim still shows."),
    Mistake(lambda first, second, t, u, s: first, "The first jump's aim alone: at s = 0 nothing of it is left."),
    Mistake(_with_share(lambda t, u, s: u / t),
            "Those are the shares of x and phi in the first jump. Put both jumps into each other: x drops out."),
    Mistake(_with_share(lambda t, u, s: s / t),
            "Those are the shares of x and phi in the whole jump. Put both jumps into each other: x drops out."),
    Mistake(_with_share(lambda t, u, s: s / u), "The part (t - u) / (t - s) is missing: check u = t, where nothing "
                                                "of the first jump may be left."),
)

# ---- 4.3: a slow average, average(slow, fast, decay)


def _average(slow: Tensor, fast: Tensor, decay: float) -> Tensor:
    return decay * slow + (1 - decay) * fast


def _average_inputs(generator: torch.Generator) -> tuple:
    slow, fast = torch.randn(2, 16, generator=generator)
    return slow, fast, float(0.9 + 0.09 * torch.rand(1, generator=generator))


AVERAGE_MISTAKES = (
    Mistake(lambda slow, fast, d: (1 - d) * slow + d * fast,
            "Still the wrong way round: this keeps a thousandth of itself, and is the fast network at once."),
    Mistake(lambda slow, fast, d: d * slow + fast, "The two shares must add up to 1, or the weights grow without end."),
    Mistake(lambda slow, fast, d: d * slow + (1 - d) * slow, "The fast weights do not appear: it never moves."),
    Mistake(lambda slow, fast, d: slow + (1 - d) * fast, "The old value must shrink by decay, or the weights grow."),
    Mistake(lambda slow, fast, d: (slow + fast) / 2, "The mean of both forgets half at every update."),
    Mistake(lambda slow, fast, d: fast, "That is no average: it has forgotten all that was before."),
    Mistake(lambda slow, fast, d: slow + (1 - d) * (slow - fast), "The sign: it moves away from the fast weights."),
    Mistake(lambda slow, fast, d: 0.999 * slow + 0.001 * fast, "0.999 is an example: use decay."),
)

# ---- 4.4: what the first of two jumps decides, from 10 over 4 to 1

SHARE = Reading(1 / 6, 0.003, (
    Mistake(5 / 6, "That is the second jump's share."),
    Mistake(0.25, "That is s/u, what the second jump leaves of y; the shares are of the *whole's* endpoint."),
    Mistake(2 / 3, "That is how much of the way in t the first jump makes; phi does not count that way."),
    Mistake(0.1, "That is s/t, what the whole leaves of x."),
    Mistake(0.6, "That is 1 - u/t, what the first jump puts in at u; the second keeps s/u of it."),
    Mistake(0.15, "That is its part in the point at s; the endpoint's is that divided by 1 - s/t."),
    Mistake(0.4, "That is u/t, what the first jump leaves of x."),
    Mistake(0.5, "Not half: the nearer u is to t, and s to 0, the less the first jump says."),
))

EXERCISES = {
    "4.1": Exercise(_endpoint, _jump_inputs, ENDPOINT_MISTAKES),
    "4.2": Exercise(_composed, _composed_inputs, COMPOSED_MISTAKES),
    "4.3": Exercise(_average, _average_inputs, AVERAGE_MISTAKES),
    "4.4": SHARE,
}
