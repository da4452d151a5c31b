"""Collection: the batch is the environment, the planner finds the ways, the gait walks them, the seed decides."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse.csgraph import shortest_path

from gtp_mini.collect import gait as gait_module
from gtp_mini.collect.batch import AntBatch
from gtp_mini.collect.gait import Gait, gait_action, load_gait, yaw
from gtp_mini.collect.planner import MazePlanner
from gtp_mini.collect.rollout import collect_episodes
from gtp_mini.collect.tune import ARENA, START, fitness, main, tune_gait
from gtp_mini.datasets.tasks import TASKS, get_task
from gtp_mini.worlds.antmaze import raw_antmaze_env, upside_down

MAPS = ("U_MAZE", "OPEN", "MEDIUM_MAZE", "LARGE_MAZE")


def maze_map(name):
    from gymnasium_robotics.envs.maze import maps

    return getattr(maps, name)


def test_batch_equals_the_environment():
    rng = np.random.default_rng(0)
    env = raw_antmaze_env("AntMaze_UMaze-v4")
    with AntBatch("AntMaze_UMaze-v4", 3, threads=2) as batch:
        for ant, seed in ((0, 1), (2, 5)):
            env.reset(seed=seed, options={"reset_cell": np.array([1, 1]), "goal_cell": np.array([3, 1])})
            batch.reset(ant, env.unwrapped.reset_pos)
            for actions in rng.uniform(-1, 1, (20, 3, 8)):
                obs = env.step(actions[ant])[0]
                qpos, qvel = batch.step(actions)
                state = np.concatenate((obs["achieved_goal"], obs["observation"]))
                np.testing.assert_allclose(np.concatenate((qpos[ant], qvel[ant])), state, rtol=0, atol=1e-6)
    env.close()


def test_threads_change_nothing():
    rng = np.random.default_rng(0)
    with AntBatch("AntMaze_UMaze-v4", 3, threads=1) as one, AntBatch("AntMaze_UMaze-v4", 3, threads=3) as three:
        for batch in (one, three):
            for i in range(3):
                batch.reset(i, np.array([-4.0 + i, 4.0]))
        for actions in rng.uniform(-1, 1, (10, 3, 8)):
            np.testing.assert_array_equal(one.step(actions)[0], three.step(actions)[0])


def test_inactive_ants_stand_still_in_time():
    with AntBatch("AntMaze_UMaze-v4", 2, threads=1) as batch:
        before = batch.qpos[0].copy()
        batch.step(np.ones((1, 8)), np.array([1]))
        assert (batch.qpos[0] == before).all() and (batch.qpos[1] != before).any()


@pytest.mark.parametrize("name", MAPS)
def test_planner_finds_shortest_ways_through_free_cells(name):
    planner = MazePlanner(maze_map(name))
    cells = np.array(planner.free_cells)
    neighbours = np.abs(cells[:, None] - cells).sum(-1) == 1
    np.testing.assert_array_equal(planner.hops, shortest_path(neighbours, unweighted=True))
    for start in planner.free_cells:
        for goal in planner.free_cells:
            path = planner.path(start, goal)
            assert path[0] == start and path[-1] == goal
            assert all(abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1 for a, b in zip(path, path[1:], strict=False))


@pytest.mark.parametrize("name", MAPS)
def test_a_point_that_follows_the_planner_reaches_every_goal_and_keeps_off_the_walls(name):
    planner = MazePlanner(maze_map(name))
    walls = np.array([planner.cell_to_xy(cell) for cell in np.ndindex(planner.shape) if cell not in planner.free_cells])
    start, goal = (index.ravel() for index in np.indices((len(planner.centres),) * 2))
    jitter = np.random.default_rng(0).uniform(-1, 1, (2, len(start), 2))
    xy, target = planner.centres[start] + jitter[0], planner.centres[goal] + jitter[1]
    for _ in range(1200):
        angle = planner.direction(xy, target)
        near = np.linalg.norm(xy - target, axis=1) < 0.1
        xy = np.where(near[:, None], xy, xy + 0.1 * np.stack((np.cos(angle), np.sin(angle)), axis=1))
        beyond = np.maximum(np.abs(xy[:, None] - walls) - 2.0, 0.0)  # from each wall's square of 4 m
        assert np.linalg.norm(beyond, axis=-1).min() > 0.95  # starts and goals are 1 m off the walls, or more
    assert np.linalg.norm(xy - target, axis=1).max() < 0.15


def test_planner_matches_the_environments_coordinates_and_refuses_walls():
    env = raw_antmaze_env("AntMaze_Large-v4")
    planner = MazePlanner(env.unwrapped.maze.maze_map)
    for cell in planner.free_cells:
        np.testing.assert_allclose(planner.cell_to_xy(cell), env.unwrapped.maze.cell_rowcol_to_xy(np.array(cell)))
    env.close()
    with pytest.raises(ValueError, match=r"cell \(0, 0\) is a wall"):
        planner.path((0, 0), (1, 1))


@pytest.mark.parametrize("task", [task for task in TASKS.values() if task.maze], ids=lambda task: task.name)
def test_tasks_name_free_cells_and_play_data_never_run_the_whole_way(task):
    name = {"UMaze": "U_MAZE", "Medium": "MEDIUM_MAZE", "Large": "LARGE_MAZE"}[task.maze.env_id[8:-3]]
    planner = MazePlanner(maze_map(name))
    far = (task.maze.eval_start, task.maze.eval_goal)
    for start, goal in (far, *(task.maze.pairs or ())):
        planner.path(start, goal)
    if task.name.endswith("-play"):
        assert far not in task.maze.pairs
        assert task.maze.eval_start in {a for a, _ in task.maze.pairs}
        assert task.maze.eval_goal in {b for _, b in task.maze.pairs}


def test_yaw_of_a_turn_about_the_vertical():
    angles = np.linspace(-3, 3, 7)
    zeros = np.zeros(7)
    quaternion = np.stack((np.cos(angles / 2), zeros, zeros, np.sin(angles / 2)), axis=1)
    np.testing.assert_allclose(yaw(quaternion), angles)


def test_gait_is_a_function_of_each_ant_alone():
    rng = np.random.default_rng(0)
    qpos, qvel, direction = rng.normal(size=(33, 15)), rng.normal(size=(33, 14)), rng.uniform(-3, 3, 33)
    together = gait_action(load_gait(), qpos, qvel, direction)
    assert together.shape == (33, 8) and np.abs(together).max() <= 1.0
    for i in (0, 7, 32):
        one = slice(i, i + 1)
        np.testing.assert_array_equal(gait_action(load_gait(), qpos[one], qvel[one], direction[one])[0], together[i])


def test_gait_knows_directions_relative_to_the_body_only(monkeypatch):
    monkeypatch.setattr(gait_module, "TURN_GAIN", 0.0)  # the pull back to the first heading is absolute
    rng = np.random.default_rng(0)
    qpos, qvel = rng.normal(size=(5, 15)), rng.normal(size=(5, 14))
    actions = []
    for heading in (0.0, 0.8):
        qpos[:, 3:7] = np.cos(heading / 2), 0.0, 0.0, np.sin(heading / 2)
        actions.append(gait_action(load_gait(), qpos, qvel, np.arange(5) + heading))
    np.testing.assert_allclose(actions[0], actions[1], atol=1e-12)


def test_gait_walks_where_it_is_told():
    direction = np.arange(8) * np.pi / 4
    with AntBatch("AntMaze_Open-v4", 8) as batch:
        for i in range(8):
            batch.reset(i, np.zeros(2))
        for _ in range(60):
            batch.step(gait_action(load_gait(), batch.qpos, batch.qvel, direction))
        heading = np.stack((np.cos(direction), np.sin(direction)), axis=1)
        along = (batch.qpos[:, :2] * heading).sum(1)
        sideways = np.abs(batch.qpos[:, 0] * heading[:, 1] - batch.qpos[:, 1] * heading[:, 0])
    assert along.min() > 3.0  # 3 s at 1 m/s
    assert (sideways < 0.5 * along).all()


def test_gait_solves_the_umaze_without_noise():
    episodes = collect_episodes(get_task("antmaze-umaze"), 4500, seed=1, noise=0.0, ants=16)[:-1]
    assert len(episodes) >= 10
    assert np.mean([episode.terminated for episode in episodes]) >= 0.9


def test_gait_file_is_checked(tmp_path):
    with pytest.raises(FileNotFoundError, match="the gait's constants are missing"):
        load_gait(tmp_path / "none.json")
    (tmp_path / "short.json").write_text(json.dumps({"constants": {"omega": 1.0}}))
    with pytest.raises(ValueError, match="constants differ.*hip_amplitude"):
        load_gait(tmp_path / "short.json")


def same(a, b):
    return len(a) == len(b) and all(
        (x.qpos == y.qpos).all() and (x.actions == y.actions).all() and x.terminated == y.terminated
        for x, y in zip(a, b, strict=True)
    )


def test_the_seed_decides_and_nothing_else():
    task = get_task("antmaze-umaze-diverse")
    first = collect_episodes(task, 600, seed=3, ants=4)
    assert same(first, collect_episodes(task, 600, seed=3, ants=7))
    assert not same(first, collect_episodes(task, 600, seed=4, ants=4))


def test_episodes_are_whole_in_order_and_counted():
    task = get_task("antmaze-umaze-diverse")
    episodes = collect_episodes(task, 700, seed=0, ants=5)
    assert sum(map(len, episodes)) == 700
    for episode in episodes[:-1]:
        assert episode.terminated and episode.success[-1] and not episode.success[1:-1].any()
        assert np.abs(episode.actions).max() <= 1.0
    cells = [tuple(np.round(episode.qpos[0, :2] / 4)) for episode in episodes]
    assert len(set(cells)) > 1  # diverse: not always the same start
    fewer = collect_episodes(task, 400, seed=0, ants=3)
    assert same(fewer[:-1], episodes[: len(fewer) - 1])
    assert not fewer[-1].terminated and (fewer[-1].qpos == episodes[len(fewer) - 1].qpos[: len(fewer[-1]) + 1]).all()


def test_nothing_can_be_asked_for():
    with pytest.raises(ValueError, match="transitions must be at least 1, got 0"):
        collect_episodes(get_task("antmaze-umaze"), 0)


def test_stored_actions_lead_through_the_stored_states():
    episode = collect_episodes(get_task("antmaze-umaze"), 40, seed=2, ants=1)[0]
    env = raw_antmaze_env("AntMaze_UMaze-v4")
    env.reset(seed=0)
    env.unwrapped.ant_env.set_state(episode.qpos[0], episode.qvel[0])
    for t, action in enumerate(episode.actions, start=1):
        obs = env.step(action)[0]
        np.testing.assert_allclose(obs["achieved_goal"], episode.qpos[t, :2], atol=1e-6)
    env.close()


def test_continuing_episodes_idle_at_the_goal():
    task = get_task("antmaze-umaze-goal")
    episode = collect_episodes(task, 700, seed=0, ants=1)[0]
    assert len(episode) == 700 and not episode.terminated
    reached = episode.success.argmax()
    assert 0 < reached < 600 and episode.success[reached:].mean() > 0.8
    assert not upside_down(episode.qpos[-1, 3:7])


def test_tuning_improves_the_gait_and_records_how(tmp_path):
    out = tmp_path / "gait.json"
    tuned = tune_gait(seed=1, budget=50, out=out, ants=2)
    assert len(tuned.history) == 3
    with AntBatch(ARENA, 2) as batch:
        assert tuned.fitness > fitness(START, batch, (1, 3)) + 0.1  # m/s, with the same noise
    assert load_gait(out) == tuned.gait
    found = json.loads(out.read_text())["found"]
    assert found["command"].endswith("--seed 1 --budget 50") and found["fitness"] == round(tuned.fitness, 3)
    with pytest.raises(ValueError, match="budget must be at least 16"):
        tune_gait(budget=3)


def test_shipped_gait_says_how_it_was_found():
    from gtp_mini.collect.gait import GAIT_FILE

    assert {"method", "command", "fitness", "versions"} <= set(json.loads(GAIT_FILE.read_text())["found"])
    assert isinstance(load_gait(), Gait)


def test_tune_help(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["tune", "--help"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0 and "--budget" in capsys.readouterr().out


def test_importing_brings_in_no_simulator():
    code = (
        "import sys, gtp_mini.collect.parallel, gtp_mini.collect.tune, gtp_mini.datasets.doctor, "
        "gtp_mini.datasets.making, gtp_mini.datasets.tally, gtp_mini.datasets.recovered\n"
        "print([m for m in ('mujoco', 'minari', 'gymnasium_robotics', 'cma') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
