"""What a worker does for one cell: train it, or go on, then evaluate it."""

from dataclasses import asdict, dataclass
from pathlib import Path

from ..records import Run
from ..run_evaluation import evaluate_run
from ..training import train
from .cell import Cell, read_mark, write_mark


@dataclass(frozen=True)
class Job:
    """A cell to be brought to its end in `folder`. `overwrite` starts again where there is a run."""

    cell: Cell
    folder: Path
    overwrite: bool = False


def perform(job: Job) -> None:
    """Does what is missing of a cell. What is done twice after a kill is done to the same bits."""
    cell, folder = job.cell, job.folder
    if job.overwrite or not read_mark(folder)["trained"]:
        write_mark(folder, cell)
        train(cell.config, str(folder), resume=not job.overwrite, overwrite=job.overwrite, progress=False)
    write_mark(folder, cell, trained=True)
    run = Run.open(folder)
    for planned in cell.absent(run.evaluations()):
        evaluate_run(run, **asdict(planned))
