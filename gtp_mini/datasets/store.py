"""Episodes become a Minari dataset, or nothing: never half of one.

A dataset is written into a hidden folder beside its place and moved there when it is whole. It lives where Minari
looks (``MINARI_DATASETS_PATH``, else ``~/.minari/datasets``), so that ``minari list local`` shows it.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from gtp_mini.datasets.tasks import Task

if TYPE_CHECKING:
    from gtp_mini.collect.rollout import Episode

BYTES_PER_TRANSITION = 500  # of an AntMaze dataset as Minari's HDF5: 375 measured, and some room
MADE_WITH = ("gtp-mini", "numpy", "mujoco", "gymnasium", "gymnasium-robotics", "minari")


def check_room(dataset_id: str, size: int, overwrite: bool = False) -> Path:
    """Where the dataset will live; to be called before hours are spent on making what cannot be stored.

    Raises:
        FileExistsError: it exists and ``overwrite`` is not set.
        OSError: the folder cannot be written to, or fewer than ``size`` bytes are free.
    """
    from minari.storage import get_dataset_path

    try:
        place = get_dataset_path(dataset_id)
        root = get_dataset_path()
        if place.exists() and not overwrite:
            raise FileExistsError(f"dataset {dataset_id} exists at {place}; ask for overwriting to replace it")
        if not os.access(root, os.W_OK):
            raise PermissionError("the folder is not writable")
        free = shutil.disk_usage(root).free
        if free < size:
            raise OSError(f"{size / 1e6:.0f} MB are needed and {free / 1e6:.0f} MB are free")
    except FileExistsError:
        raise
    except OSError as error:
        raise _unwritable(dataset_id, error) from error
    return place


def write_dataset(dataset_id: str, buffers: list, *, overwrite: bool = False, **description) -> str:
    """Stores Minari's ``EpisodeBuffer``s under ``dataset_id``, all or none.

    Args:
        description: what ``minari.create_dataset_from_buffers`` takes besides: env or spaces, author, description...

    Raises:
        FileExistsError, OSError: as `check_room`, also when the disk fills up while writing.
    """
    import minari
    from minari.dataset.minari_dataset import parse_dataset_id
    from minari.namespace import create_namespace, list_local_namespaces

    place = check_room(dataset_id, 0, overwrite)
    root = Path(str(place)[: -len(dataset_id)])
    namespace = parse_dataset_id(dataset_id)[0]
    try:
        with tempfile.TemporaryDirectory(dir=root, prefix=".making-") as making:
            with _datasets_in(making), warnings.catch_warnings():
                # No e-mail address, no permanent link: these datasets are made at home and not published.
                warnings.filterwarnings("ignore", message=".*is (set to )?None", category=UserWarning)
                minari.create_dataset_from_buffers(dataset_id, buffers, data_format="hdf5", **description)
            if namespace is not None and namespace not in list_local_namespaces():
                create_namespace(namespace)
            if place.exists():
                os.replace(place, Path(making) / "replaced")
            os.replace(Path(making) / dataset_id, place)
    except OSError as error:
        raise _unwritable(dataset_id, error) from error
    return dataset_id


def make_antmaze_dataset(
    task: Task,
    transitions: int,
    seed: int = 0,
    *,
    progress: Callable[[int, int], None] | None = None,
    overwrite: bool = False,
    **collect_options,
) -> str:
    """Walks ``transitions`` steps of an AntMaze task with the gait and stores them; returns the dataset's id.

    ``collect_options`` (noise, gait, ants, threads) go to `gtp_mini.collect.rollout.collect_episodes`.
    """
    from gtp_mini.worlds.antmaze import raw_antmaze_env

    check_room(task.dataset_id, BYTES_PER_TRANSITION * transitions, overwrite)
    # First the world: where MuJoCo is missing, it says what to install.
    env = raw_antmaze_env(task.maze.env_id, continuing_task=task.maze.continuing, max_episode_steps=task.time_limit)
    from gtp_mini.collect.gait import load_gait
    from gtp_mini.collect.rollout import ACTION_NOISE, collect_episodes

    try:
        options = {"gait": load_gait(), "noise": ACTION_NOISE} | collect_options
        episodes = collect_episodes(task, transitions, seed, progress=progress, **options)
        versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in MADE_WITH)
        return write_dataset(
            task.dataset_id,
            [_buffer(episode, seed) for episode in episodes],
            overwrite=overwrite,
            env=env,
            eval_env=env,
            algorithm_name="torque gait with a maze planner",
            author="gtp-mini",
            description=(
                f"{task.description}. {transitions} transitions by seed {seed}, action noise {options['noise']}, "
                f"gait {asdict(options['gait'])}; {versions}. "
                f"Made with: gtp-mini data make {task.name} --transitions {transitions} --seed {seed}"
            ),
        )
    finally:
        env.close()


def list_datasets() -> dict[str, dict]:
    """The local datasets by id: ``episodes``, ``steps``, ``megabytes``, ``description``."""
    import minari

    return {
        dataset_id: {
            "episodes": int(metadata["total_episodes"]),
            "steps": int(metadata["total_steps"]),
            "megabytes": float(metadata["dataset_size"]),
            "description": metadata.get("description", ""),
        }
        for dataset_id, metadata in minari.list_local_datasets().items()
    }


def _buffer(episode: Episode, seed: int):
    """Minari's form of an episode: T+1 observations and infos (the reset's first), T of everything else."""
    from minari.data_collector import EpisodeBuffer

    steps = len(episode)
    last = [False] * (steps - 1)
    return EpisodeBuffer(
        observations={
            "observation": _joined(episode),
            "achieved_goal": episode.qpos[:, :2],
            "desired_goal": episode.goal[None].repeat(steps + 1, 0),
        },
        actions=episode.actions,
        rewards=episode.success[1:].astype(float),
        terminations=[*last, episode.terminated],
        truncations=[*last, not episode.terminated],
        infos={"success": episode.success},
    )


def _joined(episode: Episode):
    import numpy as np

    return np.concatenate((episode.qpos[:, 2:], episode.qvel), axis=1)


@contextlib.contextmanager
def _datasets_in(folder: str) -> Iterator[None]:
    """Minari takes its root from the environment only."""
    before = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["MINARI_DATASETS_PATH"]
        else:
            os.environ["MINARI_DATASETS_PATH"] = before


def _unwritable(dataset_id: str, error: OSError) -> OSError:
    reason = error.strerror or str(error).splitlines()[0]
    return OSError(
        f"cannot store dataset {dataset_id}: {reason} (free some disk, or set MINARI_DATASETS_PATH to another folder)"
    )
