"""AntMaze as the tasks see it: a Box observation, a fixed or observed goal, an end at success.

The environment itself is Gymnasium-Robotics' `AntMaze_*-v4`: an eight-jointed ant (15 generalised positions,
14 velocities) in a maze of 4 m cells, one decision every 0.05 s, reward 1 within 0.45 m of the goal.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import gymnasium as gym
import numpy as np

if TYPE_CHECKING:
    from gtp_mini.datasets.tasks import Task

SUCCESS_RADIUS = 0.45  # metres: the constant of MazeEnv.compute_reward (its docstring says 0.5)


def raw_antmaze_env(env_id: str, **kwargs) -> gym.Env:
    """Gymnasium-Robotics' own environment, e.g. ``AntMaze_UMaze-v4``, with its Dict observation.

    Version 4 is wanted: its observation has 27 numbers as in the published data, version 5 adds contact forces.

    Raises:
        ImportError: MuJoCo or Gymnasium-Robotics is not installed.
    """
    return raw_maze_env(lambda: gym.make(env_id, **kwargs))


def raw_maze_env(make: Callable[[], gym.Env]) -> gym.Env:
    """What ``make`` makes, once Gymnasium-Robotics' environments are known; quietly, and with no file left behind.

    Raises:
        ImportError: MuJoCo or Gymnasium-Robotics is not installed.
    """
    try:
        import mujoco  # noqa: F401  (gymnasium_robotics imports without it and fails later)

        with contextlib.redirect_stderr(io.StringIO()):  # it prints a notice about its Adroit environments
            import gymnasium_robotics
    except ImportError as error:
        raise ImportError('AntMaze needs MuJoCo and Gymnasium-Robotics: pip install "gtp-mini[antmaze]"') from error
    gym.register_envs(gymnasium_robotics)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*AntMaze_.* is out of date", category=DeprecationWarning)
        env = make()
    # Every instance leaves its maze's XML in the temporary folder, where the model no longer needs it.
    if os.path.exists(env.unwrapped.tmp_xml_file_path):
        os.unlink(env.unwrapped.tmp_xml_file_path)
    return env


def maze_xml(env: gym.Env) -> str:
    """The XML from which an environment's ant and maze were made, as Gymnasium-Robotics writes it."""
    ant, maze = inspect.getfile(type(env.unwrapped.ant_env)), env.unwrapped.maze
    source = os.path.join(os.path.dirname(ant), "assets", "ant.xml")  # as in AntMazeEnv
    _, path = type(maze).make_maze(source, maze.maze_map, maze.maze_size_scaling, maze.maze_height)
    text = Path(path).read_text("utf8")
    os.unlink(path)
    return text


def upside_down(quaternion: np.ndarray) -> np.ndarray:
    """Whether the torso's up axis points down: R_zz = 1 - 2 (x^2 + y^2) < 0 for (..., 4) quaternions w, x, y, z."""
    return 1.0 - 2.0 * (quaternion[..., 1] ** 2 + quaternion[..., 2] ** 2) < 0.0


def flat_observation(
    observation: np.ndarray, achieved_goal: np.ndarray, desired_goal: np.ndarray, protocol: str
) -> np.ndarray:
    """The policy's observation, float32 (..., O), from the environment's three parts (..., 27), (..., 2), (..., 2).

    ``d4rl``: achieved_goal ++ observation = qpos ++ qvel, 29 numbers, the goal is not seen (D4RL's order).
    ``minari``: observation ++ achieved_goal ++ desired_goal, 31 numbers.
    """
    if protocol == "d4rl":
        parts = (achieved_goal, observation)
    elif protocol == "minari":
        parts = (observation, achieved_goal, desired_goal)
    else:
        raise ValueError(f"protocol must be 'd4rl' or 'minari', got {protocol!r}")
    return np.concatenate(parts, axis=-1).astype(np.float32)


class AntMazeTask(gym.Wrapper, gym.utils.RecordConstructorArgs):
    """One task's evaluation: its start cell (the ant starts within 1 m of the centre), its goal, its time limit.

    An episode terminates at success. ``info`` has ``success`` and ``fallen`` (the torso is upside down; the ant
    cannot right itself, so a fallen episode is a lost one, but it runs on to the time limit).
    """

    def __init__(self, env: gym.Env, task: Task):
        gym.utils.RecordConstructorArgs.__init__(self, task=task)  # so that env.spec can make it again
        gym.Wrapper.__init__(self, env)
        self.task = task
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (task.obs_dim,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        maze = self.task.maze
        cells = {"reset_cell": np.array(maze.eval_start), "goal_cell": np.array(maze.eval_goal)}
        obs, info = self.env.reset(seed=seed, options=cells | (options or {}))
        if maze.goal_jitter == 0.0:
            # The environment always moves the goal by up to 1 m; D4RL's protocol wants the very centre of its cell.
            ant = self.unwrapped
            ant.goal = ant.maze.cell_rowcol_to_xy((cells | (options or {}))["goal_cell"])
            ant.update_target_site_pos()
            obs["desired_goal"] = ant.goal.copy()
            info["success"] = bool(np.linalg.norm(obs["achieved_goal"] - ant.goal) <= SUCCESS_RADIUS)
        info["fallen"] = bool(upside_down(obs["observation"][1:5]))
        return self._flat(obs), info

    def step(self, action):
        obs, reward, terminated, truncated, info = self.env.step(action)
        info["fallen"] = bool(upside_down(obs["observation"][1:5]))
        return self._flat(obs), float(reward), terminated, truncated, info

    def _flat(self, obs: dict) -> np.ndarray:
        return flat_observation(obs["observation"], obs["achieved_goal"], obs["desired_goal"], self.task.protocol)


def make_antmaze_env(task: Task, **kwargs) -> gym.Env:
    """The environment in which ``task`` is evaluated; ``kwargs`` (e.g. render_mode) go to ``gym.make``.

    Raises:
        ValueError: the task is not played in a maze.
        ImportError: MuJoCo or Gymnasium-Robotics is not installed.
    """
    if task.maze is None:
        raise ValueError(f"task {task.name!r} is not an AntMaze task")
    env = raw_antmaze_env(task.maze.env_id, max_episode_steps=task.time_limit, continuing_task=False, **kwargs)
    return AntMazeTask(env, task)
