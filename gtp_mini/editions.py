"""The chapters as notebooks to hand out: unsolved, solved, and exams drawn by a seed.

    python -m gtp_mini.editions OUT                      # OUT/unsolved/*.ipynb and OUT/solved/*.ipynb
    python -m gtp_mini.editions OUT --exam 7 --questions 6   # OUT/exam-7.ipynb and OUT/exam-7-solved.ipynb

Directives of the book (theorems, exercises, labels, citations) become text that any notebook shows.
"""

import argparse
import random
import re
from dataclasses import dataclass
from pathlib import Path

BOOK = Path(__file__).resolve().parents[1] / "book"
EXERCISE = re.compile(r"```\{exercise\}\n:label: (\S+)\n(.*?)\n```\n\n(?:```\{code-cell\} ipython3\n(.*?)```\n\n)?"
                      r"````\{solution\} \1\n:class: dropdown\n(.*?)\n````\n", re.S)
DIRECTIVE = re.compile(r"^(`{3,}|:{3,})\{([\w:]+)\} ?([^\n]*)\n((?::\w+:[^\n]*\n)*)(.*?)\n\1$", re.S | re.M)
QUIZ = re.compile(r"^::::\{admonition\} Quiz\n:class: quiz\n(.*?)\n::::$", re.S | re.M)
OPTION = re.compile(r"^:::\{dropdown\} ([A-Z]\. [^\n]*)\n(.*?)\n:::$", re.S | re.M)
CHECKED = re.compile(r'gtp_mini\.check\("([\d.]+)", [^)]*\)')
NAMES = {"prf:theorem": "Theorem", "prf:proof": "Proof", "admonition": "", "exercise": "Exercise"}


@dataclass(frozen=True)
class Question:
    """An exercise of a chapter: what is asked, the cell to fill in (None: to be proved), and the solution's text."""

    label: str
    text: str
    cell: str | None
    solution: str

    @property
    def number(self) -> str | None:
        """Of the checker, "2.1"; None where there is none."""
        found = CHECKED.search(self.cell or "")
        return found and found.group(1)

    def filled(self) -> str | None:
        """The cell with the solution in it, so that its checker says that it is right."""
        if self.cell is None:
            return None
        code = re.search(r"```python\n(.*?)```", self.solution, re.S)
        call = CHECKED.search(self.cell).group(0)
        if code is None:
            return self._number_filled()
        name = re.findall(r"^def (\w+)", code.group(1), re.M)[-1]
        imports = [line for line in self.cell.splitlines() if line.startswith(("import ", "from "))]
        return "\n".join([*imports, code.group(1).rstrip(), "", re.sub(r", [^)]*\)", f", {name})", call)]) + "\n"

    def _number_filled(self) -> str:
        from .check.exercises import EXERCISES

        return f'gtp_mini.check("{self.number}", {EXERCISES[self.number].value:.6g})\n'


def sources() -> list[Path]:
    """The pages of the book that have code. FileNotFoundError without a checkout of the repository."""
    found = [path for path in sorted(BOOK.glob("*.md")) if "{code-cell}" in path.read_text()]
    if not found:
        raise FileNotFoundError(f"there are no chapters in {BOOK}: editions are made in a checkout of the repository")
    return found


def questions(text: str) -> list[Question]:
    """The exercises of a chapter's source, in order."""
    return [Question(*match.groups()) for match in EXERCISE.finditer(text)]


def edition(text: str, solved: bool) -> str:
    """A chapter's source as plain MyST for notebooks: exercises and quizzes with or without their solutions."""
    text = EXERCISE.sub(lambda match: _question(Question(*match.groups()), solved), text)
    return _plain(QUIZ.sub(lambda match: _quiz(match.group(1), solved), text))


