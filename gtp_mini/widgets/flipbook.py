"""`Flipbook`: a picture for every position of one or two sliders."""

import base64
import io
import itertools
import math
from collections.abc import Callable, Sequence

from .base import PageFigure, module_source

DPI, COLOURS = 110, 64  # sharp enough to project; drawings of lines need no more colours, colour maps have 256
MAX_BYTES = 2_000_000  # of a page that should stay under three million


class Flipbook(PageFigure):
    """Pictures that a reader leafs through with sliders: for what a browser should not compute.

    >>> Flipbook(draw, {"Sampling steps K": [1, 2, 5, 10]}, size=(7, 3))

    draw(figure, *values) draws on an empty matplotlib figure and returns a sentence that says what is to be seen there;
    it stands below the picture, and for those who cannot see it, instead. It is called for every combination of the
    sliders' values, in order, when the figure is made.

    sliders: label -> values (shown as they print, a float to three digits); start: label -> the value to begin with, by
    default the first; size: of the picture, in inches; colour_map: colours mean something, so that a dark page shows
    them as they are, where it turns black on white into white on black.
    Raises ValueError for a slider with fewer than two values, a start that is none of them, a draw that returns no
    sentence, and pictures that are together too large for a page.
    """

    _esm = module_source("controls.js", "page.js", "flipbook.js")

    def __init__(self, draw: Callable[..., str], sliders: dict[str, Sequence], start: dict | None = None,
                 size: tuple[float, float] = (7.0, 3.2), colour_map: bool = False):
        start = start or {}
        for label, values in sliders.items():
            if len(values) < 2:
                raise ValueError(f"a slider needs at least two values, {label!r} has {len(values)}")
            if label in start and start[label] not in list(values):
                raise ValueError(f"start of {label!r} must be one of its values, got {start[label]!r}")
        colours = 256 if colour_map else COLOURS
        pages = [_page(draw, size, colours, values) for values in itertools.product(*sliders.values())]
        total = sum(len(picture) for picture, _ in pages)
        if total > MAX_BYTES:
            raise ValueError(f"{len(pages)} pictures are {total / 1e6:.1f} MB, more than the {MAX_BYTES / 1e6:.0f} MB "
                             f"that a page should carry: take fewer values, or a smaller size")
        super().__init__(_spec={
            "sliders": [{"label": label, "values": [_text(v) for v in values],
                         "start": list(values).index(start.get(label, values[0]))}
                        for label, values in sliders.items()],
            "pictures": [picture for picture, _ in pages], "words": [words for _, words in pages],
            "size": [math.floor(inches * DPI) for inches in size], "colour_map": colour_map})

    def __repr__(self) -> str:
        sliders = self._spec["sliders"]
        return f"Flipbook({', '.join(s['label'] for s in sliders)}: {len(self._spec['pictures'])} pictures)"


def _page(draw: Callable[..., str], size: tuple[float, float], colours: int, values: tuple) -> tuple[str, str]:
    """The picture as PNG in base64, and its words."""
    from matplotlib.figure import Figure
    from PIL import Image

    figure, drawn, packed = Figure(figsize=size, layout="constrained"), io.BytesIO(), io.BytesIO()
    words = draw(figure, *values)
    if not isinstance(words, str) or not words:
        raise ValueError(f"draw must return a sentence that says what its picture shows, got {words!r}")
    figure.savefig(drawn, format="png", dpi=DPI)
    # by coverage, so that a few thin letters keep their colour; a dither would make noise of even areas
    picture = Image.open(drawn).convert("RGB").quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=1,
                                                        dither=Image.Dither.NONE)
    picture.save(packed, "png", optimize=True)
    return base64.b64encode(packed.getvalue()).decode(), words


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
