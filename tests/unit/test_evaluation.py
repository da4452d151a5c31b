"""Evaluations with policies whose score is known beforehand."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gtp_mini.datasets.tasks import get_task
from gtp_mini.evaluation import MAX_SLOTS, evaluate, evaluate_together, wilson_interval
from gtp_mini.flow_map import FlowMap, FlowMapConfig
from gtp_mini.worlds.multigoal import GOALS, TIME_LIMIT

TASK = get_task("multigoal")


class Scripted:
    """A policy from a function of the observations."""

    def __init__(self, act):
        self.act, self.calls = act, []

    def sample(self, obs, steps, generator, noise_scale=1.0):
        self.calls.append((len(obs), steps, noise_scale))
        return self.act(obs, generator)


def walk_to(goal):
    return lambda obs, generator: torch.tensor(GOALS[goal]).float() - obs


def wander(obs, generator):
    return torch.randn(obs.shape, generator=generator)


def nearest(obs, generator):
    goals = torch.tensor(GOALS).float()
    return goals[(obs[:, None] - goals).norm(dim=-1).argmin(1)] - obs


@given(st.integers(1, 500), st.floats(0, 1))
def test_interval_is_wilsons(n, share):
    k, z = round(share * n), 1.959963984540054
    p = k / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = wilson_interval(k, n)
    assert low == pytest.approx(max(centre - half, 0), abs=1e-9)
    assert high == pytest.approx(min(centre + half, 1), abs=1e-9)
    assert 0 <= low <= p <= high <= 1 and low < high


def test_who_walks_to_a_goal_always_succeeds():
    result = evaluate(Scripted(walk_to(2)), TASK, episodes=30).summary()
    assert result["success_rate"] == 1.0 and result["return_mean"] == 1.0 and result["fallen_rate"] == 0.0
    assert result["goal_shares"] == [0, 0, 1, 0]
    assert 7 <= result["episode_length_mean"] <= 8 and result["steps_to_success_mean"] == result["episode_length_mean"]
    assert result["success_ci95"] == list(wilson_interval(30, 30)) and result["action_latency_ms"] > 0


def test_who_walks_between_the_roads_always_falls():
    result = evaluate(Scripted(lambda obs, g: torch.full_like(obs, 0.9)), TASK, episodes=30).summary()
    assert result["success_rate"] == 0.0 and result["return_mean"] == 0.0 and result["fallen_rate"] == 1.0
    assert result["goal_shares"] == [0, 0, 0, 0] and "steps_to_success_mean" not in result
    assert result["success_ci95"][0] == 0.0 < result["success_ci95"][1] < 0.15


def test_who_stands_still_uses_all_the_time():
    result = evaluate(Scripted(lambda obs, g: torch.zeros_like(obs)), TASK, episodes=3).summary()
    assert result["episode_length_mean"] == TIME_LIMIT and result["fallen_rate"] == result["success_rate"] == 0.0


def test_shares_of_goals_are_of_all_episodes():
    unsteady = Scripted(lambda obs, g: nearest(obs, g).clamp(-1, 1) + 0.5 * wander(obs, g))
    episodes = evaluate(unsteady, TASK, episodes=200)
    result = episodes.summary()
    assert 0.4 < result["success_rate"] < 0.95
    assert sum(result["goal_shares"]) == pytest.approx(result["success_rate"]) and min(result["goal_shares"]) > 0.1
    for k in range(4):
        wins = [e for e in episodes.episodes if e.info["goal"] == k]
        assert len(wins) / 200 == result["goal_shares"][k]


def test_same_seed_same_episodes():
    results = [evaluate(Scripted(wander), TASK, episodes=20, seed=seed, paths=True).episodes for seed in (0, 0, 1)]
    for a, b, c in zip(*results, strict=True):
        assert np.array_equal(a.path, b.path) and (a.success, a.length) == (b.success, b.length)
        assert not np.array_equal(a.path[0], c.path[0])


def test_all_policies_meet_the_same_starts_however_many_episodes():
    """More episodes than environments side by side, and episodes of different lengths: the order must not move."""
    few = evaluate(Scripted(wander), TASK, episodes=7, seed=3, paths=True).episodes
    many = evaluate(Scripted(wander), TASK, episodes=2 * MAX_SLOTS + 13, seed=3, paths=True).episodes
    other = evaluate(Scripted(walk_to(0)), TASK, episodes=2 * MAX_SLOTS + 13, seed=3, paths=True).episodes
    starts = np.array([e.path[0] for e in many])
    np.testing.assert_array_equal(starts, [e.path[0] for e in other])
    np.testing.assert_array_equal(starts[:7], [e.path[0] for e in few])
    assert len(np.unique(starts, axis=0)) == len(starts) == 2 * MAX_SLOTS + 13


@pytest.mark.parametrize(("task", "memory", "episodes"), [("multigoal", 0.0, MAX_SLOTS + 5), ("antmaze-umaze", 0.5, 3)])
def test_policies_evaluated_together_do_what_each_does_alone(task, memory, episodes):
    task = replace(get_task(task), time_limit=10)
    torch.manual_seed(0)
    policies = [FlowMap(FlowMapConfig(task.action_dim, task.obs_dim, width=8)) for _ in range(3)]
    options = {"episodes": episodes, "paths": True, "noise_memory": memory}
    together = evaluate_together(policies, task, [4, 4, 5], **options)
    for policy, seed, found in zip(policies, (4, 4, 5), together, strict=True):
        alone = evaluate(policy, task, seed=seed, **options)
        for a, b in zip(alone.episodes, found.episodes, strict=True):
            assert np.array_equal(a.path, b.path) and (a.total_reward, a.length) == (b.total_reward, b.length)
        assert alone.settings == found.settings
    assert not np.array_equal(together[0].episodes[0].path, together[1].episodes[0].path)


def test_every_episode_is_whole():
    for e in evaluate(Scripted(wander), TASK, episodes=MAX_SLOTS + 20, paths=True).episodes:
        assert e.path.shape == (e.length + 1, 2) and np.abs(np.diff(e.path, axis=0)).max() <= 1 + 1e-6
        assert e.success == (e.info["goal"] >= 0) == (e.total_reward == 1.0)
        ended = e.success or e.info["fallen"]
        assert ended or e.length == TIME_LIMIT


def test_the_policy_is_called_once_for_all_environments():
    policy = Scripted(walk_to(0))
    evaluate(policy, TASK, episodes=60, sampling_steps=4, noise_scale=0.5)
    in_the_world = [call for call in policy.calls if call[2] == 0.5]
    assert in_the_world[0] == (MAX_SLOTS, 4, 0.5)
    assert sum(n for n, _, _ in in_the_world) <= 60 * 9
    assert {call[:2] for call in policy.calls if call[2] != 0.5} == {(1, 4)}  # one decision alone: the latency


def test_actions_are_clamped_before_the_world_sees_them():
    seen = []

    class World:
        def reset(self, seed):
            return np.zeros(2, np.float32), {}

        def step(self, action):
            seen.append(action)
            return np.zeros(2, np.float32), 1.0, True, False, {"success": True}

        def close(self):
            seen.append("closed")

    class Pretend:
        make_env, maze = staticmethod(World), None

    result = evaluate(Scripted(lambda obs, g: torch.tensor([[9.0, -9.0]])), Pretend(), episodes=1).summary()
    assert seen[0].tolist() == [1.0, -1.0] and seen[1] == "closed"
    assert "fallen_rate" not in result and "goal_shares" not in result


def test_progress_counts_episodes():
    seen = []
    evaluate(Scripted(walk_to(0)), TASK, episodes=60, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 60) and seen[-1] == (60, 60) and seen == sorted(seen)


def test_models_are_policies():
    torch.manual_seed(0)
    model = FlowMap(FlowMapConfig(2, 2, width=8, depth=1))
    result = evaluate(model, TASK, episodes=5, sampling_steps=3, seed=4).summary()
    assert (result["episodes"], result["sampling_steps"], result["seed"]) == (5, 3, 4)


def test_no_episodes_are_no_evaluation():
    with pytest.raises(ValueError, match="episodes must be at least 1, got 0"):
        evaluate(Scripted(wander), TASK, episodes=0)


# ---- noise that lasts

class Noisy(Scripted):
    """Acts by its noise alone, and keeps it."""

    def __init__(self):
        self.noises = []

    def sample(self, obs, steps, generator, noise_scale=1.0, noise=None):
        if noise is not None:
            self.noises.append(noise)
        return 0.01 * (torch.zeros_like(obs) if noise is None else noise)


def test_remembered_noise_is_standard_normal_and_correlated_as_asked():
    policy = Noisy()
    result = evaluate(policy, TASK, episodes=50, noise_memory=0.8)
    noise = torch.stack(policy.noises)  # (TIME_LIMIT, 50, 2): nobody arrives
    assert noise.shape == (TIME_LIMIT, 50, 2) and result.summary()["noise_memory"] == 0.8
    now, then = noise[1:].flatten(), noise[:-1].flatten()
    assert noise[-1].std().item() == pytest.approx(1, abs=0.2)
    assert (now * then).mean().item() == pytest.approx(0.8, abs=0.1)
    assert (now - 0.8 * then).std().item() == pytest.approx(0.6, abs=0.03)


def test_an_episode_that_remembers_all_has_one_noise_and_the_next_another():
    policy = Noisy()
    evaluate(policy, TASK, episodes=2 * MAX_SLOTS, noise_memory=1.0)
    noise = torch.stack(policy.noises)
    assert noise.shape == (2 * TIME_LIMIT, MAX_SLOTS, 2)
    assert torch.equal(noise[0], noise[TIME_LIMIT - 1]) and torch.equal(noise[TIME_LIMIT], noise[-1])
    assert not torch.equal(noise[0], noise[-1])


def test_without_memory_the_policy_draws_for_itself():
    policy = Noisy()
    assert "noise_memory" not in evaluate(policy, TASK, episodes=2).summary() and policy.noises == []
    with pytest.raises(ValueError, match="noise_memory must be between 0 and 1, got 1.5"):
        evaluate(policy, TASK, episodes=2, noise_memory=1.5)


@pytest.mark.parametrize("kind", ["flow map", "gaussian"])
def test_policies_take_the_noise_they_are_given(kind):
    from gtp_mini.agents.gaussian import GaussianPolicy, GaussianPolicyConfig

    torch.manual_seed(0)
    policy = FlowMap(FlowMapConfig(2, 2, width=8)) if kind == "flow map" else GaussianPolicy(GaussianPolicyConfig(2, 2))
    obs, noise = torch.randn(5, 2), torch.randn(5, 2, generator=torch.Generator().manual_seed(4))
    drawn = policy.sample(obs=obs, generator=torch.Generator().manual_seed(4), noise_scale=0.5)
    assert torch.equal(policy.sample(obs=obs, noise=noise, noise_scale=0.5), drawn)
    with pytest.raises(ValueError, match=r"noise must be of shape \(5, 2\), got shape \(4, 2\)"):
        policy.sample(obs=obs, noise=noise[:4])
