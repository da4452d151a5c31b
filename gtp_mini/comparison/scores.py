"""From records to scores: which evaluation of a run counts, which runs belong together, what is not averaged."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..agents import METHODS
from ..datasets.tasks import TASKS

# Settings that runs of one method may differ in: what they are called, and how they were watched.
FREE = ("seed", "device", "log_every", "checkpoint_every", "eval_every", "eval_episodes")


class Setting(NamedTuple):
    """What sets evaluations of one run apart; see `evaluation.evaluate`. `eta` is None where none was chosen."""

    checkpoint: str
    sampling_steps: int
    noise_scale: float
    noise_memory: float
    eta: float | None

    @classmethod
    def of(cls, evaluation: dict) -> "Setting":
        return cls(*(({"noise_memory": 0.0, "eta": None} | evaluation)[name] for name in cls._fields))


@dataclass(frozen=True)
class Choice:
    """The setting at which methods are compared. K is each method's own by default: that of its training record."""

    sampling_steps: int | None = None
    noise_scale: float = 1.0
    noise_memory: float = 0.0

    def setting(self, record: dict, checkpoint: str = "last") -> Setting:
        """What it means for a run."""
        k = self.sampling_steps or record["config"].get("sampling_steps", 2)
        return Setting(checkpoint, k, self.noise_scale, self.noise_memory, None)

    def score(self, record: dict) -> dict | None:
        """The run's evaluation of its last checkpoint in this setting, or None."""
        return find(record, self.setting(record))


def final(record: dict) -> list[dict]:
    """The evaluations of a run that is trained to its end, but for those while it was training."""
    if not trained(record):
        return []
    return [e for e in record["evaluations"] if not e.get("during_training")
            and (e["checkpoint"] != "last" or e["checkpoint_step"] == record["config"]["steps"])]


def find(record: dict, which: Setting) -> dict | None:
    """The evaluation in a setting that has the most episodes; of equals the first, so that none is chosen by luck."""
    found = [e for e in final(record) if Setting.of(e) == which]
    return max(found, key=lambda e: e["episodes"], default=None)


def trained(record: dict) -> bool:
    """Whether a run has all its updates."""
    return not record["failed"] and record["updates"] >= record["config"]["steps"]


def watched(record: dict) -> list[float]:
    """Success rates of the evaluations while it was training, in the order of updates."""
    return [e["success_rate"] for e in record["evaluations"] if e.get("during_training")]


def last_three(record: dict) -> float | None:
    """Mean success of the last three evaluations while a run was training; None if it has fewer, or is not done."""
    rates = watched(record)
    return float(np.mean(rates[-3:])) if trained(record) and len(rates) >= 3 else None


def grouped(records: list[dict]) -> dict[tuple[str, str], list[dict]]:
    """The runs of each (task, label), in the order of the tasks and methods that there are, by seed.

    Raises ValueError if runs of one name are not of one kind: another setting than the seed, or a seed twice.
    """
    groups: dict[tuple[str, str], list[dict]] = {}
    for record in sorted(records, key=_order):
        groups.setdefault((record["task"], record["label"]), []).append(record)
    for (task, name), runs in groups.items():
        for a, b in zip(runs, runs[1:], strict=False):
            one, other = _flat(a["config"]), _flat(b["config"])
            differ = [key for key in one | other if key not in FREE and one.get(key) != other.get(key)]
            if differ:
                raise ValueError(f"runs of {name} on {task} are not of one kind: {a['run']} and {b['run']} differ in "
                                 f"{', '.join(differ)}; report them apart, or as variants of a sweep")
            if a["seed"] == b["seed"]:
                raise ValueError(f"seed {a['seed']} of {name} on {task} is there twice: {a['run']} and {b['run']}")
    return groups


def rank_of_task(task: str) -> tuple:
    """Sorts tasks as `TASKS` does, others after them."""
    return list(TASKS).index(task) if task in TASKS else len(TASKS), task


def rank_of_label(name: str) -> tuple:
    """Sorts labels as `METHODS` does, a method before its variants."""
    method = max((m for m in METHODS if name == m or name.startswith(f"{m}-")), key=len, default="")
    return list(METHODS).index(method) if method else len(METHODS), name


def _flat(config: dict) -> dict:
    """A configuration with the agent's settings among the others, as agent.lr and so on."""
    return config | {f"agent.{key}": value for key, value in config.get("agent", {}).items()} | {
        "settings": None, "agent": None,  # what was asked for is in what the agent became
        "critic": config.get("critic") is not None}  # each seed has its own


def _order(record: dict) -> tuple:
    return rank_of_task(record["task"]), rank_of_label(record["label"]), record["seed"] or 0, record["run"]
