"""Worker processes that end with their parent, and never hear Ctrl-C themselves."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread, current_thread, main_thread


@contextmanager
def ctrl_c_waits() -> Iterator[None]:
    """Ctrl-C waits for the end of the block, which starts processes; they inherit that it is blocked.

    A terminal sends it to all, and it is the parent that stops its workers.
    """
    if current_thread() is not main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    pressed = []
    # Blocking is not enough: another thread may take the signal, and Python then interrupts this one all the same.
    handler = signal.signal(signal.SIGINT, lambda *call: pressed.append(call))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        if pressed:
            raise KeyboardInterrupt


def end_with_parent() -> None:
    """To be called in a worker: when its parent is killed, it ends at once and works on for nobody."""
    Thread(target=_end_after_parent, daemon=True).start()


def _end_after_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
