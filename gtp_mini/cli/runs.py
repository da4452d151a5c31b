"""`gtp-mini train` and `gtp-mini evaluate`."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..agents import METHODS
from ..training.presets import PRESETS, Preset
from .terms import Json, Seed, known_task, one_line, print_json, progress_bar, say, usage


def train(
    task: Annotated[str, typer.Argument(help="A task's name, or the id of a Minari dataset.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    method: Annotated[str | None, typer.Option(help=f"One of {', '.join(METHODS)}. By default gtp.")] = None,
    preset: Annotated[str | None, typer.Option(help=f"A whole recipe, of which the other options change what they "
                                                    f"name: {', '.join(PRESETS)}.")] = None,
    steps: Annotated[int | None, typer.Option(help="Gradient updates; the task has a default.", min=1,
                                              max=10**9)] = None,
    seed: Seed = 0,
    seeds: Annotated[int, typer.Option(help="Train so many runs as one program, with seeds from --seed up; the folder "
                                            "then holds one for each, seed-0 and so on.", min=1, max=1000)] = 1,
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
    noise_scale: Annotated[float | None, typer.Option(help="Share of the noise in evaluations, 1 by default; below 1: "
                                                           "nearer to the likeliest action.", min=0.0, max=1.0)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    critic: Annotated[Path | None, typer.Option(help="Folder of a run whose values are taken as they are; without it "
                                                     "the method learns its own.")] = None,
    critic_steps: Annotated[int | None, typer.Option(help="Train values alone for so many updates first, in the "
                                                           "folder's critic, then the policy on them.", min=0)] = None,
    threads: Annotated[int, typer.Option(help="Of the processor. Two are a quarter quicker than one while nothing else "
                                              "runs, and many times slower beside one busy program.", min=1)] = 1,
    compile: Annotated[bool, typer.Option("--compile", help="Updates through torch.compile: quicker, after half a "
                                                             "minute of a C++ compiler.")] = False,
    make_data: Annotated[bool, typer.Option("--make-data", help="Make the task's data first if they are missing.")
                         ] = False,
    transitions: Annotated[int | None, typer.Option(help="With --make-data: how many.", min=1)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder, if any.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the folder.")] = False,
    as_json: Json = False,
) -> None:
    """Trains a policy on a task's data."""
    import torch

    from ..agents import method_config
    from ..collect.batch import available_threads
    from ..datasets.opening import how_to_get
    from ..datasets.store import list_datasets
    from ..datasets.tasks import TASKS
    from ..training import TrainConfig, train_critic_first, train_together

    if preset is not None and preset not in PRESETS:
        raise usage(f"unknown preset {preset!r}; known: {', '.join(PRESETS)}")
    default_steps = TASKS[task].default_steps if task in TASKS else 100_000
    recipe = PRESETS[preset] if preset else Preset(transitions, "gtp", default_steps)
    of_preset = recipe.settings if method in (None, recipe.method) else {}
    method, steps, transitions = method or recipe.method, steps or recipe.steps, transitions or recipe.transitions
    critic_steps = recipe.critic_steps if critic_steps is None else critic_steps
    if method not in METHODS:
        raise usage(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    if resume and overwrite:
        raise usage("--resume goes on and --overwrite starts again: give one of them")
    if critic and critic_steps:
        raise usage("--critic takes values that are trained, --critic-steps trains some: give one of them")
    settings = of_preset | dict(_parse_setting(text) for text in setting or [])
    if eta is not None:
        settings["eta"] = eta
    try:
        needs_values = method_config(method, **settings).needs_values
        config = TrainConfig(task, method, steps, seed, batch_size, settings, log_every, checkpoint_every, eval_every,
                             eval_episodes, sampling_steps, recipe.noise_scale if noise_scale is None else noise_scale,
                             device, critic and str(critic), compile)
    except (ValueError, TypeError) as error:
        raise usage(one_line(error)) from None
    local = list_datasets()
    if task not in TASKS and task not in local:
        if "/" not in task:
            known_task(task)  # raises with the names that there are
        raise FileNotFoundError(f"no dataset {task} on this machine; see gtp-mini data list")
    if task in TASKS and TASKS[task].dataset_id not in local:
        if not make_data:
            raise FileNotFoundError(f"the data of {task} are missing; {how_to_get(TASKS[task].dataset_id)}; "
                                    f"or add --make-data")
        with progress_bar("making data") as progress:
            TASKS[task].make(transitions, seed=0, progress=progress, processes=available_threads())
    torch.set_num_threads(threads)
    configs = [replace(config, seed=seed + i) for i in range(seeds)]
    outs = [out if seeds == 1 else out / f"seed-{c.seed}" for c in configs]
    outs = [str(path) for path in outs]
    if critic_steps and needs_values:
        runs = train_critic_first(configs, outs, critic_steps, recipe.critic_settings, resume, overwrite)
    else:
        runs = train_together(configs, outs, resume, overwrite)
    for run, c in zip(runs, configs, strict=True):
        if as_json:
            last = {name: values[-1] if math.isfinite(values[-1]) else None for name, values in run.metrics().items()}
            print_json({"run": str(run.path), "task": task, "method": method, "steps": steps, "seed": c.seed,
                        "metrics": last})
        else:
            say(f"trained {method} on {task} for {steps:,} updates; the run is in {run.path}\n"
                f"try it:  gtp-mini evaluate {run.path}")


def evaluate(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    episodes: Annotated[int, typer.Option(help="Episodes in the real environment.", min=1, max=100_000)] = 100,
    sampling_steps: Annotated[int | None, typer.Option(help="K, steps per action; the run's by default.", min=1,
                                                       max=64)] = None,
    seed: Seed = 0,
    noise_scale: Annotated[float | None, typer.Option(help="Below 1: sample nearer to the likeliest action; the run's "
                                                           "by default.", min=0.0, max=1.0)] = None,
    noise_memory: Annotated[float, typer.Option(help="Above 0: the noise of an action remembers the last one's; 1: one "
                                                     "noise an episode.", min=0.0, max=1.0)] = 0.0,
    eta: Annotated[float | None, typer.Option(help="Advantage temperature to act at, of a policy that was trained with "
                                                   "--set eta_conditioned=true.", min=0, max=100)] = None,
    best: Annotated[bool, typer.Option("--best", help="The best evaluated checkpoint, not the last.")] = False,
    as_json: Json = False,
) -> None:
    """Runs a trained policy in the real environment and records how often it succeeds."""
    import torch

    from ..records import Run
    from ..run_evaluation import evaluate_run

    torch.set_num_threads(1)  # the ants have threads of their own; two here are never quicker
    run = Run.open(run_folder)
    with progress_bar("episodes") as progress:
        result = evaluate_run(run, episodes, sampling_steps, seed, noise_scale, noise_memory, eta,
                              "best" if best else "last", progress)
    if as_json:
        return print_json(result)
    low, high = result["success_ci95"]
    fallen = f"fell over {100 * result['fallen_rate']:.0f} %, " if "fallen_rate" in result else ""
    say(f"{result['task']}, {result['method']}, K = {result['sampling_steps']}, {episodes} episodes: success "
         f"{100 * result['success_rate']:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f}), {fallen}"
         f"return {result['return_mean']:.2f}, "
         f"{result['episode_length_mean']:.0f} steps an episode, {result['action_latency_ms']:.2f} ms an action")


def _parse_setting(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise usage(f"--set takes name=value, got {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value
