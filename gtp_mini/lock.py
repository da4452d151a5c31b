"""One process at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(file: Path, what: str) -> Iterator[None]:
    """Holds a lock file for this process. RuntimeError if another holds it: `what` it is, with its process id.

    The lock is the kernel's: it ends with the process, however that ends, so the file that a killed one leaves behind
    binds nobody.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(file, "a+") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.seek(0)
                other = handle.read().strip() or "unknown"
                raise RuntimeError(f"{what} (process {other}); wait for it, or stop it") from None
            if not file.exists() or not os.path.samestat(os.fstat(handle.fileno()), file.stat()):
                continue  # its last holder has deleted it since it was opened
            handle.truncate(0)
            handle.write(f"{os.getpid()}\n")
            handle.flush()
            try:
                yield
            finally:
                file.unlink(missing_ok=True)
            return
