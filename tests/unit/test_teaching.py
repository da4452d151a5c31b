"""The minute plans fit the chapters, and the commands that the page for teachers names are there."""

import re

import pytest
from pages import ROOT

PLANS = dict(re.findall(r"^### \d+\. \{doc\}`(\w+)`\n(.*?)(?=^###|\Z)", (ROOT / "book" / "teaching.md").read_text(),
                        re.S | re.M))
CHAPTERS = [path.stem for path in sorted((ROOT / "book").glob("*.md"))
            if path.stem != "teaching" and "What you will be able to do." in path.read_text()]


def test_every_chapter_has_a_plan_and_nothing_else_has():
    assert sorted(PLANS) == CHAPTERS


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_plan_takes_75_minutes_and_follows_the_chapter(name):
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", PLANS[name], re.M)
    sections = re.findall(r"^## (.+)$", (ROOT / "book" / f"{name}.md").read_text(), re.M)
    planned = [section.strip() for _, section in rows]
    assert sum(int(minutes) for minutes, _ in rows) == 75
    assert planned == [section for section in sections if section in planned]  # in the chapter's order
    assert set(sections) - set(planned) <= {"In five lines", "Exercises"}


def test_the_commands_are_there():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make (\w+)`", (ROOT / "book" / "teaching.md").read_text()):
        assert re.search(rf"^{target}:", makefile, re.M)
