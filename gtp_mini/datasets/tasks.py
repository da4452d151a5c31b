"""The tasks that there are. A new family is a `Task` with its own two functions, added to `TASKS`."""

from __future__ import annotations

import difflib

from gtp_mini.datasets.task import Cell, Maze, Protocol, Task

__all__ = ["TASKS", "Cell", "Maze", "Protocol", "Task", "get_task", "task_of_dataset"]


def get_task(name: str) -> Task:
    """The task of that name.

    Raises:
        ValueError: there is none; the message lists those that there are.
    """
    if name in TASKS:
        return TASKS[name]
    close = difflib.get_close_matches(name, TASKS, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ValueError(f"unknown task {name!r}; {hint}known tasks: {', '.join(TASKS)}")


def task_of_dataset(dataset_id: str) -> Task | None:
    """The task whose data this dataset is, or None."""
    return next((task for task in TASKS.values() if task.dataset_id == dataset_id), None)


def _make_antmaze(task: Task, transitions: int, seed: int, **options) -> str:
    from gtp_mini.datasets.making import make_antmaze_dataset

    return make_antmaze_dataset(task, transitions, seed, **options)


def _make_multigoal(task: Task, transitions: int, seed: int, *, processes: int, **options) -> str:
    from gtp_mini.datasets.multigoal import make_multigoal_dataset

    return make_multigoal_dataset(task, transitions, seed, **options)


def _multigoal_env(task: Task, **kwargs):
    import gymnasium as gym

    from gtp_mini.worlds.multigoal import ENV_ID

    return gym.make(ENV_ID, **kwargs)


def _multigoal_values_env(task: Task, **kwargs):
    import gymnasium as gym

    from gtp_mini.worlds.multigoal import VALUES_ENV_ID

    return gym.make(VALUES_ENV_ID, **kwargs)


def _make_pointmaze(task: Task, transitions: int, seed: int, *, processes: int, **options) -> str:
    from gtp_mini.datasets.pointmaze import make_pointmaze_dataset

    return make_pointmaze_dataset(task, transitions, seed, **options)


def _pointmaze_env(task: Task, **kwargs):
    import gymnasium as gym

    from gtp_mini.worlds.pointmaze import ENV_ID

    return gym.make(ENV_ID, **kwargs)


def _antmaze_env(task: Task, **kwargs):
    from gtp_mini.worlds.antmaze import make_antmaze_env

    return make_antmaze_env(task, **kwargs)


def _antmaze(
    name: str,
    maze: str,
    pairs: tuple[tuple[Cell, Cell], ...] | None,
    far: tuple[Cell, Cell],
    description: str,
    goal_observed: bool = False,
    walker: str = "gait",
) -> Task:
    small = maze == "UMaze"
    return Task(
        name=name,
        dataset_id=f"gtp/{name}-v0",
        description=description,
        protocol="minari" if goal_observed else "d4rl",
        obs_dim=31 if goal_observed else 29,
        action_dim=8,
        time_limit=700 if small else 1000,
        default_transitions=1_000_000,  # D4RL's
        default_steps=50_000 if small else 500_000,
        maker=_make_antmaze,
        env_maker=_antmaze_env,
        reward_shift=-1.0,
        position_dims=2,
        making_cost=3.5e-4,
        maze=Maze(
            env_id=f"AntMaze_{maze}-v4",
            pairs=pairs,
            eval_start=far[0],
            eval_goal=far[1],
            # With the goal hidden, all episodes for one cell aim at its centre, as the evaluation does: our choice.
            goal_jitter=1.0 if goal_observed else 0.0,
            continuing=goal_observed,
            walker=walker,
        ),
    )


# The ends of the evaluation's way: D4RL's far corners.
_UMAZE = ((1, 1), (3, 1))
_MEDIUM = ((1, 1), (6, 6))
_LARGE = ((1, 1), (7, 9))


def _between(cells: tuple[Cell, ...], but: tuple[Cell, Cell]) -> tuple[tuple[Cell, Cell], ...]:
    """All ordered pairs of the cells except one: no episode of the data runs the whole way of the evaluation."""
    return tuple((a, b) for a in cells for b in cells if a != b and (a, b) != but)


# Hand-picked by us: ends and crossings of the corridors, so that the ways overlap and can be stitched together.
_MEDIUM_CELLS = ((1, 1), (2, 6), (3, 2), (4, 4), (5, 1), (6, 6))
_LARGE_CELLS = ((1, 1), (1, 6), (3, 5), (3, 10), (5, 2), (5, 8), (7, 5), (7, 9))

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="multigoal",
            dataset_id="gtp/multigoal-v0",
            description="a crossing, four roads, four goals, demonstrators that pick any of them",
            protocol="plain",
            obs_dim=2,
            action_dim=2,
            time_limit=20,
            default_transitions=20_000,
            default_steps=30_000,
            maker=_make_multigoal,
            env_maker=_multigoal_env,
            reward_shift=-1.0,
        ),
        Task(
            name="multigoal-values",
            dataset_id="gtp/multigoal-values-v0",
            description="the same crossing and demonstrators, but the goals are worth 1, 0.7, 0.4 and 0.1",
            protocol="plain",
            obs_dim=2,
            action_dim=2,
            time_limit=20,
            default_transitions=20_000,
            default_steps=10_000,
            maker=_make_multigoal,
            env_maker=_multigoal_values_env,
        ),
        Task(
            name="pointmaze",
            dataset_id="gtp/pointmaze-v0",
            description="a point in a maze with two crossings, reward at the goal alone, no episode runs the whole way",
            protocol="plain",
            obs_dim=2,
            action_dim=2,
            time_limit=60,
            default_transitions=40_000,
            default_steps=10_000,
            maker=_make_pointmaze,
            env_maker=_pointmaze_env,
            reward_shift=-1.0,
        ),
        _antmaze("antmaze-umaze", "UMaze", (_UMAZE,), _UMAZE, "U-shaped maze, every episode runs the whole way"),
        _antmaze("antmaze-umaze-diverse", "UMaze", None, _UMAZE, "U-shaped maze, episodes between random cells"),
        _antmaze(
            "antmaze-medium-play",
            "Medium",
            _between(_MEDIUM_CELLS, _MEDIUM),
            _MEDIUM,
            "8 x 8 maze, episodes between hand-picked cells, none runs the whole way",
        ),
        _antmaze(
            "antmaze-medium-play-learned",
            "Medium",
            _between(_MEDIUM_CELLS, _MEDIUM),
            _MEDIUM,
            "the same cells, walked by a network that reinforcement learning trained",
            walker="learned",
        ),
        _antmaze("antmaze-medium-diverse", "Medium", None, _MEDIUM, "8 x 8 maze, episodes between random cells"),
        _antmaze(
            "antmaze-large-play",
            "Large",
            _between(_LARGE_CELLS, _LARGE),
            _LARGE,
            "9 x 12 maze, episodes between hand-picked cells, none runs the whole way",
        ),
        _antmaze("antmaze-large-diverse", "Large", None, _LARGE, "9 x 12 maze, episodes between random cells"),
        _antmaze(
            "antmaze-umaze-goal",
            "UMaze",
            None,
            _UMAZE,
            "U-shaped maze, the goal is observed and the episodes idle at it (the protocol of Minari's data)",
            goal_observed=True,
        ),
    )
}
