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
    from .. import bench as benchmarks
    from ..agents.base import pick_device
    from ..book import markdown
    from ..records import versions

    chosen = str(pick_device(device))
    found = {"versions": versions(), "device": chosen, "width": width}
    say(f"updates of 256 transitions, 3 x {width}, on {chosen} ...")
    found["updates_per_second"] = {name: 1 / s for name, s in benchmarks.updates(chosen, width).items()}
    say("decisions ...")
    found["decision_ms"] = {name: 1000 * s for name, s in benchmarks.latencies().items()}
    say("ants and imports ...")
    found["ant_steps_per_second"] = {name: 1 / s for name, s in benchmarks.world().items()}
    found["import_seconds"] = benchmarks.imports()
    found["peak_memory_mb"] = benchmarks.peak_memory_mb()
    if as_json:
        return print_json(found)
    for title in ("updates_per_second", "decision_ms", "ant_steps_per_second", "import_seconds"):
        say("\n" + markdown([{title.replace("_", " "): name, "": value} for name, value in found[title].items()]))
    say(f"\npeak memory {found['peak_memory_mb']:.0f} MB")
