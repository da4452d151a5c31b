"""`gtp-mini`: make data, train, evaluate. People's text goes to standard error, --json to standard output."""

import json
import math
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from .agents import METHODS

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
                  help="Generative trajectory policies: make data, train, evaluate.\n\n"
                       "A first ant:  gtp-mini train antmaze-umaze --make-data --out runs/ant   "
                       "then   gtp-mini evaluate runs/ant")
data_app = typer.Typer(no_args_is_help=True, help="Datasets: what there is, make some, look into one.")
app.add_typer(data_app, name="data")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else there.")]
Seed = Annotated[int, typer.Option(help="Same seed, same machine, same result.", min=0)]


INTERRUPTED = 130  # typer's exit status for Ctrl-C


def main() -> None:
    """Entry point. Exit status 0 done, 1 could not do it, 2 wrong arguments."""
    try:
        app()
    except SystemExit as status:
        if status.code != INTERRUPTED:
            raise
        _say("stopped; what was saved is complete, and training goes on from there with --resume")
        sys.exit(1)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        _say(f"error: {_one_line(error)}")
        sys.exit(1)


@data_app.command("list")
def data_list(as_json: Json = False) -> None:
    """What is on this machine, what can be made, what can be downloaded."""
    from .datasets.store import list_datasets
    from .datasets.tasks import TASKS

    local = list_datasets()
    tasks = {t.name: {"dataset": t.dataset_id, "description": t.description, "made": t.dataset_id in local}
             for t in TASKS.values()}
    if as_json:
        return _print_json({"local": local, "tasks": tasks, "download": "D4RL/antmaze/umaze-v1 and others"})
    _say("Datasets on this machine:")
    for name, info in local.items():
        _say(f"  {name:34} {info['steps']:>9,} steps  {info['megabytes']:7.0f} MB")
    if not local:
        _say("  none yet")
    _say("Tasks (gtp-mini data make TASK):")
    for name, info in tasks.items():
        _say(f"  {name:24} {'made' if info['made'] else '-':5} {info['description']}")
    _say("Published ones come by:  gtp-mini data download D4RL/antmaze/umaze-v1")


@data_app.command("make")
def data_make(
    task: Annotated[str, typer.Argument(help="A task, antmaze-umaze for one; `gtp-mini data list` shows all.")],
    transitions: Annotated[int | None, typer.Option(help="How many steps of the world; the task has a default.",
                                                    min=1, max=100_000_000)] = None,
    seed: Seed = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace the dataset if it exists.")] = False,
    as_json: Json = False,
) -> None:
    """Makes a task's dataset, and stores it where Minari keeps its own."""
    spec = _task(task)
    with _progress("making data") as progress:
        dataset_id = spec.make(transitions, seed=seed, progress=progress, overwrite=overwrite)
    info = {"task": task, "dataset": dataset_id, "seed": seed} | _local(dataset_id)
    if as_json:
        return _print_json(info)
    _say(f"made {dataset_id}: {info['steps']:,} steps in {info['episodes']:,} episodes, {info['megabytes']:.0f} MB")


@data_app.command("download")
def data_download(dataset: Annotated[str, typer.Argument(help="The id of a published one: D4RL/antmaze/umaze-v1.")],
                  as_json: Json = False) -> None:
    """Downloads a published dataset, through Minari (which needs pip install "minari[hf]" for it)."""
    import minari

    minari.download_dataset(dataset)
    info = {"dataset": dataset} | _local(dataset)
    if as_json:
        return _print_json(info)
    _say(f"downloaded {dataset}: {info['steps']:,} steps, {info['megabytes']:.0f} MB")


@data_app.command("inspect")
def data_inspect(dataset: Annotated[str, typer.Argument(help="A dataset's id, or a task's name.")],
                 as_json: Json = False) -> None:
    """The dataset doctor: looks for every trap that AntMaze data are known for."""
    from .datasets.doctor import inspect
    from .datasets.tasks import TASKS

    report = inspect(TASKS[dataset].dataset_id if dataset in TASKS else dataset)
    _print_json(report.to_dict()) if as_json else _say(str(report))


