"""Exercises that answer back: `gtp_mini.check("1.1", my_function)` says right or wrong, and the likely mistake.

An answer is run on random inputs beside the reference. If it differs, it is compared with the mistakes that people
make in this exercise; the one it equals is named.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that people give, and what to tell them."""

    function: Callable[..., Tensor]
    diagnosis: str


@dataclass(frozen=True)
class Exercise:
    """`inputs(generator)` draws arguments; `mistakes` are tried in order."""

    reference: Callable[..., Tensor]
    inputs: Callable[[torch.Generator], tuple]
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True)
class Verdict:
    """Right or not, and why. True in a condition if right; shows its message in a notebook."""

    right: bool
    message: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return ("Right. " if self.right else "Not yet. ") + self.message


TRIALS = 5
TOLERANCE = 1e-4  # relative to the largest entry


def check(number: str, answer: Callable[..., Tensor]) -> Verdict:
    """Judges an answer to an exercise. ValueError for an exercise that does not exist, TypeError for no function."""
    from .exercises import EXERCISES

    if number not in EXERCISES:
        raise ValueError(f"there is no exercise {number!r}; there are: {', '.join(EXERCISES)}")
    if not callable(answer):
        raise TypeError(f"give check the function itself, check({number!r}, f), not what it returned: {answer!r}")
    exercise = EXERCISES[number]
    generator = torch.Generator().manual_seed(0)
    trials = [exercise.inputs(generator) for _ in range(TRIALS)]
    wanted = [exercise.reference(*_copies(trial)) for trial in trials]
    try:
        got = [answer(*_copies(trial)) for trial in trials]
    except Exception as error:  # a student's function may raise anything
        return Verdict(False, f"It stops with {type(error).__name__}: {error}")
    for want, have in zip(wanted, got, strict=True):
        if not isinstance(have, Tensor):
            return Verdict(False, f"It must return a tensor, it returns {type(have).__name__}. Is there a return?")
        if have.shape != want.shape:
            return Verdict(False, f"It returns shape {tuple(have.shape)}, wanted is {tuple(want.shape)}. "
                                  f"Does a time of shape (B,) need [:, None] before it meets (B, A)?")
        if not have.isfinite().all():
            return Verdict(False, "It returns NaN or infinity. Is something divided by 0?")
    if _same(got, wanted):
        return Verdict(True, "It agrees with the reference on random inputs.")
    for mistake in exercise.mistakes:
        if _same(got, [mistake.function(*_copies(trial)) for trial in trials]):
            return Verdict(False, mistake.diagnosis)
    error = max(float((have - want).abs().max()) for have, want in zip(got, wanted, strict=True))
    return Verdict(False, f"It differs from the reference by up to {error:.3g}; no usual mistake explains it.")


def _same(some: list[Tensor], others: list[Tensor]) -> bool:
    return all(a.shape == b.shape and (a.detach() - b).abs().max() <= TOLERANCE * (1 + b.abs().max())
               for a, b in zip(some, others, strict=True))


def _copies(arguments: tuple) -> tuple:
    """An answer may change its arguments in place; the next one must not see that."""
    return tuple(a.clone() if isinstance(a, Tensor) else a for a in arguments)
