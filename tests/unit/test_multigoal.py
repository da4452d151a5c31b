"""The multi-goal world and its demonstrators."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from gtp_mini.datasets.multigoal import demonstrations
from gtp_mini.datasets.tasks import get_task
from gtp_mini.datasets.transitions import load_transitions
from gtp_mini.worlds.multigoal import (
    ENV_ID,
    GOALS,
    REACH,
    ROAD_HALF_WIDTH,
    START_STD,
    TIME_LIMIT,
    VALUES,
    VALUES_ENV_ID,
    MultiGoal,
)


@pytest.fixture
def world():
    env = get_task("multigoal").make_env()
    env.reset(seed=0)
    return env


@pytest.mark.parametrize("env_id", [ENV_ID, VALUES_ENV_ID])
def test_gymnasium_finds_no_fault(env_id):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(minimum|maximum) value is .*infinity")  # the plane has no end
        check_env(gym.make(env_id).unwrapped)


@pytest.mark.parametrize("goal", range(4))
def test_each_road_leads_to_its_goal(world, goal):
    world.unwrapped.position = np.zeros(2)
    for step in range(1, 8):
        obs, reward, terminated, truncated, info = world.step(GOALS[goal] / 8)
        assert not truncated and terminated == (step == 7) and reward == float(step == 7)
    np.testing.assert_allclose(obs, GOALS[goal] * 7 / 8)  # within reach of the goal
    assert info == {"goal": goal, "success": True, "fallen": False}


def test_the_goals_are_worth_their_values():
    task = get_task("multigoal-values")
    world = task.make_env()
    assert world.spec.id == VALUES_ENV_ID and world.spec.max_episode_steps == task.time_limit == TIME_LIMIT
    for goal, value in enumerate(VALUES):
        world.reset(seed=0)
        world.unwrapped.position = GOALS[goal] * 0.8
        obs, reward, terminated, truncated, info = world.step(GOALS[goal] / 8)
        assert (reward, terminated, truncated) == (value, True, False)
        assert info == {"goal": goal, "success": True, "fallen": False}
    assert len(set(VALUES)) == 4 and max(VALUES) == 1.0
    world.reset(seed=0)
    world.unwrapped.position = np.full(2, 0.89)
    _, reward, terminated, _, info = world.step(np.full(2, 0.02))
    assert reward == 0.0 and terminated and info["fallen"]
    with pytest.raises(ValueError, match="values must be 4 numbers, one for each goal, got \\(1.0, 0.5\\)"):
        MultiGoal(values=(1.0, 0.5))


def test_between_the_roads_one_falls(world):
    world.unwrapped.position = np.zeros(2)
    assert not world.step(np.array([0.89, 0.89]))[2]
    obs, reward, terminated, truncated, info = world.step(np.array([0.02, 0.02]))
    assert terminated and not truncated and reward == 0.0
    assert info == {"goal": -1, "success": False, "fallen": True}
    assert (np.abs(obs) > ROAD_HALF_WIDTH).all()


def test_a_goal_reached_off_the_road_is_reached(world):
    world.unwrapped.position = GOALS[0] + np.array([-0.5, 0.0])
    world.unwrapped.position[1] = -0.95
    obs, reward, terminated, _, info = world.step(np.array([0.3, 0.03]))
    assert np.linalg.norm(obs - GOALS[0]) < REACH and abs(obs[1]) > ROAD_HALF_WIDTH
    assert terminated and reward == 1.0 and info["success"] and not info["fallen"]


def test_who_stands_still_runs_out_of_time(world):
    for step in range(1, TIME_LIMIT + 1):
        _, reward, terminated, truncated, _ = world.step(np.zeros(2))
        assert reward == 0 and not terminated and truncated == (step == TIME_LIMIT)


def test_actions_are_cut_to_the_unit_square(world):
    before = world.unwrapped.position
    world.step(np.array([0.0, -50.0]))
    np.testing.assert_allclose(world.unwrapped.position, before + [0.0, -1.0])


def test_starts_are_around_the_middle_and_depend_on_the_seed(world):
    starts = np.array([world.reset(seed=seed)[0] for seed in range(500)])
    assert np.abs(starts.mean(0)).max() < 0.02 and starts.std() == pytest.approx(START_STD, rel=0.1)
    assert np.array_equal(world.reset(seed=3)[0], starts[3]) and len(np.unique(starts, axis=0)) == 500


def test_demonstrators_reach_all_goals_alike():
    episodes = demonstrations(8000, seed=0)
    ends = np.array([e["observations"][-1] for e in episodes])
    reached = [e["rewards"][-1] == 1 for e in episodes]
    assert np.mean(reached) > 0.97
    nearest = np.linalg.norm(ends[:, None] - GOALS, axis=2).argmin(1)[reached]
    assert (np.abs(np.bincount(nearest, minlength=4) / len(nearest) - 0.25) < 0.05).all()
    for e in episodes[:50]:
        steps = len(e["actions"])
        assert e["observations"].shape == (steps + 1, 2) and len(e["rewards"]) == steps
        np.testing.assert_allclose(e["observations"][:-1] + e["actions"], e["observations"][1:], atol=1e-5)
        assert not e["terminations"][:-1].any() and e["terminations"][-1] != e["truncations"][-1]
        assert (e["rewards"][:-1] == 0).all()


def test_demonstrations_are_as_many_as_asked_and_depend_on_the_seed():
    a, b, c = (demonstrations(300, seed=seed) for seed in (0, 0, 1))
    assert 300 <= sum(len(e["actions"]) for e in a) < 300 + TIME_LIMIT
    assert all(np.array_equal(x["actions"], y["actions"]) for x, y in zip(a, b, strict=True))
    assert not np.array_equal(a[0]["actions"], c[0]["actions"])


def test_demonstrators_do_not_know_what_the_goals_are_worth():
    alike, unlike = demonstrations(2000, 0), demonstrations(2000, 0, get_task("multigoal-values").make_env())
    for a, b in zip(alike, unlike, strict=True):
        for name in ("observations", "actions", "terminations", "truncations"):
            assert np.array_equal(a[name], b[name])
        goal = np.linalg.norm(GOALS - b["observations"][-1], axis=1).argmin()
        assert (b["rewards"][:-1] == 0).all() and b["rewards"][-1] == a["rewards"][-1] * VALUES[goal]
    returns = [e["rewards"].sum() for e in demonstrations(20_000, 0, get_task("multigoal-values").make_env())]
    assert np.mean(returns) == pytest.approx(np.mean(VALUES), abs=0.03)


def test_values_reach_the_dataset(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    task = get_task("multigoal-values")
    data = load_transitions(task.make(1000, seed=2))
    assert data.dataset_id == task.dataset_id and set(data.reward.unique().tolist()) == {0.0} | set(
        np.array(VALUES, np.float32).tolist())
    np.testing.assert_array_equal(data.action, np.concatenate([e["actions"] for e in demonstrations(1000, seed=2)]))


def test_the_dataset_is_the_demonstrations(multigoal):
    data, episodes = load_transitions("gtp/multigoal-v0"), demonstrations(2000, seed=0)
    np.testing.assert_array_equal(data.action, np.concatenate([e["actions"] for e in episodes]))
    np.testing.assert_array_equal(data.next_obs, np.concatenate([e["observations"][1:] for e in episodes]))
    np.testing.assert_array_equal(data.terminal, np.concatenate([e["terminations"] for e in episodes]))
