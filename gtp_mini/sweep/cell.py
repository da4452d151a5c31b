"""One cell of a sweep: a run that is planned, and how far its folder has come."""

from dataclasses import asdict, dataclass
from pathlib import Path

from ..agents import METHODS
from ..datasets.tasks import get_task
from ..records import Run
from ..training import TrainConfig, run_record

MARK = "cell.json"  # in a cell's folder, beside the run: {group, variant, trained, failed}


@dataclass(frozen=True)
class Planned:
    """One evaluation that a cell is to have; the fields are arguments of `evaluate_run` and keys of its record."""

    checkpoint: str  # "last" or "best"
    sampling_steps: int  # K
    noise_scale: float
    noise_memory: float
    episodes: int
    seed: int

    def among(self, evaluations: list[dict], updates: int) -> bool:
        """Whether this very evaluation is there; one of the last checkpoint must be of the last update."""
        wanted = asdict(self) | ({"checkpoint_step": updates} if self.checkpoint == "last" else {})
        asked = [e for e in evaluations if not e.get("during_training") and "eta" not in e]
        return any(wanted.items() <= ({"noise_memory": 0.0} | e).items() for e in asked)


@dataclass(frozen=True)
class Cell:
    """One run of a plan, with the evaluations that belong to it."""

    group: str
    variant: str | None
    config: TrainConfig
    evaluations: tuple[Planned, ...]

    @property
    def label(self) -> str:
        """The method as tables name it: gtp, or gtp-pessimism for the variant of that name."""
        return label(self.config.method, self.variant)

    @property
    def name(self) -> str:
        """The cell's folder, seen from the sweep's."""
        return f"{self.config.task}/{self.label}/seed-{self.config.seed}"

    def absent(self, evaluations: list[dict]) -> list[Planned]:
        """The planned evaluations that are not among those."""
        return [planned for planned in self.evaluations if not planned.among(evaluations, self.config.steps)]

    def recorded(self, record: dict) -> bool:
        """Whether a record (see `sweep.records`) is that of this cell, at its end."""
        return (record["run"] == self.name and not record["failed"] and not self.changed(record["config"])
                and not self.absent(record["evaluations"]))

    def changed(self, recorded: dict) -> list[str]:
        """The settings in which a run's config.json is another than this cell's; agent.lr for one of the agent's.

        A run that is older than a setting of its method had what is the method's default: new settings change no run.
        """
        planned = run_record(self.config, get_task(self.config.task))
        del planned["settings"]  # with the defaults they are the agent's
        agent, found = planned.pop("agent"), asdict(METHODS[self.config.method].config) | recorded.get("agent", {})
        changed = [name for name in planned if recorded.get(name) != planned[name]]
        return changed + [f"agent.{name}" for name in found if name not in agent or found[name] != agent[name]]


@dataclass(frozen=True)
class State:
    """How far a cell is: done, partial, missing, failed, or changed (its folder holds a run with other settings)."""

    name: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.name}, {self.note}" if self.note else self.name


def label(method: str, variant: str | None) -> str:
    """The name of a method in a variant."""
    return f"{method}-{variant}" if variant else method


def state_of(cell: Cell, folder: Path) -> State:
    """The state of a cell whose run lies in `folder`. ValueError if something there is damaged or another program's."""
    run, mark = Run(folder), read_mark(folder)
    if run.exists():
        run = Run.open(folder)
        if changed := cell.changed(run.config):
            return State("changed", "other settings: " + ", ".join(changed))
    if mark["failed"]:
        return State("failed", mark["failed"].splitlines()[0])
    if not run.exists():
        return State("missing")
    if mark["trained"]:
        absent = cell.absent(run.evaluations())
        if not absent:
            return State("done")
        return State("partial", f"{len(absent)} of {len(cell.evaluations)} evaluations to do")
    step = int(run.metrics().get("step", [0])[-1])
    return State("partial", f"{step:,} of {cell.config.steps:,} updates")


def read_mark(folder: Path) -> dict:
    """What a sweep noted of a cell; of a folder without a note, that nothing is known."""
    return {"group": None, "variant": None, "trained": False, "failed": None} | Run(folder).read_json(MARK, {})


def write_mark(folder: Path, cell: Cell, trained: bool = False, failed: str | None = None) -> None:
    """Notes how far a cell has come. `failed` is what went wrong: a line for people, then the traceback, if any."""
    Run(folder).write_json(MARK, {"group": cell.group, "variant": cell.variant, "trained": trained, "failed": failed})
