"""Episodes of a walker in a maze: start, walk to the goal with noisy actions, stop at success or at the time limit.

Episode number k depends on the recipe and on k alone: not on who walks beside it, nor on the process that makes it.
The episodes are kept in the order of their numbers, so that a long one is as likely to be kept as a short one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count

import numpy as np

from gtp_mini.collect.batch import AntBatch
from gtp_mini.collect.planner import MazePlanner
from gtp_mini.collect.walkers import WALKERS, Walker
from gtp_mini.datasets.tasks import Task
from gtp_mini.worlds.antmaze import SUCCESS_RADIUS

ACTION_NOISE = 0.2  # standard deviation, D4RL's
START_JITTER = 1.0  # metres: the environment's 0.25 of a 4 m cell, uniform in x and in y
HOVER_RADIUS = 0.6  # metres from the goal within which the stride shrinks when the episode goes on at the goal
TOGETHER = 64  # ants that walk at once, so that NumPy's calls are few; our choice


@dataclass(frozen=True)
class Recipe:
    """All that an episode depends on besides its number.

    ``noise`` is the standard deviation of the Gaussian noise on the actions, which are then clipped to [-1, 1].
    """

    task: Task
    seed: int = 0
    noise: float = ACTION_NOISE

    @cached_property
    def walker(self) -> Walker:
        """Who walks."""
        return WALKERS[self.task.maze.walker]()


@dataclass(frozen=True)
class Episode:
    """T steps: states (T+1, 15) and (T+1, 14) float64, actions (T, 8) float32, the goal (2,) in metres.

    ``terminated``: it ended because the goal was reached; else the time limit, or the end of the collection, cut it.
    """

    qpos: np.ndarray
    qvel: np.ndarray
    actions: np.ndarray
    goal: np.ndarray
    terminated: bool

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def success(self) -> np.ndarray:
        """Whether each state (T+1,) is within 0.45 m of the goal."""
        return np.linalg.norm(self.qpos[:, :2] - self.goal, axis=1) <= SUCCESS_RADIUS


def walk(recipe: Recipe, numbers: Sequence[int]) -> list[Episode]:
    """The episodes of these numbers, walked side by side in this thread."""
    task = recipe.task
    n, limit, continuing = len(numbers), task.time_limit, task.maze.continuing
    with AntBatch(task.maze.env_id, n, threads=1) as batch:
        planner = MazePlanner(batch.maze.maze_map, batch.maze.maze_size_scaling)
        goals, noise = np.empty((n, 2)), np.empty((limit, n, 8))
        for i, number in enumerate(numbers):
            start, goals[i], noise[:, i] = _chance(recipe, planner, number)
            batch.reset(i, start)
        qpos, qvel = np.empty((limit + 1, n, 15)), np.empty((limit + 1, n, 14))
        actions = np.empty((limit, n, 8), np.float32)
        qpos[0], qvel[0] = batch.qpos, batch.qvel
        lengths, walking = np.full(n, limit), np.arange(n)
        for t in range(limit):
            here, to = qpos[t, walking], goals[walking]
            far = np.linalg.norm(here[:, :2] - to, axis=1)
            stride = np.minimum(far / HOVER_RADIUS, 1.0) if continuing else 1.0
            direction = planner.direction(here[:, :2], to)
            torque = recipe.walker.walk(here, qvel[t, walking], direction, stride)
            # Rounded to float32 before it acts: what is stored is what was done.
            actions[t, walking] = np.clip(torque + noise[t, walking], -1.0, 1.0)
            batch.step(actions[t, walking], walking)
            qpos[t + 1], qvel[t + 1] = batch.qpos, batch.qvel
            if not continuing:
                there = np.linalg.norm(qpos[t + 1, walking, :2] - to, axis=1) <= SUCCESS_RADIUS
                lengths[walking[there]] = t + 1
                walking = walking[~there]
                if len(walking) == 0:
                    break
    ended = ~np.isin(np.arange(n), walking)
    return [
        Episode(
            qpos[: end + 1, i].copy(), qvel[: end + 1, i].copy(), actions[:end, i].copy(), goals[i], bool(ended[i])
        )
        for i, end in enumerate(lengths)
    ]


def _chance(recipe: Recipe, planner: MazePlanner, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is random in an episode: start (2,) and goal (2,) in metres, the noise of all its actions (limit, 8)."""
    maze, rng = recipe.task.maze, np.random.default_rng((recipe.seed, number))
    if maze.pairs is not None:
        start, goal = maze.pairs[rng.integers(len(maze.pairs))]
    else:
        start, goal = (planner.free_cells[k] for k in rng.choice(len(planner.free_cells), 2, replace=False))
    start_xy = planner.cell_to_xy(start) + rng.uniform(-START_JITTER, START_JITTER, 2)
    goal_xy = planner.cell_to_xy(goal) + rng.uniform(-maze.goal_jitter, maze.goal_jitter, 2)
    return start_xy, goal_xy, recipe.noise * rng.standard_normal((recipe.task.time_limit, 8))


def first_steps(episodes: Iterable[Episode], transitions: int) -> Iterator[Episode]:
    """The episodes up to ``transitions`` steps; the last one is cut where they are reached, then a timeout ends it."""
    left = transitions
    for episode in episodes:
        if left < len(episode):
            end = left + 1
            yield Episode(episode.qpos[:end], episode.qvel[:end], episode.actions[:left], episode.goal, False)
        else:
            yield episode
        left -= len(episode)
        if left <= 0:
            return


def collect_episodes(
    task: Task, transitions: int, seed: int = 0, *, noise: float = ACTION_NOISE, ants: int = TOGETHER
) -> list[Episode]:
    """Exactly ``transitions`` steps of ``task``, in memory and in this process, ``ants`` episodes at a time.

    Raises:
        ValueError: fewer than one transition or ant.
    """
    if transitions < 1:
        raise ValueError(f"transitions must be at least 1, got {transitions}")
    recipe = Recipe(task, seed, noise)
    made = (episode for first in count(0, ants) for episode in walk(recipe, range(first, first + ants)))
    return list(first_steps(made, transitions))