@app.command()
def train(
    task: Annotated[str, typer.Argument(help="A task's name, or the id of a Minari dataset.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    method: Annotated[str, typer.Option(help=f"One of {', '.join(METHODS)}.")] = "gtp",
    steps: Annotated[int | None, typer.Option(help="Gradient updates; the task has a default.", min=1,
                                              max=10**9)] = None,
    seed: Seed = 0,
    eta: Annotated[float | None, typer.Option(help="Advantage temperature: 0 clones, more trusts the critic more.",
                                              min=0, max=100)] = None,
    batch_size: Annotated[int, typer.Option(help="Transitions per update.", min=1, max=10**6)] = 256,
    setting: Annotated[list[str] | None, typer.Option("--set", help="Any other setting of the method, as name=value; "
                                                                    "may be repeated.")] = None,
    eval_every: Annotated[int, typer.Option(help="Evaluate during training every so many updates; 0 never.",
                                            min=0)] = 0,
    eval_episodes: Annotated[int, typer.Option(help="Episodes of such an evaluation.", min=1, max=10_000)] = 20,
    log_every: Annotated[int, typer.Option(help="Updates between two lines of the log.", min=1)] = 500,
    checkpoint_every: Annotated[int, typer.Option(help="Updates between two checkpoints.", min=1)] = 5_000,
    sampling_steps: Annotated[int | None, typer.Option(help="K, steps per action, in evaluations; the method's own by "
                                                            "default.", min=1, max=64)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    make_data: Annotated[bool, typer.Option("--make-data", help="Make the task's data first if they are missing.")
                         ] = False,
    transitions: Annotated[int | None, typer.Option(help="With --make-data: how many.", min=1)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder, if any.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the folder.")] = False,
    as_json: Json = False,
) -> None:
    """Trains a policy on a task's data."""
    from .agents import method_config
    from .datasets.store import list_datasets
    from .datasets.tasks import TASKS
    from .training import TrainConfig
    from .training import train as run_training

    if method not in METHODS:
        raise _usage(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    if resume and overwrite:
        raise _usage("--resume goes on and --overwrite starts again: give one of them")
    settings = dict(_parse_setting(text) for text in setting or [])
    if eta is not None:
        settings["eta"] = eta
    steps = steps or (TASKS[task].default_steps if task in TASKS else 100_000)
    try:
        method_config(method, **settings)
        config = TrainConfig(task, method, steps, seed, batch_size, settings, log_every, checkpoint_every, eval_every,
                             eval_episodes, sampling_steps, device)
    except (ValueError, TypeError) as error:
        raise _usage(_one_line(error)) from None
    local = list_datasets()
    if task not in TASKS and task not in local:
        if "/" not in task:
            _task(task)  # raises with the names that there are
        raise FileNotFoundError(f"no dataset {task} on this machine; see gtp-mini data list")
    if task in TASKS and TASKS[task].dataset_id not in local:
        if not make_data:
            raise FileNotFoundError(f"the data of {task} are missing; make them with: gtp-mini data make {task} "
                                    f"(or add --make-data)")
        with _progress("making data") as progress:
            TASKS[task].make(transitions, seed=0, progress=progress)
    run = run_training(config, str(out), resume=resume, overwrite=overwrite)
    if as_json:
        last = {name: values[-1] if math.isfinite(values[-1]) else None for name, values in run.metrics().items()}
        return _print_json({"run": str(run.path), "task": task, "method": method, "steps": steps, "seed": seed,
                            "metrics": last})
    _say(f"trained {method} on {task} for {steps:,} updates; the run is in {run.path}\n"
         f"try it:  gtp-mini evaluate {run.path}")


@app.command()
def evaluate(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    episodes: Annotated[int, typer.Option(help="Episodes in the real environment.", min=1, max=100_000)] = 100,
    sampling_steps: Annotated[int | None, typer.Option(help="K, steps per action; the run's by default.", min=1,
                                                       max=64)] = None,
    seed: Seed = 0,
    noise_scale: Annotated[float, typer.Option(help="Below 1: sample nearer to the most likely action.",
                                               min=0.0, max=1.0)] = 1.0,
    eta: Annotated[float | None, typer.Option(help="Advantage temperature to act at, of a policy that was trained with "
                                                   "--set eta_conditioned=true.", min=0, max=100)] = None,
    best: Annotated[bool, typer.Option("--best", help="The best evaluated checkpoint, not the last.")] = False,
    as_json: Json = False,
) -> None:
    """Runs a trained policy in the real environment and records how often it succeeds."""
    from .datasets.tasks import TASKS, task_of_dataset
    from .evaluation import evaluate as run_evaluation
    from .records import Run
    from .saving import load

    run = Run.open(run_folder)
    config = run.config
    task = TASKS.get(config["task"]) or task_of_dataset(config["task"])
    if task is None:
        raise ValueError(f"{config['task']} is a dataset without an environment of ours to evaluate in")
    step, sampling_steps = _checkpoint_step(run, best), sampling_steps or config.get("sampling_steps", 2)
    policy = load(run.path / ("best.safetensors" if best else "model.safetensors"))
    if eta is not None:
        if getattr(policy.config, "eta", None) is None:
            raise ValueError(f"the policy in {run.path} has no temperature to choose: train one with "
                             f"--set eta_conditioned=true")
        policy = policy.at_temperature(eta)
    with _progress("episodes") as progress:
        result = run_evaluation(policy, task, episodes, sampling_steps, seed, noise_scale, progress=progress).summary()
    result = {"task": task.name, "method": config["method"], "checkpoint": "best" if best else "last",
              "checkpoint_step": step} | ({} if eta is None else {"eta": eta}) | result
    run.add_evaluation(result | {"during_training": False})
    if as_json:
        return _print_json(result)
    low, high = result["success_ci95"]
    fallen = f"fell over {100 * result['fallen_rate']:.0f} %, " if "fallen_rate" in result else ""
    _say(f"{task.name}, {config['method']}, K = {sampling_steps}, {episodes} episodes: success "
         f"{100 * result['success_rate']:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f}), {fallen}"
         f"{result['episode_length_mean']:.0f} steps an episode, {result['action_latency_ms']:.2f} ms an action")


@app.command()
def study(
    parts: Annotated[list[str] | None, typer.Argument(help="Which parts; all of them by default.")] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each setting.", min=1, max=100)] = 5,
    workers: Annotated[int, typer.Option(help="Runs side by side, one thread each.", min=1, max=1024)] = 2,
    out: Annotated[Path, typer.Option(help="Folder of the records; runs that are on record are not made again."
                                      )] = Path("data/study"),
    report: Annotated[bool, typer.Option("--report", help="Run nothing; make tables and pictures of what there is.")
                      ] = False,
    as_json: Json = False,
) -> None:
    """Measures what the book says of objectives, temperatures and agents; goes on where it stopped."""
    from .study import PARTS, run_part
    from .study.report import write_report

    for name in parts or []:
        if name not in PARTS:
            raise _usage(f"unknown part {name!r}; known: {', '.join(PARTS)}")
    chosen = [PARTS[name] for name in parts or PARTS]
    if not report:
        for part in chosen:
            with _progress(part.name) as progress:
                run_part(part, out, seeds, workers, progress)
    text = write_report(list(PARTS.values()), out)
    if as_json:
        from .study.records import Store

        return _print_json({"folder": str(out), "records": {part.name: len(Store(out, part.name).rows())
                                                            for part in chosen}})
    _say(text + f"\nthe tables and pictures are in {out}")


def _checkpoint_step(run, best: bool) -> int:
    """At which update the weights were taken."""
    if best:
        during = [e for e in run.evaluations() if e.get("during_training")]
        if not during:
            raise FileNotFoundError(f"{run.path} has no best checkpoint: train with --eval-every")
        return max(during, key=lambda e: e["return_mean"])["checkpoint_step"]  # the first of equals, as saved
    steps = run.metrics().get("step")
    if not steps or not (run.path / "model.safetensors").exists():
        raise FileNotFoundError(f"{run.path} has no checkpoint yet; go on training it with --resume")
    every = run.config["checkpoint_every"]
    return int(steps[-1]) if steps[-1] == run.config["steps"] else int(steps[-1] // every * every)


def _task(name: str):
    from .datasets.tasks import get_task

    try:
        return get_task(name)
    except ValueError as error:
        raise _usage(_one_line(error)) from None


def _parse_setting(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise _usage(f"--set takes name=value, got {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _local(dataset_id: str) -> dict:
    from .datasets.store import list_datasets

    return list_datasets()[dataset_id]


@contextmanager
def _progress(what: str):
    """A progress bar on standard error, as a callback (done, total)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                  console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)
        callback: Callable[[int, int], None] = lambda done, total: bar.update(task, completed=done, total=total)  # noqa: E731
        yield callback


def _usage(message: str):
    return typer.BadParameter(message)


def _one_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


def _print_json(content: dict) -> None:
    print(json.dumps(content))


def _say(text: str) -> None:
    print(text, file=sys.stderr)
