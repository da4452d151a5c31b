"""The dataset doctor: what is in a dataset, and which of the known traps it holds, before anything is
trained on it.

The traps are the ones on which offline-RL code has failed: rewards that pile up at the goal, episodes that
never terminate, rewards that are all zero, timeouts stored as terminals, NaN, saturated actions, episodes
glued together.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace

import numpy as np

from gtp_mini.datasets.opening import (
    check_episode,
    maze_of,
    observation_parts,
    open_dataset,
    read_episodes,
    successes,
)
from gtp_mini.worlds.antmaze import upside_down

# Thresholds, all our choice.
SATURATED = 0.999  # |action| from which a motor is at its limit
MANY_SATURATED = 0.25  # share of such actions; the gait with its noise has 0.07
MANY_FALLS = 0.15  # share of episodes; the gait with its noise has 0.07
SEAM = 1.0  # metres in one step of 0.05 s: an ant walks 0.1


@dataclass(frozen=True)
class Report:
    """What `inspect` found. Shares are in [0, 1], None where the dataset has no goals or no maze."""

    dataset_id: str
    episodes: int
    steps: int
    unusable_episodes: int  # not in the statistics below
    length_min: int
    length_mean: float
    length_max: int
    reward_counts: dict[str, int]  # the ten most frequent values
    terminated_episodes: int
    truncated_episodes: int
    unended_episodes: int  # neither at their last step
    early_ends: int  # steps before the last that are marked as an end
    timeouts_as_terminals: int  # terminated exactly at the time limit, without success
    success_episodes: int | None  # at least once at their own goal
    idle_steps: int | None  # after an episode's first success
    useful_share: float | None  # of the steps, up to and including the first success
    seams: int | None
    coverage: float | None  # of the maze's free cells
    fallen_share: float | None  # episodes that end upside down
    action_min: float
    action_max: float
    saturated_share: float
    bad_numbers: int  # NaN and infinite
    observation_std_min: float  # over the entries; what normalisation divides by
    observation_std_max: float
    constant_entries: int  # observation entries that never change
    reference_score: float | None  # Minari's ref_max_score
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict:
        """Everything as what JSON can hold."""
        return asdict(self) | {"warnings": list(self.warnings)}

    def __str__(self) -> str:
        """What a person wants to read first, a line a fact, then the warnings."""
        facts = {
            "episodes": f"{self.episodes:,}, {self.steps:,} steps; {self.length_min} to {self.length_max} steps long, "
                        f"{self.length_mean:.0f} on average",
            "ends": f"{self.terminated_episodes:,} terminated, {self.truncated_episodes:,} truncated",
            "rewards": ", ".join(f"{value} x {count:,}" for value, count in self.reward_counts.items()),
            "reach their goal": _share(self.success_episodes, self.episodes),
            "idle at the goal": _share(self.idle_steps, self.steps),
            "maze cells visited": _percent(self.coverage),
            "end upside down": _percent(self.fallen_share),
            "actions": f"{self.action_min:.2f} to {self.action_max:.2f}, {_percent(self.saturated_share)} at the limit",
            "observations": f"standard deviations {self.observation_std_min:.2g} to {self.observation_std_max:.2g}, "
                            f"{self.constant_entries} constant entries, {self.bad_numbers} bad numbers",
        }
        lines = [self.dataset_id] + [f"  {name:20}{fact}" for name, fact in facts.items() if fact is not None]
        return "\n".join(lines + [f"  warning: {text}" for text in self.warnings])


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.1f} %"


def _share(part: int | None, whole: int) -> str | None:
    return None if part is None else f"{part:,} of {whole:,}" + (f", {_percent(part / whole)}" if whole else "")



def inspect(dataset_id: str) -> Report:
    """Reads a local dataset from end to end.

    Raises:
        FileNotFoundError, ValueError: as `open_dataset`; a dataset that opens is described, whatever its
        defects.
    """
    dataset = open_dataset(dataset_id)
    tally = _Tally(dataset)
    for episode in read_episodes(dataset):
        tally.add(episode)
    report = tally.report()
    return replace(report, warnings=tuple(_warnings(report, tally.defects)))


class _Tally:
    """Sums over a dataset's episodes, read once and one at a time."""

    def __init__(self, dataset):
        self.dataset, self.maze = dataset, maze_of(dataset)
        self.has_goals = "desired_goal" in getattr(dataset.observation_space, "spaces", {})
        self.limit = dataset.env_spec.max_episode_steps if dataset.env_spec is not None else None
        self.defects: list[str] = []  # why episodes cannot be used
        self.facts: list[dict] = []  # of those that can
        self.rewards, self.visited = Counter(), set()
        self.bad, self.lowest, self.highest = 0, np.inf, -np.inf
        self.moments = np.zeros((3, 1))  # count, sum, sum of squares of each observation entry

    def add(self, episode) -> None:
        parts = observation_parts(episode)
        numbers = (*parts.values(), episode.actions, episode.rewards)
        self.bad += sum(int((~np.isfinite(values)).sum()) for values in numbers)
        self.lowest = min(self.lowest, episode.actions.min(initial=np.inf))
        self.highest = max(self.highest, episode.actions.max(initial=-np.inf))
        try:
            check_episode(episode, self.dataset)
        except ValueError as error:
            self.defects.append(str(error))
            return
        self.facts.append(self._facts(episode, parts))
        self.rewards.update(episode.rewards.tolist())
        flat = np.concatenate(list(parts.values()), axis=1).astype(float)
        ones = np.full(flat.shape[1], len(flat))
        self.moments = self.moments + np.stack((ones, flat.sum(0), (flat**2).sum(0)))
        if self.maze is not None:
            self.visited |= set(self.maze.locate(parts["achieved_goal"]).tolist())

    def _facts(self, episode, parts: dict) -> dict:
        steps = len(episode.rewards)
        success = successes(episode)
        terminated = bool(episode.terminations[-1])
        facts = {
            "steps": steps,
            "terminated": terminated,
            "truncated": bool(episode.truncations[-1]),
            "early": int(episode.terminations[:-1].sum() + episode.truncations[:-1].sum()),
            "saturated": int((np.abs(episode.actions) >= SATURATED).sum()),
            "actions": episode.actions.size,
            "success": bool(success.any()),
            "idle": steps - 1 - int(success.argmax()) if success.any() else 0,
            "late": terminated and steps == self.limit and not success[-1],
        }
        if self.maze is not None:
            jumps = np.linalg.norm(np.diff(parts["achieved_goal"], axis=0), axis=1)
            facts["seams"] = int((jumps > SEAM).sum())
            facts["fallen"] = bool(upside_down(parts["observation"][-1, 1:5]))
        return facts

    def report(self) -> Report:
        facts, goals, maze = self.facts, self.has_goals, self.maze

        def total(name: str) -> int:
            return sum(f[name] for f in facts)

        lengths = [f["steps"] for f in facts] or [0]
        steps = max(sum(lengths), 1)
        count = np.maximum(self.moments[0], 1)
        variance = self.moments[2] / count - (self.moments[1] / count) ** 2
        std = np.sqrt(np.maximum(variance, 0.0))
        reference = self.dataset.storage.metadata.get("ref_max_score")
        return Report(
            dataset_id=self.dataset.spec.dataset_id,
            episodes=int(self.dataset.total_episodes),
            steps=int(self.dataset.total_steps),
            unusable_episodes=len(self.defects),
            length_min=min(lengths),
            length_mean=sum(lengths) / len(lengths),
            length_max=max(lengths),
            reward_counts={f"{value:g}": n for value, n in self.rewards.most_common(10)},
            terminated_episodes=total("terminated"),
            truncated_episodes=total("truncated"),
            unended_episodes=sum(not (f["terminated"] or f["truncated"]) for f in facts),
            early_ends=total("early"),
            timeouts_as_terminals=total("late"),
            success_episodes=total("success") if goals else None,
            idle_steps=total("idle") if goals else None,
            useful_share=1.0 - total("idle") / steps if goals else None,
            seams=total("seams") if maze else None,
            coverage=len(self.visited) / len(maze.free_cells) if maze else None,
            fallen_share=total("fallen") / max(len(facts), 1) if maze else None,
            action_min=float(self.lowest),
            action_max=float(self.highest),
            saturated_share=total("saturated") / max(total("actions"), 1),
            bad_numbers=self.bad,
            observation_std_min=float(std.min()),
            observation_std_max=float(std.max()),
            constant_entries=int((std < 1e-6).sum()),
            reference_score=None if reference is None else float(reference),
        )


