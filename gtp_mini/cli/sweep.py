"""`gtp-mini sweep` and `gtp-mini report`: many runs from a plan, and what they say together."""

from pathlib import Path
from typing import Annotated

import typer

from .terms import Json, one_line, print_json, progress_bar, say, usage

PLAN_FILE = typer.Argument(exists=True, dir_okay=False,
                           help="A TOML file: shared settings, and groups of tasks, methods and seeds.")


def sweep(
    plan: Annotated[Path, PLAN_FILE],
    out: Annotated[Path | None, typer.Option(help="Folder of the runs; runs/ and the plan's name by default.")] = None,
    engine: Annotated[str, typer.Option(help="Where the runs are made: local.")] = "local",
    workers: Annotated[int, typer.Option(help="Runs side by side.", min=1, max=1024)] = 1,
    threads: Annotated[int, typer.Option(help="Of torch, for each run.", min=1, max=1024)] = 1,
    make_data: Annotated[bool, typer.Option("--make-data", help="Make missing data first.")] = False,
    records: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Records of earlier runs "
                                                 "(report --collect): what is there is not run again.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run again what failed before.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start those runs again whose settings the plan has "
                                                                "changed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Run nothing; show what there is to do.")] = False,
    as_json: Json = False,
) -> None:
    """Runs what a plan asks for and is not there yet; goes on where it stopped."""
    from ..collect.batch import available_threads
    from ..datasets.tasks import get_task
    from ..sweep import LocalEngine, run_sweep
    from ..sweep.records import RECORDS, read_records
    from ..sweep.run import missing_data, states_of

    if engine != "local":
        raise usage(f"unknown engine {engine!r}; known: local")
    cells, out = _cells(plan), out or Path("runs") / plan.stem
    kept = read_records(records) if records else []
    if dry_run:
        return _show(cells, states_of(cells, out, kept), missing_data(cells), out, as_json)
    if make_data:
        for task in missing_data(cells):
            with progress_bar(f"making data: {task}") as progress:
                get_task(task).make(progress=progress, processes=available_threads())
    try:
        states = run_sweep(cells, out, LocalEngine(workers, threads), overwrite, retry, say, kept)
    except KeyboardInterrupt:
        say("stopped; what was saved is complete, and the same command goes on from there")
        raise typer.Exit(1) from None
    failed = {name: state.note for name, state in states.items() if state.name == "failed"}
    if as_json:
        print_json({"folder": str(out), "cells": len(cells), "done": len(cells) - len(failed), "failed": failed,
                    "records": str(out / RECORDS)})
    for name, message in failed.items():
        say(f"failed: {name}: {message}")
    say(f"{len(cells) - len(failed)} of {len(cells)} cells done; see them with:  gtp-mini report {out} --plan {plan}")
    if failed:
        raise typer.Exit(1)


def report(
    sources: Annotated[list[Path], typer.Argument(metavar="DIR|RECORDS...", exists=True,
                                                  help="Folders of runs, or files of records.")],
    out: Annotated[Path | None, typer.Option(help="Write it as one HTML file, with curves.")] = None,
    collect: Annotated[Path | None, typer.Option(help="Write the records of all these runs to one small file, from "
                                                      "which every report can be made.")] = None,
    plan: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="The plan: what of it was not run is "
                                                                                "shown.")] = None,
    sampling_steps: Annotated[int | None, typer.Option(help="K at which methods are compared; each method's own by "
                                                            "default.", min=1, max=64)] = None,
    noise_scale: Annotated[float, typer.Option(help="Share of the noise at which they are.", min=0.0, max=1.0)] = 1.0,
    noise_memory: Annotated[float, typer.Option(help="How much of it an action keeps from the last one.", min=0.0,
                                                max=1.0)] = 0.0,
    as_json: Json = False,
) -> None:
    """Tables of runs: success with intervals, averages over tasks, probability of improvement."""
    from ..comparison import Choice, make_report
    from ..comparison.page import to_html
    from ..comparison.tables import to_markdown
    from ..saving import write_bytes
    from ..sweep.records import load_records, write_records

    records = [record for source in sources for record in load_records(source)]
    result = make_report(records, Choice(sampling_steps, noise_scale, noise_memory), _cells(plan) if plan else ())
    if collect:
        write_records(collect, records)
    if out:
        write_bytes(out, to_html(result, plan.stem if plan else sources[0].stem).encode())
    print_json(result.to_dict()) if as_json else say(to_markdown(result))
    for what, path in (("the records are", collect), ("the report is", out)):
        if path:
            say(f"{what} in {path}")


def _cells(plan: Path) -> list:
    from ..sweep import load_plan

    try:
        return load_plan(plan)
    except ValueError as error:
        raise usage(one_line(error)) from None


def _show(cells: list, states: dict, no_data: list[str], out: Path, as_json: bool) -> None:
    """What a sweep would find, and do."""
    counts: dict[str, int] = {}
    for state in states.values():
        counts[state.name] = counts.get(state.name, 0) + 1
    if as_json:
        return print_json({"folder": str(out), "counts": counts, "missing_data": no_data, "cells": [
            {"cell": cell.name, "group": cell.group, "state": states[cell.name].name, "note": states[cell.name].note}
            for cell in cells]})
    for cell in cells:
        say(f"  {cell.name:60} {states[cell.name]}")
    say(f"{len(cells)} cells in {out}: " + ", ".join(f"{number} {name}" for name, number in counts.items()))
    if no_data:
        say("data are missing:  " + "  ".join(f"gtp-mini data make {task}" for task in no_data))
