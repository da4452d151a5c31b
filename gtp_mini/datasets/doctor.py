"""The dataset doctor: what is in a dataset, and which of the known traps it holds, before anything is trained on it.

The traps are the ones on which offline-RL code has failed: rewards that pile up at the goal, episodes that never
terminate, rewards that are all zero, timeouts stored as terminals, NaN, saturated actions, episodes glued together.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field

import numpy as np

from gtp_mini.datasets.opening import (
    after_step,
    check_episode,
    maze_of,
    observation_parts,
    open_dataset,
    read_episodes,
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
    warnings: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict:
        """Everything as what JSON can hold."""
        return asdict(self) | {"warnings": list(self.warnings)}


def inspect(dataset_id: str) -> Report:
    """Reads a local dataset from end to end.

    Raises:
        FileNotFoundError, ValueError: as `open_dataset`; a dataset that opens is described, whatever its defects.
    """
    dataset = open_dataset(dataset_id)
    maze = maze_of(dataset)
    limit = dataset.env_spec.max_episode_steps if dataset.env_spec is not None else None
    defects, facts, visited, rewards = [], [], set(), Counter()
    bad, lowest, highest, moments = 0, np.inf, -np.inf, np.zeros((3, 1))
    for episode in read_episodes(dataset, dataset_id):
        parts = observation_parts(episode)
        bad += sum(int((~np.isfinite(v)).sum()) for v in (*parts.values(), episode.actions, episode.rewards))
        lowest, highest = min(lowest, np.min(episode.actions)), max(highest, np.max(episode.actions))
        try:
            check_episode(episode, dataset_id)
        except ValueError as error:
            defects.append(str(error))
            continue
        facts.append(_facts(episode, parts, maze is not None, limit))
        rewards.update(episode.rewards.tolist())
        flat = np.concatenate(list(parts.values()), axis=1)
        moments = moments + np.stack((np.ones(flat.shape[1]) * len(flat), flat.sum(0), (flat**2).sum(0)))
        if maze is not None:
            visited |= set(maze.locate(parts["achieved_goal"]).tolist())
    return _report(dataset, dataset_id, facts, defects, rewards, moments, (lowest, highest), bad, maze, visited)


def _facts(episode, parts: dict, in_maze: bool, limit: int | None) -> dict:
    """One episode in numbers."""
    steps = len(episode.rewards)
    facts = {
        "steps": steps,
        "terminated": bool(episode.terminations[-1]),
        "truncated": bool(episode.truncations[-1]),
        "early": int(episode.terminations[:-1].sum() + episode.truncations[:-1].sum()),
        "saturated": float((np.abs(episode.actions) >= SATURATED).mean()),
    }
    success = episode.rewards == 1.0
    if "success" in (episode.infos or {}):
        success = success | after_step(episode.infos["success"], steps).astype(bool)
    facts["idle"] = steps - 1 - int(success.argmax()) if success.any() else 0
    facts["success"] = bool(success.any())
    facts["late"] = facts["terminated"] and steps == limit and not success[-1]
    if in_maze:
        jumps = np.linalg.norm(np.diff(parts["achieved_goal"], axis=0), axis=1)
        facts["seams"] = int((jumps > SEAM).sum())
        facts["fallen"] = bool(upside_down(parts["observation"][-1, 1:5]))
    return facts


def _report(dataset, dataset_id, facts, defects, rewards, moments, action_range, bad, maze, visited) -> Report:
    has_goals = isinstance(dataset[0].observations, dict) and "desired_goal" in dataset[0].observations
    lengths = np.array([f["steps"] for f in facts]) if facts else np.zeros(1, int)
    count = np.maximum(moments[0], 1)
    std = np.sqrt(np.maximum(moments[2] / count - (moments[1] / count) ** 2, 0))
    idle = sum(f["idle"] for f in facts)
    reference = dataset.storage.metadata.get("ref_max_score")

    def total(name: str) -> int:
        return sum(f[name] for f in facts)

    report = dict(
        dataset_id=dataset_id,
        episodes=int(dataset.total_episodes),
        steps=int(dataset.total_steps),
        unusable_episodes=len(defects),
        length_min=int(lengths.min()),
        length_mean=float(lengths.mean()),
        length_max=int(lengths.max()),
        reward_counts={f"{value:g}": n for value, n in rewards.most_common(10)},
        terminated_episodes=total("terminated"),
        truncated_episodes=total("truncated"),
        unended_episodes=sum(not (f["terminated"] or f["truncated"]) for f in facts),
        early_ends=total("early"),
        timeouts_as_terminals=total("late"),
        success_episodes=total("success") if has_goals else None,
        idle_steps=idle if has_goals else None,
        useful_share=1.0 - idle / max(lengths.sum(), 1) if has_goals else None,
        seams=total("seams") if maze is not None else None,
        coverage=len(visited) / len(maze.free_cells) if maze is not None else None,
        fallen_share=total("fallen") / max(len(facts), 1) if maze is not None else None,
        action_min=float(action_range[0]),
        action_max=float(action_range[1]),
        saturated_share=float(np.average([f["saturated"] for f in facts], weights=lengths)) if facts else 0.0,
        bad_numbers=bad,
        observation_std_min=float(std.min()),
        observation_std_max=float(std.max()),
        constant_entries=int((std < 1e-6).sum()),
        reference_score=None if reference is None else float(reference),
    )
    return Report(**report, warnings=tuple(_warnings(Report(**report), defects)))


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
