"""Flipbooks and triangles: what is stored, what a browser shows of it, and what is refused."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

import gtp_mini
from gtp_mini import plots
from gtp_mini.exact import GaussianMixture
from gtp_mini.flow_map import FlowMap, FlowMapConfig
from gtp_mini.times import karras_index
from gtp_mini.widgets import Flipbook, TriangleFigure
from gtp_mini.widgets.triangle import taught_jumps

COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255)}
READY = "() => document.querySelector('.gtp-figure')?.dataset.state === 'ready'"


def draw(figure, colour, level):
    figure.set_facecolor(colour)
    return f"All is {colour}, level {level}."


@pytest.fixture
def show(browser):
    pages = []

    def open_figure(figure):
        page = browser.new_page(viewport={"width": 800, "height": 700})
        pages.append(page)
        page.set_content(f"<!doctype html><body>{figure.html()}")
        page.wait_for_function(READY)
        return page

    yield open_figure
    for page in pages:
        page.close()


def turn(page, label, to):
    """Moves a slider, and waits for the picture."""
    page.get_by_label(label, exact=True).evaluate(
        "(s, to) => { s.value = to; s.dispatchEvent(new Event('input')); }", to)
    page.wait_for_function(READY)


def pixel(page):
    return page.locator("canvas").evaluate("c => [...c.getContext('2d').getImageData(5, 5, 1, 1).data].slice(0, 3)")


def test_a_flipbook_shows_the_page_of_its_sliders(show):
    page = show(Flipbook(draw, {"Colour": list(COLOURS), "Level": [1, 2.0, 3]}, start={"Level": 3}, size=(2, 1)))
    for colour in ("blue", "red"):
        for position, level in ((1, "2.0"), (0, "1"), (2, "3")):
            turn(page, "Colour", list(COLOURS).index(colour))
            turn(page, "Level", position)
            assert tuple(pixel(page)) == COLOURS[colour]
            told = page.locator(".gtp-words").inner_text()
            assert told == f"All is {colour}, level {level}." == page.locator("canvas").get_attribute("aria-label")
    assert page.get_by_label("Level", exact=True).get_attribute("aria-valuetext") == "3"


def test_a_flipbook_begins_where_it_is_told_and_turning_quickly_ends_at_the_last_page(show):
    page = show(Flipbook(draw, {"Colour": list(COLOURS), "Level": [1, 2]}, start={"Colour": "blue"}, size=(2, 1)))
    assert tuple(pixel(page)) == COLOURS["blue"]
    page.get_by_label("Colour", exact=True).evaluate(
        "s => [0, 1, 0, 1, 0].forEach((v) => { s.value = v; s.dispatchEvent(new Event('input')); })")
    page.wait_for_function(READY)
    assert tuple(pixel(page)) == COLOURS["red"]


def test_a_flipbooks_pictures_are_what_was_drawn():
    spec = Flipbook(draw, {"Colour": list(COLOURS), "Level": [1, 2]}, size=(2, 1))._spec
    assert len(spec["pictures"]) == len(spec["words"]) == 4
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(spec["pictures"][-1]))).convert("RGB"))
    assert image.shape == (spec["size"][1], spec["size"][0], 3) and (image == COLOURS["blue"]).all()


def test_a_rare_colour_stays_the_colour_that_it_is():
    def drawn(figure, level):
        ways = np.random.default_rng(level).normal(scale=0.3, size=(40, 40, 2)).cumsum(1) + (4, -4)
        plots.ways(plots.point_maze(figure.subplots()), ways, [i % 2 == 0 for i in range(40)])
        return "A blue word, and forty ways in two other colours."

    spec = Flipbook(drawn, {"Level": [1, 2]}, size=(4.6, 4.6))._spec
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(spec["pictures"][0]))).convert("RGB")).astype(int)
    assert abs(image - (0, 0x72, 0xB2)).max(-1).min() < 20


@pytest.mark.parametrize("arguments, message", [
    ((draw, {"Colour": ["red"]}), "at least two values, 'Colour' has 1"),
    ((draw, {"Colour": ["red", "blue"], "Level": [1, 2]}, {"Level": 3}), "one of its values, got 3"),
    ((lambda figure, level: None, {"Level": [1, 2]}), "a sentence"),
    ((lambda figure, level: figure.figimage(np.random.default_rng(0).random((900, 900))) and "Noise.",
      {"Level": [1, 2, 3, 4, 5, 6]}, None, (9, 9)), "MB that a page should carry"),
])
def test_a_flipbook_says_what_is_wrong_with_it(arguments, message):
    with pytest.raises(ValueError, match=message):
        Flipbook(*arguments)


MODES = GaussianMixture(torch.tensor([[-0.7], [0.7]]), 0.1)


class Exact(FlowMap):
    """A learned map that learned everything."""

    def forward(self, x, t, s, obs=None):
        return MODES.flow_map(x, t, s)

    def denoise(self, x, t, obs=None):
        return MODES.denoise(x, t)


def unpacked(text):
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), "<f4").copy())


def test_a_perfect_maps_jumps_land_on_the_ode():
    spec = TriangleFigure({"exact": Exact(FlowMapConfig(1))}, MODES, intervals=6)._spec
    ways = unpacked(spec["exact"]).view(7, -1)
    landed = unpacked(spec["models"][0]["landed"]).view(21, -1)
    pairs = [(t, s) for t in range(1, 7) for s in range(t)]
    for (_, s), where in zip(pairs, landed, strict=True):
        assert torch.allclose(where, ways[s], atol=1e-4 * float(1 + ways[s].abs().max()))
    assert torch.allclose(ways[0], MODES.flow_map(ways[6][:, None], spec["levels"][6], 0.0)[:, 0], atol=1e-4)


def test_eulers_models_jump_by_one_euler_step():
    model = Exact(FlowMapConfig(1, sampler="euler"))
    spec = TriangleFigure({"euler": model}, MODES, intervals=3)._spec
    ways, landed = unpacked(spec["exact"]).view(4, -1), unpacked(spec["models"][0]["landed"]).view(6, -1)
    t, s = spec["levels"][3], spec["levels"][1]
    step = s / t * ways[3] + (1 - s / t) * MODES.denoise(ways[3][:, None], t)[:, 0]
    assert torch.allclose(landed[4], step, atol=1e-3)


@pytest.mark.parametrize("method, holds", [
    ("diffusion", lambda t, s: s == t),
    ("consistency", lambda t, s: s == 0),
    ("gtp", lambda t, s: s <= t),
    ("gtp-sd", lambda t, s: s <= t),
])
def test_methods_are_taught_where_their_papers_say(method, holds):
    pairs = taught_jumps(method, MODES.sample(500, torch.Generator().manual_seed(0)), updates=5)
    t, s = pairs.T
    assert holds(t, s).all() and len(pairs) >= 5 * 256
    if method.startswith("gtp"):  # the diagonal, and jumps
        assert (t == s).float().mean() > 0.3 and (s < t).float().mean() > 0.3 and (s == 0).any()


def test_what_is_taught_is_seen_again_where_fits_are_remembered(monkeypatch, tmp_path):
    monkeypatch.setenv("GTP_FITS", str(tmp_path))
    data = MODES.sample(50, torch.Generator().manual_seed(0))
    assert torch.equal(taught_jumps("gtp", data, updates=2), taught_jumps("gtp", data, updates=2))


def test_shares_of_the_cells_are_those_of_the_times():
    times = torch.tensor([[80.0, 0.0], [80.0, 0.0], [80.0, 80.0], [0.002, 0.002]])
    model = FlowMap(FlowMapConfig(1, width=8))
    spec = TriangleFigure({"m": model}, MODES, {"m": times}, intervals=4)._spec
    shares = unpacked(spec["models"][0]["taught"])
    assert len(shares) == 15 and float(karras_index(torch.tensor(80.0), 4)) == 4
    assert shares[10] == 1 and shares[14] == 0.5 and shares[0] == 0.5 and shares.sum() == 2


def test_the_triangle_tells_a_jumps_error(show):
    model = FlowMap(FlowMapConfig(1, width=8, depth=1))
    figure = TriangleFigure({"small": model, "exact": Exact(FlowMapConfig(1))}, MODES, intervals=6)
    page = show(figure)
    ways, landed = (unpacked(v) for v in (figure._spec["exact"], figure._spec["models"][0]["landed"]))
    ways, landed = ways.view(7, -1), landed.view(21, -1)
    error = float((landed[15] - ways[0]).square().mean().sqrt() / ways[0].square().mean().sqrt())
    told = page.locator(".gtp-words").inner_text()
    assert told.startswith("small, jump from t = 80 to s = 0:") and f"land {error:.2g}"[:9] in told
    page.locator("select").select_option(label="exact")
    page.wait_for_function(READY)
    assert "not taught" in page.locator(".gtp-words").inner_text()
    turn(page, "From noise level t", 2)
    turn(page, "To noise level s", 4)  # takes t along
    assert page.get_by_label("From noise level t", exact=True).input_value() == "4"
    assert "the network is the denoiser" in page.locator(".gtp-words").inner_text()


def test_a_click_chooses_a_jump(show):
    page = show(TriangleFigure({"m": FlowMap(FlowMapConfig(1, width=8))}, MODES, intervals=6))
    box = page.locator("canvas").bounding_box()
    side = (box["width"] - 16) / 2
    cell = (side - 34 - 8) / 7
    page.mouse.click(box["x"] + 34 + 4.5 * cell, box["y"] + 8 + (7 - 2 - 0.5) * cell)  # t 4, s 2
    page.wait_for_function(READY)
    labels = ("From noise level t", "To noise level s")
    values = [page.get_by_label(label, exact=True).input_value() for label in labels]
    assert values == ["4", "2"]


@pytest.mark.parametrize("make, message", [
    (lambda: TriangleFigure({"m": FlowMap(FlowMapConfig(2))}, MODES), "one-dimensional"),
    (lambda: TriangleFigure({n: FlowMap(FlowMapConfig(1, sigma_max=n)) for n in (10.0, 80.0)}, MODES),
     "one grid"),
    (lambda: TriangleFigure({"m": FlowMap(FlowMapConfig(1))}, MODES, {"n": torch.zeros(1, 2)}), "no model .*: n"),
])
def test_a_triangle_says_what_is_wrong_with_it(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_every_figure_stands_alone():
    figure = Flipbook(draw, {"Colour": list(COLOURS), "Level": [1, 2]}, size=(2, 1))
    assert "http" not in figure.html() and figure.html().count("</script>") == 1
    assert repr(figure) == "Flipbook(Colour, Level: 4 pictures)"
    assert gtp_mini.METHODS["gtp"].clone == "gtp-bc"  # which taught_jumps relies on
