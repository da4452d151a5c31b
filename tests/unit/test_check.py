"""Each checker accepts its solution and names every mistake of its catalogue."""

import pytest
import torch

import gtp_mini
from gtp_mini.check.exercises import EXERCISES


@pytest.mark.parametrize("number", EXERCISES)
def test_accepts_the_reference(number):
    verdict = gtp_mini.check(number, EXERCISES[number].reference)
    assert verdict and repr(verdict).startswith("Right.")


@pytest.mark.parametrize("number, index", [(n, i) for n, e in EXERCISES.items() for i in range(len(e.mistakes))])
def test_names_each_mistake(number, index):
    mistake = EXERCISES[number].mistakes[index]
    verdict = gtp_mini.check(number, mistake.function)
    assert not verdict and verdict.message == mistake.diagnosis


@pytest.mark.parametrize("number", EXERCISES)
def test_every_exercise_knows_at_least_five_mistakes(number):
    assert len(EXERCISES[number].mistakes) >= 5


@pytest.mark.parametrize("answer, said", [
    (lambda *a: None, "return"),
    (lambda *a: torch.zeros(3), "shape"),
    (lambda *a: 1 / 0, "ZeroDivisionError"),
    (lambda: torch.zeros(1), "TypeError"),
    (lambda x, t, s, mean, std: x * float("nan"), "NaN"),
    (lambda x, t, s, mean, std: x + 1, "no usual mistake"),
])
def test_says_what_is_wrong_with_an_answer_of_another_kind(answer, said):
    verdict = gtp_mini.check("1.1", answer)
    assert not verdict and said in verdict.message


def test_an_answer_that_changes_its_arguments_is_judged_by_what_it_returns():
    def careless(x, t, s, mean, std):
        x -= mean
        return mean + x * ((std**2 + s**2) / (std**2 + t**2)).sqrt()[:, None]

    assert gtp_mini.check("1.1", careless)


def test_errors_of_the_caller():
    with pytest.raises(ValueError, match="no exercise '9.9'"):
        gtp_mini.check("9.9", lambda: None)
    with pytest.raises(TypeError, match="function itself"):
        gtp_mini.check("1.1", torch.zeros(2))
