"""Units made by several processes, as many as it takes for so many steps; whatever was made is kept."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import count, takewhile

from gtp_mini.collect.units import Units
from gtp_mini.processes import ctrl_c_waits, end_with_parent


def make_units(
    units: Units, transitions: int, processes: int = 1, progress: Callable[[int, int], None] | None = None
) -> None:
    """Makes what is missing until the units from 0 on, without a gap, hold ``transitions`` steps.

    Args:
        processes: 1 works in this process. More are started anew ("spawn"): a script that asks for them needs the
            usual ``if __name__ == "__main__":``. The units do not depend on it.
        progress: called with (steps made, transitions), at first with what an earlier call left.

    Raises:
        ValueError: fewer than one process.
        OSError: a unit cannot be written.
        RuntimeError: a process died.
    """
    if processes < 1:
        raise ValueError(f"processes must be at least 1, got {processes}")
    made = units.made()
    with _executor(processes) as executor:
        running: dict[Future, int] = {}
        while True:
            if progress is not None:
                progress(min(sum(made.values()), transitions), transitions)
            if sum(made[number] for number in takewhile(made.__contains__, count())) >= transitions:
                return
            while len(running) < processes and (not running or _expected(made, len(running)) < transitions):
                number = next(n for n in count() if n not in made and n not in running.values())
                running[executor.submit(units.make, number)] = number
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                made[running.pop(future)] = _steps(future)


def _expected(made: dict[int, int], running: int) -> float:
    """How many steps there will be when the running units are done; 0 while nothing is known of their length."""
    steps = sum(made.values())
    return steps + running * steps / len(made) if made else 0.0


def _steps(future: Future) -> int:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise RuntimeError(
            "a process that makes data ended unexpectedly (out of memory? a script without if __name__ == "
            '"__main__"?); what was made is kept: run it again, with fewer processes perhaps'
        ) from error


@contextmanager
def _executor(processes: int) -> Iterator[Executor]:
    """Processes that end with the block; at once where it ends by an error or by Ctrl-C."""
    if processes == 1:
        yield _Here()
        return
    others = set(multiprocessing.active_children())
    pool = _Processes(processes, multiprocessing.get_context("spawn"), initializer=end_with_parent)
    try:
        yield pool
    except BaseException:
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


class _Here(Executor):
    """Works in this process, when it is asked to."""

    def submit(self, work, *args) -> Future:
        future: Future = Future()
        future.set_result(work(*args))
        return future


class _Processes(ProcessPoolExecutor):
    """Processes that never hear Ctrl-C, not even while they start: it is this one that stops them."""

    def submit(self, work, *args) -> Future:
        with ctrl_c_waits():
            return super().submit(work, *args)
