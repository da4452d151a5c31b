"""One sweep at a time in a folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder for this process. RuntimeError with the other's process id if another sweep holds it.

    The lock is the kernel's, on the file sweep.lock: it ends with the process, however that ends, so the file that a
    killed sweep leaves behind binds nobody.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "sweep.lock", "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise RuntimeError(f"another sweep is at work in {folder} (process {file.read().strip() or 'unknown'}); "
                               f"wait for it, or stop it") from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
