"""Small Minari datasets with known contents, for the tests of what reads them."""

from functools import cache

import numpy as np
from minari.data_collector import EpisodeBuffer

from gtp_mini.datasets.store import write_dataset
from gtp_mini.worlds.antmaze import raw_antmaze_env

TIME_LIMIT = 6


@cache
def umaze():
    return raw_antmaze_env("AntMaze_UMaze-v4", max_episode_steps=TIME_LIMIT)


def goal_episode(xy, rewards=None, goal=(4.0, 4.0), terminated=False, success=None, actions=None, up=1.0):
    """An ant that is at ``xy`` (T+1, 2), upright for up = 1 and upside down for up = 0; cut by a timeout."""
    xy = np.asarray(xy, float)
    steps = len(xy) - 1
    rng = np.random.default_rng(steps)
    body = rng.normal(size=(steps + 1, 27))
    body[:, 1:5] = (up, 1.0 - up, 0.0, 0.0)
    last = [False] * (steps - 1)
    return EpisodeBuffer(
        observations={"observation": body, "achieved_goal": xy, "desired_goal": np.tile(goal, (steps + 1, 1))},
        actions=rng.uniform(-0.9, 0.9, (steps, 8)).astype(np.float32) if actions is None else actions,
        rewards=np.zeros(steps) if rewards is None else np.asarray(rewards, float),
        terminations=[*last, terminated],
        truncations=[*last, not terminated],
        infos=None if success is None else {"success": np.asarray(success)},
    )


def store(dataset_id, *episodes, **options):
    """Stores episodes as data of the U-maze; ``options`` as `write_dataset`."""
    return write_dataset(dataset_id, list(episodes), env=umaze(), author="tests", **options)
