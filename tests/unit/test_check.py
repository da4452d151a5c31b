"""Each checker accepts its solution and names every mistake of its catalogue."""

import re
from pathlib import Path

import pytest
import torch

import gtp_mini
from gtp_mini.check import Exercise, Reading
from gtp_mini.check.exercises import CHAPTERS, EXERCISES

ROOT = Path(__file__).parents[2]


FUNCTIONS = [number for number, exercise in EXERCISES.items() if isinstance(exercise, Exercise)]


def solution(number):
    exercise = EXERCISES[number]
    return exercise.value if isinstance(exercise, Reading) else exercise.reference


@pytest.mark.parametrize("number", EXERCISES)
def test_accepts_the_reference(number):
    verdict = gtp_mini.check(number, solution(number))
    assert verdict and repr(verdict).startswith("Right.")


@pytest.mark.parametrize("number, index", [(n, i) for n, e in EXERCISES.items() for i in range(len(e.mistakes))])
def test_names_each_mistake(number, index):
    mistake = EXERCISES[number].mistakes[index]
    verdict = gtp_mini.check(number, mistake.answer)
    assert not verdict and verdict.message == mistake.diagnosis


@pytest.mark.parametrize("number", EXERCISES)
def test_every_exercise_knows_at_least_five_mistakes(number):
    assert len(EXERCISES[number].mistakes) >= 5


def solved(chapter: str) -> list[tuple[str, str]]:
    """(number, code) of the solutions that the chapter's text gives to exercises with a function."""
    text = (ROOT / "book" / f"{chapter}.md").read_text()
    found = []
    for label, body in re.findall(r"````\{solution\} (\S+)\n(.*?)````\n", text + "\n", re.S):
        asked = re.search(r"\{exercise\}\n:label: " + label + r"\n.*?check\(\"([\d.]+)\"", text, re.S)
        code = re.search(r"```python\n(.*?)```", body, re.S)
        if code:
            found.append((asked.group(1), code.group(1)))
    return found


SOLVED = [pair for chapter in CHAPTERS for pair in solved(chapter.__name__.rpartition(".")[2])]


@pytest.mark.parametrize("number, code", SOLVED, ids=[number for number, _ in SOLVED])
def test_the_books_solutions_are_right(number, code):
    names = {"torch": torch}
    exec(code, names)
    function = next(value for name, value in reversed(names.items()) if callable(value) and name != "torch")
    assert gtp_mini.check(number, function)


def test_most_exercises_with_a_function_are_solved_in_code():
    assert len(SOLVED) > 0.7 * len(FUNCTIONS)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_exercise_stands_in_its_chapter(chapter):
    text = (ROOT / "book" / f"{chapter.__name__.rpartition('.')[2]}.md").read_text()
    asked = set(re.findall(r'gtp_mini\.check\("([\d.]+)"', text))
    assert asked == set(chapter.EXERCISES) and 3 <= len(asked) + text.count("\nProve it.") <= 5


@pytest.mark.parametrize("answer, said", [
    (lambda *a: None, "Is there a return"),
    (lambda *a: [torch.zeros(1), torch.zeros(1)], "returns list. torch.tensor or torch.stack"),
    (lambda *a: torch.zeros(3), "shape"),
    (lambda *a: 1 / 0, "ZeroDivisionError"),
    (lambda: torch.zeros(1), "TypeError"),
    (lambda x, t, s, mean, std: x * float("nan"), "NaN"),
    (lambda x, t, s, mean, std: x + 1, "no usual mistake"),
    (lambda x, t, s, mean, std: x * t, "RuntimeError: The size of tensor a (2) must match the size of tensor b (16) at "
                                       "non-singleton dimension 1. Does something of shape (B,) need [:, None]"),
])
def test_says_what_is_wrong_with_an_answer_of_another_kind(answer, said):
    verdict = gtp_mini.check("1.1", answer)
    assert not verdict and said in verdict.message


@pytest.mark.parametrize("number", ["8.1", "8.4", "9.2", "12.3"])
def test_the_hint_about_rows_is_given_only_where_they_are(number):
    message = gtp_mini.check(number, lambda *a: torch.zeros(7)).message
    assert message.endswith("Check the dimensions.") and "(B,)" not in message


def test_two_shapes_that_do_not_meet_are_told_how_they_would():
    verdict = gtp_mini.check("11.2", lambda x, y: (x > y).float().mean())
    assert verdict.message.endswith("Does one of the two need one dimension more, [:, None]?")


@pytest.mark.parametrize("number, answer, shape", [
    ("3.1", lambda F, a, z, t, u: F(a, t).square().sum(1), "(16,)"),
    ("8.2", lambda q, v, tau: (q - v).square(), "(64,)"),
])
def test_a_loss_of_another_shape_is_told_the_shape_of_a_loss(number, answer, shape):
    message = gtp_mini.check(number, answer).message
    assert message == f"It returns shape {shape}, wanted is (). Is a mean or a sum missing?"


def test_an_overflow_is_called_one():
    def overflows(p, q, eta):
        weighted = p * torch.exp(eta * q)
        return weighted / weighted.sum()

    assert "overflow" in gtp_mini.check("7.2", overflows).message


def test_an_answer_that_changes_its_arguments_is_judged_by_what_it_returns():
    def careless(x, t, s, mean, std):
        x -= mean
        return mean + x * ((std**2 + s**2) / (std**2 + t**2)).sqrt()[:, None]

    assert gtp_mini.check("1.1", careless)


def test_an_answer_that_draws_anew_is_told_so():
    verdict = gtp_mini.check("1.1", lambda x, t, s, mean, std: x + torch.randn_like(x))
    assert not verdict and "another answer each time" in verdict.message


@pytest.mark.parametrize("given, said", [(318.9, "too small"), (2000, "too large"), (torch.tensor(320), "320")])
def test_a_number_is_told_its_side(given, said):
    assert said in gtp_mini.check("3.2", given).message


@pytest.mark.parametrize("given, right", [(138, True), (138.2976, True), (139, True), (135, False), (144, False)])
def test_a_number_of_episodes_may_be_rounded(given, right):
    verdict = gtp_mini.check("10.2", given)
    assert verdict.right == right and ("It is 138.3." in verdict.message) == right


def test_errors_of_the_caller():
    with pytest.raises(TypeError, match="asks for a number"):
        gtp_mini.check("3.2", "many")
    with pytest.raises(ValueError, match="no exercise '9.9'"):
        gtp_mini.check("9.9", lambda: None)
    with pytest.raises(TypeError, match="function itself"):
        gtp_mini.check("1.1", torch.zeros(2))
