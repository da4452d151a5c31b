"""Several environments of a task, stepped together: what an evaluation runs its episodes in.

A `Worlds` is one of two things: `GymWorlds` steps any Gymnasium environments one after another, `AntWorlds` steps the
ants of an AntMaze task in MuJoCo's threads, with the same numbers to the last bit.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from ..datasets.tasks import Task
from .antmaze import SUCCESS_RADIUS, flat_observation, upside_down


class Step(NamedTuple):
    """What an environment answers to an action: observation (O,) float32, and Gymnasium's other four."""

    obs: np.ndarray
    reward: float
    terminated: bool
    truncated: bool
    info: dict


class Worlds(Protocol):
    """Environments by number."""

    def reset(self, index: int, seed: int) -> np.ndarray:
        """Begins an episode in environment `index`; its first observation (O,)."""

    def step(self, indices: Sequence[int], actions: np.ndarray) -> list[Step]:
        """Environments `indices` (n,) take `actions` (n, A) in [-1, 1]."""

    def close(self) -> None: ...


def make_worlds(task: Task, count: int) -> Worlds:
    """`count` environments of the task."""
    return AntWorlds(task, count) if task.maze else GymWorlds(task, count)


class GymWorlds:
    """Gymnasium environments, one after another."""

    def __init__(self, task: Task, count: int):
        self.envs = [task.make_env() for _ in range(count)]

    def reset(self, index: int, seed: int) -> np.ndarray:
        return self.envs[index].reset(seed=seed)[0]

    def step(self, indices: Sequence[int], actions: np.ndarray) -> list[Step]:
        return [Step(*self.envs[i].step(action)) for i, action in zip(indices, actions, strict=True)]

    def close(self) -> None:
        for env in self.envs:
            env.close()


class AntWorlds:
    """The ants of one AntMaze task, stepped in threads.

    One environment of the task draws the starts and the goals; from there on the physics are MuJoCo's alone, and the
    reward, the ends and the observation are computed here as `worlds.antmaze.AntMazeTask` does.
    """

    def __init__(self, task: Task, count: int, threads: int | None = None):
        from ..collect.batch import AntBatch

        self.task, self.env = task, task.make_env()
        self.batch = AntBatch(task.maze.env_id, count, threads)
        self.goals, self.lengths = np.zeros((count, 2)), np.zeros(count, int)

    def reset(self, index: int, seed: int) -> np.ndarray:
        self.env.reset(seed=seed)
        ant = self.env.unwrapped
        self.batch.reset(index, ant.ant_env.data.qpos[:2])
        self.goals[index], self.lengths[index] = ant.goal, 0
        return self._observations(np.array([index]))[0]

    def step(self, indices: Sequence[int], actions: np.ndarray) -> list[Step]:
        indices = np.asarray(indices)
        self.batch.step(actions, indices)
        self.lengths[indices] += 1
        qpos = self.batch.qpos[indices]
        success = np.linalg.norm(qpos[:, :2] - self.goals[indices], axis=1) <= SUCCESS_RADIUS
        fallen, late = upside_down(qpos[:, 3:7]), self.lengths[indices] >= self.task.time_limit
        infos = [{"success": bool(s), "fallen": bool(f)} for s, f in zip(success, fallen, strict=True)]
        return [Step(obs, float(s), bool(s), bool(end), info) for obs, s, end, info
                in zip(self._observations(indices), success, late, infos, strict=True)]

    def _observations(self, indices: np.ndarray) -> np.ndarray:
        qpos, qvel = self.batch.qpos[indices], self.batch.qvel[indices]
        return flat_observation(np.concatenate([qpos[:, 2:], qvel], 1), qpos[:, :2], self.goals[indices],
                                self.task.protocol)

    def close(self) -> None:
        self.batch.close()
        self.env.close()
