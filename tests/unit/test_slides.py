"""From a built page to slides: what stays, what the speaker gets, what is left out."""

import pytest
from bs4 import BeautifulSoup

from gtp_mini.slides import deck, write

LONG = "so it goes on and on, with a great many words that no slide needs, " * 2 + "really"
PAGE = """<html><body><article class="bd-article"><section id="t"><h1>Title<a class="headerlink" href="#t">#</a></h1>
<p><strong>What you will be able to do.</strong> Much.</p><p>You need: nothing.</p>
<section id="one"><h2>One</h2>
<p>The first sentence is short. {long}</p>
<p>Words that introduce, {long}. Then comes</p><div class="math">\\[x\\]</div>
<div class="proof theorem admonition"><p class="admonition-title">Theorem 1</p>
<section class="proof-content"><p>It holds.</p></section></div>
<div class="proof admonition"><p>Because.</p></div>
<div class="cell docutils container"><div class="cell_input"><pre>code()</pre></div>
<div class="cell_output"><div class="output stream"><pre>True</pre></div></div></div>
<div class="cell"><div class="cell_output"><div class="output text_html"><img src="_images/a.png"/></div></div></div>
<p>What to see: a picture. More of it, {long}.</p>
<p>See <a href="other.html#x">there</a>, <a href="#one">here</a> and <a href="https://a.b/c">far</a>.</p>
</section>
<section id="ex"><h2>Exercises</h2>
<div class="exercise admonition" id="e1"><p class="admonition-title">Exercise 1</p>
<section id="c"><p>Do.</p></section></div>
<div class="solution admonition"><p>Done.</p></div>
<div class="exercise admonition" id="e2"><p class="admonition-title">Exercise 2</p><p>Think.</p></div></section>
</section></article></body></html>""".replace("{long}", LONG)


@pytest.fixture
def slides():
    return BeautifulSoup(deck(PAGE), "html.parser")


def leaves(soup):
    return [section for section in soup.find_all("section") if not section.find("section")]


def test_sections_are_slides_and_nothing_else_is(slides):
    headings = [leaf.find(["h1", "h2"]).get_text() for leaf in leaves(slides)]
    assert headings[0] == "Title" and headings[-3:] == ["Exercises"] * 3
    assert set(headings) == {"Title", "One", "Exercises"}


def test_a_paragraph_leaves_one_sentence_and_the_rest_to_the_speaker(slides):
    first = leaves(slides)[1]
    assert first.p.get_text() == "The first sentence is short."
    assert "so it goes on" in first.aside.get_text()
    assert "so it goes on" not in "".join(p.get_text() for p in first.find_all("p", recursive=False))


def test_the_sentence_before_a_formula_is_the_one_that_leads_to_it(slides):
    formula = slides.find(class_="math")
    assert formula.find_previous_sibling("p").get_text().strip() == "Then comes"


def test_theorems_stay_and_proofs_are_for_the_speaker(slides):
    assert "It holds." in slides.find(class_="theorem").get_text()
    assert not slides.find(string="Because.", recursive=True) or slides.find(string="Because.").find_parent("aside")


def test_a_figure_stands_alone_below_what_to_see(slides):
    slide = slides.find("img").find_parent("section")
    assert slide.p.get_text() == "What to see: a picture." and slide.find(class_="math") is None
    assert slide.img["src"] == "../_images/a.png"


def test_code_and_printed_checks_are_left_out(slides):
    assert "code()" not in slides.get_text() and "True" not in slides.get_text()


def test_a_solution_stands_below_its_exercise_and_only_below_that(slides):
    stacks = [s for s in slides.find_all("section", recursive=False) if s.find("section")]
    assert len(stacks) == 1
    above, below = stacks[0].find_all("section", recursive=False)
    assert "Do." in above.get_text() and "Done." in below.get_text()


def test_links_lead_back_to_the_book(slides):
    assert [a["href"] for a in slides.find_all("a")] == ["../other.html#x", "#one", "https://a.b/c"]


def test_what_is_no_page_of_the_book_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no page of the book"):
        deck("<html><body><p>hello</p></body></html>")
    with pytest.raises(FileNotFoundError, match="make book"):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_long_table_goes_on_on_the_next_slide_with_its_head():
    rows = "".join(f"<tr><td>row {i}</td></tr>" for i in range(20))
    table = f"<table><thead><tr><th>what</th></tr></thead><tbody>{rows}</tbody></table>"
    made = leaves(BeautifulSoup(deck(PAGE.replace("<p>See <a", f"{table}<p>See <a")), "html.parser"))
    tables = [slide.table for slide in made if slide.table]
    assert len(tables) == 3 and all(part.th.get_text() == "what" for part in tables)
    assert [td.get_text() for part in tables for td in part.find_all("td")] == [f"row {i}" for i in range(20)]