def exam(seed: int, count: int, solved: bool) -> str:
    """So many exercises with a checker, each from another chapter where there are enough, drawn by the seed.

    Raises ValueError if the book has fewer.
    """
    rng = random.Random(seed)
    chapters = [[q for q in questions(path.read_text()) if q.number] for path in sources()]
    chapters = [found for found in chapters if found]
    if not 1 <= count <= sum(map(len, chapters)):
        raise ValueError(f"an exam has between 1 and {sum(map(len, chapters))} questions, got {count}")
    drawn: list[Question] = []
    while len(drawn) < count:
        rng.shuffle(chapters)
        for found in chapters:
            left = [q for q in found if q not in drawn]
            if left and len(drawn) < count:
                drawn.append(rng.choice(left))
    head = (BOOK / "noise_to_data.md").read_text().split("# From noise")[0]
    cells = [f"{head}# Exam {seed}\n", "```{code-cell} ipython3\nimport torch\n\nimport gtp_mini\n```\n"]
    for place, question in enumerate(sorted(drawn, key=lambda q: [int(part) for part in q.number.split(".")]), start=1):
        cells += [f"## Question {place}\n", _question(question, solved)]
    return _plain("\n".join(cells))


def write_notebook(text: str, path: Path) -> None:
    """MyST source as a notebook that was not run."""
    import jupytext

    notebook = jupytext.reads(text, fmt="md:myst")
    notebook.metadata.pop("jupytext", None)
    path.parent.mkdir(parents=True, exist_ok=True)
    jupytext.write(notebook, path, fmt="ipynb")


def _question(question: Question, solved: bool) -> str:
    cell = question.filled() if solved else question.cell
    shown = "" if cell is None else f"```{{code-cell}} ipython3\n{cell}```\n\n"
    answer = re.sub(r"```python\n.*?```\n?", "", question.solution, flags=re.S).strip()
    return f"**Exercise.** {question.text}\n\n{shown}" + (f"**Solution.** {answer}\n" if solved and answer else "")


def _quiz(body: str, solved: bool) -> str:
    question = body.split(":::{dropdown}")[0].strip()
    options = [f"* {option}" + (f" *{reply}*" if solved else "") for option, reply in OPTION.findall(body)]
    return "\n".join([f"**Quiz.** {question}", "", *options])


def _plain(text: str) -> str:
    """Without what only the book's tools understand, outside of code cells."""
    parts = re.split(r"(```\{code-cell\}.*?\n```\n)", text, flags=re.S)
    return "".join(part if i % 2 else _plain_text(part) for i, part in enumerate(parts))


def _plain_text(text: str) -> str:
    text = DIRECTIVE.sub(_block, text)
    text = re.sub(r"^\$\$ \(([\w:-]+)\)$", r"$$", text, flags=re.M)
    text = re.sub(r"\{(?:eq|prf:ref|ref|numref)\}`([^`]+)`", r"(*\1*)", text)
    text = re.sub(r"\{(?:cite:p|cite:t)\}`([^`]+)`", r"[\1]", text)
    return re.sub(r"\{(?:term|doc)\}`([^`]+)`", r"*\1*", text)


def _block(match: re.Match) -> str:
    _, kind, title, _, body = match.groups()
    known = NAMES.get(kind, kind)
    name = f"{known} ({title})" if known and title else known or title
    return "\n".join(f"> {line}".rstrip() for line in f"**{name}.** {body}".splitlines())


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Chapters as notebooks to hand out.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--exam", type=int, metavar="SEED", help="an exam instead of the chapters")
    parser.add_argument("--questions", type=int, default=6)
    given = parser.parse_args(arguments)
    if given.exam is not None:
        for solved, end in ((False, ""), (True, "-solved")):
            write_notebook(exam(given.exam, given.questions, solved), given.out / f"exam-{given.exam}{end}.ipynb")
        return
    for path in sources():
        for solved in (False, True):
            folder = given.out / ("solved" if solved else "unsolved")
            write_notebook(edition(path.read_text(), solved), folder / f"{path.stem}.ipynb")


if __name__ == "__main__":
    main()
