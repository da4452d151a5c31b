"""What the figures of the book share: one script, and the places in which it runs."""

import hashlib
import json
from pathlib import Path

import anywidget
import traitlets

HERE = Path(__file__).parent


def module_source(*scripts: str) -> str:
    """An ES module of several files in one, as pages opened from a folder cannot import from files."""
    return "\n".join((HERE / name).read_text("utf8") for name in scripts)


class PageFigure(anywidget.AnyWidget):
    """A figure that moves on a page without a kernel and in JupyterLab alike. The last expression of a cell shows it.

    A subclass brings `_esm`, a `module_source` whose `mount(element, spec)` draws what the dictionary `_spec` says.
    """

    _css = (HERE / "figure.css").read_text("utf8")
    _spec = traitlets.Dict().tag(sync=True)

    def html(self) -> str:
        """The figure as HTML that needs nothing else: module, style, and what is shown."""
        spec = json.dumps(self._spec, separators=(",", ":")).replace("</", "<\\/")
        place = "gtp-" + hashlib.sha256(spec.encode()).hexdigest()[:12]
        return (f'<div data-figure="{place}"><noscript>This figure needs JavaScript.</noscript></div>\n'
                f"<style>{self._css}</style>\n"
                f'<script type="module">\n{self._esm}\n'
                f"""mount(document.querySelector('[data-figure="{place}"]'), {spec});\n</script>""")

    def _repr_mimebundle_(self, **kwargs) -> tuple[dict, dict]:
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, "text/plain": repr(self), "text/html": self.html()}, metadata
