"""Learning curves as SVG text, drawn by hand: no library, no script, nothing from elsewhere."""

from html import escape
from typing import NamedTuple

from ..plots import BLUE, GREEN, GREY, ORANGE, RED
from .rows import Groups

COLOURS = (BLUE, ORANGE, GREEN, RED, "#cc79a7", "#56b4e9", GREY, "#000000")  # Okabe and Ito's
DASHES = ("none", "6 3", "2 3")  # a round of colours each
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 260, 60, 12, 28, 40  # pixels; the last four are margins


class Point(NamedTuple):
    """Runs at one step: their mean, and between what they lie."""

    step: float
    mean: float
    low: float
    high: float


def success_lines(groups: Groups, task: str) -> dict[str, list[Point]]:
    """Success of the evaluations while training, by label."""
    return _lines(groups, task, lambda run: [(e["checkpoint_step"], e["success_rate"])
                                             for e in run["evaluations"] if e.get("during_training")])


def metric_lines(groups: Groups, task: str, metric: str) -> dict[str, list[Point]]:
    """A logged metric, thinned, by label."""
    return _lines(groups, task, lambda run: list(zip(run["curve"].get("step", []), run["curve"].get(metric, []),
                                                     strict=False)))


def chart(title: str, lines: dict[str, list[Point]], colours: dict[str, int], unit_interval: bool = False) -> str:
    """An SVG element: a line a label through the means over runs, a band from the lowest to the highest run.

    `colours` numbers the labels, so that a method looks the same in every chart. `unit_interval` shows 0 to 1.
    """
    points = [point for line in lines.values() for point in line]
    right = max(point.step for point in points)
    bottom, top = (0.0, 1.0) if unit_interval else (min(p.low for p in points), max(p.high for p in points))
    top = top if top > bottom else bottom + 1.0

    def x(step: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * step / right, 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - bottom) / (top - bottom), 1)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">',
             f"<title>{escape(title)}</title>",
             f'<text x="{LEFT}" y="16" class="title">{escape(title)}</text>',
             f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">updates</text>']
    for share in (0, 0.25, 0.5, 0.75, 1):
        value = bottom + share * (top - bottom)
        parts.append(f'<line x1="{LEFT}" y1="{y(value)}" x2="{WIDTH - RIGHT}" y2="{y(value)}" class="grid"/>'
                     f'<text x="{LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{value:.4g}</text>')
    for share, anchor in ((0, "start"), (0.5, "middle"), (1, "end")):
        parts.append(f'<text x="{x(share * right)}" y="{HEIGHT - BOTTOM + 16}" text-anchor="{anchor}">'
                     f"{share * right:,.0f}</text>")
    for label, line in lines.items():
        stroke, dash = stroke_of(colours[label])
        band = [(p.step, p.high) for p in line] + [(p.step, p.low) for p in reversed(line)]
        band_text, line_text = (" ".join(f"{x(step)},{y(value)}" for step, value in pairs)
                                for pairs in (band, [(p.step, p.mean) for p in line]))
        parts.append(f'<polygon points="{band_text}" fill="{stroke}" opacity="0.15"/>'
                     f'<polyline points="{line_text}" fill="none" stroke="{stroke}" stroke-width="2" '
                     f'stroke-dasharray="{dash}"><title>{escape(label)}</title></polyline>'
                     f'<circle cx="{x(line[-1].step)}" cy="{y(line[-1].mean)}" r="3" fill="{stroke}"/>')
    return "".join([*parts, "</svg>"])


def stroke_of(number: int) -> tuple[str, str]:
    """Colour and dashes of the label of that number."""
    return COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]


def _lines(groups: Groups, task: str, points_of) -> dict[str, list[Point]]:
    """A line a label, over the runs that have a point at a step."""
    lines = {}
    for (name, label), runs in groups.items():
        at: dict[float, list[float]] = {}
        for step, value in (pair for run in runs if name == task for pair in points_of(run)):
            at.setdefault(step, []).append(value)
        if at:
            lines[label] = [Point(step, sum(v) / len(v), min(v), max(v)) for step, v in sorted(at.items())]
    return lines
