"""The walkers: the hand-built gait is tested in test_collect.py; here the network, and how one is trained."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from gtp_mini.collect import learn as learning
from gtp_mini.collect.batch import AntBatch
from gtp_mini.collect.rollout import Recipe, collect_episodes
from gtp_mini.collect.walkers import WALKER_FILE, WALKERS, features, learned_walker
from gtp_mini.datasets.tasks import get_task
from gtp_mini.worlds.antmaze import upside_down


def states(n=9, seed=0):
    rng = np.random.default_rng(seed)
    qpos, qvel = rng.normal(size=(n, 15)), rng.normal(size=(n, 14))
    qpos[:, 3:7] /= np.linalg.norm(qpos[:, 3:7], axis=1, keepdims=True)
    return qpos, qvel, rng.uniform(-3, 3, n)


def test_turning_the_world_changes_nothing_that_the_network_sees():
    qpos, qvel, direction = states()
    angle, turned, moving = 1.1, qpos.copy(), qvel.copy()
    half = np.array([np.cos(angle / 2), np.sin(angle / 2)])
    w, x, y, z = qpos[:, 3:7].T  # a turn about the world's z axis, from the left
    turned[:, 3:7] = np.stack((half[0] * w - half[1] * z, half[0] * x - half[1] * y, half[0] * y + half[1] * x,
                               half[0] * z + half[1] * w), 1)
    c, s = np.cos(angle), np.sin(angle)
    turned[:, :2] = qpos[:, :2] @ np.array([[c, s], [-s, c]]) + 5
    moving[:, :2] = qvel[:, :2] @ np.array([[c, s], [-s, c]])  # the angular velocity is the body's own
    seen = features(qpos, qvel, direction)
    assert seen.shape == (9, 28) and seen.dtype == np.float32
    np.testing.assert_allclose(features(turned, moving, direction + angle), seen, atol=1e-5)
    assert np.abs(features(qpos, qvel, direction + angle) - seen).max() > 0.1


def test_each_ant_is_walked_by_itself_and_a_shorter_stride_is_weaker():
    walk, (qpos, qvel, direction) = learned_walker().walk, states()
    together = walk(qpos, qvel, direction)
    assert together.shape == (9, 8) and np.abs(together).max() <= 1
    for i in range(9):
        one = slice(i, i + 1)
        np.testing.assert_allclose(walk(qpos[one], qvel[one], direction[one])[0], together[i], atol=1e-5)
    np.testing.assert_allclose(walk(qpos, qvel, direction, np.linspace(0, 1, 9)),
                               together * np.linspace(0, 1, 9)[:, None], atol=1e-6)


def test_the_shipped_network_walks_where_it_is_told():
    direction = np.arange(8) * np.pi / 4
    walk = learned_walker().walk
    with AntBatch("AntMaze_Open-v4", 8) as batch:
        for i in range(8):
            batch.reset(i, np.zeros(2))
        for _ in range(60):
            batch.step(walk(batch.qpos, batch.qvel, direction))
        along = (batch.qpos[:, :2] * np.stack((np.cos(direction), np.sin(direction)), 1)).sum(1)
        assert not upside_down(batch.qpos[:, 3:7]).any()
    assert along.min() > 2.0  # metres in 3 s


def test_its_task_differs_from_the_gaits_by_the_walker_alone():
    learned, gait = get_task("antmaze-medium-play-learned"), get_task("antmaze-medium-play")
    assert (learned.maze.walker, gait.maze.walker) == ("learned", "gait") and set(WALKERS) == {"learned", "gait"}
    assert learned.maze.pairs == gait.maze.pairs and learned.maze.eval_goal == gait.maze.eval_goal
    recipe = Recipe(learned)
    assert recipe.walker.about["network"] == WALKER_FILE.name and recipe.walker is recipe.walker
    mine, theirs = (collect_episodes(task, 30, seed=1, ants=1)[0] for task in (learned, gait))
    np.testing.assert_array_equal(mine.qpos[0], theirs.qpos[0])  # the same start, the same noise
    assert np.abs(mine.actions[0] - theirs.actions[0]).max() > 0.05


def test_a_file_that_holds_no_walker_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="learned walker is missing"):
        learned_walker(tmp_path / "none.safetensors")
    save_file({"0.weight": np.zeros((8, 28), np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="holds no walker"):
        learned_walker(tmp_path / "other.safetensors")


def test_what_is_learned_is_what_is_written(tmp_path):
    agent = learning.learn(steps=2 * learning.PPO["n_steps"], ants=2, log=0)
    assert agent.num_timesteps == 2 * learning.PPO["n_steps"]
    learning.write(agent, tmp_path / "walker.safetensors", {"command": "none"})
    walker, walking = learned_walker(tmp_path / "walker.safetensors"), learning.Walking(ants=9, seed=1, threads=1)
    walking.observe()
    qpos, qvel, direction = walking.batch.qpos, walking.batch.qvel, walking.direction
    normalised = agent.get_vec_normalize_env().normalize_obs(features(qpos, qvel, direction))
    expected, _ = agent.predict(normalised, deterministic=True)
    np.testing.assert_allclose(walker.walk(qpos, qvel, direction), np.clip(expected, -1, 1), atol=1e-5)
    walking.batch.close()


def test_walking_pays_for_speed_in_the_wanted_direction_and_a_fall_ends_it():
    walking = learning.Walking(ants=3, seed=0, threads=1)
    walking.observe()
    gait = WALKERS["gait"]().walk
    total = np.zeros(3)
    for _ in range(30):
        reward, fallen, late, seen = walking.step(gait(walking.batch.qpos, walking.batch.qvel, walking.direction))
        total += reward
        assert not fallen.any() and seen.shape == (3, 28)
        walking.observe()
    assert (total > 10).all()  # 30 steps at some 1 m/s
    walking.batch._data[1].qpos[3:7] = 0, 1, 0, 0  # on its back
    steps = walking.steps.copy()
    reward, fallen, late, _ = walking.step(np.zeros((3, 8)))
    assert fallen.tolist() == [False, True, False] and not late.any() and reward[1] < -4
    assert not upside_down(walking.batch.qpos[:, 3:7]).any() and (walking.steps[[0, 2]] == steps[[0, 2]] + 1).all()
    walking.batch.close()
