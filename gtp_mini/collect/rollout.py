"""Episodes of the gait in a maze: start, walk to the goal with noisy actions, stop at success or at the time limit.

Episode number k depends on the seed and on k alone: not on how many ants walk at once, nor on the threads.
The episodes are kept in the order in which they began, so that a long one is as likely to be kept as a short one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gtp_mini.collect.batch import AntBatch
from gtp_mini.collect.gait import Gait, gait_action, load_gait
from gtp_mini.collect.planner import MazePlanner
from gtp_mini.datasets.tasks import Task
from gtp_mini.worlds.antmaze import SUCCESS_RADIUS

ACTION_NOISE = 0.2  # standard deviation, D4RL's
START_JITTER = 1.0  # metres: the environment's 0.25 of a 4 m cell, uniform in x and in y
HOVER_RADIUS = 0.6  # metres from the goal within which the stride shrinks when the episode goes on at the goal


@dataclass(frozen=True)
class Episode:
    """T steps: states (T+1, 15) and (T+1, 14) float64, actions (T, 8) float32, the goal (2,) in metres.

    ``success`` (T+1,) says at each state whether it is within 0.45 m of the goal. ``terminated``: the episode ended
    because of that; otherwise the time limit (or the end of the collection) cut it.
    """

    qpos: np.ndarray
    qvel: np.ndarray
    actions: np.ndarray
    goal: np.ndarray
    success: np.ndarray
    terminated: bool

    def __len__(self) -> int:
        return len(self.actions)


class _Walk:
    """An episode while it is being made, with the random numbers that belong to it."""

    def __init__(self, task: Task, planner: MazePlanner, seed: int, number: int, noise: float):
        self.number, self.steps = number, 0
        rng = np.random.default_rng((seed, number))
        start_cell, goal_cell = self._cells(task, planner, rng)
        maze, limit = task.maze, task.time_limit
        self.start = planner.cell_to_xy(start_cell) + rng.uniform(-START_JITTER, START_JITTER, 2)
        self.goal = planner.cell_to_xy(goal_cell) + rng.uniform(-maze.goal_jitter, maze.goal_jitter, 2)
        self.noise = noise * rng.standard_normal((limit, 8))
        self.qpos, self.qvel = np.empty((limit + 1, 15)), np.empty((limit + 1, 14))
        self.actions = np.empty((limit, 8), np.float32)

    @staticmethod
    def _cells(task: Task, planner: MazePlanner, rng: np.random.Generator):
        if task.maze.pairs is not None:
            return task.maze.pairs[rng.integers(len(task.maze.pairs))]
        start, goal = rng.choice(len(planner.free_cells), 2, replace=False)
        return planner.free_cells[start], planner.free_cells[goal]

    def finished(self, terminated: bool) -> Episode:
        t = self.steps
        qpos = self.qpos[: t + 1].copy()
        success = np.linalg.norm(qpos[:, :2] - self.goal, axis=1) <= SUCCESS_RADIUS
        return Episode(qpos, self.qvel[: t + 1].copy(), self.actions[:t].copy(), self.goal, success, terminated)


def collect_episodes(
    task: Task,
    transitions: int,
    seed: int = 0,
    *,
    noise: float = ACTION_NOISE,
    gait: Gait | None = None,
    ants: int = 64,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Episode]:
    """Exactly ``transitions`` steps of ``task``; the last episode is cut where they are reached.

    Args:
        noise: standard deviation of the Gaussian noise on the actions, which are then clipped to [-1, 1].
        ants: how many walk at once, at most.
        progress: called with (steps done, transitions) now and then.
    """
    if transitions < 1:
        raise ValueError(f"transitions must be at least 1, got {transitions}")
    gait = gait or load_gait()
    ants = min(ants, 1 + transitions // 100)  # more would begin episodes that nobody needs
    done: dict[int, Episode] = {}
    with AntBatch(task.maze.env_id, ants, threads) as batch:
        planner = MazePlanner(batch.maze.maze_map, batch.maze.maze_size_scaling)
        walks: dict[int, _Walk] = {}
        started = steps = rounds = 0
        ready = ready_steps = 0  # the first episodes that are done without a gap, and their steps
        while ready_steps < transitions:
            for slot in range(ants):
                # Once enough steps are made, the episodes under way are finished and no new one begins.
                if slot not in walks and steps < transitions:
                    walk = walks[slot] = _Walk(task, planner, seed, started, noise)
                    started += 1
                    batch.reset(slot, walk.start)
                    walk.qpos[0], walk.qvel[0] = batch.qpos[slot], batch.qvel[slot]
            _step(batch, walks, planner, gait, stand=task.maze.continuing)
            steps += len(walks)
            for slot, walk in list(walks.items()):
                success = np.linalg.norm(walk.qpos[walk.steps, :2] - walk.goal) <= SUCCESS_RADIUS
                terminated = bool(success) and not task.maze.continuing
                if terminated or walk.steps == task.time_limit:
                    done[walk.number] = walks.pop(slot).finished(terminated)
            while ready in done and ready_steps < transitions:
                ready_steps += len(done[ready])
                ready += 1
            rounds += 1
            if progress is not None and rounds % 50 == 0:
                progress(min(steps, transitions), transitions)
    if progress is not None:
        progress(transitions, transitions)
    return _first(transitions, [done[number] for number in range(ready)])


def _step(batch: AntBatch, walks: dict[int, _Walk], planner: MazePlanner, gait: Gait, stand: bool) -> None:
    """All walking ants take one action, and their walks record it."""
    slots = np.array(list(walks))
    qpos, qvel = batch.qpos[slots], batch.qvel[slots]
    goals = np.stack([walk.goal for walk in walks.values()])
    stride = np.minimum(np.linalg.norm(qpos[:, :2] - goals, axis=1) / HOVER_RADIUS, 1.0) if stand else 1.0
    torque = gait_action(gait, qpos, qvel, planner.direction(qpos[:, :2], goals), stride)
    noise = np.stack([walk.noise[walk.steps] for walk in walks.values()])
    # Rounded to float32 before it acts: what is stored is what was done.
    actions = np.clip(torque + noise, -1.0, 1.0).astype(np.float32)
    batch.step(actions, slots)
    for slot, action, walk in zip(slots, actions, walks.values(), strict=True):
        walk.actions[walk.steps] = action
        walk.steps += 1
        walk.qpos[walk.steps], walk.qvel[walk.steps] = batch.qpos[slot], batch.qvel[slot]


def _first(transitions: int, episodes: list[Episode]) -> list[Episode]:
    """All episodes, the last one cut so that there are ``transitions`` steps; then a timeout ends it."""
    *whole, last = episodes
    left = transitions - sum(map(len, whole))
    if left < len(last):
        end = left + 1
        last = Episode(last.qpos[:end], last.qvel[:end], last.actions[:left], last.goal, last.success[:end], False)
    return [*whole, last]
