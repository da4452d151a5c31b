"""The loop that trains: batches, logging, checkpoints, resume, evaluation. One loop for every method."""

import math
import time
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor

from .agents import METHODS, Agent, make_agent, method_config
from .agents.base import pick_device
from .agents.learner import ValueLearner
from .datasets.task import Task
from .divergence import check_metrics, check_tensors, value_limit
from .evaluation import evaluate
from .records import Run
from .returns import n_step_returns
from .saving import load, save
from .times import sampling_times


@dataclass(frozen=True)
class TrainConfig:
    """One run. `settings` are fields of the method's own configuration (eta, width, ...)."""

    task: str  # a task's name, or a Minari dataset's id
    method: str = "gtp"
    steps: int = 100_000
    seed: int = 0
    batch_size: int = 256
    settings: dict = field(default_factory=dict)
    log_every: int = 500  # steps
    checkpoint_every: int = 5_000  # steps
    eval_every: int = 0  # steps; 0 never
    eval_episodes: int = 20
    sampling_steps: int | None = None  # K in evaluations; None: the method's own
    device: str = "auto"
    critic: str | None = None  # folder of a run whose values are taken as they are; None: the method learns its own

    def __post_init__(self):
        for name in ("steps", "batch_size", "log_every", "checkpoint_every", "eval_episodes"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= 10**9:
                raise ValueError(f"{name} must be a whole number between 1 and 1e9, got {value!r}")
        if self.checkpoint_every % self.log_every:
            raise ValueError(f"checkpoint_every ({self.checkpoint_every}) must be a multiple of log_every "
                             f"({self.log_every}), so that a resumed run logs the same rows")
        if self.eval_every % self.checkpoint_every:
            raise ValueError(f"eval_every ({self.eval_every}) must be a multiple of checkpoint_every "
                             f"({self.checkpoint_every})")
        method_config(self.method, **self.settings)  # raises if it is absurd
        if self.sampling_steps is None:
            object.__setattr__(self, "sampling_steps", METHODS[self.method].sampling_steps)
        sampling_times(self.sampling_steps)  # likewise


def train(config: TrainConfig, out: str, resume: bool = False, overwrite: bool = False, progress: bool = True) -> Run:
    """Trains and returns the run's folder. A killed run, resumed, ends with the bits of one that was not killed.

    Raises DivergedError when training has gone wrong; the folder then holds the last checkpoint before.
    """
    from .datasets.recovered import task_for
    from .datasets.transitions import load_transitions

    task = task_for(config.task)
    record = run_record(config, task)
    dataset_id = record["dataset"]
    if not resume and not overwrite and Run(out).exists():
        Run.start(out, record)  # raises: refuse before the data are read
    if config.eval_every:
        task.make_env().close()  # what is wrong with it shall not come out at the first evaluation
    data = load_transitions(dataset_id, at_least=config.batch_size)
    record |= {"transitions": len(data), "fingerprint": data.fingerprint}
    device = pick_device(config.device)
    tensors = {"obs": data.obs, "action": data.action, "reward": data.reward + record["reward_shift"],
               "next_obs": data.next_obs, "terminal": data.terminal}
    tensors = {name: value.to(device) for name, value in tensors.items()}

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        agent = make_agent(config.method, data.obs.shape[1], data.action.shape[1], config.steps,
                           agent_config(config, task)).to(device)
    agent.set_observation_scale(tensors["obs"])
    if config.critic:
        if not agent.needs_values:
            raise ValueError(f"{config.method} as it is set asks no critic; leave --critic out, or give it an eta")
        agent.take_values(critic_of(config.critic, record).to(device))
        tensors["advantage"] = agent.values.advantages(tensors["obs"], tensors["action"])
    run = Run.start(out, record, resume, overwrite)  # after all that can fail
    generator = torch.Generator(device).manual_seed(config.seed)
    saved, start = run.load_state() if resume else ({}, 0)
    if saved:
        generator.set_state(saved.pop("generator"))
        agent.load_state_tensors({name: value.to(device) for name, value in saved.items()})
    run.forget_after(start)

    limit = value_limit(tensors["reward"], agent.config) if agent.needs_values else math.inf
    if not agent.needs_values or config.critic:
        tensors = {name: tensors[name] for name in ("obs", "action", "advantage") if name in tensors}
    elif agent.config.n_step > 1:
        tensors = n_step_returns(tensors | {"episode": data.episode.to(device)}, agent.config.n_step,
                                 agent.config.gamma)
        del tensors["episode"]
    with _Log(run, config, start, limit, progress) as log:
        if start:
            _publish(run, agent, config, task, start, log)
        for step in range(start, config.steps):
            rows = torch.randint(len(data.action), (config.batch_size,), generator=generator, device=device)
            log.add(step + 1, agent.update({name: value[rows] for name, value in tensors.items()}, step, generator))
            done = step + 1
            if done % config.checkpoint_every == 0 or done == config.steps:
                state = agent.state_tensors()
                check_tensors(state, done, _kept(config, done))
                run.save_state(state | {"generator": generator.get_state()}, done)
                _publish(run, agent, config, task, done, log)
    return run


def run_record(config: TrainConfig, task: Task) -> dict:
    """A run's config.json: all of it, defaults included."""
    return asdict(config) | {"dataset": task.dataset_id, "agent": asdict(agent_config(config, task)),
                             "reward_shift": task.reward_shift}


def agent_config(config: TrainConfig, task: Task):
    """The method's configuration for this run: its defaults, then the task's, then the method's for this task, then
    the run's settings."""
    method = METHODS[config.method]
    settings = {"gamma": task.gamma} if hasattr(method.config, "gamma") else {}
    return method_config(config.method, **settings | method.per_task.get(task.name, {}) | config.settings)


def critic_of(path: str, record: dict) -> ValueLearner:
    """The values that a run has learned, for another of which this is the record.

    Raises FileNotFoundError if there is no such run or it learned none, ValueError if its data were others.
    """
    run = Run.open(path)
    learned, here = (f"{c.get('dataset')} ({c.get('transitions')} transitions, fingerprint {c.get('fingerprint')})"
                     for c in (run.config, record))
    if learned != here:
        raise ValueError(f"the critic of {path} was trained on {learned}, this run is on {here}")
    file = run.path / "critic.safetensors"
    if not file.is_file():
        raise FileNotFoundError(f"{path} has no critic.safetensors: train there a method that learns values, iql say")
    values = load(file)
    if not isinstance(values, ValueLearner):
        raise ValueError(f"{file} holds a {type(values).__name__}, not values")
    return values


def _kept(config: TrainConfig, step: int) -> str:
    """What there is to go back to when `step` goes wrong."""
    last = (step - 1) // config.checkpoint_every * config.checkpoint_every
    return f"the checkpoint of step {last} is kept" if last else "there was no checkpoint yet"


def _publish(run: Run, agent: Agent, config: TrainConfig, task: Task, step: int, log: "_Log") -> None:
    """What follows from a saved state: weights and, where one is due, an evaluation. Made again on resume, as a kill
    may have come between."""
    save(agent.published(), run.path / "model.safetensors")
    if agent.needs_values and not config.critic:
        save(agent.values, run.path / "critic.safetensors")
    due = config.eval_every and (step % config.eval_every == 0 or step == config.steps)
    if due and step not in [e["checkpoint_step"] for e in _during_training(run)]:
        log.say(_evaluate(run, agent, config, task, step))


def _during_training(run: Run) -> list[dict]:
    """The run's evaluations, without those that somebody asked for later."""
    return [e for e in run.evaluations() if e.get("during_training")]


def _evaluate(run: Run, agent: Agent, config: TrainConfig, task: Task, step: int) -> str:
    """Evaluates the policy as it stands, records it, and keeps the weights if their return is the best so far."""
    best = max((e["return_mean"] for e in _during_training(run)), default=-math.inf)
    result = evaluate(agent.published(), task, config.eval_episodes, config.sampling_steps, config.seed).summary()
    if result["return_mean"] > best:
        save(agent.published(), run.path / "best.safetensors")
    run.add_evaluation({"task": task.name, "method": config.method, "checkpoint_step": step,
                        "during_training": True} | result)
    return (f"step {step}: return {result['return_mean']:.2f}, success {result['success_rate']:.2f} over "
            f"{result['episodes']} episodes")


class _Log:
    """Means of the metrics over an interval, to metrics.csv, TensorBoard and the progress bar, if they are sound."""

    def __init__(self, run: Run, config: TrainConfig, start: int, limit: float, progress: bool):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        from torch.utils.tensorboard import SummaryWriter

        self.run, self.config, self.limit = run, config, limit
        self.writer = SummaryWriter(str(run.path / "tensorboard"), purge_step=start + 1)
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
        self.writer.close()

    def add(self, step: int, metrics: dict[str, Tensor]) -> None:
        """Sums on the device; the host reads and checks them once an interval, before anything is written."""
        every = self.config.log_every
        self.sums = {k: v + self.sums[k] for k, v in metrics.items()} if self.sums else metrics
        if step % every and step != self.config.steps:
            return
        count = step % every or every
        values = (torch.stack([v.float() for v in self.sums.values()]).cpu() / count).tolist()
        now = time.perf_counter()
        row = {"step": step, "updates_per_second": count / (now - self.clock)}
        row |= dict(zip(self.sums, values, strict=True))
        check_metrics(row, self.limit, step, _kept(self.config, step))
        self.sums, self.clock = {}, now
        self.run.append_metrics(row)
        for name, value in row.items():
            self.writer.add_scalar(name, value, step)
        self.bar.update(self.bar_task, completed=step, rate=f"{row['updates_per_second']:.0f} updates/s")

    def say(self, text: str) -> None:
        self.bar.console.print(text)
        self.clock = time.perf_counter()  # an evaluation is not training
