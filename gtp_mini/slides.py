"""Slides from the built book: each chapter as a reveal.js deck, with the page's own formulas and figures, offline.

    python -m gtp_mini.slides _build/html        # writes _build/html/slides/CHAPTER.html and its index

A slide has a section's headings, definitions, theorems, formulas, tables and figures; of a paragraph it has one
sentence, and the speaker's view (key S) the rest. Exercises stand above their solutions (arrow down).
"""

import argparse
import copy
import re
import shutil
from collections.abc import Iterable
from html import escape
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString, Tag

from .offline import package_folder

FULL = 14.0  # lines that fit on a slide
LINE = 80  # characters of a line
END_OF_SENTENCE = re.compile(r"[.?!](?=\s|$)")
REVEAL_PARTS = ("dist/reveal.js", "dist/reveal.css", "dist/reset.css", "plugin/notes/notes.js")
ASIDE = ("What you will", "You need", "What to see", "Running this chapter")  # of a page, not of a lecture
SOURCE = ("class ", "def ", "@")
MOST_CODE, MOST_ROWS = 28, 9  # lines of code, rows of a table
PAGE = """<!DOCTYPE html>
<html lang="en" data-theme="light"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: slides</title>
<link rel="stylesheet" href="../_static/reveal/dist/reset.css">
<link rel="stylesheet" href="../_static/reveal/dist/reveal.css">
<link rel="stylesheet" href="../_static/reveal/slides.css">
{scripts}
</head><body><div class="reveal"><main class="slides">
{slides}
</main></div>
<script src="../_static/reveal/dist/reveal.js"></script>
<script src="../_static/reveal/plugin/notes/notes.js"></script>
<script src="../_static/reveal/slides.js"></script>
</body></html>
"""


class Deck:
    """Slides, filled one piece after another."""

    def __init__(self):
        self.columns: list[list[str]] = []  # a column is walked down, the deck from column to column
        self.heading, self.pieces, self.notes, self.lines = "", [], [], 0.0

    def section(self, heading: str) -> None:
        """The slides that follow are under this heading."""
        self.turn()
        self.heading = heading

    def add(self, piece: Tag | str, lines: float) -> None:
        """Puts a piece of so many lines on the slide, or on the next one if this is full."""
        if self.pieces and self.lines + lines > FULL:
            self.turn()
        self.pieces.append(str(piece))
        self.lines += lines

    def alone(self, *pieces: Tag | str, below: Iterable[Tag | str] = ()) -> None:
        """A slide of its own, and below it another one."""
        self.turn()
        self.pieces = [str(piece) for piece in pieces]
        self.turn()
        below = [str(piece) for piece in below]
        if below:
            self.columns[-1].append(self._slide(below, []))

    def note(self, text: str) -> None:
        """What the speaker sees beside the slide."""
        self.notes.append(text)

    def turn(self) -> None:
        """Finishes the slide that is being filled."""
        if self.pieces:
            self.columns.append([self._slide(self.pieces, self.notes)])
            self.pieces, self.notes, self.lines = [], [], 0.0

    def html(self) -> str:
        self.turn()
        return "\n".join(column[0] if len(column) == 1 else f"<section>{''.join(column)}</section>"
                         for column in self.columns)

    def _slide(self, pieces: list[str], notes: list[str]) -> str:
        spoken = "".join(f"<p>{escape(text)}</p>" for text in notes)
        return (f"<section><h2>{self.heading}</h2>{''.join(pieces)}"
                f"{f'<aside class=notes>{spoken}</aside>' if spoken else ''}</section>")


def deck(page: str) -> str:
    """The slides of a built chapter, HTML to HTML. ValueError if it is not a chapter's page."""
    article = BeautifulSoup(page, "html.parser").select_one("article.bd-article")
    if article is None or article.section is None or article.section.h1 is None:
        raise ValueError("this is no page of the book: it has no article with a title")
    for tool in article.select(".headerlink, button, .cell_input"):
        tool.decompose()
    for content in article.select("section.proof-content, section[id$='-content'], .admonition section"):
        content.name = "div"  # to reveal.js a section is a slide
    _rebase(article)
    made, title = Deck(), article.section
    made.columns.append([f"<section class=title><h1>{title.h1.decode_contents()}</h1>{_goal(title)}</section>"])
    _fill(made, title, title.h1.decode_contents())
    return made.html()


def _goal(section: Tag) -> str:
    goal = next((p for p in section.find_all("p", recursive=False) if p.get_text().startswith("What you will")), "")
    return str(goal)


def _fill(made: Deck, section: Tag, heading: str) -> None:
    made.section(heading)
    children = [child for child in section.find_all(recursive=False) if child.name not in ("h1", "h2", "h3", "span")]
    for child, following in zip(children, [*children[1:], None], strict=True):
        kinds = set(child.get("class") or [])
        if child.name == "section":
            _fill(made, child, child.find(["h2", "h3"]).decode_contents())
        elif child.name == "p":
            _paragraph(made, child, before_formula=following is not None and "math" in (following.get("class") or []))
        elif "cell" in kinds:
            _outputs(made, child, following)
        elif "exercise" in kinds:
            made.alone(child, below=_solution(child))
        elif kinds == {"proof", "admonition"}:
            made.note(child.get_text(" ", strip=True))
        elif "solution" in kinds or child.name in ("script", "style"):
            continue
        elif kinds & {"tip", "quiz"} or _is_figure(child):
            made.alone(child)
        else:
            _add(made, child)


