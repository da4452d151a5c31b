"""Which way torques steer, on ants of real episodes."""

import numpy as np
import pytest

from gtp_mini.collect.gait import gait_action, load_gait
from gtp_mini.collect.planner import MazePlanner
from gtp_mini.collect.rollout import collect_episodes
from gtp_mini.collect.steering import QPOS, direction_of, on_the_line, response, wrap
from gtp_mini.datasets.tasks import get_task

GAIT = load_gait()
SHIFTS = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


@pytest.fixture(scope="module")
def planner():
    from gymnasium_robotics.envs.maze import maps

    return MazePlanner(maps.MEDIUM_MAZE)


@pytest.fixture(scope="module")
def ants():
    """States (N, 29) of real ants that walk, and the goal (N, 2) of each."""
    episodes = collect_episodes(get_task("antmaze-medium-play"), 6000, seed=0, ants=24)
    obs = np.concatenate([np.hstack([e.qpos, e.qvel])[20:-1] for e in episodes])
    return obs, np.concatenate([np.repeat(e.goal[None], len(e.qpos) - 21, 0) for e in episodes])


def demonstrator(planner, ants, seen=lambda obs: obs):
    """The gait on its way to each ant's goal, from the place that it sees; rows as `on_the_line` chooses them."""
    obs, goal = ants
    rows, _ = on_the_line(planner, obs, goal)
    return lambda now: gait_action(GAIT, now[:, :QPOS], now[:, QPOS:],
                                   planner.direction(seen(now)[:, :2], goal[rows]))


def test_the_gaits_torques_tell_its_direction(ants):
    obs = ants[0][::10]
    wanted = np.random.default_rng(0).uniform(-np.pi, np.pi, len(obs))
    found = direction_of(GAIT, obs, gait_action(GAIT, obs[:, :QPOS], obs[:, QPOS:], wanted))
    error = np.abs(wrap(found - wanted))
    assert np.median(error) < np.deg2rad(1) and np.quantile(error, 0.95) < np.deg2rad(5)


def test_the_noise_of_the_data_is_read_through(ants):
    """With the data's noise on the torques the direction is still that of the demonstrator, to 10 degrees."""
    obs, rng = ants[0][::10], np.random.default_rng(0)
    wanted = rng.uniform(-np.pi, np.pi, len(obs))
    torque = gait_action(GAIT, obs[:, :QPOS], obs[:, QPOS:], wanted) + 0.2 * rng.normal(size=(len(obs), 8))
    assert np.median(np.abs(wrap(direction_of(GAIT, obs, torque) - wanted))) < np.deg2rad(10)


def test_ants_on_the_line_are_near_it_and_look_along(planner, ants):
    obs, goal = ants
    rows, left = on_the_line(planner, obs, goal)
    assert 300 < len(rows) < len(obs) and np.allclose(np.linalg.norm(left, axis=1), 1)
    offset = obs[rows, :2] - planner.centres[planner.locate(obs[rows, :2])]
    assert np.abs((offset * left).sum(1)).max() < 0.6
    angle = planner.direction(obs[rows, :2], goal[rows])
    towards_left = (np.stack([np.cos(angle), np.sin(angle)], 1) * left).sum(1)
    assert np.abs(towards_left).max() < np.sin(np.arctan(0.6 / 1.2)) + 1e-9


def test_the_demonstrator_steers_back(planner, ants):
    turned = response(GAIT, planner, demonstrator(planner, ants), *ants, SHIFTS)
    assert turned.shape == (5, 2)
    np.testing.assert_allclose(turned[:, 0], turned[:, 1], atol=np.deg2rad(3))
    wanted = -np.arctan(SHIFTS / 1.2)  # pure pursuit of a point 1.2 m ahead on the line
    np.testing.assert_allclose(turned[:, 1], wanted, atol=np.deg2rad(5))


def test_who_does_not_see_the_place_does_not(planner, ants):
    obs, goal = ants
    rows, _ = on_the_line(planner, obs, goal)
    blind = demonstrator(planner, ants, seen=lambda now: obs[rows])
    turned = response(GAIT, planner, blind, obs, goal, SHIFTS)
    np.testing.assert_allclose(turned[:, 0], 0, atol=1e-6)
    assert turned[0, 1] > 0.5 > -0.5 > turned[-1, 1]


def test_without_a_straight_piece_there_is_no_answer(planner, ants):
    obs, _ = ants
    with pytest.raises(ValueError, match="none of these ants is in the middle"):
        response(GAIT, planner, lambda now: now, obs, planner.centres[planner.locate(obs[:, :2])], SHIFTS)
