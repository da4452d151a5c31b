"""What a task is: a world, its data, the protocol of the data, and where an evaluation starts and ends.

A task's data are made by ``task.make(...)`` and its evaluation environment by ``task.make_env()``; both import what
they need when they are called. The tasks that there are: `gtp_mini.datasets.tasks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Cell = tuple[int, int]  # row and column in the maze's map
Protocol = Literal["d4rl", "minari", "plain"]


@dataclass(frozen=True)
class Maze:
    """How the episodes of an AntMaze task run. Cells are (row, column) in the maps of Gymnasium-Robotics."""

    env_id: str
    pairs: tuple[tuple[Cell, Cell], ...] | None  # (start, goal) of the data's episodes; None: random pairs
    eval_start: Cell
    eval_goal: Cell
    goal_jitter: float  # metres, uniform in x and y; the start always has the environment's 1 m
    continuing: bool  # the data's episodes go on at the goal until the time limit
    walker: str = "gait"  # who walks the data's episodes; see `gtp_mini.collect.walkers`


@dataclass(frozen=True)
class Task:
    """One task. ``reward_shift`` is added to the rewards 0 and 1 when an agent trains (-1 as in IQL and GTP)."""

    name: str
    dataset_id: str  # Minari's form: namespace/name-v0
    description: str
    protocol: Protocol
    obs_dim: int
    action_dim: int
    time_limit: int  # steps
    default_transitions: int
    default_steps: int  # gradient updates; our choice
    maker: Callable[..., str] = field(repr=False)  # (task, transitions, seed, options of make) -> dataset_id
    env_maker: Callable[..., object] = field(repr=False)  # (task, **kwargs) -> gymnasium.Env
    gamma: float = 0.99
    reward_shift: float = 0.0
    position_dims: int = 0  # the first so many entries of an observation are a place in metres
    maze: Maze | None = None
    making_cost: float = 2e-4  # seconds of one core to make one transition, measured

    def make(
        self,
        transitions: int | None = None,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
        overwrite: bool = False,
        processes: int = 1,
    ) -> str:
        """Makes the task's data and stores them with Minari; returns the dataset's id.

        Args:
            transitions: None for the task's own number.
            progress: called with (transitions made, transitions) now and then.
            overwrite: replace the dataset if it is there.
            processes: for the ants, whose data take minutes: see `gtp_mini.collect.parallel.make_units`.

        Raises:
            ValueError: less than one transition or process.
            FileExistsError, OSError, RuntimeError: as `gtp_mini.datasets.making.make_antmaze_dataset`.
        """
        if transitions is None:
            transitions = self.default_transitions
        if transitions < 1:
            raise ValueError(f"transitions must be at least 1, got {transitions}")
        return self.maker(self, transitions, seed, progress=progress, overwrite=overwrite, processes=processes)

    def make_env(self, **kwargs):
        """The environment in which a policy for this task is evaluated (a ``gymnasium.Env``, Box observation)."""
        return self.env_maker(self, **kwargs)
