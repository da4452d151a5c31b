"""Demonstrations for the multi-goal world: each picks one of the four goals at random and walks straight to it."""

import numpy as np

ACTION_NOISE = 0.1  # standard deviation of a demonstrator's hand, per dimension


def demonstrations(transitions: int, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Episodes with at least `transitions` steps in all: dicts of observations (T + 1, 2), actions (T, 2),
    rewards, terminations, truncations (T,)."""
    import gymnasium as gym

    from ..worlds.multigoal import ENV_ID, GOALS

    env = gym.make(ENV_ID)
    rng = np.random.default_rng(seed)
    episodes: list[dict[str, np.ndarray]] = []
    made = 0
    while made < transitions:
        obs, _ = env.reset(seed=int(rng.integers(2**31)))
        goal, done = GOALS[rng.integers(len(GOALS))], False
        observations, actions, ends = [obs], [], []
        while not done:
            way = goal - obs
            action = way / np.linalg.norm(way) + ACTION_NOISE * rng.standard_normal(2)
            actions.append(np.clip(action, -1, 1).astype(np.float32))
            obs, reward, terminated, truncated, _ = env.step(actions[-1])
            done = terminated or truncated
            observations.append(obs)
            ends.append((reward, terminated, truncated))
        rewards, terminations, truncations = (np.array(column) for column in zip(*ends, strict=True))
        episodes.append({"observations": np.stack(observations), "actions": np.stack(actions), "rewards": rewards,
                         "terminations": terminations, "truncations": truncations})
        made += len(actions)
    return episodes


def make_multigoal_dataset(task, transitions: int, seed: int = 0, progress=None, overwrite: bool = False) -> str:
    """Makes the demonstrations and stores them with Minari; returns the dataset's id."""
    import gymnasium as gym
    from minari.data_collector import EpisodeBuffer

    from ..worlds.multigoal import ENV_ID
    from .store import check_room, write_dataset

    check_room(task.dataset_id, 100 * transitions, overwrite)
    buffers = [EpisodeBuffer(**episode) for episode in demonstrations(transitions, seed)]
    env = gym.make(ENV_ID)
    return write_dataset(
        task.dataset_id, buffers, overwrite=overwrite, env=env, eval_env=env, author="gtp-mini",
        algorithm_name="straight walk to a random goal",
        description=f"{task.description}. Made with: gtp-mini data make {task.name} "
                    f"--transitions {transitions} --seed {seed}",
    )