def _warnings(report: Report, defects: list[str]) -> list[str]:
    """Each known trap that the numbers show, with what it does and what to do about it."""
    r, found = report, []
    if r.bad_numbers:
        found.append(f"{r.bad_numbers} numbers are NaN or infinite: training on them is refused")
    if defects:
        found.append(f"{len(defects)} of {r.episodes} episodes cannot be used; the first: {defects[0]}")
    if set(r.reward_counts) == {"0"}:
        found.append("all rewards are zero: a conversion may have lost them, and a critic learns nothing from them")
    if r.idle_steps:
        found.append(
            f"rewards pile up at the goal: {r.idle_steps} steps ({1 - r.useful_share:.0%}) come after an episode's "
            "first success; load_transitions drops them"
        )
    if r.success_episodes and not r.terminated_episodes:
        found.append(
            f"no episode terminates, though {r.success_episodes} succeed (a continuing task): success must be made "
            "terminal, as load_transitions does"
        )
    if r.timeouts_as_terminals:
        found.append(
            f"{r.timeouts_as_terminals} episodes are marked terminated at the time limit without success: timeouts "
            "stored as terminals teach a critic that walking on is worth nothing"
        )
    if r.unended_episodes or r.early_ends:
        found.append(
            f"{r.unended_episodes} episodes end without being terminated or truncated, and {r.early_ends} steps inside "
            "of episodes are marked as ends: episodes may be cut at the wrong places"
        )
    if r.seams:
        found.append(f"{r.seams} steps jump by more than {SEAM:g} m: different episodes are glued together")
    if r.saturated_share > MANY_SATURATED:
        found.append(f"{r.saturated_share:.0%} of the actions are at their limit: a density model sees spikes at +-1")
    if r.fallen_share is not None and r.fallen_share > MANY_FALLS:
        found.append(f"{r.fallen_share:.0%} of the episodes end upside down")
    if r.reference_score is not None:
        found.append(
            f"Minari's reference score ({r.reference_score:g}) is a return, in AntMaze one accumulated at the goal: do "
            "not report minari.get_normalized_score, report the success rate"
        )
    return found
