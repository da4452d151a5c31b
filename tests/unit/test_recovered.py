"""Datasets of others, from the doctor to an evaluation: Minari's AntMaze and its like, and plain MuJoCo."""

import warnings

import gymnasium as gym
import minari
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from minari.data_collector import EpisodeBuffer
from minari_data import COLLECTED, MIRRORED, published_umaze

from gtp_mini import load
from gtp_mini.datasets.doctor import inspect
from gtp_mini.datasets.recovered import evaluation_map, task_for
from gtp_mini.datasets.store import write_dataset
from gtp_mini.datasets.tasks import get_task
from gtp_mini.datasets.transitions import load_transitions
from gtp_mini.evaluation import evaluate
from gtp_mini.training import TrainConfig, train

UMAZE, HOPPER = "D4RL/antmaze/umaze-v1", "mujoco/hopper/medium-v0"
SMALL = dict(steps=4, batch_size=16, log_every=2, checkpoint_every=4, settings={"width": 8, "depth": 1})


@pytest.fixture(autouse=True)
def datasets(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))


def trained(dataset_id, method, folder):
    run = train(TrainConfig(dataset_id, method, **SMALL), str(folder), progress=False)
    return load(run.path / "model.safetensors")


def rolled(env, episodes, low, high):
    """Episodes of a policy that draws its actions evenly."""
    rng, buffers = np.random.default_rng(0), []
    for seed in range(episodes):
        observations, actions, rewards, ended = [env.reset(seed=seed)[0]], [], [], False
        while not ended:
            actions.append(rng.uniform(low, high, env.action_space.shape).astype(np.float32))
            obs, reward, terminated, truncated, _ = env.step(actions[-1])
            observations.append(obs)
            rewards.append(reward)
            ended = terminated or truncated
        last = np.arange(1, len(rewards) + 1) == len(rewards)
        buffers.append(EpisodeBuffer(observations=np.array(observations), actions=np.array(actions), rewards=rewards,
                                     terminations=last & terminated, truncations=last & truncated))
    return buffers


def test_minaris_umaze_goes_the_whole_way(tmp_path):
    published_umaze(UMAZE)
    report = inspect(UMAZE)
    assert (report.episodes, report.steps, report.protocol) == (3, 180, "minari")
    assert report.success_episodes == report.rewarded_transitions == 3 and 0.2 < report.useful_share < 0.8
    for trap in ("rewards pile up at the goal", "no episode terminates", "a mirror image", "reference score (400)",
                 "do not compare with published antmaze-v0"):
        assert any(trap in warning for warning in report.warnings), trap
    assert len(report.warnings) == 5

    data = load_transitions(UMAZE)
    assert data.obs.shape[1] == 31 and data.reward.tolist() == data.terminal.tolist() and data.reward.sum() == 3
    stored = list(minari.load_dataset(UMAZE).iterate_episodes())
    assert [(data.episode == e.id).sum() for e in stored] == [e.infos["success"].argmax() for e in stored]

    task = task_for(UMAZE)
    assert (task.protocol, task.obs_dim, task.action_dim, task.time_limit) == ("minari", 31, 8, 60)
    assert (task.gamma, task.reward_shift) == (0.99, -1.0)
    result = evaluate(trained(UMAZE, "gtp", tmp_path / "run"), task, episodes=2, sampling_steps=1).summary()
    assert result["episodes"] == 2 and result["episode_length_mean"] == 60.0  # nobody crosses the maze in 3 s
    assert "fallen_rate" in result


def test_the_ant_is_evaluated_on_the_walls_of_the_data_and_ends_at_the_goal():
    published_umaze(UMAZE, episodes=1, limit=8)
    env = task_for(UMAZE).make_env()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice about infinite observation bounds
        check_env(env, skip_render_check=True)
    raw = env.unwrapped
    starts, goals = [], []
    for seed in range(5):
        obs, _ = env.reset(seed=seed)
        starts.append(obs[27:29])
        goals.append(obs[29:])
    # Mirrored with the map: from (1, 3) -> (3, 3) to (1, 1) -> (3, 1), the long way round, with 1 m of jitter.
    assert np.abs(starts - np.array([-4, 4])).max() <= 1.01 and np.abs(goals - np.array([-4, -4])).max() <= 1.0
    assert np.ptp(starts, axis=0).min() > 0 and np.ptp(goals, axis=0).min() > 0
    assert [[cell == 1 for cell in row] for row in raw.maze.maze_map] == [[c == 1 for c in row] for row in COLLECTED]
    qpos = raw.ant_env.init_qpos.copy()
    qpos[:2] = raw.goal
    raw.ant_env.set_state(qpos, np.zeros(14))
    obs, reward, terminated, truncated, info = env.step(np.zeros(8, np.float32))
    assert (reward, terminated, truncated, info["success"], info["fallen"]) == (1.0, True, False, True, False)
    assert obs.shape == (31,) and obs.dtype == np.float32
    env.close()


def test_the_adapter_and_the_environment_show_the_policy_the_same():
    published_umaze(UMAZE, episodes=1, limit=8)
    env = task_for(UMAZE).make_env()
    episode = next(iter(minari.load_dataset(UMAZE).iterate_episodes()))
    env.reset(seed=0)
    env.unwrapped.ant_env.set_state(episode.infos["qpos"][0], episode.infos["qvel"][0])
    env.unwrapped.goal = episode.infos["goal"][0]
    data = load_transitions(UMAZE)
    for action, expected in zip(data.action.numpy(), data.next_obs.numpy(), strict=True):
        np.testing.assert_allclose(env.step(action)[0], expected, atol=1e-5)
    env.close()


