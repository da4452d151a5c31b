"""Running what is missing of the study, on several cores, in an order that is useful when it is stopped half-way."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch

from ..processes import end_with_parent
from .records import Store


@dataclass(frozen=True)
class Part:
    """A question of the study: its runs, how one is made, and how the records become tables and pictures.

    A cell is a dict of plain settings that names a run completely. `cells(seeds, folder)` lists them, first seeds
    first; `measure(cell)` makes one, in a process of its own, and returns plain numbers; `tables(rows)` gives titled
    tables, rows of equal keys; `plot(rows)` a matplotlib figure. `prepare()` makes what all runs need, once.
    """

    name: str
    question: str
    cells: Callable[[int, Path], list[dict]]
    measure: Callable[[dict], dict]
    tables: Callable[[list[dict]], dict[str, list[dict]]]
    plot: Callable[[list[dict]], object] | None = None
    prepare: Callable[[], None] = lambda: None


def run_part(part: Part, folder: Path, seeds: int, workers: int,
             progress: Callable[[int, int], None] | None = None) -> int:
    """Makes the runs of a part that are not on record; returns how many there are in all."""
    store, cells = Store(folder, part.name), part.cells(seeds, folder)
    missing = store.missing(cells)
    store.mend()
    if missing:
        part.prepare()
    done = len(cells) - len(missing)
    if progress:
        progress(done, len(cells))
    for cell, result, seconds in _results(part, missing, workers):
        store.add(cell, result, seconds)
        done += 1
        if progress:
            progress(done, len(cells))
    return len(cells)


def _results(part: Part, cells: list[dict], workers: int) -> Iterator[tuple[dict, dict, float]]:
    if not cells:
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker) as pool:
        pending = {pool.submit(_timed, part.measure, cell): cell for cell in cells}
        try:
            for future in as_completed(pending):
                yield (pending[future], *future.result())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _timed(measure: Callable[[dict], dict], cell: dict) -> tuple[dict, float]:
    start = time.perf_counter()
    return measure(cell), time.perf_counter() - start


def _start_worker() -> None:
    end_with_parent()
    torch.set_num_threads(1)  # the networks are small: two processes do more than two threads
