"""Exercises that answer back: `gtp_mini.check("1.1", my_answer)` says right or wrong, and the likely mistake.

An answer, a function or a number, is compared with the reference: a function on random inputs. If it differs, it is
compared with the mistakes that people make in this exercise; the one it equals is named.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Answer = Callable[..., Tensor]


def output(answer: Answer, arguments: tuple) -> Tensor:
    """What most exercises look at: what the function returns."""
    return answer(*arguments)


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that people give, and what to tell them."""

    answer: Answer | float
    diagnosis: str


@dataclass(frozen=True)
class Exercise:
    """`inputs(generator)` draws arguments; `mistakes` are tried in order; `observe(answer, arguments)` is what is
    compared, for a loss its gradient as well; `edge_cases` are arguments that are never drawn, and tried as well."""

    reference: Answer
    inputs: Callable[[torch.Generator], tuple]
    mistakes: tuple[Mistake, ...]
    observe: Callable[[Answer, tuple], Tensor] = output
    edge_cases: tuple[tuple, ...] = ()


@dataclass(frozen=True)
class Reading:
    """A number to find, right to within `tolerance`."""

    value: float
    tolerance: float
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


def check(number: str, answer: Answer | float) -> Verdict:
    """Judges an answer to an exercise. ValueError for an exercise that does not exist, TypeError for an answer of
    another kind than it asks for."""
    from .exercises import EXERCISES

    if number not in EXERCISES:
        raise ValueError(f"there is no exercise {number!r}; there are: {', '.join(EXERCISES)}")
    exercise = EXERCISES[number]
    if isinstance(exercise, Reading):
        return _check_number(number, exercise, answer)
    if not callable(answer):
        raise TypeError(f"give check the function itself, check({number!r}, f), not what it returned: {answer!r}")
    return _check_function(exercise, answer)


def _check_number(number: str, exercise: Reading, answer: object) -> Verdict:
    try:
        given = float(answer)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"exercise {number} asks for a number, got {answer!r}") from None
    if abs(given - exercise.value) <= exercise.tolerance:
        return Verdict(True, f"It is {exercise.value:.4g}.")
    for mistake in exercise.mistakes:
        if abs(given - mistake.answer) <= exercise.tolerance:
            return Verdict(False, mistake.diagnosis)
    return Verdict(False, f"{given:.4g} is too {'large' if given > exercise.value else 'small'}; "
                          "no usual mistake explains it.")


def _check_function(exercise: Exercise, answer: Answer) -> Verdict:
    generator = torch.Generator().manual_seed(0)
    trials = [*(exercise.inputs(generator) for _ in range(TRIALS)), *exercise.edge_cases]

    def observed(function: Answer) -> list[Tensor]:
        return [exercise.observe(function, _copies(trial)) for trial in trials]

    wanted = observed(exercise.reference)
    try:
        got = observed(answer)
        again = observed(answer)
    except Exception as error:  # a student's function may raise anything
        message = f"It stops with {type(error).__name__}: {error}"
        if "size of tensor" in message:
            message += ". " + _about_shapes(trials[0], "Does one of the two need one dimension more, [:, None]?")
        return Verdict(False, message)
    for trial, want, have in zip(trials, wanted, got, strict=True):
        if not isinstance(have, Tensor):
            hint = "Is there a return?" if have is None else "torch.tensor or torch.stack makes one."
            return Verdict(False, f"It must return a tensor, it returns {type(have).__name__}. {hint}")
        if have.shape != want.shape:
            # what the functions return: what is observed of a loss has its gradient as well
            returns, asked = (tuple(output(f, _copies(trial)).shape) for f in (answer, exercise.reference))
            hint = _about_shapes(trial, "Check the dimensions.") if asked else "Is a mean or a sum missing?"
            return Verdict(False, f"It returns shape {returns}, wanted is {asked}. {hint}")
        if not have.isfinite().all():
            return Verdict(False, "It returns NaN or infinity. Is something divided by 0, or does an exponential "
                                  "overflow?")
    if not _same(got, again):
        return Verdict(False, "It gives another answer each time: nothing here is to be drawn anew. Is noise drawn a "
                              "second time, where the one that is given was meant?")
    if _same(got, wanted):
        return Verdict(True, "It agrees with the reference on random inputs.")
    for mistake in exercise.mistakes:
        if _same(got, observed(mistake.answer)):
            return Verdict(False, mistake.diagnosis)
    error = max(float((have.double() - want.double()).abs().max()) for have, want in zip(got, wanted, strict=True))
    return Verdict(False, f"It differs from the reference by up to {error:.3g}; no usual mistake explains it.")


def _about_shapes(arguments: tuple, otherwise: str) -> str:
    """The usual reason, where something (B,), such as a time, stands beside (B, A)."""
    shapes = [tuple(a.shape) for a in arguments if isinstance(a, Tensor)]
    if any(len(few) == 1 and len(many) == 2 and few[0] == many[0] for few in shapes for many in shapes):
        return "Does something of shape (B,) need [:, None] before it meets (B, A)?"
    return otherwise


def _same(some: list[Tensor], others: list[Tensor]) -> bool:
    pairs = [(a.detach().double(), b.detach().double()) for a, b in zip(some, others, strict=True)]
    return all(a.shape == b.shape and (a - b).abs().max() <= TOLERANCE * (1 + b.abs().max()) for a, b in pairs)


def _copies(arguments: tuple) -> tuple:
    """An answer may change its arguments in place; the next one must not see that."""
    return tuple(a.clone() if isinstance(a, Tensor) else a for a in arguments)
