"""`AntFigure`: the real ant, MuJoCo itself in the page, under a policy's own weights."""

import base64
from pathlib import Path

import numpy as np
import torch

from ..acting import DETERMINISTIC
from ..agents.gaussian import GaussianPolicy
from ..datasets.tasks import Task
from ..flow_map import FlowMap
from ..worlds.antmaze import SUCCESS_RADIUS, maze_xml
from .base import PageFigure, module_source
from .weights import MOST_STEPS, describe_model, encode

MUJOCO = Path(__file__).parent / "mujoco"  # WebAssembly and the script that starts it: tests/refresh_mujoco.py
MOST_NOISE = 1.5  # end of the slider, our choice: more than the noise that a policy is trained for
SPHERE, CAPSULE = 2, 3  # mjtGeom


class AntFigure(PageFigure):
    """An ant in its maze, simulated in the page as an evaluation does it, with sliders for how its actions are drawn.

    >>> AntFigure(policy, TASKS["antmaze-umaze"])

    The simulator starts when the reader asks for it. Then the ant walks in real time; a button runs an evaluation's
    episodes as fast as the browser can, from the same starts for every setting of the sliders. Same weights (rounded to
    float16), same model of the ant, same observations, ends and falls as `gtp_mini.evaluation.evaluate`.

    policy: a FlowMap whose sampler draws no noise on the way, or a GaussianPolicy, or several by their names, among
    which the reader chooses; task: an AntMaze task; steps, max_steps: the slider of sampling steps; noise_scale: where
    its slider starts; episodes: that one press of the button runs; seed: of starts and noise.
    Raises ValueError for a task or a policy that does not fit, TypeError for a policy that a browser cannot compute.
    """

    _esm = module_source("network.js", "draw.js", "controls.js", "page.js", "ant_world.js", "ant_draw.js", "ant.js")

    def __init__(self, policy: FlowMap | GaussianPolicy | dict[str, FlowMap | GaussianPolicy], task: Task, *,
                 steps: int = 2, max_steps: int = 10, noise_scale: float = 1.0, episodes: int = 50, seed: int = 0):
        if not 1 <= steps <= max_steps <= MOST_STEPS:
            raise ValueError(f"steps must be between 1 and max_steps ({max_steps}), and that at most {MOST_STEPS}, "
                             f"got {steps}")
        if not 0 <= noise_scale <= MOST_NOISE:
            raise ValueError(f"noise_scale must be between 0 and {MOST_NOISE}, got {noise_scale!r}")
        if episodes < 1:
            raise ValueError(f"episodes must be at least 1, got {episodes!r}")
        if task.maze is None:
            raise ValueError(f"task {task.name!r} is not an AntMaze task")
        policies = policy if isinstance(policy, dict) else {"the policy": policy}
        if not policies:
            raise ValueError("give at least one policy, got an empty dictionary")
        for one in policies.values():
            _check_policy(one, task)
        self._task = task
        super().__init__(_spec={
            "policies": [{"name": name, "model": describe_model(name, one, half=True)}
                         for name, one in policies.items()],
            "world": _describe_world(task) | {"seed": seed},
            "mujoco": {name: base64.b64encode((MUJOCO / f"{name}.gz").read_bytes()).decode()
                       for name in ("mujoco.js", "mujoco.wasm")},
            "steps": steps, "max_steps": max_steps, "noise": noise_scale, "most_noise": MOST_NOISE,
            "episodes": episodes})

    def __repr__(self) -> str:
        return f"AntFigure({self._task.name})"


def _check_policy(policy: FlowMap | GaussianPolicy, task: Task) -> None:
    config = getattr(policy, "config", None)
    if config is not None and (config.action_dim, config.obs_dim) != (task.action_dim, task.obs_dim):
        raise ValueError(f"{task.name} needs a policy with action_dim {task.action_dim} and obs_dim {task.obs_dim}, "
                         f"got {config.action_dim} and {config.obs_dim}")
    if isinstance(policy, FlowMap) and policy.config.sampler not in DETERMINISTIC:
        raise ValueError(f"this figure needs a sampler that draws no noise on the way ({', '.join(DETERMINISTIC)}), "
                         f"got {policy.config.sampler!r}")


def _describe_world(task: Task) -> dict:
    """The task's evaluation for the browser, and how the ant looks at its start. Metres and seconds."""
    env = task.make_env()
    raw, maze = env.unwrapped, env.unwrapped.maze
    model, data = raw.ant_env.model, raw.ant_env.data
    start, goal = (maze.cell_rowcol_to_xy(np.array(cell)) for cell in (task.maze.eval_start, task.maze.eval_goal))
    raw.ant_env.set_state(np.concatenate([start, raw.ant_env.init_qpos[2:]]), np.zeros(model.nv))
    parts = np.flatnonzero(model.geom_bodyid > 0)  # the torso first, then eight pairs of capsules; not the maze's
    if set(model.geom_type[parts]) != {SPHERE, CAPSULE}:
        raise ValueError(f"the ant of {task.name} is not made of a sphere and capsules alone")
    cells = np.argwhere(np.array(maze.maze_map) == 1)
    found = {
        "xml": maze_xml(env), "rest": raw.ant_env.init_qpos.tolist(), "frame_skip": raw.ant_env.frame_skip,
        "timestep": float(model.opt.timestep), "limit": task.time_limit, "protocol": task.protocol,
        "start": start.tolist(), "start_jitter": raw.position_noise_range * maze.maze_size_scaling,
        "goal": goal.tolist(), "goal_jitter": task.maze.goal_jitter, "reach": SUCCESS_RADIUS,
        "walls": [maze.cell_rowcol_to_xy(cell).tolist() for cell in cells], "cell": float(maze.maze_size_scaling),
        "half_width": float(max(maze.x_map_center, maze.y_map_center)),
        "parts": {"first": int(parts[0]), "radius": model.geom_size[parts, 0].tolist(),
                  "half": np.where(model.geom_type[parts] == CAPSULE, model.geom_size[parts, 1], 0).tolist()},
        "still": {"position": encode(torch.from_numpy(data.geom_xpos[parts])),
                  "axes": encode(torch.from_numpy(data.geom_xmat[parts]))}}
    env.close()
    return found
