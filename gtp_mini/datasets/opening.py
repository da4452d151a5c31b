"""Opening a local Minari dataset and reading its episodes, with errors that say what is wrong and what to do."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator

import gymnasium as gym
import numpy as np

from gtp_mini.collect.batch import available_threads
from gtp_mini.collect.planner import MazePlanner
from gtp_mini.datasets.tasks import TASKS, Task, task_of_dataset

GOALS = ("achieved_goal", "desired_goal")

# What Minari and h5py raise on damaged files: truncated HDF5, missing groups, broken metadata.
DAMAGE = (OSError, KeyError, ValueError, TypeError, AssertionError, RuntimeError)


def open_dataset(dataset_id: str):
    """The local ``minari.MinariDataset``.

    Raises:
        FileNotFoundError: it is not here; the message says which command makes or downloads it.
        ValueError: its files are damaged, or it holds no episodes.
    """
    import minari
    from minari.storage import get_dataset_path

    if not dataset_id or not (get_dataset_path(dataset_id) / "data").exists():
        raise FileNotFoundError(f"no dataset {dataset_id!r} here; {how_to_get(dataset_id)}")
    try:
        dataset = minari.load_dataset(dataset_id)
    except DAMAGE as error:
        raise _damaged(dataset_id, error) from error
    if dataset.total_episodes == 0:
        raise ValueError(f"dataset {dataset_id} has no episodes")
    return dataset


def read_episodes(dataset) -> Iterator:
    """Minari's ``EpisodeData`` one by one, as they are.

    Raises:
        ValueError: the file is damaged.
    """
    episodes = iter(dataset.iterate_episodes())
    while True:
        try:
            episode = next(episodes)
        except StopIteration:
            return
        except DAMAGE as error:
            raise _damaged(dataset.spec.dataset_id, error) from error
        yield episode


def maze_maps(dataset) -> tuple[list[list], list[list]] | None:
    """The rows of cells of the maze of the data, and of the one to evaluate in; None where the world is no maze."""
    if dataset.env_spec is None or "maze_map" not in dataset.env_spec.kwargs:
        return None
    collected, stored = dataset.env_spec.kwargs["maze_map"], dataset.storage.metadata.get("eval_env_spec")
    return collected, json.loads(stored)["kwargs"].get("maze_map", collected) if stored else collected


def maze_of(dataset) -> MazePlanner | None:
    """The maze in which an AntMaze dataset was collected, from the environment's spec in its metadata, or None."""
    spec = dataset.env_spec
    return MazePlanner(spec.kwargs["maze_map"]) if spec is not None and spec.id.startswith("AntMaze_") else None


def has_goals(dataset) -> bool:
    """Whether its observations are Gymnasium-Robotics' three parts: observation, achieved_goal, desired_goal."""
    return {"observation", *GOALS} <= set(getattr(dataset.observation_space, "spaces", ()))


def check_spaces(dataset) -> None:
    """Whether policies that map vectors to vectors can learn from a dataset.

    Raises:
        ValueError: observations that are no vectors (nor three, with goals), or actions that are no bounded vectors.
    """
    where, seen, acted = f"dataset {dataset.spec.dataset_id}", dataset.observation_space, dataset.action_space
    parts = seen.spaces.values() if has_goals(dataset) else [seen]
    if not all(isinstance(part, gym.spaces.Box) and len(part.shape) == 1 for part in parts):
        raise ValueError(
            f"{where}: observations must be vectors, or have observation, achieved_goal and desired_goal; got {seen}"
        )
    if not isinstance(acted, gym.spaces.Box) or len(acted.shape) != 1 or not acted.is_bounded():
        raise ValueError(f"{where}: actions must be vectors in a bounded box, got {acted}")


def check_fits(dataset, task: Task) -> None:
    """Whether a dataset is what its id says: data of that task's world.

    Raises:
        ValueError: it was collected elsewhere, or its observations or actions have other dimensions.
    """
    again = f"make it again with: gtp-mini data make {task.name} --overwrite"
    where, spec = f"dataset {dataset.spec.dataset_id}", dataset.env_spec
    if task.maze is not None and (spec is None or spec.id != task.maze.env_id):
        world = "an unnamed world" if spec is None else spec.id
        raise ValueError(f"{where} was collected in {world}, but {task.name} is played in {task.maze.env_id}; {again}")
    parts = dataset.observation_space.spaces if has_goals(dataset) else {"": dataset.observation_space}
    hidden = ("desired_goal",) if task.protocol == "d4rl" else ()
    found = (sum(part.shape[0] for name, part in parts.items() if name not in hidden), *dataset.action_space.shape)
    if found != (task.obs_dim, task.action_dim):
        raise ValueError(
            f"{where} has observations and actions of {found[0]} and {found[1]} numbers, but {task.name} has "
            f"{task.obs_dim} and {task.action_dim}; {again}"
        )


