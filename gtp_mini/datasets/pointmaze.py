"""Data for the point maze: people who go about their own business, of whom nobody walks from the start to the goal.

The way from S to G is there in three pieces: S to the crossing X, from X around either side of the loop to Y, Y to G.
No episode has two of them, and at both crossings most turn elsewhere.
"""

from collections.abc import Callable

import numpy as np

from ..worlds.pointmaze import CELL_SIZE, CELLS, ENV_ID, GOAL, MAP, cell_of, centre
from .demonstrations import BYTES_PER_TRANSITION, Episode, record_episode, store_demonstrations

ACTION_NOISE = 0.3  # standard deviation of a demonstrator's hand, per dimension

# Where an episode goes, by the marks of the drawing, and how often in comparison with the others. All our choice.
ROUTES = {"SA": 2.0, "AS": 2.0, "APB": 1.0, "AQB": 1.0, "BPA": 0.3, "BQA": 0.3, "BG": 1.0}


def demonstrations(transitions: int, seed: int = 0,
                   progress: Callable[[int, int], None] | None = None) -> list[Episode]:
    """Episodes with at least `transitions` steps in all.

    Reward 1 and a termination come at the world's goal alone; an episode that gets to another end is truncated there:
    what it is worth to be there is not known.
    """
    import gymnasium as gym

    from ..collect.planner import MazePlanner

    env, planner = gym.make(ENV_ID), MazePlanner(MAP, CELL_SIZE)
    rng = np.random.default_rng(seed)
    routes, weights = list(ROUTES), np.array(list(ROUTES.values()))
    episodes: list[Episode] = []
    made = 0
    while made < transitions:
        start, *way = [CELLS[mark] for mark in routes[rng.choice(len(routes), p=weights / weights.sum())]]
        obs, _ = env.reset(seed=int(rng.integers(2**31)), options={"reset_cell": start})
        episodes.append(record_episode(env, obs, _Walk(planner, way, rng)))
        made += len(episodes[-1]["actions"])
        if progress is not None and len(episodes) % 200 == 0:
            progress(min(made, transitions), transitions)
    return episodes


class _Walk:
    """From cell to cell along the corridors, with a trembling hand; done in the last of them."""

    def __init__(self, planner, way: list[tuple[int, int]], rng: np.random.Generator):
        self.planner, self.way, self.rng = planner, way, rng

    def __call__(self, obs: np.ndarray) -> np.ndarray | None:
        if cell_of(obs) == self.way[0] and self.way[0] != GOAL:  # at the goal it is the world that ends an episode
            self.way = self.way[1:]
        if not self.way:
            return None
        angle = self.planner.direction(obs[None].astype(float), centre(self.way[0])[None])[0]
        return np.array([np.cos(angle), np.sin(angle)]) + ACTION_NOISE * self.rng.standard_normal(2)


def make_pointmaze_dataset(task, transitions: int, seed: int = 0, progress=None, overwrite: bool = False) -> str:
    """Makes the demonstrations and stores them with Minari; returns the dataset's id."""
    from .store import check_room

    check_room(task.dataset_id, BYTES_PER_TRANSITION * transitions, overwrite)
    episodes = demonstrations(transitions, seed, progress)
    recipe = f"--transitions {transitions} --seed {seed}"
    return store_demonstrations(task, episodes, recipe, "maze planner between chosen cells", overwrite)