def _add(made: Deck, piece: Tag) -> None:
    """A piece of text; a long table in parts, each with its head."""
    rows = len(piece.select("tbody > tr"))
    for first in range(0, max(rows, 1), MOST_ROWS):
        part = copy.copy(piece)
        for place, row in enumerate(part.select("tbody > tr")):
            if not first <= place < first + MOST_ROWS:
                row.decompose()
        made.add(part, _height(part))


def _paragraph(made: Deck, paragraph: Tag, before_formula: bool) -> None:
    text = paragraph.get_text(" ", strip=True)
    if text.startswith(ASIDE):
        return
    short = _sentence(paragraph, last=before_formula)
    made.add(short, _height(short))
    if short.get_text(" ", strip=True) != text:
        made.note(text)


def _outputs(made: Deck, cell: Tag, following: Tag | None) -> None:
    """Figures with the sentence that says what to see, tables, and source code that was printed; no other output."""
    says = [following] if following is not None and following.get_text().startswith("What to see") else []
    for output in cell.select(".cell_output > *"):
        text = output.get_text().strip()
        if _is_figure(output):
            made.alone(*(_sentence(p) for p in says), output)
        elif output.find("table") or (text.startswith(SOURCE) and text.count("\n") < MOST_CODE):
            _add(made, output)


def _is_figure(tag: Tag) -> bool:
    return tag.name == "figure" or tag.find(["img", "svg", "script", "video"]) is not None


def _solution(exercise: Tag) -> list[Tag]:
    """The solution that stands before the next exercise, if any."""
    for sibling in exercise.find_next_siblings(class_=["solution", "exercise"]):
        return [sibling] if "solution" in sibling["class"] else []
    return []


def _sentence(paragraph: Tag, last: bool = False) -> Tag:
    """A copy of a paragraph with its first sentence alone, or its last."""
    marks = [(i, found.end()) for i, part in enumerate(paragraph.contents) if type(part) is NavigableString
             for found in END_OF_SENTENCE.finditer(part)]
    ends = [mark for mark in marks if not _is_the_end(paragraph, *mark)]
    short = copy.copy(paragraph)
    if not ends or len(paragraph.get_text()) < LINE:
        return short
    index, place = ends[-1] if last else ends[0]
    for i, part in enumerate(list(short.contents)):
        if i == index:
            part.replace_with(NavigableString(part[place:] if last else part[:place]))
        elif (i < index) == last:
            part.extract()
    return short


def _is_the_end(paragraph: Tag, index: int, place: int) -> bool:
    rest = str(paragraph.contents[index])[place:] + "".join(
        part.get_text() for part in paragraph.contents[index + 1:])
    return not rest.strip()


def _height(tag: Tag) -> float:
    """About how many lines a piece takes."""
    rows = tag.find_all("tr")
    if rows:
        return 1.2 * len(rows) + 1
    items = tag.find_all("li")
    if items:
        return sum(1 + len(item.get_text()) // LINE for item in items) + 0.5
    if "math" in (tag.get("class") or []):
        return 2.5 + 1.5 * tag.get_text().count("\\\\")
    return 1.4 * (1 + len(tag.get_text(" ", strip=True)) // LINE) + 2.0 * len(tag.select("div.math"))


def _rebase(article: Tag) -> None:
    """Addresses that start at the book's folder start one folder down; links lead to the book's pages."""
    for name in ("src", "href"):
        for tag in article.find_all(attrs={name: True}):
            if not re.match(r"[a-z]+:|#|/", tag[name]):
                tag[name] = "../" + tag[name]


def write(site: Path) -> list[Path]:
    """Decks of all chapters of a built book, and a page that lists them; the files written, that page first.

    Raises FileNotFoundError if the book is not built.
    """
    pages = {path: BeautifulSoup(path.read_text("utf8"), "html.parser") for path in sorted(site.glob("*.html"))
             if "What you will be able to do." in path.read_text("utf8")}
    if not pages:
        raise FileNotFoundError(f"there is no built book in {site}: run make book first")
    _copy_reveal(site / "_static" / "reveal")
    out, titles = site / "slides", {}
    out.mkdir(exist_ok=True)
    for path, page in pages.items():
        titles[path.name] = page.title.get_text().split(" \u2014 ")[0].strip()
        (out / path.name).write_text(PAGE.format(title=titles[path.name], scripts=_mathjax(page.head),
                                                 slides=deck(str(page))), "utf8")
    links = "".join(f'<li><a href="{name}">{escape(title)}</a></li>' for name, title in titles.items())
    index = f"<section><h2>Slides</h2><ol>{links}</ol></section>"
    (out / "index.html").write_text(PAGE.format(title="The book", scripts="", slides=index), "utf8")
    return [out / "index.html", *(out / name for name in titles)]


def _mathjax(head: Tag) -> str:
    """The page's own scripts for formulas, as seen from one folder down."""
    scripts = [tag for tag in head.find_all("script") if "mathjax" in (tag.get("src", "") + tag.text).lower()]
    for script in scripts:
        if script.get("src"):
            script["src"] = "../" + script["src"]
    return "\n".join(map(str, scripts))


def _copy_reveal(target: Path) -> None:
    reveal, own = package_folder("sphinx_revealjs") / "_static" / "revealjs", Path(__file__).parent / "widgets"
    for part in REVEAL_PARTS:
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(reveal / part, target / part)
    for name in ("slides.css", "slides.js"):
        shutil.copyfile(own / name, target / name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Slides from the built book.")
    parser.add_argument("site", type=Path)
    print(f"open {write(parser.parse_args().site)[0]}")
