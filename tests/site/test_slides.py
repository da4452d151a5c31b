"""Slides of every chapter: offline like the pages, nothing cut off, the figures on them."""

import pytest
from pages import ROOT, SITE, figures_on, page_names

HEIGHT = 720
SHOW = """async (index) => {
    const slide = Reveal.getSlides()[index], at = Reveal.getIndices(slide);
    Reveal.slide(at.h, at.v);
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const zoom = Number(slide.style.zoom || 1);
    return { shown: Reveal.getCurrentSlide() === slide, heading: slide.querySelector("h1, h2").textContent,
             zoom, words: slide.innerText.trim().length,
             height: slide.scrollHeight * zoom, width: slide.scrollWidth * zoom,
             figure: !!slide.querySelector(".gtp-figure") };
}"""


@pytest.fixture(scope="session")
def decks():
    found = {path.stem for path in (SITE / "slides").glob("*.html")}
    assert found, "the slides were not made: make slides"
    return found


CHAPTERS = [name for name in page_names()
            if "What you will be able to do." in (ROOT / "book" / f"{name}.md").read_text()]


def test_every_chapter_has_its_deck(decks):
    assert decks == {"index", *CHAPTERS}
    assert len(CHAPTERS) >= 12


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_deck_shows_everything_and_fetches_nothing(decks, visit, name):
    seen = visit(f"slides/{name}")
    page = seen.page
    page.set_viewport_size({"width": 1280, "height": HEIGHT})
    page.wait_for_function("window.Reveal?.isReady()")
    count = page.evaluate("Reveal.getSlides().length")
    slides = [page.evaluate(SHOW, index) for index in range(count)]
    assert count >= 10
    assert all(slide["shown"] for slide in slides)
    for slide in slides:
        assert slide["height"] <= HEIGHT + 1 and slide["width"] <= 1281, slide
        assert slide["zoom"] >= 0.6, slide  # readable from the last row
        assert slide["words"] > len(slide["heading"]), slide  # no empty slide
    assert sum(slide["figure"] for slide in slides) == figures_on(name)
    assert page.locator("mjx-merror").count() == 0
    assert seen.outside == [] and seen.problems == []


def test_a_slider_moves_on_a_slide(decks, visit):
    name = next(name for name in CHAPTERS if figures_on(name))
    page = visit(f"slides/{name}").page
    page.wait_for_function("window.Reveal?.isReady()")
    page.evaluate("""() => { const at = Reveal.getIndices(document.querySelector(".gtp-figure").closest("section"));
                             Reveal.slide(at.h, at.v); }""")
    figure = page.locator(".gtp-figure").first
    slider = figure.locator("input[type=range]").first
    before = slider.get_attribute("aria-valuetext")
    slide = page.evaluate("Reveal.getState().indexh")
    slider.focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowRight"):  # the arrows are the slider's while it has the focus
        slider.press(key)
    assert slider.get_attribute("aria-valuetext") != before
    assert page.evaluate("Reveal.getState().indexh") == slide
