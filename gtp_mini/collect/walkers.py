"""Who walks: a function from the ant's state and a wanted direction to torques.

There are two, so that no method may depend on one of them: the gait, which was built by hand, and a small network that
reinforcement learning trained (`gtp_mini.collect.learn`). Both see the state alone, so that a learner of their data
sees all that they saw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from gtp_mini.collect.gait import gait_action, load_gait, yaw

WALKER_FILE = Path(__file__).resolve().parents[2] / "data" / "walker.safetensors"


class Walk(Protocol):
    """Torques (N, 8) in [-1, 1] that walk N ants towards ``direction`` (N,), a world angle in rad: `gait_action`'s."""

    def __call__(
        self, qpos: np.ndarray, qvel: np.ndarray, direction: np.ndarray, stride: np.ndarray | float = 1.0
    ) -> np.ndarray: ...


@dataclass(frozen=True)
class Walker:
    """A way to walk, and what identifies it in a record: plain data."""

    walk: Walk
    about: dict


def features(qpos: np.ndarray, qvel: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """What the network sees (N, 28), float32: the state as the body sees it, and where to go.

    Height, the world's axes up and of travel in the body's frame, linear velocity in the frame of travel, angular
    velocity (the body's), joint angles and speeds, and the heading against the direction. Turning world and direction
    together changes nothing.
    """
    w, x, y, z = np.moveaxis(qpos[:, 3:7], -1, 0)
    up = np.stack((2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)), 1)
    off = direction - yaw(qpos[:, 3:7])
    ahead = np.stack((np.cos(direction), np.sin(direction)), 1)
    along, across = (qvel[:, :2] * ahead).sum(1), qvel[:, 1] * ahead[:, 0] - qvel[:, 0] * ahead[:, 1]
    seen = (qpos[:, 2:3], up, np.cos(off)[:, None], np.sin(off)[:, None], along[:, None], across[:, None],
            qvel[:, 2:3], qvel[:, 3:6], qpos[:, 7:], qvel[:, 6:])
    return np.concatenate(seen, axis=1).clip(-10, 10).astype(np.float32)


def network_action(
    layers: list[tuple[np.ndarray, np.ndarray]], qpos: np.ndarray, qvel: np.ndarray, direction: np.ndarray,
    stride: np.ndarray | float = 1.0
) -> np.ndarray:
    """The torques of a network with tanh between its layers, weights (out, in) and biases (out,). Where the stride is
    shorter they are weaker."""
    x = features(qpos, qvel, direction)
    for i, (weight, bias) in enumerate(layers):
        x = x @ weight.T + bias
        x = np.tanh(x) if i + 1 < len(layers) else x
    return np.clip(x, -1.0, 1.0) * np.broadcast_to(stride, direction.shape)[:, None]


def the_gait() -> Walker:
    """The gait of ``data/gait.json``."""
    gait = load_gait()
    return Walker(partial(gait_action, gait), {"gait": asdict(gait)})


def learned_walker(path: Path | str = WALKER_FILE) -> Walker:
    """The network of ``data/walker.safetensors``, or of another file of the same form.

    Raises:
        FileNotFoundError, ValueError: the file is missing, or holds no walker.
    """
    from safetensors.numpy import load

    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"the learned walker is missing: {path} does not exist (install gtp-mini from a checkout with "
            "pip install -e ., or make the file with python -m gtp_mini.collect.learn)"
        )
    content = path.read_bytes()
    tensors = load(content)
    names = [f"{i}.{kind}" for i in range(len(tensors) // 2) for kind in ("bias", "weight")]
    if not tensors or sorted(tensors) != sorted(names):
        raise ValueError(f"{path} holds no walker: its tensors are {', '.join(tensors) or 'none'}")
    layers = [(tensors[f"{i}.weight"], tensors[f"{i}.bias"]) for i in range(len(tensors) // 2)]
    about = {"network": path.name, "sha256": hashlib.sha256(content).hexdigest()}
    return Walker(partial(network_action, layers), about)


WALKERS: dict[str, Callable[[], Walker]] = {"gait": the_gait, "learned": learned_walker}
