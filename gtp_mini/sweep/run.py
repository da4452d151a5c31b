"""A whole sweep: what is there, what is refused, what is run, and the records that are left."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from ..lock import locked
from .cell import Cell, State, read_mark, state_of, write_mark
from .engine import Engine
from .job import Job
from .records import RECORDS, collect, write_records

Say = Callable[[str], None]


def run_sweep(cells: list[Cell], folder: str | Path, engine: Engine, overwrite: bool = False, retry: bool = False,
              say: Say = lambda text: None, records: Sequence[dict] = ()) -> dict[str, State]:
    """Runs what is missing of the cells, in their order; the state of each, by name, when all is over.

    Cells that are on record, from a sweep on another machine, say, are done.
    `overwrite` starts those cells again whose settings the plan has changed, `retry` those that failed before.
    However it ends, by Ctrl-C too, records.jsonl is written for the runs that are there.

    Raises:
        ValueError: a folder holds a run with other settings, and it is not to be overwritten.
        FileNotFoundError: a task's data are missing.
        RuntimeError: another sweep is at work in the folder.
    """
    folder = Path(folder)
    with locked(folder / "sweep.lock", f"another sweep is at work in {folder}"):
        states = states_of(cells, folder, records)
        _refuse(states, folder, overwrite)
        jobs = [Job(cell, folder / cell.name, states[cell.name].name == "changed")
                for cell in cells if _wanted(states[cell.name], retry)]
        check_data([job.cell for job in jobs])
        say(f"{len(jobs)} of {len(cells)} cells to run, in {folder}")
        try:
            with closing(engine.run(jobs)) as results:
                for count, (job, failure) in enumerate(results, start=1):
                    if failure:
                        write_mark(job.folder, job.cell, read_mark(job.folder)["trained"], failure)
                    states[job.cell.name] = state = state_of(job.cell, job.folder)
                    say(f"[{count}/{len(jobs)}] {job.cell.name}: {state}")
        finally:
            write_records(folder / RECORDS, collect(folder))
    return states


def states_of(cells: list[Cell], folder: Path, records: Sequence[dict] = ()) -> dict[str, State]:
    """The state of every cell, by its name; one that has no folder may be on record."""
    states = {cell.name: state_of(cell, folder / cell.name) for cell in cells}
    kept = {record["run"]: record for record in records}
    for cell in cells:
        if states[cell.name].name == "missing" and cell.name in kept and cell.recorded(kept[cell.name]):
            states[cell.name] = State("done", "on record")
    return states


def missing_data(cells: list[Cell]) -> list[str]:
    """The tasks among the cells' whose data are not on this machine."""
    from ..datasets.store import list_datasets
    from ..datasets.tasks import get_task

    local = list_datasets()
    tasks = dict.fromkeys(cell.config.task for cell in cells)
    return [name for name in tasks if get_task(name).dataset_id not in local]


def check_data(cells: list[Cell]) -> None:
    """FileNotFoundError, with the commands that make them, if data are missing."""
    if missing := missing_data(cells):
        commands = "; ".join(f"gtp-mini data make {task}" for task in missing)
        raise FileNotFoundError(f"the data of {', '.join(missing)} are missing; make them with: {commands} "
                                f"(or add --make-data)")


def _wanted(state: State, retry: bool) -> bool:
    return state.name in ("missing", "partial", "changed") or (state.name == "failed" and retry)


def _refuse(states: dict[str, State], folder: Path, overwrite: bool) -> None:
    changed = [f"{name} ({state.note})" for name, state in states.items() if state.name == "changed"]
    if changed and not overwrite:
        shown = "; ".join(changed[:3]) + ("; ..." if len(changed) > 3 else "")
        raise ValueError(f"{len(changed)} of the runs in {folder} are not what the plan says: {shown}; give the sweep "
                         f"another folder, or start them again with --overwrite")
