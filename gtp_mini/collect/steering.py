"""Which way does a policy steer? Torques say it, for one who knows the gait that the data were made by.

A policy that was cloned from the gait can walk well and still not know where to: the legs' own motion tells it almost
as well as the ant's place which way the demonstrator went, and it goes on in the way in which it is going. `response`
asks: were the ant beside its line, would the policy steer back, as the demonstrator does?
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .gait import Gait, gait_action
from .planner import MazePlanner

QPOS = 15  # of an observation's 29 numbers: torso xyz, quaternion and joints, then as many speeds


def direction_of(gait: Gait, obs: np.ndarray, action: np.ndarray, directions: int = 90) -> np.ndarray:
    """World angle (N,) in rad in which the gait would walk by torques nearest to ``action`` (N, 8) at ``obs`` (N, 29).

    The best of so many directions, and the vertex of the parabola through its error and its neighbours'.
    """
    angles = np.linspace(-np.pi, np.pi, directions, endpoint=False)
    walked = gait_action(gait, *(np.repeat(part, directions, axis=0) for part in (obs[:, :QPOS], obs[:, QPOS:])),
                         np.tile(angles, len(obs)))
    error = ((walked.reshape(len(obs), directions, -1) - action[:, None]) ** 2).sum(2)
    best = error.argmin(1)
    left, least, right = (error[np.arange(len(obs)), (best + by) % directions] for by in (-1, 0, 1))
    bend = left - 2 * least + right
    return angles[best] + np.where(bend > 0, 0.5 * (left - right) / np.maximum(bend, 1e-12), 0) * 2 * np.pi / directions


def wrap(angle: np.ndarray) -> np.ndarray:
    """The same angle in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def on_the_line(planner: MazePlanner, obs: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (M,) of observations (N, 29) in the middle of a straight piece of the way to ``goal`` (N, 2), and for each
    the unit vector (M, 2) to its left: within 0.6 m of the line and 1.5 m of a cell's centre along it."""
    here = planner.locate(obs[:, :2])
    offset = obs[:, :2] - planner.centres[here]
    ahead = np.array([np.cos(a := planner.direction(planner.centres[here], goal)), np.sin(a)]).T
    left = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    along, across = (offset * ahead).sum(1), (offset * left).sum(1)
    rows = np.flatnonzero((here != planner.locate(goal)) & (np.abs(across) < 0.6) & (np.abs(along) < 1.5))
    return rows, left[rows]


def response(gait: Gait, planner: MazePlanner, act: Callable[[np.ndarray], np.ndarray], obs: np.ndarray,
             goal: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """How a policy steers when the ant is put beside its line: (S, 2), median angles in rad, + is to the left, of the
    policy ``act`` (N, 29) -> (N, 8) and of the demonstrator, for each shift (S,) to the left in metres.

    The ants are those of ``obs`` (N, 29) `on_the_line` to their ``goal`` (N, 2), everything but their place unchanged.
    The angle is that between where they steer when shifted and where they steer when not.
    """
    rows, left = on_the_line(planner, obs, goal)
    if not len(rows):
        raise ValueError("none of these ants is in the middle of a straight piece of its way")
    obs, goal = obs[rows].astype(float), goal[rows]
    straight = direction_of(gait, obs, act(obs)), planner.direction(obs[:, :2], goal)
    turned = np.zeros((len(shifts), 2))
    for i, shift in enumerate(shifts):
        there = obs.copy()
        there[:, :2] += shift * left
        steered = direction_of(gait, there, act(there)), planner.direction(there[:, :2], goal)
        turned[i] = [np.median(wrap(now - before)) for now, before in zip(steered, straight, strict=True)]
    return turned
