"""The adapter against episodes worked out by hand, the store against interruption, the errors against readers."""

import shutil

import gymnasium as gym
import h5py
import minari
import numpy as np
import pytest
import torch
from minari.data_collector import EpisodeBuffer
from minari_data import goal_episode, store

from gtp_mini.datasets.store import check_room, list_datasets, write_dataset
from gtp_mini.datasets.tasks import TASKS, get_task, task_of_dataset
from gtp_mini.datasets.transitions import load_transitions

UMAZE = "gtp/antmaze-umaze-v0"  # protocol d4rl; evaluation goal: cell (3, 1), centre (-4, -4)
GOAL = "gtp/antmaze-umaze-goal-v0"  # protocol minari
WALK = [(0, 4), (1, 4), (2, 4), (3, 4), (3.8, 4), (4, 4), (4.1, 4)]  # 6 steps in the upper corridor


@pytest.fixture(autouse=True)
def datasets(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    return tmp_path / "datasets"


def test_minari_protocol_cuts_a_continuing_episode_at_its_first_success():
    episode = goal_episode(WALK, rewards=[0, 0, 1, 1, 0, 1])
    data = load_transitions(store(GOAL, episode))
    assert data.protocol == "minari"
    assert data.reward.tolist() == [0, 0, 1] and data.terminal.tolist() == [0, 0, 1]
    parts = episode.observations
    whole = np.concatenate((parts["observation"], parts["achieved_goal"], parts["desired_goal"]), axis=1)
    torch.testing.assert_close(data.obs, torch.tensor(whole[:3], dtype=torch.float32))
    torch.testing.assert_close(data.next_obs, torch.tensor(whole[1:4], dtype=torch.float32))
    torch.testing.assert_close(data.action, torch.tensor(episode.actions[:3]))


def test_an_episode_without_success_is_a_timeout_and_no_terminal():
    data = load_transitions(store(GOAL, goal_episode(WALK)))
    assert len(data) == 6 and data.terminal.sum() == 0 and data.reward.sum() == 0


def test_success_in_the_infos_counts_and_the_first_info_is_the_resets():
    # Rewards lost in a conversion; success after the fourth step, that is at the fifth of seven infos.
    success = [False, False, False, False, True, True, True]
    data = load_transitions(store(GOAL, goal_episode(WALK, success=success)))
    assert data.reward.tolist() == data.terminal.tolist() == [0, 0, 0, 1]


def test_d4rl_protocol_relabels_against_the_evaluation_goal():
    there_and_on = [(-2, -4), (-3, -4), (-3.54, -4), (-3.56, -4), (-4, -4), (-3, -4), (-2, -4)]
    elsewhere = goal_episode(WALK, rewards=[0, 0, 0, 0, 0, 1], terminated=True)  # reaches its own goal, not ours
    data = load_transitions(store(UMAZE, goal_episode(there_and_on), elsewhere))
    assert data.protocol == "d4rl"
    # 0.46 m away is not there, 0.44 m is; the rest of that episode is dropped, the other one is a timeout.
    assert data.episode.tolist() == [0] * 3 + [1] * 6
    assert data.reward.tolist() == data.terminal.tolist() == [0, 0, 1] + [0] * 6


def test_d4rl_observation_is_position_then_body_and_hides_the_goal():
    episode = goal_episode(WALK, goal=(123.0, 321.0))
    data = load_transitions(store(UMAZE, episode))
    assert data.obs.shape == (6, 29)
    np.testing.assert_allclose(data.obs[:, :2], np.array(WALK)[:-1], atol=1e-6)
    np.testing.assert_allclose(data.obs[:, 2:], episode.observations["observation"][:-1], atol=1e-6)


def test_plain_datasets_keep_their_terminals_and_their_timeouts():
    rng = np.random.default_rng(0)
    episodes = [
        EpisodeBuffer(
            observations=rng.normal(size=(4, 3)).astype(np.float32),
            actions=rng.uniform(-1, 1, (3, 2)).astype(np.float32),
            rewards=[1.0, 2.0, 3.0],
            terminations=[False, False, dies],
            truncations=[False, False, not dies],
        )
        for dies in (True, False)
    ]
    spaces = dict(
        observation_space=gym.spaces.Box(-np.inf, np.inf, (3,)), action_space=gym.spaces.Box(-1, 1, (2,), np.float32)
    )
    dataset_id = write_dataset("tests/hopper-v0", episodes, **spaces)
    data = load_transitions(dataset_id)
    assert data.protocol == "plain" and data.terminal.tolist() == [0, 0, 1, 0, 0, 0]
    assert data.reward.tolist() == [1, 2, 3, 1, 2, 3]
    np.testing.assert_array_equal(data.next_obs[:2], data.obs[1:3])
    for protocol in ("minari", "d4rl"):
        with pytest.raises(ValueError, match="does not fit observations with plain vectors"):
            load_transitions(dataset_id, protocol=protocol)


def test_protocols_are_not_mixed_silently():
    store("tests/antmaze-v0", goal_episode(WALK))
    assert load_transitions("tests/antmaze-v0").protocol == "minari"
    with pytest.raises(ValueError, match="belongs to no AntMaze task of ours"):
        load_transitions("tests/antmaze-v0", protocol="d4rl")
    with pytest.raises(ValueError, match="does not fit observations with observed goals"):
        load_transitions("tests/antmaze-v0", protocol="plain")
    with pytest.raises(ValueError, match="protocol must be 'd4rl', 'minari' or 'plain', got 'gym'"):
        load_transitions("tests/antmaze-v0", protocol="gym")


def test_max_transitions_and_moments():
    data = load_transitions(store(UMAZE, goal_episode(WALK), goal_episode(WALK)), max_transitions=8)
    assert len(data) == 8 and data.episode.tolist() == [0] * 6 + [1] * 2
    mean, std = data.obs.double().numpy().mean(0), data.obs.double().numpy().std(0)
    np.testing.assert_allclose(data.observation_mean, mean, atol=1e-6)
    np.testing.assert_allclose(data.observation_std, np.where(std > 1e-6, std, 1.0), atol=1e-6)
    assert data.observation_std[1] == 1.0  # the y coordinate never changes on this walk
    with pytest.raises(ValueError, match="max_transitions must be at least 1, got 0"):
        load_transitions(UMAZE, max_transitions=0)


@pytest.mark.parametrize(
    ("dataset_id", "says"),
    [
        ("gtp/multigoal-v0", r"gtp-mini data make multigoal \(less than a minute\)$"),
        (UMAZE, r"make it with: gtp-mini data make antmaze-umaze \(about \d+ minutes on \d+ cores\)$"),
        ("gtp/antmaze-umze-v0", "did you mean gtp/antmaze-umaze-v0"),
        ("antmaze-umaze", "did you mean gtp/antmaze-umaze-v0"),
        ("D4RL/antmaze/umaze-v1", "download it with: gtp-mini data download D4RL/antmaze/umaze-v1"),
    ],
)
def test_a_missing_dataset_says_how_to_get_it(dataset_id, says):
    with pytest.raises(FileNotFoundError, match=says):
        load_transitions(dataset_id)


def broken(**changes):
    episode = goal_episode(WALK)
    return EpisodeBuffer(**{**vars(episode), **changes})


def nan_observation():
    episode = goal_episode(WALK)
    episode.observations["observation"][4, 7] = np.nan
    return episode


@pytest.mark.parametrize(
    ("episode", "says"),
    [
        (nan_observation(), "episode 1: observation has 1 NaN or infinite numbers, the first at step 4, entry 7"),
        (goal_episode(WALK, rewards=[0, 0, np.inf, 0, 0, 0]), "rewards has 1 NaN .* the first at step 2$"),
        (goal_episode(WALK, actions=np.full((6, 8), 1.5, np.float32)), r"lie in Box\(-1.* one is 1.5 times as far out"),
        (broken(rewards=np.zeros(5)), r"actions must have shape \(5, 8\) for 5 rewards, got \(6, 8\)"),
        (broken(actions=np.zeros((6, 7), np.float32)), r"actions must have shape \(6, 8\) .* got \(6, 7\)"),
        (broken(truncations=[True]), r"truncations must have shape \(6,\)"),
    ],
)
def test_unusable_episodes_are_named(episode, says):
    store(UMAZE, goal_episode(WALK), episode)
    with pytest.raises(ValueError, match=says) as error:
        load_transitions(UMAZE)
    assert "\n" not in str(error.value)


def test_data_of_another_world_are_refused():
    store("gtp/antmaze-large-play-v0", goal_episode(WALK))
    says = "was collected in AntMaze_UMaze-v4, but antmaze-large-play is played in AntMaze_Large-v4; make it again with"
    with pytest.raises(ValueError, match=f"{says}: gtp-mini data make antmaze-large-play --overwrite"):
        load_transitions("gtp/antmaze-large-play-v0")


def test_data_of_other_dimensions_are_refused():
    store("gtp/multigoal-v0", goal_episode(WALK))
    says = "observations and actions of 31 and 8 numbers, but multigoal has 2 and 2; make it again"
    with pytest.raises(ValueError, match=says):
        load_transitions("gtp/multigoal-v0")


def test_too_few_transitions_are_refused():
    store(UMAZE, goal_episode(WALK), goal_episode([(-3, -4), (-4, -4), (-3, -4)]))  # 6, and 1 that counts
    assert len(load_transitions(UMAZE, at_least=7)) == 7
    with pytest.raises(ValueError, match="has 7 transitions that can be learnt from, fewer than the 8 that are needed"):
        load_transitions(UMAZE, at_least=8)


def test_a_dataset_without_episodes_is_refused():
    store(UMAZE)
    with pytest.raises(ValueError, match="has no episodes"):
        load_transitions(UMAZE)


def test_a_damaged_file_says_what_to_do(datasets):
    store(UMAZE, goal_episode(WALK))
    data = datasets / UMAZE / "data"
    kept = (data / "main_data.hdf5").read_bytes()
    (data / "main_data.hdf5").write_bytes(kept[: len(kept) // 2])
    with pytest.raises(ValueError, match="is damaged .*; delete .* and run: gtp-mini data make antmaze-umaze"):
        load_transitions(UMAZE)
    (data / "main_data.hdf5").write_bytes(kept)
    with h5py.File(data / "main_data.hdf5", "a") as file:
        del file["episode_0/actions"]
    with pytest.raises(ValueError, match="is damaged"):
        load_transitions(UMAZE)
    (data / "metadata.json").write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        load_transitions(UMAZE)


class Interrupted(Exception):
    pass


def interrupted_write(**options):
    def episodes():
        yield goal_episode(WALK)
        raise Interrupted

    class Buffers(list):
        def __iter__(self):
            return episodes()

    from minari_data import umaze

    with pytest.raises(Interrupted):
        write_dataset(UMAZE, Buffers(), env=umaze(), **options)


def test_an_interrupted_write_leaves_nothing(datasets):
    interrupted_write()
    assert [path for path in datasets.rglob("*") if path.is_file()] == []
    with pytest.raises(FileNotFoundError):
        load_transitions(UMAZE)
    store(UMAZE, goal_episode(WALK))  # and nothing stands in the way of the next try
    assert len(load_transitions(UMAZE)) == 6


def test_replacing_is_asked_for_and_all_or_nothing(datasets):
    store(UMAZE, goal_episode(WALK))
    with pytest.raises(FileExistsError, match="exists at"):
        store(UMAZE, goal_episode(WALK[:4]))
    interrupted_write(overwrite=True)
    assert len(load_transitions(UMAZE)) == 6
    store(UMAZE, goal_episode(WALK[:4]), overwrite=True)
    assert len(load_transitions(UMAZE)) == 3
    assert [path.name for path in datasets.iterdir()] == ["gtp"]


def test_no_room_and_no_folder_are_said_before_anything_is_made(tmp_path, monkeypatch):
    too_much = 2 * shutil.disk_usage(tmp_path).total
    with pytest.raises(
        OSError, match="cannot store dataset .* MB are needed and .* are free .*MINARI_DATASETS_PATH"
    ):
        check_room(UMAZE, too_much)
    (tmp_path / "file").touch()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "file" / "datasets"))
    with pytest.raises(OSError, match="cannot store dataset"):
        get_task("antmaze-umaze").make(10)


@pytest.mark.parametrize("name", ["antmaze-umaze", "antmaze-umaze-goal"])
def test_made_data_are_minaris_and_load(name):
    task = get_task(name)
    dataset_id = task.make(300, seed=1)
    assert dataset_id == task.dataset_id and task_of_dataset(dataset_id) is task
    listed = list_datasets()[dataset_id]
    assert listed["steps"] == 300 and "seed 1" in listed["description"]
    dataset = minari.load_dataset(dataset_id)
    assert dataset.env_spec.kwargs["continuing_task"] is task.maze.continuing
    data = load_transitions(dataset_id)
    assert data.obs.shape == (len(data), task.obs_dim) and data.action.shape[1] == task.action_dim
    assert data.protocol == task.protocol
    np.testing.assert_array_equal(data.reward, data.terminal)


def test_unknown_tasks_are_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown task 'antmaze-umze'; did you mean 'antmaze-umaze'.*known tasks: "):
        get_task("antmaze-umze")
    assert {f"antmaze-{maze}-{kind}" for maze in ("medium", "large") for kind in ("play", "diverse")} <= set(TASKS)
