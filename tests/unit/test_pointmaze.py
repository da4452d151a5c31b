"""The point maze: what no motion may do, what its data must and must not hold."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

from gtp_mini.collect.planner import MazePlanner
from gtp_mini.datasets.doctor import inspect
from gtp_mini.datasets.pointmaze import ROUTES, demonstrations
from gtp_mini.datasets.tasks import get_task
from gtp_mini.datasets.transitions import load_transitions
from gtp_mini.worlds.pointmaze import (
    CELL_SIZE,
    CELLS,
    ENV_ID,
    GOAL,
    MAP,
    MARGIN,
    REACH,
    START,
    START_JITTER,
    STEP_SIZE,
    TIME_LIMIT,
    cell_of,
    centre,
    move,
)

TASK = get_task("pointmaze")
WALL = np.array(MAP, bool)
FREE = np.argwhere(~WALL)
CROSSING = CELLS["X"]


@pytest.fixture(scope="module")
def episodes():
    return demonstrations(20_000, seed=0)


def lines_are_free(a, b):
    """Whether the straight lines from positions a to b (N, 2) stay out of walls, at 100 points of each."""
    points = a + np.linspace(0, 1, 100)[:, None, None] * (b - a)
    return not WALL[cell_of(points)].any()


def visits(episode, cell):
    return np.equal(np.stack(cell_of(episode["observations"]), -1), cell).all(-1)


def test_gymnasium_finds_no_fault():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(minimum|maximum) value is .*infinity")
        check_env(gym.make(ENV_ID).unwrapped)


def test_the_planner_knows_the_maze():
    planner = MazePlanner(MAP, CELL_SIZE)
    for cell in planner.free_cells:
        np.testing.assert_allclose(planner.cell_to_xy(cell), centre(cell))
        assert cell_of(centre(cell)) == cell
    assert len(planner.path(START, GOAL)) == 13 and (planner.hops >= 0).all()
    assert WALL[[0, -1]].all() and WALL[:, [0, -1]].all()


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 3.0))
def test_no_action_leads_into_a_wall_or_through_one(seed, size):
    rng = np.random.default_rng(seed)
    start = np.array([centre(cell) for cell in FREE])
    position = (start + rng.uniform(-0.875, 0.875, start.shape)).astype(np.float32)
    for _ in range(30):
        action = (size * rng.standard_normal(position.shape)).astype(np.float32)
        after = move(position, action)
        assert not WALL[cell_of(after)].any()
        assert (np.abs(after - position) <= STEP_SIZE + 1e-5).all()
        turn = np.stack([after[:, 0], position[:, 1]], -1)  # x first, then y
        assert lines_are_free(position, turn) and lines_are_free(turn, after)
        position = after


def test_a_wall_stops_what_goes_towards_it_and_not_what_goes_beside_it():
    start = centre((7, 2))  # a corridor from west to east
    wall = start[1] + CELL_SIZE / 2
    after = move(move(start, np.array([0.25, 1.0])), np.array([0.25, 1.0]))
    np.testing.assert_allclose(after, [start[0] + 0.5, wall - MARGIN], rtol=1e-6)
    np.testing.assert_allclose(move(after, np.array([0.0, -0.5])), after - [0.0, 0.5], rtol=1e-6)


def test_in_the_open_a_step_is_the_action():
    np.testing.assert_allclose(move(centre(CROSSING), np.array([0.5, -0.75])),
                               centre(CROSSING) + [0.5, -0.75])
    np.testing.assert_allclose(move(centre(CROSSING), np.array([-30.0, 0.0])),
                               centre(CROSSING) - [STEP_SIZE, 0.0])


def test_many_positions_move_as_each_alone():
    rng = np.random.default_rng(0)
    position = (np.array([centre(cell) for cell in FREE]) + rng.uniform(-0.8, 0.8, (len(FREE), 2))).astype(np.float32)
    action = rng.uniform(-1, 1, position.shape).astype(np.float32)
    together = move(position, action)
    assert together.dtype == np.float32
    for k in range(len(FREE)):
        assert np.array_equal(move(position[k], action[k]), together[k])


def test_starts_are_in_the_start_cell_and_depend_on_the_seed():
    env = TASK.make_env()
    starts = np.array([env.reset(seed=seed)[0] for seed in range(300)])
    away = np.abs(starts - centre(START))
    assert (away <= START_JITTER).all() and away.max() > 0.95 * START_JITTER
    assert np.array_equal(env.reset(seed=3)[0], starts[3]) and len(np.unique(starts, axis=0)) == 300
    elsewhere, _ = env.reset(seed=0, options={"reset_cell": CELLS["B"]})
    assert cell_of(elsewhere) == CELLS["B"]


def test_the_goal_rewards_and_ends_and_nothing_else_does():
    env = TASK.make_env()
    assert env.spec.id == ENV_ID and env.spec.max_episode_steps == TASK.time_limit == TIME_LIMIT
    env.reset(seed=0)
    env.unwrapped.position = (centre(GOAL) - [0.0, REACH + 1.0 + 0.01]).astype(np.float32)
    obs, reward, terminated, truncated, info = env.step(np.array([0.0, 1.0], np.float32))
    assert (reward, terminated, truncated, info) == (0.0, False, False, {"success": False})
    obs, reward, terminated, truncated, info = env.step(np.array([0.0, 0.02], np.float32))
    assert (reward, terminated, truncated, info) == (1.0, True, False, {"success": True})
    assert np.linalg.norm(obs - centre(GOAL)) <= REACH
    env.reset(seed=0)
    for step in range(1, TIME_LIMIT + 1):
        _, reward, terminated, truncated, _ = env.step(np.zeros(2, np.float32))
        assert reward == 0.0 and not terminated and truncated == (step == TIME_LIMIT)


def test_the_planner_needs_a_third_of_the_time():
    env, planner = TASK.make_env(), MazePlanner(MAP, CELL_SIZE)
    for seed in range(20):
        obs, _ = env.reset(seed=seed)
        done, steps = False, 0
        while not done:
            angle = planner.direction(obs[None].astype(float), centre(GOAL)[None])[0]
            obs, reward, terminated, truncated, _ = env.step(np.array([np.cos(angle), np.sin(angle)], np.float32))
            done, steps = terminated or truncated, steps + 1
        assert reward == 1.0 and 15 <= steps <= 25


def test_every_step_of_the_data_is_a_step_of_the_world(episodes):
    for e in episodes:
        steps = len(e["actions"])
        assert e["observations"].shape == (steps + 1, 2) and e["actions"].dtype == np.float32
        assert all(len(e[name]) == steps for name in ("rewards", "terminations", "truncations"))
        assert np.array_equal(move(e["observations"][:-1], e["actions"]), e["observations"][1:])


def test_only_the_goal_terminates_and_all_other_ends_are_truncations(episodes):
    ends = set()
    for e in episodes:
        at_goal = np.linalg.norm(e["observations"][1:] - centre(GOAL), axis=1) <= REACH
        assert np.array_equal(e["rewards"] == 1.0, at_goal) and np.array_equal(e["terminations"], at_goal)
        assert not e["truncations"][:-1].any() and e["truncations"][-1] != e["terminations"][-1]
        assert len(e["actions"]) < TIME_LIMIT
        ends.add((tuple(map(int, cell_of(e["observations"][-1]))), bool(e["terminations"][-1])))
    assert {cell for cell, terminated in ends if terminated} == {GOAL}
    assert {cell for cell, terminated in ends if not terminated} == {CELLS[route[-1]] for route in ROUTES} - {GOAL}


def test_no_route_and_no_episode_has_two_pieces_of_the_way(episodes):
    assert not any(route[0] == "S" and route[-1] == "G" for route in ROUTES)
    start, p, q, goal = np.array([[visits(e, CELLS[mark]).any() for mark in "SPQG"] for e in episodes]).T
    loop = p | q
    assert not (start & loop).any() and not (loop & goal).any() and not (start & goal).any()
    assert min(start.sum(), loop.sum(), goal.sum()) > 100  # yet each is there


@pytest.mark.parametrize("crossing, onwards", [("X", {(6, 3), (7, 4)}), ("Y", {(2, 7)})])
def test_at_both_crossings_the_way_to_the_goal_is_the_minority(episodes, crossing, onwards):
    left = []  # where episodes go from the crossing
    for e in episodes:
        here = visits(e, CELLS[crossing])
        leaves = np.flatnonzero(here[:-1] & ~here[1:])
        if len(leaves):
            left.append(tuple(int(k) for k in cell_of(e["observations"][leaves[-1] + 1])))
    share = sum(cell in onwards for cell in left) / len(left)
    assert 0.2 < share < 0.4 and len(set(left)) == 4


def test_both_sides_of_the_loop_are_walked_alike(episodes):
    p, q = (sum(visits(e, CELLS[mark]).any() for e in episodes) for mark in "PQ")
    assert 0.4 < p / (p + q) < 0.6


def test_demonstrations_are_as_many_as_asked_and_depend_on_the_seed():
    seen = []
    a, b, c = (demonstrations(3000, seed=seed, progress=lambda *args: seen.append(args)) for seed in (0, 0, 1))
    assert 3000 <= sum(len(e["actions"]) for e in a) < 3000 + TIME_LIMIT
    assert all(np.array_equal(x["actions"], y["actions"]) for x, y in zip(a, b, strict=True))
    assert not np.array_equal(a[0]["observations"][0], c[0]["observations"][0])
    assert all(0 < done <= total == 3000 for done, total in seen) and seen


def test_the_dataset_is_the_demonstrations(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    assert TASK.make(3000, seed=5) == "gtp/pointmaze-v0"
    data, episodes = load_transitions("gtp/pointmaze-v0"), demonstrations(3000, seed=5)
    assert data.protocol == "plain"
    for column, name in ((data.action, "actions"), (data.reward, "rewards"), (data.terminal, "terminations")):
        np.testing.assert_array_equal(column, np.concatenate([e[name] for e in episodes]))
    np.testing.assert_array_equal(data.obs, np.concatenate([e["observations"][:-1] for e in episodes]))
    np.testing.assert_array_equal(data.next_obs, np.concatenate([e["observations"][1:] for e in episodes]))
    assert np.array_equal(np.bincount(data.episode), [len(e["actions"]) for e in episodes])
    report = inspect("gtp/pointmaze-v0")
    assert report.warnings == () and report.terminated_episodes + report.truncated_episodes == report.episodes
