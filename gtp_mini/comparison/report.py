"""A report: everything that the records say, as rows, with what is missing and what to mind."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..records import versions
from ..sweep.cell import Cell
from . import rows as make
from .scores import Choice, Setting, grouped, rank_of_label, rank_of_task, trained

Rows = list[dict]
NO_SETTING = Setting("last", 0, 1.0, 0.0, None)  # of a method without a run


@dataclass(frozen=True)
class Report:
    """Tables as rows of plain values, None for what is not on record; see `rows` for what they hold.

    `not_run` are planned runs without a score, and why; `notes` what a reader has to know; `groups` the records by task
    and label.
    """

    methods: Rows
    evaluations: Rows
    averages: Rows
    improvement: Rows
    published: Rows
    not_run: Rows
    notes: list[str]
    groups: make.Groups

    def to_dict(self) -> dict:
        """All of it but the records, ready for JSON."""
        return {name: value for name, value in vars(self).items() if name != "groups"}


def make_report(records: list[dict], choice: Choice = Choice(), planned: Iterable[Cell] = ()) -> Report:  # noqa: B008
    """Sums up records. `planned` are the cells of a plan, of which those that were not run are shown as such.

    Raises ValueError if runs of one task and method are not of one kind.
    """
    groups, planned = grouped(records), list(planned)
    methods = make.method_rows(groups, choice)
    names = {(cell.config.task, cell.label) for cell in planned} - set(groups)
    methods += [{"task": task, "method": label} | make.summary([], NO_SETTING)
                for task, label in names]
    methods.sort(key=lambda row: (rank_of_task(row["task"]), rank_of_label(row["method"])))
    for row in methods:
        cells = [cell for cell in planned if (cell.config.task, cell.label) == (row["task"], row["method"])]
        row["planned"] = len(cells) or None
    found = make.scores(groups, choice)
    return Report(methods, make.evaluation_rows(groups),
                  make.average_rows(found), make.improvement_rows(found), make.published_rows(methods),
                  _not_run(groups, choice, planned), _notes(records, planned), groups)


def _not_run(groups: make.Groups, choice: Choice, planned: list[Cell]) -> Rows:
    """Planned cells, and runs on record, that have no score, by task, method and seed."""
    known = {(task, label, run["seed"]): run for (task, label), runs in groups.items() for run in runs}
    wanted = {(cell.config.task, cell.label, cell.config.seed) for cell in planned}
    result = []
    for key in sorted(wanted | set(known), key=lambda key: (rank_of_task(key[0]), rank_of_label(key[1]), key[2])):
        run = known.get(key)
        if run and choice.score(run):
            continue
        why = ("not run" if run is None else f"failed: {run['failed']}" if run["failed"] else
               "not evaluated in this setting" if trained(run) else
               f"{run['updates']:,} of {run['config']['steps']:,} updates")
        result.append(dict(zip(("task", "method", "seed"), key, strict=True)) | {"why": why})
    return result


def _notes(records: list[dict], planned: list[Cell]) -> list[str]:
    """What makes runs less comparable than a table looks."""
    notes = []
    cells = {(cell.config.task, cell.label, cell.config.seed): cell for cell in planned}
    for record in records:
        cell = cells.get((record["task"], record["label"], record["seed"]))
        if cell and (changed := cell.changed(record["config"])):
            notes.append(f"{record['run']} has other settings than the plan: {', '.join(changed)}")
    for package in ("gtp-mini", "torch", "processor", "gpu"):
        seen = sorted({str(record["versions"].get(package)) for record in records})
        if len(seen) > 1:
            notes.append(f"made with several {package}: {', '.join(seen)}")
    here = versions()["gtp-mini"]
    others = {record["versions"].get("gtp-mini") for record in records} - {here}
    if others:
        notes.append(f"some were made by gtp-mini {', '.join(sorted(map(str, others)))}; this is {here}")
    dirty = sum(str(record["versions"].get("git")).endswith("-dirty") for record in records)
    if dirty:
        notes.append(f"{dirty} of {len(records)} runs were made from a checkout with changes that are in no commit")
    return notes
