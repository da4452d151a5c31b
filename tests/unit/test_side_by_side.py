"""Environments stepped together give the numbers of environments stepped alone."""

import dataclasses

import numpy as np
import pytest

from gtp_mini.datasets.tasks import get_task
from gtp_mini.worlds.side_by_side import AntWorlds, GymWorlds, make_worlds


def play(worlds, seeds, actions):
    """(T + 1, n, O) observations, (T, n) rewards, (T, n, 2) ends and the last infos; environment i falls out when its
    episode ends."""
    first = [worlds.reset(i, seed) for i, seed in enumerate(seeds)]
    active, steps = list(range(len(seeds))), []
    for action in actions:
        answers = dict(zip(active, worlds.step(active, action[active]), strict=True))
        steps.append(answers)
        active = [i for i, answer in answers.items() if not (answer.terminated or answer.truncated)]
        if not active:
            break
    worlds.close()
    return first, steps


@pytest.mark.parametrize("name", ["antmaze-umaze", "antmaze-umaze-goal"])
def test_ants_in_threads_are_the_environments_to_the_last_bit(name):
    """Resets, physics, observation, reward, time limit, falls."""
    task = dataclasses.replace(get_task(name), time_limit=30)
    actions = np.random.default_rng(0).uniform(-1, 1, (30, 5, 8)).astype(np.float32)
    found = [play(worlds, [3, 1, 4, 1, 5], actions) for worlds in (AntWorlds(task, 5, threads=2), GymWorlds(task, 5))]
    (first_a, steps_a), (first_b, steps_b) = found
    np.testing.assert_array_equal(first_a, first_b)
    np.testing.assert_array_equal(first_a[1], first_a[3])
    assert len(steps_a) == len(steps_b) == 30
    for ours, theirs in zip(steps_a, steps_b, strict=True):
        assert ours.keys() == theirs.keys()
        for i, answer in ours.items():
            np.testing.assert_array_equal(answer.obs, theirs[i].obs)
            assert answer.obs.dtype == theirs[i].obs.dtype == np.float32
            assert answer[1:4] == theirs[i][1:4]
            assert answer.info == {key: theirs[i].info[key] for key in ("success", "fallen")}
    assert all(answer.truncated for answer in steps_a[-1].values())


def test_an_ant_at_its_goal_is_rewarded_and_done():
    task = get_task("antmaze-umaze-goal")
    worlds = AntWorlds(task, 2)
    for i in range(2):
        worlds.reset(i, seed=0)
    worlds.goals[1] = worlds.batch.qpos[1, :2] + [0.3, 0.3]  # 0.42 m away
    far, near = worlds.step([0, 1], np.zeros((2, 8), np.float32))
    worlds.close()
    assert (far.reward, far.terminated, far.info["success"]) == (0.0, False, False)
    assert (near.reward, near.terminated, near.info["success"]) == (1.0, True, True)


def test_an_episode_begins_anew_where_it_is_reset():
    """The second episode of an environment is not the first one's continuation."""
    task = dataclasses.replace(get_task("antmaze-umaze"), time_limit=5)
    actions = np.random.default_rng(1).uniform(-1, 1, (5, 1, 8)).astype(np.float32)
    worlds = AntWorlds(task, 1)
    episodes = []
    for _ in range(2):
        obs = [worlds.reset(0, seed=7)]
        answers = [worlds.step([0], action)[0] for action in actions]
        assert [answer.truncated for answer in answers] == [False] * 4 + [True]
        episodes.append(np.stack(obs + [answer.obs for answer in answers]))
    worlds.close()
    np.testing.assert_array_equal(*episodes)


def test_a_task_says_which_worlds_it_needs():
    for name, kind in (("multigoal", GymWorlds), ("antmaze-umaze", AntWorlds)):
        worlds = make_worlds(get_task(name), 1)
        assert type(worlds) is kind
        worlds.close()
