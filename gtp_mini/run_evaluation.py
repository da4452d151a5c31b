"""Evaluating a run's folder: which weights, at which update, and the record that stays."""

from collections.abc import Callable

from .evaluation import evaluate
from .records import Run
from .saving import load

WEIGHTS = {"last": "model.safetensors", "best": "best.safetensors"}


def evaluate_run(run: Run, episodes: int = 100, sampling_steps: int | None = None, seed: int = 0,
                 noise_scale: float | None = None, noise_memory: float = 0.0, eta: float | None = None,
                 checkpoint: str = "last", progress: Callable[[int, int], None] | None = None) -> dict:
    """Runs a run's policy in its task's environment, adds the evaluation to the run's record, and returns it.

    `sampling_steps` (K) and `noise_scale` are the run's own by default, `noise_memory` is that of `evaluate`. `eta` is
    the temperature at which a policy acts that was trained for every one. `checkpoint` is "last", or "best": that with
    the highest return while it was being watched.

    Raises:
        ValueError: the dataset stores no environment to evaluate in, or the policy has no temperature to choose.
        FileNotFoundError: there is no such checkpoint, or no such dataset.
    """
    from .datasets.recovered import task_for

    config = run.config
    task = task_for(config["task"])
    step, sampling_steps = checkpoint_step(run, checkpoint), sampling_steps or config.get("sampling_steps", 2)
    noise_scale = config.get("noise_scale", 1.0) if noise_scale is None else noise_scale
    policy = load(run.path / WEIGHTS[checkpoint])
    if eta is not None:
        if getattr(policy.config, "eta", None) is None:
            raise ValueError(f"the policy in {run.path} has no temperature to choose: train one with "
                             f"--set eta_conditioned=true")
        policy = policy.at_temperature(eta)
    result = evaluate(policy, task, episodes, sampling_steps, seed, noise_scale, progress=progress,
                      noise_memory=noise_memory).summary()
    result = {"task": task.name, "method": config["method"], "checkpoint": checkpoint,
              "checkpoint_step": step} | ({} if eta is None else {"eta": eta}) | result
    run.add_evaluation(result | {"during_training": False})
    return result


def checkpoint_step(run: Run, checkpoint: str) -> int:
    """At which update the weights were taken. FileNotFoundError if there are none."""
    if checkpoint == "best":
        during = [e for e in run.evaluations() if e.get("during_training")]
        if not during:
            raise FileNotFoundError(f"{run.path} has no best checkpoint: train with --eval-every")
        return max(during, key=lambda e: e["return_mean"])["checkpoint_step"]  # the first of equals, as saved
    steps = run.metrics().get("step")
    if not steps or not (run.path / WEIGHTS["last"]).exists():
        raise FileNotFoundError(f"{run.path} has no checkpoint yet; go on training it with --resume")
    every = run.config["checkpoint_every"]
    return int(steps[-1]) if steps[-1] == run.config["steps"] else int(steps[-1] // every * every)
