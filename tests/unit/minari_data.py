"""Small Minari datasets with known contents, for the tests of what reads them."""

from copy import deepcopy
from dataclasses import replace
from functools import cache

import numpy as np
from minari.data_collector import EpisodeBuffer

from gtp_mini.collect.rollout import Recipe, walk
from gtp_mini.datasets.store import write_dataset
from gtp_mini.datasets.tasks import get_task
from gtp_mini.worlds.antmaze import raw_antmaze_env

TIME_LIMIT = 6

# The maps that Minari's U-maze datasets store: of the data, and of the evaluation (Minari #304).
COLLECTED = [[1, 1, 1, 1, 1], [1, 0, 0, 0, 1], [1, 1, 1, 0, 1], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]]
MIRRORED = [[1, 1, 1, 1, 1], [1, 0, 0, "r", 1], [1, 0, 1, 1, 1], [1, 0, 0, "g", 1], [1, 1, 1, 1, 1]]


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
        observations={"observation": body, "achieved_goal": xy, "desired_goal": np.broadcast_to(goal, (steps + 1, 2))},
        actions=rng.uniform(-0.9, 0.9, (steps, 8)).astype(np.float32) if actions is None else actions,
        rewards=np.zeros(steps) if rewards is None else np.asarray(rewards, float),
        terminations=[*last, terminated],
        truncations=[*last, not terminated],
        infos=None if success is None else {"success": np.asarray(success)},
    )


def store(dataset_id, *episodes, **options):
    """Stores episodes as data of the U-maze; ``options`` as `write_dataset`."""
    return write_dataset(dataset_id, list(episodes), env=umaze(), author="tests", **options)


def published_umaze(dataset_id, episodes=3, limit=60, **maps):
    """A dataset in the form of Minari's D4RL/antmaze/umaze-v1, small: start and goal in one cell, a short time limit.

    Continuing episodes of exactly the time limit that idle at the goal, float64 in three parts, infos with the state,
    and an evaluation environment whose map is the mirror image of the data's. ``maps``: `collected` and `evaluated`.
    """
    task = get_task("antmaze-umaze-goal")
    task = replace(task, time_limit=limit, maze=replace(task.maze, pairs=(((1, 1), (1, 1)), ((3, 3), (3, 3)))))
    buffers = []
    for walked in walk(Recipe(task, seed=0), range(episodes)):
        steps, goals = len(walked), np.tile(walked.goal, (len(walked) + 1, 1))
        body = np.concatenate((walked.qpos[:, 2:], walked.qvel), axis=1)
        buffers.append(
            EpisodeBuffer(
                observations={"observation": body, "achieved_goal": walked.qpos[:, :2], "desired_goal": goals},
                actions=walked.actions,
                rewards=walked.success[1:].astype(float),
                terminations=np.zeros(steps, bool),
                truncations=np.arange(1, steps + 1) == steps,
                infos={"success": walked.success, "goal": goals, "qpos": walked.qpos, "qvel": walked.qvel},
            )
        )
    env = raw_antmaze_env(
        "AntMaze_UMaze-v4",
        continuing_task=True,
        reset_target=False,
        max_episode_steps=limit,
        maze_map=maps.get("collected", COLLECTED),
    )
    evaluation = deepcopy(env.spec)
    evaluation.kwargs["maze_map"] = maps.get("evaluated", MIRRORED)
    return write_dataset(
        dataset_id, buffers, env=env, eval_env=evaluation, author="tests", ref_min_score=0.0, ref_max_score=400.0
    )
