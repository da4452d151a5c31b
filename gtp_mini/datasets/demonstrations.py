"""Episodes of a demonstrator in one of the small worlds, and their place among Minari's datasets."""

from collections.abc import Callable

import numpy as np

BYTES_PER_TRANSITION = 2000  # as Minari's HDF5, where an episode of a dozen steps is mostly overhead: 1,800 measured

Episode = dict[str, np.ndarray]  # observations (T + 1, O), actions (T, A), rewards, terminations, truncations (T,)


def record_episode(env, obs: np.ndarray, act: Callable[[np.ndarray], np.ndarray | None]) -> Episode:
    """Acts from the reset's `obs` until the world ends the episode, or `act` returns None: it is where it wanted to be.

    Only the world terminates. Whoever stops by himself, or runs out of time, is truncated.
    """
    observations, actions, rewards, ended, terminated = [obs], [], [], False, False
    while not ended and (action := act(obs)) is not None:
        actions.append(np.clip(action, -1, 1).astype(np.float32))
        obs, reward, terminated, truncated, _ = env.step(actions[-1])
        ended = terminated or truncated
        observations.append(obs)
        rewards.append(reward)
    last = np.arange(1, len(actions) + 1) == len(actions)
    return {"observations": np.stack(observations), "actions": np.stack(actions), "rewards": np.array(rewards),
            "terminations": last & terminated, "truncations": last & (not terminated)}


def store_demonstrations(task, episodes: list[Episode], recipe: str, demonstrator: str, overwrite: bool = False) -> str:
    """Stores episodes of the task's world with Minari; returns the dataset's id. `recipe`: options of data make."""
    from minari.data_collector import EpisodeBuffer

    from .store import write_dataset

    env = task.make_env()
    return write_dataset(
        task.dataset_id, [EpisodeBuffer(**episode) for episode in episodes], overwrite=overwrite, env=env,
        eval_env=env, author="gtp-mini", algorithm_name=demonstrator,
        description=f"{task.description}. Made with: gtp-mini data make {task.name} {recipe}",
    )
