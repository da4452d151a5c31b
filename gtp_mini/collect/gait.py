"""A torque gait that walks the ant in any direction, as a function of its state alone.

The phase is read from the joints instead of a clock: a learner sees everything that the gait sees, so that cloning
it is possible. The body holds the heading it starts with and walks sideways where it must (it is four-fold symmetric).
The constants were found by CMA-ES (`gtp_mini.collect.tune`) and live in ``data/gait.json``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

GAIT_FILE = Path(__file__).resolve().parents[2] / "data" / "gait.json"

LEG_ANGLE = np.deg2rad([45.0, 135.0, 225.0, 315.0])  # body frame, legs in the order of qpos
TROT_OFFSET = np.array([0.0, np.pi, 0.0, np.pi])  # diagonal legs move together
TROT_SIGN = np.array([1.0, -1.0, 1.0, -1.0])  # cos of the offsets
ANKLE_SIGN = np.array([1.0, -1.0, -1.0, 1.0])  # the model's ankle axes point alternately in and out
ACTUATOR_LEG = [3, 0, 1, 2]  # the model lists its motors leg 4 first; each leg is hip, ankle
TURN_GAIN = 0.4  # hip stroke (rad) per rad of heading error, and its largest value: our choice


@dataclass(frozen=True)
class Gait:
    """The constants. Angles in rad, torques in units of the actuators' range, omega in rad/s."""

    hip_amplitude: float
    lift_amplitude: float  # ankle, in step with the leg's phase
    lift_phase: float
    reach_amplitude: float  # ankle, larger for legs that point along the direction of travel
    reach_phase: float
    ankle_rest: float
    hip_stiffness: float
    damping: float
    ankle_stiffness: float
    duty: float  # warps the phase: > 0 lingers at one end of the stroke
    second_amplitude: float  # ankle, second harmonic
    second_phase: float
    omega: float  # expected stride frequency, scales hip speeds to hip angles
    lead: float  # how far the targets run ahead of the measured phase


def load_gait(path: Path | str = GAIT_FILE) -> Gait:
    """The constants of ``data/gait.json``, or of another file of the same form.

    Raises:
        FileNotFoundError, ValueError: the file is missing, or does not hold exactly the constants of `Gait`.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"the gait's constants are missing: {path} does not exist (install gtp-mini from a checkout with "
            "pip install -e ., or make the file with python -m gtp_mini.collect.tune)"
        )
    constants = json.loads(path.read_text(encoding="utf-8"))["constants"]
    names = {field.name for field in fields(Gait)}
    if set(constants) != names:
        raise ValueError(f"{path}: constants differ from the gait's: {sorted(set(constants) ^ names)}")
    return Gait(**constants)


def yaw(quaternion: np.ndarray) -> np.ndarray:
    """Heading (N,) in rad of the body's x axis, from (N, 4) quaternions w, x, y, z."""
    w, x, y, z = np.moveaxis(quaternion, -1, 0)
    return np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


def gait_action(
    gait: Gait, qpos: np.ndarray, qvel: np.ndarray, direction: np.ndarray, stride: np.ndarray | float = 1.0
) -> np.ndarray:
    """Torques (N, 8) in [-1, 1] that walk N ants towards ``direction`` (N,), a world angle in rad.

    Args:
        qpos: (N, 15): torso xyz, quaternion, then hip and ankle of legs 0..3.
        qvel: (N, 14): torso linear and angular velocity, then the joints'.
        stride: in [0, 1], (N,) or one number; 1 walks, 0 stands. Walking on the spot flips the ant.
    """
    hip, ankle = qpos[:, 7::2], qpos[:, 8::2]  # (N, 4) each
    hip_speed, ankle_speed = qvel[:, 6::2], qvel[:, 7::2]
    stride = np.broadcast_to(stride, direction.shape)[:, None]
    heading = yaw(qpos[:, 3:7])
    toward = (direction - heading)[:, None] - LEG_ANGLE  # (N, 4) wanted direction as each leg sees it

    turn = np.clip(-TURN_GAIN * heading, -TURN_GAIN, TURN_GAIN)[:, None]
    # A hip that turns by +q moves its foot along leg angle + pi/2, hence the projection on that direction.
    stroke = gait.hip_amplitude * np.cos(toward - np.pi / 2) * stride + turn

    signed = TROT_SIGN * stroke
    phase = np.arctan2(-(signed * hip_speed).sum(1) / gait.omega, (signed * hip).sum(1)) + gait.lead
    leg_phase = phase[:, None] + TROT_OFFSET
    leg_phase = leg_phase + gait.duty * np.sin(leg_phase)

    hip_target = stroke * np.cos(leg_phase)
    lift = gait.lift_amplitude * np.sin(leg_phase + gait.lift_phase)
    reach = gait.reach_amplitude * np.cos(toward) * np.cos(leg_phase + gait.reach_phase)
    second = gait.second_amplitude * np.cos(2 * leg_phase + gait.second_phase)
    ankle_target = ANKLE_SIGN * (gait.ankle_rest + stride * (lift + reach + second))

    torque = np.stack(
        (
            gait.hip_stiffness * (hip_target - hip) - gait.damping * hip_speed,
            gait.ankle_stiffness * (ankle_target - ankle) - gait.damping * ankle_speed,
        ),
        axis=2,
    )  # (N, 4, 2)
    return np.clip(torque[:, ACTUATOR_LEG].reshape(-1, 8), -1.0, 1.0)
