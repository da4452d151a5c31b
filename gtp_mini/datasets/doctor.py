"""The dataset doctor: what is in a dataset, and which of the known traps it holds, before anything is trained on it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from gtp_mini.datasets.opening import open_dataset, read_episodes


@dataclass(frozen=True, repr=False)
class Report:
    """What `inspect` found. Shares are in [0, 1], None where the dataset has no goals, no maze or no protocol."""

    dataset_id: str
    protocol: str | None  # under which `load_transitions` would load it
    unloadable: str | None  # why it would not, whatever the episodes
    episodes: int
    steps: int
    unusable_episodes: int  # not in the statistics below
    repeated_episodes: int  # the same actions as an episode before
    length_min: int
    length_mean: float
    length_max: int
    overlong_episodes: int  # longer than the environment's time limit
    reward_counts: dict[str, int]  # the ten most frequent values
    rewarded_transitions: int | None  # not 0 once loaded: relabelled and cut as the protocol wants it
    lost_rewards: int | None  # steps at the goal, as the infos say, without the reward 1
    terminated_episodes: int
    truncated_episodes: int
    unended_episodes: int  # neither at their last step
    early_ends: int  # steps before the last that are marked as an end
    timeouts_as_terminals: int  # terminated exactly at the time limit, without success
    terminals_elsewhere: int | None  # terminated before the time limit, and not at the goal
    success_episodes: int | None  # at least once at their own goal
    moving_goals: int | None  # episodes whose goal changes on the way
    idle_steps: int | None  # after an episode's first success
    useful_share: float | None  # of the steps, up to and including the first success
    seams: int | None  # steps that jump
    coverage: float | None  # of the maze's free cells
    fallen_share: float | None  # episodes that end upside down
    action_min: float  # with the action space scaled to [-1, 1], as they are learnt from
    action_max: float
    saturated_share: float  # of the action entries, at their limit
    bad_numbers: int  # NaN and infinite
    observation_size: int
    observation_mean_max: float  # largest absolute mean of an entry; what normalisation subtracts
    observation_std_min: float  # over the entries; what it divides by
    observation_std_max: float
    constant_entries: int  # observation entries that never change
    mirrored_evaluation: bool  # the evaluation maze that is stored has other walls than that of the data
    unmet_requirements: tuple[str, ...]  # of the dataset, by what is installed here
    reference_score: float | None  # Minari's ref_max_score
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict:
        """Everything as what JSON can hold."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def facts(self) -> dict[str, str]:
        """What a person wants to read first, by name; what such data do not have is left out."""
        facts = {
            "episodes": f"{self.episodes:,}, {self.steps:,} steps; {self.length_min} to {self.length_max} steps long, "
                        f"{self.length_mean:.0f} on average",
            "ends": f"{self.terminated_episodes:,} terminated, {self.truncated_episodes:,} truncated",
            "rewards": ", ".join(f"{value} x {count:,}" for value, count in self.reward_counts.items()),
            "rewarded once loaded": None if self.rewarded_transitions is None else
                                    f"{self.rewarded_transitions:,} transitions, protocol {self.protocol}",
            "reach their goal": _share(self.success_episodes, self.episodes),
            "idle at the goal": _share(self.idle_steps, self.steps),
            "maze cells visited": _percent(self.coverage),
            "end upside down": _percent(self.fallen_share),
            "actions": f"{self.action_min:.2f} to {self.action_max:.2f}, {_percent(self.saturated_share)} at the limit",
            "observations": f"{self.observation_size} numbers, means up to {self.observation_mean_max:.2g}, standard "
                            f"deviations {self.observation_std_min:.2g} to {self.observation_std_max:.2g}, "
                            f"{self.constant_entries} constant entries, {self.bad_numbers} bad numbers",
        }
        return {name: fact for name, fact in facts.items() if fact is not None}

    def __str__(self) -> str:
        """A line a fact, then the warnings."""
        lines = [self.dataset_id] + [f"  {name:22}{fact}" for name, fact in self.facts().items()]
        return "\n".join(lines + [f"  warning: {text}" for text in self.warnings])

    __repr__ = __str__  # what a notebook keeps as plain text

    def _repr_markdown_(self) -> str:
        """The same as a notebook shows it."""
        rows = [f"| {name} | {fact} |" for name, fact in self.facts().items()]
        told = [f"* **Warning:** {text}" for text in self.warnings]
        return "\n".join([f"| {self.dataset_id} | |", "| --- | --- |", *rows, "", *told])


def inspect(dataset_id: str) -> Report:
    """Reads a local dataset from end to end.

    Raises:
        FileNotFoundError, ValueError: as `open_dataset` and `check_spaces`; a dataset that opens is described, whatever
            the defects of its episodes.
    """
    from gtp_mini.datasets.tally import Tally
    from gtp_mini.datasets.traps import warnings_of

    dataset = open_dataset(dataset_id)
    tally = Tally(dataset)
    for episode in read_episodes(dataset):
        tally.add(episode)
    report = tally.report()
    return replace(report, warnings=tuple(warnings_of(report, tally.defects)))


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.1f} %"


def _share(part: int | None, whole: int) -> str | None:
    return None if part is None else f"{part:,} of {whole:,}" + (f", {_percent(part / whole)}" if whole else "")
