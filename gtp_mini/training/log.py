"""What a run writes while it trains."""

import time

import torch
from torch import Tensor

from ..divergence import check_metrics
from ..records import Run
from .config import TrainConfig


class Log:
    """Means of the metrics over an interval, to metrics.csv, TensorBoard and the progress bar, if they are sound.

    For several runs at once a metric is (M,), one number for each run, or a number for all.
    """

    def __init__(self, runs: list[Run], config: TrainConfig, start: int, limit: float, progress: bool):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        from torch.utils.tensorboard import SummaryWriter

        self.runs, self.config, self.limit = runs, config, limit
        self.writers = [SummaryWriter(str(run.path / "tensorboard"), purge_step=start + 1) for run in runs]
        columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
                   TimeRemainingColumn())
        self.bar = Progress(*columns, console=Console(stderr=True), disable=not progress)
        self.bar_task = self.bar.add_task("", total=config.steps, completed=start, rate="")
        self.sums: dict[str, Tensor] = {}
        self.clock = time.perf_counter()

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *_):
        self.bar.stop()
        for writer in self.writers:
            writer.close()

    def add(self, step: int, metrics: dict[str, Tensor]) -> None:
        """Sums on the device; the host reads and checks them once an interval, before anything is written."""
        every = self.config.log_every
        self.sums = {k: v + self.sums[k] for k, v in metrics.items()} if self.sums else metrics
        if step % every and step != self.config.steps:
            return
        count, kept = step % every or every, self.config.kept(step)
        means = torch.stack([v.float().expand(len(self.runs)) for v in self.sums.values()]).T.cpu() / count
        now = time.perf_counter()
        speed = count / (now - self.clock)
        rows = [{"step": step, "updates_per_second": speed} | dict(zip(self.sums, values, strict=True))
                for values in means.tolist()]
        for run, row in zip(self.runs, rows, strict=True):
            check_metrics(row, self.limit, step, kept if len(self.runs) == 1 else f"{kept} ({run.path})")
        self.sums, self.clock = {}, now
        for run, writer, row in zip(self.runs, self.writers, rows, strict=True):
            run.append_metrics(row)
            for name, value in row.items():
                writer.add_scalar(name, value, step)
        self.bar.update(self.bar_task, completed=step, rate=f"{speed:.0f} updates/s")

    def say(self, text: str) -> None:
        self.bar.console.print(text)
        self.clock = time.perf_counter()  # an evaluation is not training
