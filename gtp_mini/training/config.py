"""What a run is: its configuration, and what follows from it."""

from dataclasses import asdict, dataclass, field

from ..agents import METHODS, method_config
from ..agents.learner import ValueLearner
from ..datasets.task import Task
from ..records import Run
from ..saving import load
from ..times import sampling_times


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
    noise_scale: float = 1.0  # of the noise in evaluations; below 1: nearer to the likeliest action
    device: str = "auto"
    critic: str | None = None  # folder of a run whose values are taken as they are; None: the method learns its own
    compile: bool = False  # updates through torch.compile: half a minute of a compiler first, then quicker

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
        if not 0 <= self.noise_scale <= 1:
            raise ValueError(f"noise_scale must be between 0 and 1, got {self.noise_scale!r}")
        method_config(self.method, **self.settings)  # raises if it is absurd
        if self.sampling_steps is None:
            object.__setattr__(self, "sampling_steps", METHODS[self.method].sampling_steps)
        sampling_times(self.sampling_steps)  # likewise

    def kept(self, step: int) -> str:
        """What there is to go back to when `step` goes wrong."""
        last = (step - 1) // self.checkpoint_every * self.checkpoint_every
        return f"the checkpoint of step {last} is kept" if last else "there was no checkpoint yet"


def run_record(config: TrainConfig, task: Task) -> dict:
    """A run's config.json: all of it, defaults included."""
    return asdict(config) | {"dataset": task.dataset_id, "agent": asdict(agent_config(config, task)),
                             "reward_shift": task.reward_shift}


def agent_config(config: TrainConfig, task: Task):
    """The method's configuration for this run: its defaults, then the task's, then the method's for this task, then
    the run's settings."""
    method = METHODS[config.method]
    settings = {name: getattr(task, name) for name in ("gamma", "position_dims") if hasattr(method.config, name)}
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
