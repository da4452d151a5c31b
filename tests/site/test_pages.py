"""Every page of the built book works from a folder, without a network: `make book` first."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from pages import PLOTLY_TAG, SIMULATION_TAG, SITE, figures_on, has_math, page_names

SMALL_AND_LARGE = [1400, 390]
INK_CONTRAST, TEXT_CONTRAST = 3.0, 4.5  # WCAG 2.1: graphics (1.4.11) and text (1.4.3)

pytestmark = pytest.mark.parametrize("name", page_names())


def test_nothing_is_fetched_and_nothing_fails(visit, name):
    seen = visit(name)
    assert seen.outside == []
    assert seen.problems == []


def test_a_page_is_no_larger_than_3_megabytes(name):
    assert (SITE / f"{name}.html").stat().st_size <= 3_000_000


def test_formulas_are_typeset(visit, name):
    page = visit(name).page
    marked = page.locator("span.math, div.math").count()
    assert (marked > 0) == has_math(name)
    assert page.locator(".math mjx-container").count() == marked
    assert page.locator("mjx-merror").count() == 0
    assert page.locator("mjx-container[tabindex]").count() == 0  # a stop for the Tab key


def test_every_interactive_figure_is_there(visit, name):
    page = visit(name).page
    assert page.locator(".gtp-figure canvas").count() == figures_on(name)
    said = page.locator(".cell_output").get_by_text(re.compile(r"^(FlowMapFigure|TriangleFigure|Flipbook|AntFigure)\("))
    assert said.count() == 0  # what a notebook says of a figure that it cannot draw


def test_every_plotly_figure_is_drawn(visit, name):
    figures = visit(name).page.locator(".plotly-graph-div.js-plotly-plot")
    assert figures.count() == figures_on(name, PLOTLY_TAG)
    assert all(figure.locator(".trace").count() > 0 for figure in figures.all())


def test_every_picture_has_words(visit, name):
    told = visit(name).page.locator("article img").evaluate_all("images => images.map((image) => image.alt)")
    assert all(" " in words and ".png" not in words for words in told)


@pytest.mark.parametrize("width", SMALL_AND_LARGE)
def test_nothing_is_wider_than_the_screen(visit, name, width):
    page = visit(name, width).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for box in (figure.bounding_box() for figure in page.locator(".gtp-figure").all()):
        assert box["x"] >= 0 and box["x"] + box["width"] <= width


def picture(figure) -> str:
    """The canvas's pixels, once the figure is at rest."""
    return figure.evaluate("""async (figure) => {
        while (figure.dataset.state !== "ready") await new Promise((resolve) => setTimeout(resolve, 5));
        return figure.querySelector("canvas").toDataURL();
    }""")


def test_every_slider_moves_the_picture_by_the_keyboard(visit, name):
    page = visit(name).page
    for figure in page.locator(".gtp-figure").all():
        picture(figure)
        learned = figure.get_attribute("data-kind") in ("flow", "pictures")
        for slider in figure.locator("input[type=range]").all():
            label = slider.evaluate("s => [...s.labels].map((label) => label.textContent).join()")
            assert label and slider.bounding_box()["height"] >= 44  # a fingertip
            if label.endswith("K") and not learned:
                continue  # an exact map gives the same points at any K, a Gaussian has none
            before, words = picture(figure), slider.get_attribute("aria-valuetext")
            at_end = slider.evaluate("s => Number(s.value) === Number(s.max)")
            slider.focus()
            for _ in range(4):
                slider.press("PageDown" if at_end else "PageUp")
            after = slider.get_attribute("aria-valuetext")
            assert after != words
            assert picture(figure) != before, f"{label}: {words!r} -> {after!r} changed nothing"


def test_every_simulation_runs_when_it_is_asked_to(visit, name):
    seen = visit(name)
    figures = seen.page.locator(".gtp-figure:has(button)").all()
    assert len(figures) == figures_on(name, SIMULATION_TAG)
    for figure in figures:
        canvas, before = figure.locator("canvas").element_handle(), picture(figure)
        for button in ("Start", "New episode", "Run 50 episodes"):
            figure.get_by_role("button", name=button).press("Enter")
            seen.page.wait_for_function("([canvas, before]) => canvas.toDataURL() !== before", arg=[canvas, before])
            figure.get_by_role("button", name="Pause").press("Enter")
            before = picture(figure)
    assert seen.outside == [] and seen.problems == []


def test_every_model_of_a_figure_can_be_chosen_and_is_told_in_words(visit, name):
    page = visit(name).page
    for figure in page.locator(".gtp-figure").all():
        for select in figure.locator("select").all():
            for option in select.locator("option").all_inner_texts():
                select.select_option(label=option)
                picture(figure)
                assert figure.locator(".gtp-words").inner_text().startswith(option)
                assert figure.locator("canvas").get_attribute("aria-label").startswith(option)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_are_readable_in_light_and_dark(visit, name, scheme):
    page = visit(name, scheme=scheme).page
    for figure in page.locator(".gtp-figure").all():
        colors = figure.evaluate("""(figure) => {
            const style = getComputedStyle(figure), seen = {};
            for (const name of ["bg", "fg", "muted", "data", "sample", "path", "c0", "c1", "c2", "c3", "c4", "c5"]) {
                seen[name] = style.getPropertyValue(`--gtp-${name}`).trim();
            }
            return seen;
        }""")
        background = luminance(colors.pop("bg"))
        assert (background < 0.2) == (scheme == "dark")
        for role, color in colors.items():
            wanted = TEXT_CONTRAST if role in ("fg", "muted") else INK_CONTRAST
            assert contrast(background, luminance(color)) >= wanted, (role, color)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit, name, scheme):
    found = Axe().run(visit(name, scheme=scheme).page).response["violations"]
    grave = [(v["id"], [node["html"][:200] for node in v["nodes"]]) for v in found
             if v["impact"] in ("serious", "critical")]
    assert grave == []


def luminance(color: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.1)."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
