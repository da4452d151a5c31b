"""Exercises of chapter 5."""

import torch
from torch import Tensor

from . import Answer, Exercise, Mistake, Reading
from .models import SmallMap

# ---- 5.1: the share of the spread that a hop keeps, hop(t, u, sigma)


def _hop(t: Tensor, u: Tensor, sigma: float) -> Tensor:
    return ((t / sigma).arctan() - (u / sigma).arctan()).cos()


def _hop_inputs(generator: torch.Generator) -> tuple:
    t = 0.2 + 3 * torch.rand(16, generator=generator)
    return t, t * torch.rand(16, generator=generator), float(0.3 + torch.rand(1, generator=generator))


HOP_MISTAKES = (
    Mistake(lambda t, u, s: (s**2 + u * t) / (s**2 + t**2),
            "That is the factor of the hop itself. In comparison with the flow map's, A_u / A_t, it is a cosine."),
    Mistake(lambda t, u, s: ((s**2 + u**2) / (s**2 + t**2)).sqrt(), "That is the exact map: what should be left."),
    Mistake(lambda t, u, s: (t.arctan() - u.arctan()).cos(), "The angles are arctan(t / sigma): the width is missing."),
    Mistake(lambda t, u, s: ((t / s).arctan() - (u / s).arctan()).cos() ** 2, "That is the share of the variance."),
    Mistake(lambda t, u, s: ((t - u) / s).arctan().cos(),
            "Take the difference of angles, not the angle of the difference."),
    Mistake(lambda t, u, s: ((t / s).arctan() - (u / s).arctan()).sin(), "The sine is what is lost sideways; a hop of "
                                                                          "no length must keep everything."),
    Mistake(lambda t, u, s: u / t, "That is the map of a single point. The data have a width."),
    Mistake(lambda t, u, s: 1 / ((t / s).arctan() - (u / s).arctan()).cos(),
            "Upside down: that is the exact map over the hop. A hop keeps less than the exact map, so less than 1."),
    Mistake(lambda t, u, s: (s**2 + u * t) / (s**2 + t**2) * ((s**2 + u**2) / (s**2 + t**2)).sqrt(),
            "The hop's factor was multiplied by the exact map's, A_u / A_t; to compare, divide."),
    Mistake(lambda t, u, s: 1 - ((t / s).arctan() - (u / s).arctan()) ** 2 / 2,
            "That is the cosine of a small angle only; the angles here are not small."),
)

# ---- 5.2: the target of progressive self-distillation, target(phi, x, t, u, s)


def _middle(phi: Answer, x: Tensor, t: Tensor, u: Tensor) -> Tensor:
    ratio = (u / t)[:, None]
    return ratio * x + (1 - ratio) * phi(x, t, u)


def _share(t: Tensor, u: Tensor, s: Tensor) -> Tensor:
    return (s * (t - u) / (u * (t - s)))[:, None]


def _target(phi: Answer, x: Tensor, t: Tensor, u: Tensor, s: Tensor) -> Tensor:
    share = _share(t, u, s)
    return (share * phi(x, t, u) + (1 - share) * phi(_middle(phi, x, t, u), u, s)).detach()


def _target_inputs(generator: torch.Generator) -> tuple:
    t = 0.5 + torch.rand(16, generator=generator)
    u = t * (0.5 + 0.4 * torch.rand(16, generator=generator))
    s = u * (0.1 + 0.8 * torch.rand(16, generator=generator))
    return SmallMap(), torch.randn(16, 2, generator=generator), t, u, s


def _without_gradient(answer: Answer, arguments: tuple) -> Tensor:
    """The target, and a row that says whether a gradient hangs on it."""
    target = answer(*arguments)
    if not isinstance(target, Tensor) or target.ndim != 2:
        return target
    return torch.cat([target.detach(), torch.full_like(target[:1], float(target.requires_grad)).detach()])


def _with_gradient(mistake: Mistake) -> Mistake:
    """The same wrong value, with a gradient as well: what one writes who has forgotten both."""
    return Mistake(lambda phi, x, t, u, s: mistake.answer(phi, x, t, u, s) + 0 * phi(x, t, s),
                   f"{mistake.diagnosis} A gradient hangs on it, too: a target must only teach.")


