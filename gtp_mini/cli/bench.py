"""`gtp-mini bench`."""

from typing import Annotated

import typer

from .terms import Json, print_json, say


def bench(
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    width: Annotated[int, typer.Option(help="Of the three hidden layers.", min=1, max=4096)] = 256,
    as_json: Json = False,
) -> None:
    """How fast this machine trains and acts: one run, candidates in turn, so that ratios hold on a busy machine."""
    from ..agents.base import pick_device
    from ..bench import everything
    from ..book import markdown

    found = everything(str(pick_device(device)), width, say=say)
    if as_json:
        return print_json(found)
    for title in ("updates_per_second", "decision_ms", "ant_steps_per_second", "import_seconds"):
        say("\n" + markdown([{title.replace("_", " "): name, "": value} for name, value in found[title].items()]))
    say(f"\npeak memory {found['peak_memory_mb']:.0f} MB")
