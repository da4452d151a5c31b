"""A Sphinx extension: the book without a network, and without stale results.

* MathJax and plotly are copied from installed Python packages into the site: no page asks another host for anything.
* The execution cache knows the library: when its sources, the shipped data or the tier change, all chapters run again.
* Thebe (code that runs on another host's kernels) is left out, as are preloads that a page opened from disk is refused.
* Docstrings are plain text, and stand in the reference as they are; what Python itself says of a field is left out.
* Interactive figures carry their own HTML: the state of Jupyter's widgets, a second copy of the weights, is left out.
* Pictures have the words that say what is to be seen in them as their text alternative, not a file's name.
"""

import importlib.util
import inspect
import re
import shutil
from pathlib import Path

from .book import tier
from .remember import LIBRARY, sources_hash

MATHJAX_PARTS = ("tex-mml-chtml.js", "output/chtml/fonts", "input/tex/extensions")
FONT_PRELOAD = re.compile(r'\s*<link rel="preload" as="font"[^>]*>')  # the style sheet loads the fonts anyway

SCROLLABLE = ('<div class="pst-scrollable-table-container">',  # by the keyboard, too
              '<div class="pst-scrollable-table-container" tabindex="0">')
TO_KEEP = re.compile(r'(<a href="[^"]*_sources/[^"]*")(?= target)')  # a tab would show it as text, as it does from disk
NO_LIST = ('<div role="list" class="citation-list">', '<div class="citation-list">')  # docutils': it has no list items


def package_folder(name: str) -> Path:
    """Where an installed package lies, without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin:
        raise ModuleNotFoundError(f"the book needs the package {name!r}: pip install -e '.[book]' -c constraints.txt")
    return Path(spec.origin).parent


def copy_scripts(static: Path) -> None:
    """Puts MathJax (with its fonts and extensions), plotly and our own two files into the folder of static files."""
    mathjax = package_folder("mathjax") / "static" / "mathjax" / "es5"
    for part in MATHJAX_PARTS:
        source, target = mathjax / part, static / "mathjax" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, target)
    for ours in ("book.css", "book.js"):
        shutil.copyfile(LIBRARY / "widgets" / ours, static / ours)
    shutil.copyfile(package_folder("plotly") / "package_data" / "plotly.min.js", static / "plotly.min.js")


def use_local_plotly() -> None:
    """Makes plotly figures show in JupyterLab and in the built book alike, with the script that lies in the site.

    Call it once, in the first cell of a chapter that draws with plotly. Plotly's own renderers drop out of the book,
    or ask a content delivery network for MathJax.
    """
    import plotly.io as pio
    from plotly.io.base_renderers import MimetypeRenderer

    class BookRenderer(MimetypeRenderer):
        def to_mimebundle(self, fig_dict: dict) -> dict:
            return {"text/html": pio.to_html(fig_dict, full_html=False, include_mathjax=False, validate=False,
                                             include_plotlyjs="_static/plotly.min.js", default_width="100%")}

    pio.renderers["book"] = BookRenderer()
    pio.renderers.default = "plotly_mimetype+book"


def _use_keyed_cache(app, config) -> None:
    """One execution cache per state of the library; caches of other states are deleted."""
    key = sources_hash(LIBRARY, Path(app.srcdir).parent / "data") + tier("", "-full")
    config.gtp_mini_sources = key  # all pages are read again when it changes
    caches = Path(app.outdir).parent / ".jupyter_cache"
    config.nb_execution_cache_path = str(caches / key)
    for old in caches.glob("*"):
        if old.name != key:
            shutil.rmtree(old)


def _copy_into_site(app, exception) -> None:
    if exception is not None or app.builder.format != "html":
        return
    copy_scripts(Path(app.outdir) / "_static")
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text("utf8")
        mended = FONT_PRELOAD.sub("", text).replace(*NO_LIST).replace(*SCROLLABLE)
        mended = TO_KEEP.sub(r"\1 download", mended)
        if mended != text:
            page.write_text(mended, "utf8")


def _drop_thebe(app, pagename, templatename, context, doctree) -> None:
    def is_thebe(script) -> bool:
        return "thebe" in str(script.filename) or "THEBE" in script.attributes.get("body", "")

    context["script_files"] = [script for script in context.get("script_files", []) if not is_thebe(script)]


def _drop_widget_state(app, doctree) -> None:
    from myst_nb.sphinx_ import NbMetadataCollector

    NbMetadataCollector.get_js_files(app.env, app.env.docname).clear()


def _take_words_as_they_are(app, what, name, obj, options, lines) -> None:
    """Docstrings are plain text: |x| and * are absolute values and products; bullets and literal blocks stay."""
    block = None  # how far the line before a literal block is indented, within the block
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if block is not None and line.strip() and indent <= block:
            block = None
        if block is None:
            bullet = re.match(r"\s*\* ", line)
            start = bullet.end() if bullet else 0
            lines[number] = line[:start] + line[start:].replace("|", "\\|").replace("*", "\\*")
            block = indent if line.endswith("::") else None


def _skip_what_python_says(app, what, name, obj, skip, options) -> bool | None:
    """A named tuple's fields have a line of Python's own, "Alias for field number 0"."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field") else None


def _say_what_a_default_is(app, what, name, obj, options, signature, returned) -> tuple:
    """A dataclass's default that is made anew is shown as what it is not, `<factory>`, and a widget by traitlets' own
    arguments."""
    if what == "class" and signature and signature.startswith("(*args"):
        signature = re.sub(r"^\(self(, )?", "(", str(inspect.signature(obj.__init__)))
    return signature and signature.replace("<factory>", "..."), returned


def setup(app) -> dict:
    """Called by Sphinx (see _config.yml)."""
    from .typesetting import TextAlternatives, Unbroken

    app.add_config_value("gtp_mini_sources", "", "env")
    app.connect("config-inited", _use_keyed_cache)
    app.connect("doctree-read", _drop_widget_state)
    app.connect("html-page-context", _drop_thebe, priority=900)  # after the extensions that add scripts
    app.add_css_file("book.css")
    app.add_js_file("book.js", loading_method="defer")
    app.add_post_transform(TextAlternatives)
    app.add_post_transform(Unbroken)
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", _take_words_as_they_are)
    app.connect("autodoc-process-signature", _say_what_a_default_is)
    app.connect("autodoc-skip-member", _skip_what_python_says)
    app.connect("build-finished", _copy_into_site)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
