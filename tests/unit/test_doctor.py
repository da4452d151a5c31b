"""The doctor finds nothing in sound data and each known defect where it was put."""

import json
import re
import warnings

import gymnasium as gym
import minari
import numpy as np
import pytest
from matplotlib.image import imread
from minari.data_collector import EpisodeBuffer
from minari_data import TIME_LIMIT, goal_episode, store

from gtp_mini.datasets.doctor import inspect
from gtp_mini.datasets.pictures import _look, draw
from gtp_mini.datasets.store import write_dataset

UMAZE = "gtp/antmaze-umaze-v0"
GOAL = (-4.0, -4.0)  # of the task's evaluations
WALK = [(0, -4), (-1, -4), (-2, -4), (-3, -4), (-3.8, -4)]  # 4 steps through cells (3, 2) and (3, 1), to the goal
LONG = [(x / 4, 4) for x in range(TIME_LIMIT + 1)]  # as long as the time limit, in cell (1, 2)
SOUND = goal_episode(WALK, rewards=[0, 0, 0, 1], goal=GOAL, terminated=True)


@pytest.fixture(autouse=True)
def datasets(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))


def test_sound_data_give_numbers_and_no_warning():
    report = inspect(store(UMAZE, SOUND, goal_episode(LONG)))
    assert report.warnings == ()
    assert (report.episodes, report.steps, report.unusable_episodes) == (2, 10, 0)
    assert (report.length_min, report.length_mean, report.length_max) == (4, 5.0, 6)
    assert report.reward_counts == {"0": 9, "1": 1}
    assert (report.terminated_episodes, report.truncated_episodes, report.success_episodes) == (1, 1, 1)
    assert (report.idle_steps, report.useful_share, report.seams, report.fallen_share) == (0, 1.0, 0, 0.0)
    assert report.coverage == pytest.approx(3 / 7)
    assert (report.protocol, report.rewarded_transitions, report.observation_size) == ("d4rl", 1, 31)
    assert report.bad_numbers == 0 and -0.9 <= report.action_min < report.action_max <= 0.9
    observations = np.concatenate(
        [np.concatenate(list(e.observations.values()), axis=1) for e in minari.load_dataset(UMAZE).iterate_episodes()]
    )
    assert report.observation_std_max == pytest.approx(observations.std(0).max())
    assert report.observation_mean_max == pytest.approx(np.abs(observations.mean(0)).max())
    assert report.constant_entries == (observations.std(0) < 1e-6).sum()
    assert json.loads(json.dumps(report.to_dict()))["warnings"] == []


def test_a_person_reads_a_fact_a_line_and_then_the_warnings():
    lines = str(inspect(store(UMAZE, SOUND, goal_episode(LONG)))).splitlines()
    assert lines[0] == UMAZE
    assert "  reach their goal      1 of 2, 50.0 %" in lines and "  maze cells visited    42.9 %" in lines
    assert "  rewarded once loaded  1 transitions, protocol d4rl" in lines
    sick = str(inspect(store(UMAZE, unfinished(), overwrite=True))).splitlines()
    assert sick[-1].startswith("  warning: ")


def unfinished():
    return EpisodeBuffer(**{**vars(SOUND), "terminations": [False] * 4, "truncations": [False] * 4})


def with_nan():
    episode = goal_episode(WALK)
    episode.observations["observation"][2, 3] = np.nan
    return episode


@pytest.mark.parametrize(
    ("defect", "says"),
    [
        (goal_episode(LONG, rewards=[0, 0, 1, 1, 1, 1]), "rewards pile up at the goal: 3 steps"),
        (with_nan(), "1 number is NaN or infinite"),
        (with_nan(), "1 of 2 episodes cannot be used; the first: .*episode 1: observation has 1 NaN"),
        (goal_episode(LONG, terminated=True), "1 episode is marked terminated at the time limit without success"),
        (unfinished(), "1 episode ends without being terminated or truncated"),
        (goal_episode([(4, 4), *WALK]), "1 jump of more than 1 m in one step"),
        (goal_episode(WALK, actions=np.ones((4, 8), np.float32)), "50% of the actions are at their limit"),
        (goal_episode(WALK, up=0.0), "50% of the episodes end upside down"),
        (goal_episode([*LONG, (2, 4)]), "1 episode is longer than the environment's time limit"),
        (goal_episode(LONG[:4], terminated=True), "1 episode terminates before the time limit without success"),
        (goal_episode(LONG, success=[False] * 5 + [True] * 2), "at 2 steps the infos say success and the reward"),
        (goal_episode(LONG, goal=np.array(LONG)), "the goal moves inside of 1 episodes"),
        (SOUND, "1 episode has the actions of an earlier one"),
    ],
    ids=["idle", "nan", "unusable", "timeouts", "unfinished", "seam", "saturated", "fallen", "long", "cut", "lost",
         "moving", "repeated"],
)
def test_a_defect_is_found(defect, says):
    found = inspect(store(UMAZE, SOUND, defect)).warnings
    assert any(re.search(says, warning) for warning in found), found


