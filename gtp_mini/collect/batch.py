"""Many ants at once: MuJoCo steps them in threads, with the physics of ``env.step`` to the last bit.

One ``MjData`` an ant. It keeps the solver's warm start between steps as the Gymnasium environment does, so that
nothing differs from it; and since MuJoCo releases Python's lock while it steps, threads run in parallel.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gtp_mini.worlds.antmaze import raw_antmaze_env


def available_threads() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class AntBatch:
    """N independent ants in copies of one maze.

    Args:
        env_id: e.g. ``AntMaze_UMaze-v4``; model, frame skip and resting pose are the environment's own.
        ants: N.
        threads: None takes all processors. Results do not depend on it.

    ``qpos`` (N, 15) and ``qvel`` (N, 14) are the state now, float64, written over by `reset` and `step`.
    """

    def __init__(self, env_id: str, ants: int, threads: int | None = None):
        import mujoco

        if ants < 1:
            raise ValueError(f"ants must be at least 1, got {ants}")
        env = raw_antmaze_env(env_id)
        self.maze = env.unwrapped.maze
        self.model = env.unwrapped.model
        self.frame_skip = env.unwrapped.ant_env.frame_skip
        self.rest = env.unwrapped.ant_env.init_qpos.copy()
        env.close()
        self._mujoco = mujoco
        self._data = [mujoco.MjData(self.model) for _ in range(ants)]
        self._threads = min(threads or available_threads(), ants)
        self._pool = ThreadPoolExecutor(self._threads)
        self.qpos = np.tile(self.rest, (ants, 1))
        self.qvel = np.zeros((ants, self.model.nv))

    def __enter__(self) -> AntBatch:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._pool.shutdown()

    def reset(self, index: int, xy: np.ndarray) -> None:
        """Puts ant ``index`` at rest at ``xy`` (2,) in metres, as the environment's reset does."""
        data = self._data[index]
        self._mujoco.mj_resetData(self.model, data)
        data.qpos[:] = self.rest
        data.qpos[:2] = xy
        self._mujoco.mj_forward(self.model, data)
        self.qpos[index], self.qvel[index] = data.qpos, data.qvel

    def step(self, actions: np.ndarray, active: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """One decision of 0.05 s: ants ``active`` (n,) indices, all by default, take ``actions`` (n, 8) in [-1, 1].

        Returns `qpos` and `qvel` of all ants (views, not copies).
        """
        index = np.arange(len(self._data)) if active is None else active
        if self._threads == 1:
            self._advance(index, actions)
            return self.qpos, self.qvel
        # Several chunks a thread: an ant in a tangle of contacts takes longer than one that stands.
        chunks = np.array_split(np.arange(len(index)), min(len(index), 4 * self._threads))
        list(self._pool.map(lambda chunk: self._advance(index[chunk], actions[chunk]), chunks))
        return self.qpos, self.qvel

    def _advance(self, index: np.ndarray, actions: np.ndarray) -> None:
        for i, action in zip(index, actions, strict=True):
            data = self._data[i]
            data.ctrl[:] = action
            self._mujoco.mj_step(self.model, data, nstep=self.frame_skip)
            self.qpos[i], self.qvel[i] = data.qpos, data.qvel
