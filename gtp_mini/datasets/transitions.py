"""The one adapter: any Minari dataset becomes transitions for offline RL, with its protocol's quirks undone.

Two protocols for AntMaze, never mixed silently:

* ``d4rl``: the observation is achieved_goal ++ observation (29); the goal is not seen. Reward and terminal
  are relabelled against the task's one evaluation goal, and an episode ends where it first reaches it.
* ``minari``: observation ++ achieved_goal ++ desired_goal (31); an episode ends at the first success for its own goal,
  and what follows (continuing episodes idle at the goal and collect reward) is dropped.

``plain`` passes Box observations through with their own rewards and terminations. In all three a timeout is
not a terminal: its value is bootstrapped.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gtp_mini.datasets.opening import (
    GOALS,
    check_episode,
    check_fits,
    check_spaces,
    has_goals,
    maze_of,
    observation_parts,
    open_dataset,
    read_episodes,
    successes,
    unit_actions,
)
from gtp_mini.datasets.task import Protocol, Task
from gtp_mini.datasets.tasks import task_of_dataset
from gtp_mini.worlds.antmaze import SUCCESS_RADIUS, flat_observation


@dataclass(frozen=True)
class Transitions:
    """M transitions as float32 tensors on the CPU; ``terminal`` is 1.0 where the future is worth nothing,
    else 0.0.

    ``reward`` is as the world gives it: a task's ``reward_shift`` is the agent's business.
    """

    obs: Tensor  # (M, O)
    action: Tensor  # (M, A) in [-1, 1]
    reward: Tensor  # (M,)
    next_obs: Tensor  # (M, O)
    terminal: Tensor  # (M,)
    episode: Tensor  # (M,) int64, number of the episode in the dataset
    protocol: Protocol
    dataset_id: str

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that another seed, size or version of the data would not have."""
        digest = hashlib.blake2b(digest_size=8)
        for column in (self.obs, self.action, self.reward, self.next_obs, self.terminal):
            digest.update(column.numpy())
        return digest.hexdigest()

    @property
    def observation_mean(self) -> Tensor:
        """(O,), summed in double precision."""
        return self.obs.mean(0, dtype=torch.float64).float()

    @property
    def observation_std(self) -> Tensor:
        """(O,); 1 where an entry never changes, so that dividing by it is safe."""
        std = self.obs.double().std(0, correction=0).float()
        return torch.where(std > 1e-6, std, torch.ones_like(std))


def load_transitions(
    dataset_id: str, protocol: Protocol | None = None, max_transitions: int | None = None, at_least: int = 1
) -> Transitions:
    """The dataset's transitions, from the first episode on, at most ``max_transitions`` of them.

    Actions are scaled to [-1, 1] where the environment's have another box.

    Args:
        protocol: None takes the protocol of the task whose data it is; else ``minari`` where the
            observations have goals and ``plain`` where they are plain vectors.
        at_least: how many there must be, a batch for one.

    Raises:
        FileNotFoundError: no such dataset here; the message says how to get it.
        ValueError: the data cannot be used (no episodes, NaN, wrong shapes, actions beyond their box, damaged
            file), are too few, are not of the task whose they are to be, or the protocol does not fit them.
    """
    if max_transitions is not None and max_transitions < 1:
        raise ValueError(f"max_transitions must be at least 1, got {max_transitions}")
    dataset = open_dataset(dataset_id)
    task = task_of_dataset(dataset_id)
    check_spaces(dataset)
    if task is not None:
        check_fits(dataset, task)
    protocol = protocol_of(dataset, dataset_id, protocol, task)
    goal = evaluation_goal(dataset, dataset_id, task) if protocol == "d4rl" else None
    parts, total = [], 0
    for episode in read_episodes(dataset):
        check_episode(episode, dataset)
        part = cut(episode, protocol, goal)
        part["action"] = unit_actions(part["action"], dataset.action_space).astype(np.float32)
        parts.append(part)
        total += len(part["reward"])
        if max_transitions is not None and total >= max_transitions:
            break
    if total < at_least:
        raise ValueError(
            f"dataset {dataset_id} has {total} transitions that can be learnt from, fewer than the {at_least} that are "
            "needed (a batch?); make more, or take less of them at a time"
        )
    columns = {name: np.concatenate([part[name] for part in parts])[:max_transitions] for name in parts[0]}
    return Transitions(
        **{name: torch.from_numpy(column) for name, column in columns.items()},
        protocol=protocol,
        dataset_id=dataset_id,
    )


def evaluation_goal(dataset, dataset_id: str, task: Task | None) -> np.ndarray:
    """The fixed goal (2,) in metres against which protocol ``d4rl`` relabels: the centre of the task's goal cell."""
    maze = maze_of(dataset)
    if task is None or task.maze is None or maze is None:
        raise ValueError(
            f"protocol 'd4rl' relabels against a task's evaluation goal, but dataset {dataset_id} belongs to "
            "no AntMaze task of ours; use protocol 'minari'"
        )
    return maze.cell_to_xy(task.maze.eval_goal)


def protocol_of(dataset, dataset_id: str, protocol: str | None, task: Task | None) -> Protocol:
    """The protocol wanted, or by default the task's or the observations'; ValueError where it does not fit them."""
    if protocol not in (None, "d4rl", "minari", "plain"):
        raise ValueError(f"protocol must be 'd4rl', 'minari' or 'plain', got {protocol!r}")
    goals = has_goals(dataset)
    if protocol is None:
        protocol = task.protocol if task is not None else "minari" if goals else "plain"
    if goals == (protocol == "plain"):
        kind = "observed goals" if goals else "plain vectors"
        raise ValueError(f"dataset {dataset_id}: protocol {protocol!r} does not fit observations with {kind}")
    return protocol


def cut(episode, protocol: Protocol, goal: np.ndarray | None) -> dict[str, np.ndarray]:
    """One episode's transitions under a protocol, cut after its first terminal; ``goal`` (2,) is protocol d4rl's."""
    parts, steps = observation_parts(episode), len(episode.rewards)
    reward = np.asarray(episode.rewards, np.float32)
    if protocol == "plain":
        obs, terminal = parts["observation"].astype(np.float32), episode.terminations.astype(bool)
        end = steps
    else:
        obs = flat_observation(*(parts[name] for name in ("observation", *GOALS)), protocol)
        if protocol == "d4rl":
            terminal = np.linalg.norm(parts["achieved_goal"][1:] - goal, axis=1) <= SUCCESS_RADIUS
            reward = terminal.astype(np.float32)
        else:
            success = successes(episode)
            reward = np.where(success, np.float32(1.0), reward)
            terminal = success | episode.terminations.astype(bool)
        end = int(terminal.argmax()) + 1 if terminal.any() else steps
    return {
        "obs": obs[:end],
        "action": episode.actions[:end].astype(np.float32),
        "reward": reward[:end],
        "next_obs": obs[1 : end + 1],
        "terminal": terminal[:end].astype(np.float32),
        "episode": np.full(end, episode.id, np.int64),
    }