def test_all_zero_rewards_are_found():
    assert "all rewards are zero" in inspect(store(UMAZE, goal_episode(WALK))).warnings[0]


def test_a_continuing_task_is_found():
    found = inspect(store("tests/umaze-v0", goal_episode(LONG, rewards=[0, 0, 0, 0, 0, 1]))).warnings
    assert len(found) == 1 and "no episode terminates, though 1 succeed" in found[0]


def test_data_that_never_reach_the_tasks_goal_are_found():
    own = goal_episode(LONG[:4], rewards=[0, 0, 1], goal=LONG[3], terminated=True)
    report = inspect(store(UMAZE, own))
    (found,) = report.warnings
    assert "no transition is rewarded once loaded under protocol 'd4rl': no episode reaches the task's" in found
    assert report.rewarded_transitions == 0 and report.success_episodes == 1
    assert inspect(store("tests/umaze-v0", own)).warnings == ()  # its own goal is what counts there


def test_data_of_another_world_than_their_name_says_are_found():
    report = inspect(store("gtp/antmaze-large-play-v0", SOUND))
    (found,) = report.warnings
    assert "load_transitions refuses it" in found and "collected in AntMaze_UMaze-v4" in found
    assert report.protocol is report.rewarded_transitions is None and json.dumps(report.to_dict())


def test_requirements_that_are_not_met_are_found():
    store(UMAZE, SOUND, requirements=["numpy>=1", "mujoco==3.1.6", "no-such-package"])
    (found,) = inspect(UMAZE).warnings
    assert "other versions than are installed (mujoco==3.1.6, no-such-package)" in found


def test_minaris_reference_score_is_warned_of():
    store(UMAZE, SOUND, ref_min_score=0.0, ref_max_score=400.0)
    (found,) = inspect(UMAZE).warnings
    assert "reference score (400)" in found and "report the success rate" in found


def without_a_maze():
    episode = EpisodeBuffer(
        observations=np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32),
        actions=np.zeros((3, 2), np.float32),
        rewards=[0.5, 0.5, 0.25],
        terminations=[False, False, True],
        truncations=[False] * 3,
    )
    spaces = (gym.spaces.Box(-np.inf, np.inf, (3,)), gym.spaces.Box(-1, 1, (2,), np.float32))
    return write_dataset("tests/hopper-v0", [episode], observation_space=spaces[0], action_space=spaces[1])


def test_data_without_goals_or_maze_are_described():
    report = inspect(without_a_maze())
    assert report.warnings == () and report.reward_counts == {"0.5": 2, "0.25": 1}
    assert report.coverage is report.idle_steps is report.fallen_share is None
    assert "upside down" not in str(report) and "0.5 x 2" in str(report)
    assert "| rewards | 0.5 x 2, 0.25 x 1 |" in report._repr_markdown_()


def test_nothing_usable_is_still_a_report():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = inspect(store(UMAZE, with_nan()))
    assert report.unusable_episodes == 1 and report.length_max == 0 and "warning: " in str(report)


def test_pictures_show_every_dataset(tmp_path):
    drawn = draw(store(UMAZE, SOUND, goal_episode(LONG), with_nan()), tmp_path / "a" / "b")
    assert [path.name for path in drawn] == ["lengths.png", "returns.png", "actions.png", "coverage.png",
                                             "starts_and_goals.png"]
    for path in drawn:
        assert path.parent == tmp_path / "a" / "b" and imread(path).std() > 0.01 and path.stat().st_size < 100_000
    looks = _look(minari.load_dataset(UMAZE))
    assert looks.unusable == 1 and looks.lengths == [4, 6] and looks.returns == [1.0, 0.0]
    assert looks.visits.sum() == 5 + 7 and looks.visits.shape == (80, 80)  # all states; squares of 0.25 m
    i, j = (np.searchsorted(edges, value, "right") - 1 for edges, value in zip(looks.edges, (-3.8, -4.0), strict=True))
    assert looks.visits[i, j] == 1
    assert looks.actions.sum() == 10 * 8
    np.testing.assert_allclose(looks.starts, [WALK[0], LONG[0]])
    np.testing.assert_allclose(looks.goals, [GOAL, (4, 4)])
    no_maze = draw(without_a_maze(), tmp_path)
    assert [path.name for path in no_maze] == ["lengths.png", "returns.png", "actions.png"]


def test_pictures_of_nothing_and_into_no_folder(tmp_path):
    assert len(draw(store(UMAZE, with_nan()), tmp_path)) == 5
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        draw(UMAZE, tmp_path / "file")