def unit_box(space: gym.spaces.Box) -> bool:
    """Whether a box of actions is [-1, 1]."""
    return bool((space.low == -1.0).all() and (space.high == 1.0).all())


def unit_actions(actions: np.ndarray, space: gym.spaces.Box) -> np.ndarray:
    """Actions (T, A), scaled so that their box is [-1, 1]; those of that box as they are."""
    if unit_box(space):
        return actions
    low, high = space.low.astype(float), space.high.astype(float)
    return 2.0 * (actions - low) / (high - low) - 1.0


def observation_parts(episode) -> dict[str, np.ndarray]:
    """The observation's arrays by name; a Box observation is the one part ``observation``."""
    observations = episode.observations
    return observations if isinstance(observations, dict) else {"observation": observations}


def successes(episode) -> np.ndarray:
    """Whether each step (T,) reached the episode's own goal: its reward is 1, or its info says so."""
    success = np.asarray(episode.rewards) == 1.0
    if "success" in (episode.infos or {}):
        # Minari stores the reset's info first: T+1 values, of which the last T are after the steps.
        success |= np.asarray(episode.infos["success"][-len(success) :]).astype(bool)
    return success


def check_episode(episode, dataset) -> None:
    """Whether one episode of a dataset can be learnt from.

    Raises:
        ValueError: shapes that do not fit together or the dataset's spaces, a NaN or infinity (and where),
            actions beyond the box of the dataset's action space.
    """
    where = f"dataset {dataset.spec.dataset_id}, episode {episode.id}"
    steps = len(episode.rewards)
    parts = observation_parts(episode)
    wanted = {"actions": (steps, *dataset.action_space.shape)}
    wanted |= {"rewards": (steps,), "terminations": (steps,), "truncations": (steps,)}
    spaces = getattr(dataset.observation_space, "spaces", {"observation": dataset.observation_space})
    got = {name: np.shape(getattr(episode, name)) for name in wanted}
    wanted |= {name: (steps + 1, *spaces[name].shape) for name in parts}
    got |= {name: np.shape(part) for name, part in parts.items()}
    for name, shape in wanted.items():
        if got[name] != shape:
            raise ValueError(f"{where}: {name} must have shape {shape} for {steps} rewards, got {got[name]}")
    if steps == 0:
        raise ValueError(f"{where}: it has no steps")
    for name, values in {**parts, "actions": episode.actions, "rewards": episode.rewards}.items():
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            entry = f", entry {bad[0][1]}" if values.ndim == 2 else ""
            raise ValueError(
                f"{where}: {name} has {len(bad)} NaN or infinite numbers, the first at step {bad[0][0]}{entry}"
            )
    largest = np.abs(unit_actions(episode.actions, dataset.action_space)).max()
    if largest > 1.0 + 1e-6:
        raise ValueError(
            f"{where}: actions must lie in {dataset.action_space}; one is {largest:.3g} times as far out"
        )


def how_to_get(dataset_id: str) -> str:
    """What to do about a dataset that is not here: the command, and for one of ours how long it takes."""
    task = task_of_dataset(dataset_id)
    if task is not None:
        return f"make it with: gtp-mini data make {task.name} ({_making_time(task)})"
    import minari

    if dataset_id in TASKS:
        close = [TASKS[dataset_id].dataset_id]
    else:
        known = {*minari.list_local_datasets(), *(task.dataset_id for task in TASKS.values())}
        close = difflib.get_close_matches(dataset_id, sorted(known), n=1, cutoff=0.8)
    if close:
        return f"did you mean {close[0]}? See: gtp-mini data list"
    return f"if it is one of Minari's, download it with: gtp-mini data download {dataset_id}"


def _making_time(task: Task) -> str:
    cores = available_threads() if task.maze is not None else 1
    minutes = task.default_transitions * task.making_cost / cores / 60
    return "less than a minute" if minutes < 1 else f"about {np.ceil(minutes):.0f} minutes on {cores} cores"


def _damaged(dataset_id: str, error: Exception) -> ValueError:
    from minari.storage import get_dataset_path

    reason = (str(error).splitlines() or [type(error).__name__])[0]
    task = task_of_dataset(dataset_id)
    again = f"gtp-mini data make {task.name}" if task else f"gtp-mini data download {dataset_id}"
    return ValueError(
        f"dataset {dataset_id} is damaged ({reason}); delete {get_dataset_path(dataset_id)} and run: {again}"
    )
