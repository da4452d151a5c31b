"""`gtp-mini data`: what there is, make some, look into one."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from .terms import Json, Seed, known_task, print_json, progress_bar, say

app = typer.Typer(no_args_is_help=True, help="Datasets: what there is, make some, look into one.")


@app.command("list")
def data_list(as_json: Json = False) -> None:
    """What is on this machine, what can be made, what can be downloaded."""
    from ..datasets.store import list_datasets
    from ..datasets.tasks import TASKS

    local = list_datasets()
    tasks = {t.name: {"dataset": t.dataset_id, "description": t.description, "made": t.dataset_id in local}
             for t in TASKS.values()}
    if as_json:
        return print_json({"local": local, "tasks": tasks, "download": "D4RL/antmaze/umaze-v1 and others"})
    say("Datasets on this machine:")
    for name, info in local.items():
        say(f"  {name:34} {info['steps']:>9,} steps  {info['megabytes']:7.0f} MB")
    if not local:
        say("  none yet")
    say("Tasks (gtp-mini data make TASK):")
    for name, info in tasks.items():
        say(f"  {name:24} {'made' if info['made'] else '-':5} {info['description']}")
    say("Published ones come by:  gtp-mini data download D4RL/antmaze/umaze-v1")


@app.command("make")
def data_make(
    task: Annotated[str, typer.Argument(help="A task, antmaze-umaze for one; `gtp-mini data list` shows all.")],
    transitions: Annotated[int | None, typer.Option(help="How many steps of the world; the task has a default.",
                                                    min=1, max=100_000_000)] = None,
    seed: Seed = 0,
    processes: Annotated[int | None, typer.Option(help="How many make an ant's data; all cores by default. The data do "
                                                       "not depend on it.", min=1, max=1024)] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the dataset if it exists, or an unfinished one of other "
                                                 "settings.")] = False,
    as_json: Json = False,
) -> None:
    """Makes a task's dataset, and stores it where Minari keeps its own. Stopped, the same command goes on."""
    from ..collect.batch import available_threads

    spec = known_task(task)
    try:
        with progress_bar("making data") as progress:
            dataset_id = spec.make(transitions, seed, _resumed(progress) if spec.maze else progress, overwrite,
                                   processes or available_threads())
    except KeyboardInterrupt:
        say("stopped; nothing half-made was stored. "
            + ("The same command goes on from here" if spec.maze else "The same command starts again"))
        raise typer.Exit(1) from None
    info = {"task": task, "dataset": dataset_id, "seed": seed} | _local(dataset_id)
    if as_json:
        return print_json(info)
    say(f"made {dataset_id}: {info['steps']:,} steps in {info['episodes']:,} episodes, {info['megabytes']:.0f} MB")


@app.command("download")
def data_download(dataset: Annotated[str, typer.Argument(help="The id of a published one: D4RL/antmaze/umaze-v1.")],
                  as_json: Json = False) -> None:
    """Downloads a published dataset, through Minari (which needs pip install "minari[hf]" for it)."""
    import minari

    minari.download_dataset(dataset)
    info = {"dataset": dataset} | _local(dataset)
    if as_json:
        return print_json(info)
    say(f"downloaded {dataset}: {info['steps']:,} steps, {info['megabytes']:.0f} MB")


@app.command("inspect")
def data_inspect(dataset: Annotated[str, typer.Argument(help="A dataset's id, or a task's name.")],
                 pictures: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Draw it, too, into this folder.")
                                     ] = None,
                 as_json: Json = False) -> None:
    """The dataset doctor: looks for every trap that AntMaze data are known for."""
    from ..datasets.doctor import inspect
    from ..datasets.tasks import TASKS

    dataset_id = TASKS[dataset].dataset_id if dataset in TASKS else dataset
    report, drawn = inspect(dataset_id), []
    if pictures is not None:
        from ..datasets.pictures import draw

        drawn = [str(path) for path in draw(dataset_id, pictures)]
    if as_json:
        return print_json(report.to_dict() | ({"pictures": drawn} if drawn else {}))
    say(str(report))
    for path in drawn:
        say(f"  picture: {path}")


def _resumed(progress: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """Tells, at its first call, of what an earlier command had made."""
    calls = []

    def shown(done: int, total: int) -> None:
        if not calls and done:
            say(f"going on: {done:,} of {total:,} steps were made before")
        calls.append(done)
        progress(done, total)

    return shown


def _local(dataset_id: str) -> dict:
    from ..datasets.store import list_datasets

    return list_datasets()[dataset_id]
