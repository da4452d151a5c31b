"""`gtp-mini`: make data, train, evaluate, compare. People's text goes to standard error, --json to standard output."""

import sys

import typer

from . import bench, data, runs, study, sweep
from .terms import one_line, say

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
                  help="Generative trajectory policies: make data, train, evaluate, compare.\n\n"
                       "A first ant:  gtp-mini train antmaze-umaze --make-data --out runs/ant   "
                       "then   gtp-mini evaluate runs/ant")
app.add_typer(data.app, name="data")
for command in (runs.train, runs.evaluate, sweep.sweep, sweep.report, study.study, bench.bench):
    app.command()(command)

LESS = "; out of memory: take a smaller --batch-size, fewer --seeds or fewer transitions; what was saved is complete"
INTERRUPTED = 130  # typer's exit status for Ctrl-C


def main() -> None:
    """Entry point. Exit status 0 done, 1 could not do it, 2 wrong arguments."""
    try:
        app()
    except SystemExit as status:
        if status.code != INTERRUPTED:
            raise
        say("stopped; what was saved is complete, and training goes on from there with --resume")
        sys.exit(1)
    except (OSError, ValueError, ImportError, RuntimeError, MemoryError) as error:
        say(f"error: {one_line(error)}" + (LESS if _out_of_memory(error) else ""))
        sys.exit(1)


def _out_of_memory(error: Exception) -> bool:
    """NumPy and Python raise MemoryError, torch an error of its own for a GPU and RuntimeError for a CPU."""
    return (isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
            or "can't allocate memory" in str(error))
