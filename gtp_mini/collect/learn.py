"""Trains the learned walker by PPO (Schulman et al. 2017): the search behind ``data/walker.safetensors``.

Ants walk between random cells of a maze, along the planner's directions, with the noise of the data collection on
their motors. The reward of a step is the speed (m/s) in the wanted direction, less the cost of torques; a fall ends
the episode. The algorithm is Stable-Baselines3's: ``pip install gtp-mini[walker]``.

Run ``python -m gtp_mini.collect.learn --help``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
from pathlib import Path

import numpy as np

from gtp_mini.collect.batch import AntBatch
from gtp_mini.collect.planner import MazePlanner
from gtp_mini.collect.rollout import ACTION_NOISE, START_JITTER
from gtp_mini.collect.walkers import WALKER_FILE, features
from gtp_mini.saving import write_bytes
from gtp_mini.worlds.antmaze import SUCCESS_RADIUS, upside_down

ARENA = "AntMaze_Medium-v4"
ANTS, LIMIT = 64, 400  # side by side; steps of an episode
TORQUE_COST = 0.1  # m/s for full torque on all motors. Our choice, as all numbers here
FALL_COST = 10.0
WIDTH = 64  # of two hidden layers
CLIP = 100.0  # standard deviations: never reached, so that `write` can fold the normalisation into the first layer
PPO = {"n_steps": 128, "batch_size": 512, "n_epochs": 10, "learning_rate": 3e-4, "gamma": 0.99, "gae_lambda": 0.95,
       "ent_coef": 0.0, "max_grad_norm": 0.5}


class Walking:
    """`ants` ants on their ways: NumPy alone, what `learn` wraps for the library that trains."""

    def __init__(self, ants: int = ANTS, seed: int = 0, threads: int | None = None):
        self.batch = AntBatch(ARENA, ants, threads)
        self.planner = MazePlanner(self.batch.maze.maze_map, self.batch.maze.maze_size_scaling)
        self.rng = np.random.default_rng(seed)
        self.goals, self.steps = np.zeros((ants, 2)), np.zeros(ants, int)
        for i in range(ants):
            self._begin(i)

    def observe(self) -> np.ndarray:
        """Features (N, 28) of all ants."""
        self.direction = self.planner.direction(self.batch.qpos[:, :2], self.goals)
        return features(self.batch.qpos, self.batch.qvel, self.direction)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Actions (N, 8) in [-1, 1] -> rewards, falls and time limits (N,), and the features (N, 28) before ants that
        were done began anew."""
        before = self.batch.qpos[:, :2].copy()
        noisy = actions + ACTION_NOISE * self.rng.standard_normal(actions.shape)
        self.batch.step(np.clip(noisy, -1.0, 1.0))
        self.steps += 1
        ahead = np.stack((np.cos(self.direction), np.sin(self.direction)), 1)
        speed = ((self.batch.qpos[:, :2] - before) * ahead).sum(1) / 0.05
        fallen, late = upside_down(self.batch.qpos[:, 3:7]), self.steps >= LIMIT
        reward = speed - TORQUE_COST * (actions**2).mean(1) - FALL_COST * fallen
        there = np.linalg.norm(self.batch.qpos[:, :2] - self.goals, axis=1) <= SUCCESS_RADIUS
        for i in np.flatnonzero(there):
            self.goals[i] = self._somewhere()
        last = self.observe()
        for i in np.flatnonzero(fallen | late):
            self._begin(i)
        return reward, fallen, late & ~fallen, last

    def _begin(self, i: int) -> None:
        self.batch.reset(i, self._somewhere() + self.rng.uniform(-START_JITTER, START_JITTER, 2))
        self.goals[i], self.steps[i] = self._somewhere(), self.rng.integers(LIMIT // 2)

    def _somewhere(self) -> np.ndarray:
        return self.planner.centres[self.rng.integers(len(self.planner.centres))].copy()


def learn(steps: int, seed: int = 0, ants: int = ANTS, log: int = 1):
    """Trains for so many steps of one ant, in whole rounds; returns the library's agent."""
    try:
        from stable_baselines3 import PPO as Algorithm
        from stable_baselines3.common.vec_env import VecEnv, VecMonitor, VecNormalize
    except ImportError:
        raise ImportError("learning to walk needs Stable-Baselines3: pip install gtp-mini[walker]") from None
    import gymnasium as gym
    import torch

    class Ants(VecEnv):
        """`Walking`, as the library wants it."""

        def __init__(self):
            self.walking = Walking(ants, seed)
            seen = self.walking.observe()
            super().__init__(ants, gym.spaces.Box(-10, 10, seen.shape[1:], np.float32),
                             gym.spaces.Box(-1, 1, (8,), np.float32))

        def reset(self):
            return self.walking.observe()

        def step_async(self, actions):
            self.actions = actions

        def step_wait(self):
            reward, fallen, late, last = self.walking.step(self.actions)
            done, seen = fallen | late, self.walking.observe()
            infos = [{"terminal_observation": last[i], "TimeLimit.truncated": bool(late[i])} if done[i] else {}
                     for i in range(ants)]
            return seen, reward.astype(np.float32), done, infos

        def close(self):
            self.walking.batch.close()

        def get_attr(self, name, indices=None):
            return [None] * ants

        def set_attr(self, name, value, indices=None):
            raise NotImplementedError

        def env_method(self, name, *args, indices=None, **kwargs):
            raise NotImplementedError

        def env_is_wrapped(self, wrapper, indices=None):
            return [False] * ants

    env = VecNormalize(VecMonitor(Ants()), gamma=PPO["gamma"], clip_obs=CLIP)
    try:
        shape = {"net_arch": [WIDTH, WIDTH], "activation_fn": torch.nn.Tanh, "log_std_init": -1.6}
        size = min(PPO["batch_size"], ants * PPO["n_steps"])
        agent = Algorithm("MlpPolicy", env, seed=seed, verbose=log, device="cpu", policy_kwargs=shape,
                          **PPO | {"batch_size": size})
        return agent.learn(steps)
    finally:
        env.close()


def write(agent, out: Path, about: dict[str, str]) -> None:
    """Writes the mean of the agent's policy as `walkers.learned_walker` reads it, and how it came about."""
    import torch
    from safetensors.torch import save

    hidden = [m for m in agent.policy.mlp_extractor.policy_net if isinstance(m, torch.nn.Linear)]
    tensors = {f"{i}.{name}": value.detach().clone() for i, m in enumerate([*hidden, agent.policy.action_net])
               for name, value in (("weight", m.weight), ("bias", m.bias))}
    seen, epsilon = agent.get_vec_normalize_env().obs_rms, agent.get_vec_normalize_env().epsilon
    mean, spread = (torch.as_tensor(x, dtype=torch.float32) for x in (seen.mean, np.sqrt(seen.var + epsilon)))
    tensors["0.weight"] /= spread
    tensors["0.bias"] -= tensors["0.weight"] @ mean
    write_bytes(out, save(tensors, about))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m gtp_mini.collect.learn", description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3_000_000, help="of one ant; 3,000,000 take about 20 minutes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=WALKER_FILE)
    options = parser.parse_args()
    if options.steps < 1:
        parser.error(f"--steps must be at least 1, got {options.steps}")
    agent = learn(options.steps, options.seed)
    found = {name: importlib.metadata.version(name) for name in ("stable-baselines3", "torch", "mujoco", "numpy")}
    command = f"python -m gtp_mini.collect.learn --steps {options.steps} --seed {options.seed}"
    write(agent, options.out, found | {"command": command, "steps": str(agent.num_timesteps)})
    print(f"{agent.num_timesteps:,} steps; the walker is in {options.out}")


if __name__ == "__main__":
    main()
