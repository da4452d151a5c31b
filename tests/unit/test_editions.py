"""Notebooks to hand out: all questions, no answers; or all answers, and they are right."""

import re

import nbformat
import pytest
import torch

import gtp_mini
from gtp_mini.check.exercises import EXERCISES
from gtp_mini.editions import OPTION, QUIZ, edition, exam, main, questions, sources

CHAPTERS = {path.stem: path.read_text() for path in sources()}
QUESTIONS = {q.number: q for text in CHAPTERS.values() for q in questions(text) if q.number}


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_exercise_of_a_chapter_is_found(name):
    found = questions(CHAPTERS[name])
    assert len(found) == CHAPTERS[name].count("```{exercise}")
    assert all(q.text and q.solution for q in found)


def test_every_checker_has_its_question():
    assert set(QUESTIONS) == set(EXERCISES)


@pytest.mark.parametrize("number", EXERCISES)
def test_a_filled_cell_is_right(number):
    *code, call = QUESTIONS[number].filled().rstrip().splitlines()
    names = {"torch": torch, "gtp_mini": gtp_mini}
    exec("\n".join(code), names)
    assert eval(call, names)


def text_of(source: str) -> str:
    """A source without its code cells."""
    return re.sub(r"```\{code-cell\}.*?\n```\n", "", source, flags=re.S)


@pytest.mark.parametrize("name", CHAPTERS)
@pytest.mark.parametrize("solved", [False, True])
def test_an_edition_is_plain_text_and_has_answers_or_none(name, solved):
    made = edition(CHAPTERS[name], solved)
    assert not re.search(r"\{[\w:]+\}`|^(`{3,}|:{3,})\{", text_of(made), re.M)
    exercises = questions(CHAPTERS[name])
    assert made.count("**Exercise.**") == len(exercises)
    proofs = [q for q in exercises if q.cell is None]
    for q in proofs:
        assert (q.solution.strip()[:40] in made) == solved
    for q in exercises:
        if q.cell and "your answer here" in q.cell:
            assert (q.cell in made) == (not solved)
    assert made.count("{code-cell}") == CHAPTERS[name].count("{code-cell}")  # no cell is lost


def test_theorems_keep_their_words():
    made = edition(CHAPTERS["better_than_the_data"], solved=False)
    assert "> **Theorem.** If $Z = \\mathbb E_p[e^{\\eta Q}]$ is finite, the optimum of (*eq:kl*) is" in made
    assert "> **Predict first.** Four goals" in made
    assert "> **Theorem (The flow map of a Gaussian).** The " in edition(CHAPTERS["noise_to_data"], solved=False)


def test_an_exam_is_its_seeds_and_asks_every_chapter_first():
    assert exam(3, 12, False) == exam(3, 12, False) != exam(4, 12, False)
    assert len(set(re.findall(r'gtp_mini\.check\("(\d+)\.', exam(3, 12, False)))) == 12
    one, other = exam(3, 12, False), exam(3, 12, True)
    assert re.findall(r"## Question \d+", one) == re.findall(r"## Question \d+", other)
    assert set(re.findall(r'check\("([\d.]+)"', one)) == set(re.findall(r'check\("([\d.]+)"', other))
    assert "**Solution.**" not in one and "your answer here" not in other.replace("Find the bug", "")
    with pytest.raises(ValueError, match=f"between 1 and {len(EXERCISES)} questions, got 99"):
        exam(1, 99, False)


def test_notebooks_are_written(tmp_path):
    main([str(tmp_path)])
    main([str(tmp_path), "--exam", "5", "--questions", "3"])
    made = sorted(tmp_path.rglob("*.ipynb"))
    assert len(made) == 2 * len(CHAPTERS) + 2
    for path in made:
        notebook = nbformat.read(path, 4)
        nbformat.validate(notebook)
        assert notebook.metadata["kernelspec"]["name"] == "python3"
        assert not any(cell.get("outputs") for cell in notebook.cells)


QUIZZES = {name: QUIZ.search(text) for name, text in CHAPTERS.items() if "## Exercises" in text}


@pytest.mark.parametrize("name", QUIZZES)
def test_every_chapter_has_a_quiz_whose_options_explain_themselves(name):
    assert QUIZZES[name], "a chapter without a quiz"
    options = OPTION.findall(QUIZZES[name].group(1))
    assert len(options) >= 3
    assert [option[0] for option, _ in options] == list("ABCDEFG"[:len(options)])
    assert sum(reply.startswith("Right.") for _, reply in options) == 1
    assert all(len(reply) > 60 for _, reply in options)


def test_the_right_answer_is_not_always_at_one_place():
    places = [[reply.startswith("Right.") for _, reply in OPTION.findall(quiz.group(1))].index(True)
              for quiz in QUIZZES.values()]
    assert max(map(places.count, places)) <= len(places) / 2


@pytest.mark.parametrize("name", QUIZZES)
def test_an_unsolved_quiz_has_its_options_and_no_replies(name):
    replies = [reply for _, reply in OPTION.findall(QUIZZES[name].group(1))]
    unsolved, solved = (edition(CHAPTERS[name], solved) for solved in (False, True))
    assert "**Quiz.**" in unsolved and "{dropdown}" not in unsolved
    assert not any(reply in unsolved for reply in replies)
    assert all(re.sub(r"\W", "", reply) in re.sub(r"\W", "", solved) for reply in replies)
