"""Demonstrations for the multi-goal world: each picks one of the four goals at random and walks straight to it."""

import numpy as np

from .demonstrations import BYTES_PER_TRANSITION, Episode, record_episode, store_demonstrations

ACTION_NOISE = 0.1  # standard deviation of a demonstrator's hand, per dimension


def demonstrations(transitions: int, seed: int = 0, env=None) -> list[Episode]:
    """Episodes with at least `transitions` steps in all, in `env` or else in the world whose goals are all worth 1.

    What the goals are worth changes the rewards and nothing else: the demonstrators do not know it.
    """
    import gymnasium as gym

    from ..worlds.multigoal import ENV_ID, GOALS

    env = env or gym.make(ENV_ID)
    rng = np.random.default_rng(seed)
    episodes: list[Episode] = []
    made = 0
    while made < transitions:
        obs, _ = env.reset(seed=int(rng.integers(2**31)))
        episodes.append(record_episode(env, obs, _Walk(GOALS[rng.integers(len(GOALS))], rng)))
        made += len(episodes[-1]["actions"])
    return episodes


class _Walk:
    """Straight to a goal, with a trembling hand."""

    def __init__(self, goal: np.ndarray, rng: np.random.Generator):
        self.goal, self.rng = goal, rng

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        way = self.goal - obs
        return way / np.linalg.norm(way) + ACTION_NOISE * self.rng.standard_normal(2)


def make_multigoal_dataset(task, transitions: int, seed: int = 0, progress=None, overwrite: bool = False) -> str:
    """Makes the demonstrations in the task's world and stores them with Minari; returns the dataset's id."""
    from .store import check_room

    check_room(task.dataset_id, BYTES_PER_TRANSITION * transitions, overwrite)
    episodes = demonstrations(transitions, seed, task.make_env())
    recipe = f"--transitions {transitions} --seed {seed}"
    return store_demonstrations(task, episodes, recipe, "straight walk to a random goal", overwrite)
