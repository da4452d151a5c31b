"""Opening a local Minari dataset and reading its episodes, with errors that say what is wrong and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

import numpy as np

from gtp_mini.collect.planner import MazePlanner
from gtp_mini.datasets.tasks import TASKS, task_of_dataset

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
        raise FileNotFoundError(f"no dataset {dataset_id!r} here; {_how_to_get(dataset_id)}")
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


def maze_of(dataset) -> MazePlanner | None:
    """The maze in which an AntMaze dataset was collected, from the environment's spec in its metadata, or None."""
    spec = dataset.env_spec
    if spec is None or not spec.id.startswith("AntMaze_"):
        return None
    return MazePlanner(spec.kwargs["maze_map"])


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
            actions beyond [-1, 1].
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
    largest = np.abs(episode.actions).max()
    if largest > 1.0 + 1e-6:
        raise ValueError(f"{where}: actions must lie in [-1, 1], the largest is {largest:.3g}; scale them first")


def _how_to_get(dataset_id: str) -> str:
    task = task_of_dataset(dataset_id)
    if task is not None:
        return f"make it with: gtp-mini data make {task.name}"
    import minari

    if dataset_id in TASKS:
        close = [TASKS[dataset_id].dataset_id]
    else:
        known = {*minari.list_local_datasets(), *(task.dataset_id for task in TASKS.values())}
        close = difflib.get_close_matches(dataset_id, sorted(known), n=1, cutoff=0.8)
    if close:
        return f"did you mean {close[0]}? See: gtp-mini data list"
    return f"if it is one of Minari's, download it with: gtp-mini data download {dataset_id}"


def _damaged(dataset_id: str, error: Exception) -> ValueError:
    from minari.storage import get_dataset_path

    reason = (str(error).splitlines() or [type(error).__name__])[0]
    task = task_of_dataset(dataset_id)
    again = f"gtp-mini data make {task.name}" if task else f"gtp-mini data download {dataset_id}"
    return ValueError(
        f"dataset {dataset_id} is damaged ({reason}); delete {get_dataset_path(dataset_id)} and run: {again}"
    )
