"""The doctor's sums: a dataset's episodes, read once and one at a time."""

from __future__ import annotations

import importlib.metadata
from collections import Counter

import numpy as np

from gtp_mini.datasets.doctor import Report
from gtp_mini.datasets.opening import (
    check_episode,
    check_fits,
    check_spaces,
    has_goals,
    maze_maps,
    maze_of,
    observation_parts,
    successes,
    unit_actions,
)
from gtp_mini.datasets.recovered import same_walls
from gtp_mini.datasets.tasks import task_of_dataset
from gtp_mini.datasets.transitions import cut, evaluation_goal, protocol_of
from gtp_mini.worlds.antmaze import upside_down

SATURATED = 0.999  # |action| from which a motor is at its limit; our choice
SEAM = 1.0  # metres in one step of 0.05 s: an ant walks 0.1; our choice


class Tally:
    """Episodes go in by `add`, what they come to is `report`; ``defects`` says why some cannot be used."""

    def __init__(self, dataset):
        check_spaces(dataset)
        self.dataset, self.maze = dataset, maze_of(dataset)
        self.limit = dataset.env_spec.max_episode_steps if dataset.env_spec is not None else None
        self.protocol, self.goal, self.unloadable = self._protocol()
        self.defects: list[str] = []
        self.facts: list[dict] = []  # of the other episodes
        self.rewards, self.visited, self.seen, self.repeated = Counter(), set(), set(), 0
        self.bad, self.lowest, self.highest = 0, np.inf, -np.inf
        self.moments = np.zeros((3, 1))  # count, sum, sum of squares of each observation entry

    def _protocol(self) -> tuple[str | None, np.ndarray | None, str | None]:
        """How it would be loaded, against which goal; or why not, as it is not of the task whose name it has."""
        dataset_id = self.dataset.spec.dataset_id
        task = task_of_dataset(dataset_id)
        try:
            if task is not None:
                check_fits(self.dataset, task)
            protocol = protocol_of(self.dataset, dataset_id, None, task)
            goal = evaluation_goal(self.dataset, dataset_id, task) if protocol == "d4rl" else None
            return protocol, goal, None
        except ValueError as error:
            return None, None, str(error)

    def add(self, episode) -> None:
        parts = observation_parts(episode)
        actions = unit_actions(episode.actions, self.dataset.action_space)
        numbers = (*parts.values(), episode.actions, episode.rewards)
        self.bad += sum(int((~np.isfinite(values)).sum()) for values in numbers)
        self.lowest = min(self.lowest, actions.min(initial=np.inf))
        self.highest = max(self.highest, actions.max(initial=-np.inf))
        try:
            check_episode(episode, self.dataset)
        except ValueError as error:
            self.defects.append(str(error))
            return
        self.facts.append(self._facts(episode, parts, actions))
        self.rewards.update(episode.rewards.tolist())
        self.repeated += hash(episode.actions.tobytes()) in self.seen
        self.seen.add(hash(episode.actions.tobytes()))
        flat = np.concatenate(list(parts.values()), axis=1).astype(float)
        ones = np.full(flat.shape[1], len(flat))
        self.moments = self.moments + np.stack((ones, flat.sum(0), (flat**2).sum(0)))
        if self.maze is not None:
            self.visited |= set(self.maze.locate(parts["achieved_goal"]).tolist())

    def _facts(self, episode, parts: dict, actions: np.ndarray) -> dict:
        steps, success = len(episode.rewards), successes(episode)
        terminated = bool(episode.terminations[-1])
        facts = {
            "steps": steps,
            "overlong": self.limit is not None and steps > self.limit,
            "terminated": terminated,
            "truncated": bool(episode.truncations[-1]),
            "early": int(episode.terminations[:-1].sum() + episode.truncations[:-1].sum()),
            "saturated": int((np.abs(actions) >= SATURATED).sum()),
            "actions": actions.size,
            "success": bool(success.any()),
            "idle": steps - 1 - int(success.argmax()) if success.any() else 0,
            "late": terminated and steps == self.limit and not success[-1],
            "elsewhere": terminated and steps != self.limit and not success[-1],
            "lost": int((success & (episode.rewards != 1.0)).sum()),
        }
        if self.protocol is not None:
            facts["rewarded"] = int(np.count_nonzero(cut(episode, self.protocol, self.goal)["reward"]))
        if has_goals(self.dataset):
            facts["moving"] = bool((parts["desired_goal"] != parts["desired_goal"][0]).any())
        if self.maze is not None:
            jumps = np.linalg.norm(np.diff(parts["achieved_goal"], axis=0), axis=1)
            facts["seams"] = int((jumps > SEAM).sum())
            facts["fallen"] = bool(upside_down(parts["observation"][-1, 1:5]))
        return facts

    def report(self) -> Report:
        goals, maze, maps = has_goals(self.dataset), self.maze, maze_maps(self.dataset)

        def total(name: str, known: bool = True) -> int | None:
            return sum(facts[name] for facts in self.facts) if known else None

        lengths = [facts["steps"] for facts in self.facts] or [0]
        count = np.maximum(self.moments[0], 1)
        mean = self.moments[1] / count
        std = np.sqrt(np.maximum(self.moments[2] / count - mean**2, 0.0))
        reference = self.dataset.storage.metadata.get("ref_max_score")
        return Report(
            dataset_id=self.dataset.spec.dataset_id,
            protocol=self.protocol,
            episodes=int(self.dataset.total_episodes),
            steps=int(self.dataset.total_steps),
            unloadable=self.unloadable,
            unusable_episodes=len(self.defects),
            repeated_episodes=self.repeated,
            length_min=min(lengths),
            length_mean=sum(lengths) / len(lengths),
            length_max=max(lengths),
            overlong_episodes=total("overlong"),
            reward_counts={f"{value:g}": n for value, n in self.rewards.most_common(10)},
            rewarded_transitions=total("rewarded", self.protocol is not None),
            lost_rewards=total("lost", goals),
            terminated_episodes=total("terminated"),
            truncated_episodes=total("truncated"),
            unended_episodes=sum(not (f["terminated"] or f["truncated"]) for f in self.facts),
            early_ends=total("early"),
            timeouts_as_terminals=total("late"),
            terminals_elsewhere=total("elsewhere", goals),
            success_episodes=total("success", goals),
            moving_goals=total("moving", goals),
            idle_steps=total("idle", goals),
            useful_share=1.0 - total("idle") / max(sum(lengths), 1) if goals else None,
            seams=total("seams", maze is not None),
            coverage=len(self.visited) / len(maze.free_cells) if maze else None,
            fallen_share=total("fallen") / max(len(self.facts), 1) if maze else None,
            action_min=float(self.lowest),
            action_max=float(self.highest),
            saturated_share=total("saturated") / max(total("actions"), 1),
            bad_numbers=self.bad,
            observation_size=len(mean) if self.facts else 0,
            observation_mean_max=float(np.abs(mean).max()),
            observation_std_min=float(std.min()),
            observation_std_max=float(std.max()),
            constant_entries=int((std < 1e-6).sum()),
            mirrored_evaluation=maps is not None and not same_walls(*maps),
            unmet_requirements=_unmet(self.dataset.storage.metadata.get("requirements", [])),
            reference_score=None if reference is None else float(reference),
        )


def _unmet(requirements: list[str]) -> tuple[str, ...]:
    """Those requirements, in pip's form, that what is installed does not meet."""
    from packaging.requirements import InvalidRequirement, Requirement

    unmet = []
    for text in requirements:
        try:
            requirement = Requirement(text)
            if not requirement.specifier.contains(importlib.metadata.version(requirement.name), prereleases=True):
                unmet.append(text)
        except importlib.metadata.PackageNotFoundError:
            unmet.append(text)
        except InvalidRequirement:
            unmet.append(f"{text} (not understood)")
    return tuple(unmet)