TARGET_VALUES = (
    Mistake(lambda phi, x, t, u, s: phi(_middle(phi, x, t, u), u, s).detach(),
            "The second endpoint alone: right at s = 0, where its share is 1."),
    Mistake(lambda phi, x, t, u, s: (_share(t, u, s) * phi(x, t, u) + (1 - _share(t, u, s)) * phi(x, u, s)).detach(),
            "The second jump starts where the first one ended, at y, not at x."),
    Mistake(lambda phi, x, t, u, s: (_share(t, u, s) * phi(x, t, u) + (1 - _share(t, u, s)) * phi(
        phi(x, t, u), u, s)).detach(), "phi(x, t, u) is what the first jump aims at; where it ends is Phi, eq. phi."),
    Mistake(lambda phi, x, t, u, s: ((1 - _share(t, u, s)) * phi(x, t, u) + _share(t, u, s) * phi(
        _middle(phi, x, t, u), u, s)).detach(), "The two shares are exchanged."),
    Mistake(lambda phi, x, t, u, s: (_share(t, u, s) * phi(x, t, s) + (1 - _share(t, u, s)) * phi(
        _middle(phi, x, t, u), u, s)).detach(), "The first jump goes to u, not to s."),
    Mistake(lambda phi, x, t, u, s: ((phi(x, t, u) + phi(_middle(phi, x, t, u), u, s)) / 2).detach(),
            "Half and half is the rule for the velocities of two equal steps; endpoints have the share lambda."),
    Mistake(lambda phi, x, t, u, s: (_share(t, u, s) * phi(x, t, u) + (1 - _share(t, u, s)) * phi(
        _middle(phi, x, t, u), t, s)).detach(), "The second jump starts at the time u, and phi is told t."),
    Mistake(lambda phi, x, t, u, s: _middle(phi, _middle(phi, x, t, u), u, s).detach(),
            "That is where the two jumps end, Phi. The target is what one jump aims at, phi."),
    Mistake(lambda phi, x, t, u, s: _target(lambda point, start, end: phi(point, start, s), x, t, u, s),
            "The first jump goes to u, not to s: in the first endpoint, and in y, which is made with it."),
    Mistake(lambda phi, x, t, u, s: phi(x, t, s).detach(), "That is the network's own answer: it would teach nothing."),
    Mistake(lambda phi, x, t, u, s: (_share(t, u, s) * phi(x, t, u) + (1 - _share(t, u, s)) * phi(
        x + phi(x, t, u) - _middle(phi, x, t, u), u, s)).detach(),
            "In y the shares are exchanged: y = Phi(x, t, u) keeps the share u / t of x."),
)
TARGET_MISTAKES = (
    Mistake(lambda phi, x, t, u, s: _share(t, u, s) * phi(x, t, u) + (1 - _share(t, u, s)) * phi(
        _middle(phi, x, t, u), u, s), "The value is right, but a gradient hangs on it: a target must only teach."),
    *TARGET_VALUES, *map(_with_gradient, TARGET_VALUES),
)

# ---- 5.3: what is left with u uniform on 160 cells

UNIFORM = Reading(0.31, 0.006, (
    Mistake(1.0, "Nobody draws u anywhere without paying for it: look at the figure."),
    Mistake(0.982, "That is with u next to t."),
    Mistake(0.948, "That is with u within 4 cells."),
    Mistake(0.823, "That is with u within 16 cells."),
    Mistake(0.275, "That is for 10 cells; 160 keep a little more."),
    Mistake(0.095, "That is the share of the variance."),
    Mistake(0.194, "That is for two points; the question is about a Gaussian."),
    Mistake(0.298, "Networks came to 0.298; the question is what they should have, to two digits."),
    Mistake(0.227, "That is what networks came to, for two points; the question is about a Gaussian, and the theory."),
    Mistake(0.69, "That is the share that is lost."),
    Mistake(31.0, "A share, not percent: 0.31."),
))

EXERCISES = {
    "5.1": Exercise(_hop, _hop_inputs, HOP_MISTAKES),
    "5.2": Exercise(_target, _target_inputs, TARGET_MISTAKES, _without_gradient),
    "5.3": UNIFORM,
}
