"""The evaluation environment: what the policy sees is what the adapter gives, and episodes end as the task says."""

import sys
import tempfile
import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from minari.data_collector import EpisodeBuffer
from minari_data import store

from gtp_mini.datasets.tasks import TASKS, get_task
from gtp_mini.datasets.transitions import load_transitions
from gtp_mini.worlds.antmaze import flat_observation, make_antmaze_env, raw_antmaze_env, upside_down

MAZES = [name for name, task in TASKS.items() if task.maze]


@pytest.fixture(scope="module")
def env():
    env = get_task("antmaze-umaze").make_env()
    yield env
    env.close()


def put(env, x, y, quaternion=(1.0, 0.0, 0.0, 0.0)):
    """The ant at rest at (x, y)."""
    ant = env.unwrapped.ant_env
    qpos = ant.init_qpos.copy()
    qpos[:2], qpos[3:7] = (x, y), quaternion
    ant.set_state(qpos, np.zeros(14))


@pytest.mark.parametrize("name", ["antmaze-umaze", "antmaze-umaze-goal"])
def test_the_policy_sees_what_the_adapter_gives(name, tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    task = get_task(name)
    env, raw = task.make_env(), raw_antmaze_env(task.maze.env_id)
    cells = {"reset_cell": np.array(task.maze.eval_start), "goal_cell": np.array(task.maze.eval_goal)}
    seen, parts = [env.reset(seed=7)[0]], [raw.reset(seed=7, options=cells)[0]]
    actions = np.random.default_rng(0).uniform(-1, 1, (9, 8)).astype(np.float32)
    for action in actions:
        seen.append(env.step(action)[0])
        parts.append(raw.step(action)[0])
    never = np.zeros(9, bool)
    episode = EpisodeBuffer(
        observations={key: np.stack([part[key] for part in parts]) for key in parts[0]},
        actions=actions,
        rewards=np.zeros(9),
        terminations=never,
        truncations=never,
    )
    data = load_transitions(store(task.dataset_id, episode))
    np.testing.assert_array_equal(data.obs, np.stack(seen[:-1]))
    np.testing.assert_array_equal(data.next_obs, np.stack(seen[1:]))
    assert seen[0].dtype == np.float32 and env.observation_space.contains(seen[0])


@pytest.mark.parametrize("name", MAZES)
def test_every_maze_has_its_start_its_goal_and_its_limit(name):
    task = get_task(name)
    env = task.make_env()
    assert env.observation_space.shape == (task.obs_dim,) and env.action_space.shape == (task.action_dim,)
    assert env.spec.max_episode_steps == task.time_limit
    maze = env.unwrapped.maze
    starts, goals = [], []
    for seed in range(4):
        env.reset(seed=seed)
        starts.append(env.unwrapped.reset_pos)
        goals.append(env.unwrapped.goal)
    start = maze.cell_rowcol_to_xy(np.array(task.maze.eval_start))
    goal = maze.cell_rowcol_to_xy(np.array(task.maze.eval_goal))
    assert np.abs(starts - start).max() <= 1.0 and np.ptp(starts, axis=0).min() > 0
    assert np.abs(goals - goal).max() <= task.maze.goal_jitter
    assert (np.ptp(goals, axis=0).min() > 0) == (task.maze.goal_jitter > 0)
    env.close()


def test_it_keeps_gymnasiums_rules(env):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice about infinite observation bounds
        check_env(env, skip_render_check=True)


@pytest.mark.parametrize(("distance", "success"), [(0.40, True), (0.50, False)])
def test_an_episode_terminates_within_45_centimetres_of_the_goal(env, distance, success):
    env.reset(seed=0)
    put(env, -4.0, -4.0 + distance)
    _, reward, terminated, truncated, info = env.step(np.zeros(8, np.float32))
    assert (reward, terminated, info["success"]) == (float(success), success, success)
    assert not truncated and not info["fallen"]


def test_the_time_limit_truncates_and_does_not_terminate(env):
    env.reset(seed=0)
    for _ in range(699):
        assert not any(env.step(np.zeros(8, np.float32))[2:4])
    assert env.step(np.zeros(8, np.float32))[2:4] == (False, True)


def test_a_fall_is_told_and_ends_nothing(env):
    _, info = env.reset(seed=0)
    assert not info["fallen"]
    put(env, -4.0, 4.0, quaternion=(0.0, 1.0, 0.0, 0.0))
    _, _, terminated, _, info = env.step(np.zeros(8, np.float32))
    assert info["fallen"] and not terminated


def test_upside_down_is_a_matter_of_tilt_and_not_of_heading():
    tilt = np.deg2rad([0, 80, 100, 180])
    zeros = np.zeros(4)
    rolled = np.stack((np.cos(tilt / 2), np.sin(tilt / 2), zeros, zeros), axis=1)
    turned = np.stack((np.cos(tilt / 2), zeros, zeros, np.sin(tilt / 2)), axis=1)
    assert upside_down(rolled).tolist() == [False, False, True, True]
    assert not upside_down(turned).any()


def test_it_is_quiet_and_leaves_no_file_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        get_task("antmaze-umaze").make_env().close()
    assert list(tmp_path.iterdir()) == []


def test_errors(monkeypatch):
    with pytest.raises(ValueError, match="protocol must be 'd4rl' or 'minari', got 'plain'"):
        flat_observation(np.zeros(27), np.zeros(2), np.zeros(2), "plain")
    with pytest.raises(ValueError, match="'multigoal' is not an AntMaze task"):
        make_antmaze_env(get_task("multigoal"))
    monkeypatch.setitem(sys.modules, "mujoco", None)  # what Python does for a package that is not there
    with pytest.raises(ImportError, match=r'pip install "gtp-mini\[antmaze\]"'):
        get_task("antmaze-umaze").make_env()
