"""Tasks for datasets that are not ours: the environment to evaluate in is recovered from what Minari stored.

Three things must be undone before a published AntMaze dataset can be evaluated on:

* the evaluation map of its U-maze is the mirror image of the map on which the data were collected (Minari #304): here
  the ant runs on the walls of the data, and start and goal are mirrored with the map;
* its environment goes on at the goal (``continuing_task``): here success ends an episode;
* its observation is in three parts: here it is one vector, as `load_transitions` makes it.
"""

from __future__ import annotations

from functools import partial

import gymnasium as gym
import numpy as np

from gtp_mini.collect.planner import WALL
from gtp_mini.datasets.opening import check_spaces, has_goals, maze_maps, open_dataset, unit_box
from gtp_mini.datasets.task import Task
from gtp_mini.datasets.tasks import TASKS, task_of_dataset
from gtp_mini.worlds.antmaze import flat_observation, raw_maze_env, upside_down


def task_for(name: str) -> Task:
    """The task of that name, or of that dataset: one of ours, or one made from what a local dataset stores.

    A made task has the dataset's own rewards, shifted by -1 where they are a maze's 0 and 1, and gamma 0.99. What is
    wrong with its environment is said by ``task.make_env()``: training needs none.

    Raises:
        FileNotFoundError: neither a task nor a dataset here; the message says how to get it.
        ValueError: no policy of ours fits the dataset's observations or actions.
    """
    known = TASKS.get(name) or task_of_dataset(name)
    if known is not None:
        return known
    dataset = open_dataset(name)
    check_spaces(dataset)
    goals, spec = has_goals(dataset), dataset.env_spec
    options = {} if spec is None else spec.kwargs
    parts = dataset.observation_space.spaces.values() if goals else [dataset.observation_space]
    return Task(
        name=name,
        dataset_id=name,
        description=f"the dataset {name}",
        protocol="minari" if goals else "plain",
        obs_dim=sum(part.shape[0] for part in parts),
        action_dim=dataset.action_space.shape[0],
        time_limit=0 if spec is None else spec.max_episode_steps or 0,
        default_transitions=int(dataset.total_steps),
        default_steps=100_000,
        maker=_not_made_here,
        env_maker=_recovered_env,
        reward_shift=-1.0 if "maze_map" in options and options.get("reward_type") == "sparse" else 0.0,
    )


def evaluation_map(collected: list[list], evaluated: list[list]) -> list[list]:
    """The evaluation map, with its start ``r`` and goal ``g``, laid over the walls of the data's map.

    It is mirrored where only so the walls agree. Where several mirrorings do, the one that puts the marks where the
    data's map has them, if any.

    Raises:
        ValueError: the walls agree in no way.
    """
    data, cells = np.array(collected, dtype=object), np.array(evaluated, dtype=object)
    images = (cells, np.fliplr(cells), np.flipud(cells), np.flip(cells))
    fitting = [image for image in images if same_walls(image, data)]
    if not fitting:
        raise ValueError("the maze of its evaluation environment has other walls than the maze of its data")
    return next((image for image in fitting if np.array_equal(image, data)), fitting[0]).tolist()


def same_walls(one: list[list] | np.ndarray, other: list[list] | np.ndarray) -> bool:
    """Whether two maps have their walls in the same cells."""
    one, other = np.array(one, dtype=object), np.array(other, dtype=object)
    return np.array_equal(one == WALL, other == WALL)


class GoalVector(gym.ObservationWrapper, gym.utils.RecordConstructorArgs):
    """Observation, achieved and desired goal as one float32 vector; in AntMaze ``info["fallen"]`` besides."""

    def __init__(self, env: gym.Env):
        gym.utils.RecordConstructorArgs.__init__(self)  # so that env.spec can make it again
        gym.ObservationWrapper.__init__(self, env)
        size = sum(space.shape[0] for space in env.observation_space.spaces.values())
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (size,), np.float32)

    def observation(self, observation: dict) -> np.ndarray:
        return flat_observation(
            observation["observation"], observation["achieved_goal"], observation["desired_goal"], "minari"
        )

    def step(self, action):
        obs, reward, terminated, truncated, info = super().step(action)
        if hasattr(self.unwrapped, "ant_env"):
            info["fallen"] = bool(upside_down(obs[1:5]))
        return obs, float(reward), terminated, truncated, info


def _recovered_env(task: Task, **kwargs) -> gym.Env:
    """The dataset's evaluation environment: a float32 vector to see, actions in [-1, 1].

    Raises:
        ValueError: none is stored, or one in which the data's policy is lost.
        ImportError: what it needs is not installed.
    """
    dataset = open_dataset(task.dataset_id)
    maps, make = maze_maps(dataset), partial(dataset.recover_environment, eval_env=True, **kwargs)
    try:
        if maps is None:
            env = make()
        else:
            env = raw_maze_env(partial(make, continuing_task=False, maze_map=evaluation_map(*maps)))
    except ValueError as error:
        raise ValueError(f"dataset {task.dataset_id} cannot be evaluated: {error}") from error
    except (gym.error.Error, ImportError) as error:
        raise ImportError(f"dataset {task.dataset_id} cannot be evaluated: {error}") from error
    if task.protocol == "minari":
        env = GoalVector(env)
    else:
        space = gym.spaces.Box(-np.inf, np.inf, (task.obs_dim,), np.float32)
        env = gym.wrappers.TransformObservation(env, np.float32, space)
    return env if unit_box(env.action_space) else gym.wrappers.RescaleAction(env, np.float32(-1), np.float32(1))


def _not_made_here(task: Task, *_, **__) -> str:
    raise ValueError(f"{task.name} is not made here; download it with: gtp-mini data download {task.dataset_id}")
