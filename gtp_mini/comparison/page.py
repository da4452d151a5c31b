"""A report as one HTML file that needs nothing else: no network, no script."""

from html import escape

from .curves import chart, metric_lines, stroke_of, success_lines
from .report import Report
from .tables import Table, tables

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #222;
       background: #fff }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .7rem; text-align: left; border-bottom: 1px solid #ddd; white-space: nowrap }
svg text { font: 11px system-ui, sans-serif; fill: #444 }
svg .title { font-size: 13px; font-weight: 600 }
svg .grid { stroke: #ddd }
.key { margin-right: 1.2rem; white-space: nowrap }
"""


def to_html(report: Report, title: str = "Report") -> str:
    """Curves, tables and notes. The same report gives the same text."""
    body = [f"<h1>{escape(title)}</h1>", _curves(report), *map(_table, tables(report))]
    if report.notes:
        notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
        body.append(f"<h2>To be minded</h2><ul>{notes}</ul>")
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
            f"<style>{STYLE}</style></head><body>\n" + "\n".join(body) + "\n</body></html>\n")


def _curves(report: Report) -> str:
    tasks = dict.fromkeys(task for task, _ in report.groups)
    colours = {label: i for i, label in enumerate(dict.fromkeys(label for _, label in report.groups))}
    watched = [chart(task, lines, colours, unit_interval=True)
               for task in tasks if (lines := success_lines(report.groups, task))]
    logged = "".join(f"<h3>{escape(task)}</h3>{_metrics(report, task, colours)}" for task in tasks)
    head = "<h2>Success while training</h2><p>Mean over runs; the band is from the lowest to the highest.</p>"
    return (f"<p>{''.join(map(_key, colours, colours.values()))}</p>" + (head + "".join(watched) if watched else "")
            + f"<details><summary>Everything that was logged</summary>{logged}</details>")


def _metrics(report: Report, task: str, colours: dict[str, int]) -> str:
    metrics = dict.fromkeys(metric for (name, _), runs in report.groups.items() if name == task
                            for run in runs for metric in run["curve"] if metric != "step")
    return "".join(chart(metric, metric_lines(report.groups, task, metric), colours) for metric in metrics)


def _key(label: str, number: int) -> str:
    stroke, dash = stroke_of(number)
    return (f'<span class="key"><svg width="30" height="10"><line x1="0" y1="5" x2="28" y2="5" stroke="{stroke}" '
            f'stroke-width="2" stroke-dasharray="{dash}"/></svg> {escape(label)}</span>')


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.rows[0])
    rows = "".join("<tr>" + "".join(f"<td>{escape(str(value))}</td>" for value in row.values()) + "</tr>"
                   for row in table.rows)
    return (f"<h2>{escape(table.title)}</h2><p>{escape(table.text)}</p>"
            f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>')
