"""What the commands share: options, messages, progress. People's text goes to standard error."""

import json
import sys
from collections.abc import Callable
from contextlib import contextmanager
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else there.")]
Seed = Annotated[int, typer.Option(help="Same seed, same machine, same result.", min=0)]


def known_task(name: str):
    """The task of that name; a usage error if there is none."""
    from ..datasets.tasks import get_task

    try:
        return get_task(name)
    except ValueError as error:
        raise usage(one_line(error)) from None


@contextmanager
def progress_bar(what: str):
    """A progress bar on standard error, as a callback (done, total)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                  console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)
        callback: Callable[[int, int], None] = lambda done, total: bar.update(task, completed=done, total=total)  # noqa: E731
        yield callback


def usage(message: str) -> typer.BadParameter:
    """Wrong arguments, to be raised: exit status 2."""
    return typer.BadParameter(message)


def one_line(error: Exception) -> str:
    """The first line of what an error says."""
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


def print_json(content: dict) -> None:
    print(json.dumps(content))


def say(text: str) -> None:
    print(text, file=sys.stderr)
