"""What the book needs to work without a network, and to never show results of an older library."""

import re

import plotly.graph_objects as go
import plotly.io as pio
import pytest
from docutils import nodes
from docutils.utils import new_document

from gtp_mini.offline import FONT_PRELOAD, _take_words_as_they_are, copy_scripts, package_folder, use_local_plotly
from gtp_mini.remember import sources_hash
from gtp_mini.typesetting import TextAlternatives, Unbroken


def test_the_hash_sees_every_change_of_name_or_content(tmp_path):
    (tmp_path / "a.py").write_text("x = 1")
    first = sources_hash(tmp_path)
    assert sources_hash(tmp_path) == first
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("compiled")
    assert sources_hash(tmp_path) == first
    (tmp_path / "a.py").write_text("x = 2")
    changed = sources_hash(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({first, changed, sources_hash(tmp_path)}) == 3


def test_mathjax_with_all_its_fonts_and_plotly_are_copied(tmp_path):
    copy_scripts(tmp_path)
    script = (tmp_path / "mathjax" / "tex-mml-chtml.js").read_text()
    fonts = {path.name for path in tmp_path.rglob("*.woff")}
    assert "chtml/fonts/woff-v2" in script and {"MathJax_Main-Regular.woff", "MathJax_Zero.woff"} <= fonts
    assert (tmp_path / "plotly.min.js").stat().st_size > 1e6
    copy_scripts(tmp_path)  # a second build overwrites


def test_plotly_figures_name_only_the_local_script():
    before = pio.renderers.default
    use_local_plotly()
    assert pio.renderers.default == "plotly_mimetype+book"
    html = pio.renderers["book"].to_mimebundle(go.Figure().to_dict())["text/html"]
    assert re.findall(r'src="([^"]*)"', html) == ["_static/plotly.min.js"]
    pio.renderers.default = before


def test_preloads_of_fonts_are_found_and_nothing_else():
    font = '<link rel="preload" as="font" crossorigin href="x.woff2" />'
    script = '<link rel="preload" as="script" href="x.js">'
    assert FONT_PRELOAD.sub("", f"<a>\n  {font}{script}") == f"<a>{script}"


def test_a_missing_package_is_named_with_its_remedy():
    with pytest.raises(ModuleNotFoundError, match=r"'no_such_package'.*\[book\]"):
        package_folder("no_such_package")


def test_pictures_are_described_by_what_is_said_of_them():
    def cell(*images):
        return nodes.container("", nodes.container("", *images, classes=["cell_output"]), classes=["cell"])

    first, second, alone, given = (nodes.image(uri="x.png", alt=alt) for alt in ("x.png", "x.png", "x.png", "a page"))
    document = new_document("page")
    document += nodes.section("", nodes.title("", "One"), cell(first), nodes.paragraph("", "Then"), cell(second),
                              nodes.paragraph("", "What to see: it\nfalls."), nodes.paragraph("", given))
    document += nodes.section("", nodes.title("", "Two"), cell(alone))
    document += nodes.section("", nodes.title("", "Three"), nodes.paragraph("", "What to see: nothing of Two."))
    TextAlternatives(document).run()
    assert first["alt"] == second["alt"] == "What to see: it falls." and given["alt"] == "a page"
    assert alone["alt"] == "A figure, drawn by the code above."


def test_stars_are_products_but_for_bullets_and_literal_blocks():
    lines = ["a * b and |x|", "", "* one * two", "    as it is::", "", "        p * |q|", "    a * b", "as it is::", "",
             "    p * |q|", "", "    *args", "a * b"]
    _take_words_as_they_are(None, "module", "name", None, None, lines)
    assert lines == ["a \\* b and \\|x\\|", "", "* one \\* two", "    as it is::", "", "        p * |q|", "    a \\* b",
                     "as it is::", "", "    p * |q|", "", "    *args", "a \\* b"]


def test_a_formula_stays_with_the_punctuation_that_touches_it():
    document = new_document("page")
    first, alone, bracketed = (nodes.math(text, text) for text in "abc")
    document += nodes.paragraph("", "", nodes.Text("Let "), first, nodes.Text(", then "), alone,
                                nodes.Text(" and (see "), nodes.emphasis("", "f"), nodes.Text(" ("), bracketed,
                                nodes.Text("), at last)."))
    before = document.astext()
    Unbroken(document).run()
    together = [node.astext() for node in document.findall(nodes.inline)]
    assert together == ["a,", "(c),"] and document.astext() == before and alone.parent is document[0]


def test_a_number_stays_with_its_per_cent_but_not_in_code():
    document = new_document("page")
    document += nodes.paragraph("", "", nodes.Text("From 7 % to 0.9 ± 0.05, "), nodes.literal("7 % 2", "7 % 2"))
    document += nodes.literal_block("7 % 2", "7 % 2")
    Unbroken(document).run()
    assert [block.astext() for block in document] == ["From 7\u00a0% to 0.9 ±\u00a00.05, 7 % 2", "7 % 2"]
