"""Where the jobs of a sweep run: an interface of one method, and processes on this machine."""

import multiprocessing
import signal
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator
from multiprocessing.connection import Connection, wait

import torch

from ..processes import ctrl_c_waits, end_with_parent
from .job import Job, perform


class Engine(ABC):
    """Does jobs. All that a job needs and leaves is on a file system that its worker shares."""

    @abstractmethod
    def run(self, jobs: list[Job]) -> Generator[tuple[Job, str | None], None, None]:
        """Does the jobs, the first ones first; yields each as it ends, with what went wrong or None.

        A job that fails, or takes its worker with it, stops no other. Closing the generator stops those under way.
        """


class LocalEngine(Engine):
    """So many processes side by side, one for each job, with so many torch threads each.

    A process of its own costs seconds, and gives the memory back; what the kernel kills for want of it is one job.
    """

    def __init__(self, workers: int = 1, threads: int = 1):
        self.workers, self.threads = workers, threads

    def run(self, jobs: list[Job]) -> Generator[tuple[Job, str | None], None, None]:
        waiting = deque(jobs)
        running: dict[Connection, tuple[Job, multiprocessing.process.BaseProcess]] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    job = waiting.popleft()
                    answer, process = self._start(job)
                    running[answer] = job, process
                for answer in wait(list(running)):
                    job, process = running.pop(answer)
                    yield job, _answer_of(answer, process)
        finally:
            for _, process in running.values():
                process.terminate()
            for _, process in running.values():
                process.join()

    def _start(self, job: Job) -> tuple[Connection, multiprocessing.process.BaseProcess]:
        context = multiprocessing.get_context("spawn")
        receive, send = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(job, self.threads, send), name=job.cell.name, daemon=True)
        with ctrl_c_waits():
            process.start()
        send.close()  # the worker has its own: when it dies without an answer, reading ends
        return receive, process


def attempt(job: Job) -> str | None:
    """Does a job; what went wrong (a line for people, then the traceback), or None."""
    try:
        perform(job)
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        return f"{type(error).__name__}: {first}\n{traceback.format_exc()}"
    return None


def _work(job: Job, threads: int, send: Connection) -> None:
    end_with_parent()  # the next sweep must find nobody in its folders
    torch.set_num_threads(threads)
    send.send(attempt(job))


def _answer_of(answer: Connection, process: multiprocessing.process.BaseProcess) -> str | None:
    try:
        return answer.recv()
    except EOFError:
        process.join()
        code = process.exitcode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        return f"the worker {how}" + (" (out of memory?)" if code == -signal.SIGKILL else "")
    finally:
        answer.close()
        process.join()
