"""An AntMaze dataset, from the ants to the file: made by several processes, resumed after a kill, stored whole."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from gtp_mini.datasets.store import check_room, unwritable, write_dataset
from gtp_mini.datasets.task import Task
from gtp_mini.lock import locked

if TYPE_CHECKING:
    from gtp_mini.collect.rollout import Episode
    from gtp_mini.collect.units import Units

UNIT_BYTES = 275  # of a transition among the units: 272, and the ends of episodes
DATASET_BYTES = 500  # of a transition as Minari's HDF5: 375 measured, and some room
MADE_WITH = ("gtp-mini", "numpy", "mujoco", "gymnasium", "gymnasium-robotics", "minari")


def make_antmaze_dataset(
    task: Task,
    transitions: int,
    seed: int = 0,
    *,
    progress: Callable[[int, int], None] | None = None,
    overwrite: bool = False,
    processes: int = 1,
) -> str:
    """Walks ``transitions`` steps of an AntMaze task and stores them; returns the dataset's id.

    What is made is kept beside the dataset's place, in a hidden folder, until the dataset is whole. After a kill at
    any moment the same call goes on from there, and ends with the bits of a call that was not killed.

    Raises:
        FileExistsError: the dataset is there, or the unfinished one of other settings, and ``overwrite`` is not set.
        OSError: no room, or the folder cannot be written to.
        ImportError: MuJoCo or Gymnasium-Robotics is not installed.
        RuntimeError: another process is making this dataset.
        ValueError, RuntimeError: as `gtp_mini.collect.parallel.make_units`.
    """
    from gtp_mini.worlds.antmaze import raw_antmaze_env

    check_room(task.dataset_id, 0, overwrite)
    # First the world: where MuJoCo is missing, it says what to install.
    env = raw_antmaze_env(task.maze.env_id, continuing_task=task.maze.continuing, max_episode_steps=task.time_limit)
    from gtp_mini.collect.parallel import make_units

    units, hold = unfinished(task, transitions, seed), ExitStack()
    try:
        busy = f"another process is making {task.dataset_id}"
        _writing(task, lambda: hold.enter_context(locked(units.folder.with_suffix(".lock"), busy)))
        _writing(task, lambda: _open(units, overwrite))
        left = transitions * (UNIT_BYTES + DATASET_BYTES) - sum(f.stat().st_size for f in units.folder.glob("unit-*"))
        check_room(task.dataset_id, left, overwrite)
        _writing(task, lambda: make_units(units, transitions, processes, progress))
        write_dataset(
            task.dataset_id,
            (_buffer(episode, seed) for episode in units.episodes(transitions)),
            overwrite=overwrite,
            scratch=units.folder,
            env=env,
            eval_env=env,
            algorithm_name=f"{task.maze.walker} walker with a maze planner",
            author="gtp-mini",
            description=_description(units, transitions),
        )
        units.delete()
        return task.dataset_id
    finally:
        hold.close()
        env.close()


def unfinished(task: Task, transitions: int, seed: int) -> Units:
    """Where the data of these settings are kept until their dataset is whole."""
    from minari.storage import get_dataset_path

    from gtp_mini.collect.rollout import Recipe
    from gtp_mini.collect.units import Units, unit_size

    place = get_dataset_path(task.dataset_id)
    return Units(place.with_name(f".{place.name}.unfinished"), Recipe(task, seed), unit_size(transitions))


def _writing(task: Task, action: Callable[[], object]) -> None:
    """Does something that writes beside the dataset's place; what that place does not let it is said so."""
    try:
        action()
    except FileExistsError:
        raise
    except OSError as error:
        raise unwritable(task.dataset_id, error) from error


def _open(units: Units, overwrite: bool) -> None:
    units.open(overwrite)
    for half in units.folder.glob(".making-*"):  # of a dataset that was being put together at a kill
        shutil.rmtree(half)


def _description(units: Units, transitions: int) -> str:
    recipe = units.recipe
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in MADE_WITH)
    return (
        f"{recipe.task.description}. {transitions} transitions by seed {recipe.seed}, action noise {recipe.noise}, "
        f"walker {recipe.walker.about}; {versions}. "
        f"Made with: gtp-mini data make {recipe.task.name} --transitions {transitions} --seed {recipe.seed}"
    )


def _buffer(episode: Episode, seed: int):
    """Minari's form of an episode: T+1 observations and infos (the reset's first), T of everything else."""
    from minari.data_collector import EpisodeBuffer

    last = np.arange(1, len(episode) + 1) == len(episode)
    return EpisodeBuffer(
        observations={
            "observation": np.concatenate((episode.qpos[:, 2:], episode.qvel), axis=1),
            "achieved_goal": episode.qpos[:, :2],
            "desired_goal": episode.goal[None].repeat(len(episode) + 1, 0),
        },
        actions=episode.actions,
        rewards=episode.success[1:].astype(float),
        terminations=last & episode.terminated,
        truncations=last & (not episode.terminated),
        infos={"success": episode.success},
    )
