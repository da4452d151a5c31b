"""`gtp-mini study`."""

from pathlib import Path
from typing import Annotated

import typer

from .terms import Json, print_json, progress_bar, say, usage


def study(
    parts: Annotated[list[str] | None, typer.Argument(help="Which parts; all of them by default.")] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each setting.", min=1, max=100)] = 5,
    workers: Annotated[int, typer.Option(help="Runs side by side, one thread each.", min=1, max=1024)] = 2,
    out: Annotated[Path, typer.Option(help="Folder of the records; runs that are on record are not made again."
                                      )] = Path("data/study"),
    report: Annotated[bool, typer.Option("--report", help="Run nothing; make tables and pictures of what there is.")
                      ] = False,
    as_json: Json = False,
) -> None:
    """Measures what the book says of objectives, temperatures and agents; goes on where it stopped."""
    from ..study import PARTS, run_part
    from ..study.report import write_report

    for name in parts or []:
        if name not in PARTS:
            raise usage(f"unknown part {name!r}; known: {', '.join(PARTS)}")
    chosen = [PARTS[name] for name in parts or PARTS]
    if not report:
        for part in chosen:
            with progress_bar(part.name) as progress:
                run_part(part, out, seeds, workers, progress)
    text = write_report(list(PARTS.values()), out)
    if as_json:
        from ..study.records import Store

        return print_json({"folder": str(out), "records": {part.name: len(Store(out, part.name).rows())
                                                            for part in chosen}})
    say(text + f"\nthe tables and pictures are in {out}")