def marked(cells):
    return {mark: np.argwhere(np.array(cells, dtype=object) == mark).tolist() for mark in ("r", "g")}


def test_a_mirrored_map_is_laid_over_the_data():
    assert marked(evaluation_map(COLLECTED, MIRRORED)) == {"r": [[1, 1]], "g": [[3, 1]]}
    data = [row[:] for row in COLLECTED]
    data[3][1], data[1][1] = "r", "g"  # data that all run one way: the image that keeps it
    assert evaluation_map(data, MIRRORED) == data
    assert evaluation_map(COLLECTED, data) == data  # walls that agree as they are
    with pytest.raises(ValueError, match="other walls than the maze of its data"):
        evaluation_map(COLLECTED, [[1, 1, 1], [1, 0, 1], [1, 1, 1]])


def test_a_maze_with_other_walls_trains_and_is_not_evaluated():
    other = [[1, 1, 1, 1], [1, "r", "g", 1], [1, 1, 1, 1]]
    published_umaze(UMAZE, episodes=1, limit=8, evaluated=other)
    with pytest.raises(ValueError, match=f"dataset {UMAZE} cannot be evaluated: the maze of its evaluation"):
        task_for(UMAZE).make_env()


def test_minaris_hopper_goes_the_whole_way(tmp_path):
    env = gym.make("Hopper-v5")
    buffers = rolled(env, 3, -1, 1)
    (tmp_path / "datasets").mkdir()
    minari.create_dataset_from_buffers(HOPPER, buffers, env=env, eval_env=env, author="t", author_email="t",
                                       algorithm_name="random", code_permalink="t", description="t")
    report = inspect(HOPPER)
    assert report.protocol == "plain" and report.rewarded_transitions == report.steps and report.coverage is None
    (warning,) = report.warnings
    assert "not D4RL's data but new ones" in warning

    data, task = load_transitions(HOPPER), task_for(HOPPER)
    torch.testing.assert_close(data.reward, torch.tensor(np.concatenate([b.rewards for b in buffers])).float())
    assert (task.protocol, task.obs_dim, task.action_dim, task.time_limit) == ("plain", 11, 3, 1000)
    assert (task.gamma, task.reward_shift) == (0.99, 0.0)
    policy = trained(HOPPER, "gtp", tmp_path / "run")
    result = evaluate(policy, task, episodes=2, sampling_steps=1)
    assert all(episode.total_reward > 0 and episode.length > 1 for episode in result.episodes)


def test_actions_of_another_box_are_scaled_on_both_sides():
    env = gym.make("Pendulum-v1", max_episode_steps=5)
    dataset_id = write_dataset("tests/pendulum-v0", rolled(env, 1, -2, 2), env=env, eval_env=env)
    raw = next(iter(minari.load_dataset(dataset_id).iterate_episodes()))
    data = load_transitions(dataset_id)
    np.testing.assert_allclose(data.action, raw.actions / 2, atol=1e-7)
    assert inspect(dataset_id).action_max == pytest.approx(raw.actions.max() / 2)
    seen = task_for(dataset_id).make_env()
    assert seen.action_space.low == -1 and seen.action_space.high == 1
    obs, _ = seen.reset(seed=0)
    assert obs.dtype == np.float32
    for action, expected in zip(data.action.numpy(), data.next_obs.numpy(), strict=True):
        np.testing.assert_allclose(seen.step(action)[0], expected, atol=1e-5)


def plain(observation_space, action_space, **options):
    episode = EpisodeBuffer(
        observations=np.stack([observation_space.sample() for _ in range(3)]),
        actions=np.stack([action_space.sample() for _ in range(2)]),
        rewards=[0.0, 1.0],
        terminations=[False, True],
        truncations=[False, False],
    )
    return write_dataset("tests/plain-v0", [episode], observation_space=observation_space, action_space=action_space,
                         **options)


def test_a_dataset_without_an_environment_trains_and_says_so():
    name = plain(gym.spaces.Box(-1, 1, (3,)), gym.spaces.Box(-1, 1, (2,)))
    assert len(load_transitions(name)) == 2
    with pytest.raises(ValueError, match="dataset tests/plain-v0 cannot be evaluated: .*env_spec is None"):
        task_for(name).make_env()
    with pytest.raises(ValueError, match="is not made here; download it with: gtp-mini data download tests/plain-v0"):
        task_for(name).make()


@pytest.mark.parametrize(
    ("observations", "actions", "says"),
    [
        (gym.spaces.Discrete(4), gym.spaces.Box(-1, 1, (2,)), r"observations must be vectors, .* got Discrete\(4\)"),
        (gym.spaces.Box(0, 1, (4, 4)), gym.spaces.Box(-1, 1, (2,)), "observations must be vectors"),
        (gym.spaces.Box(-1, 1, (3,)), gym.spaces.Discrete(2), "actions must be vectors in a bounded box, got Dis"),
        (gym.spaces.Box(-1, 1, (3,)), gym.spaces.Box(-np.inf, np.inf, (2,)), "actions must be vectors in a bounded"),
    ],
)
def test_what_no_policy_of_ours_fits_is_refused(observations, actions, says):
    name = plain(observations, actions)
    for use in (task_for, load_transitions, inspect):
        with pytest.raises(ValueError, match=f"dataset tests/plain-v0: {says}"):
            use(name)


def test_our_own_are_found_by_both_names():
    assert task_for("antmaze-umaze") is task_for("gtp/antmaze-umaze-v0") is get_task("antmaze-umaze")
    with pytest.raises(FileNotFoundError, match="gtp-mini data download D4RL/antmaze/umaze-v1"):
        task_for(UMAZE)
