"""The multi-goal world: a point on a crossing, four roads, a goal at the end of each, none of them preferred.

The picture that every paper on expressive policies draws (Haarnoja et al. 2017 drew it first): from the centre four
directions are equally right, and what lies between two of them is wrong. In the open plane that costs little, because
a policy that set out half-way between two goals can still turn; so here the way between leads off the road.
"""

import gymnasium as gym
import numpy as np

GOALS = np.array([[8.0, 0.0], [0.0, 8.0], [-8.0, 0.0], [0.0, -8.0]])
STEP_SIZE = 1.0  # distance that a full action moves the point
REACH = 1.0  # a goal is reached within this distance
ROAD_HALF_WIDTH = 0.9  # off the road is where |x| and |y| both exceed it
START_STD = 0.25  # spread of the starts around the middle of the crossing
TIME_LIMIT = 20  # steps; a demonstrator needs 7 or 8
VALUES = (1.0, 0.7, 0.4, 0.1)  # of the goals where they differ: a clone gets their mean, 0.55; our choice
ENV_ID = "gtp_mini/MultiGoal-v0"
VALUES_ENV_ID = "gtp_mini/MultiGoalValues-v0"


class MultiGoal(gym.Env):
    """Observation: position (2,), float32. Action: velocity in [-1, 1]^2, times STEP_SIZE.

    Termination on reaching any goal, with its value as the reward, and off the road, without reward. `info` has `goal`
    (its index, -1 for none), `success` (any goal is one) and `fallen`.

    Args:
        values: what each of the four goals is worth.
    """

    metadata = {"render_modes": []}

    def __init__(self, values: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)):
        if len(values) != len(GOALS):
            raise ValueError(f"values must be {len(GOALS)} numbers, one for each goal, got {values!r}")
        self.values = tuple(float(value) for value in values)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.position = np.zeros(2)

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        super().reset(seed=seed)
        self.position = START_STD * self.np_random.standard_normal(2)
        return self._observation(), self._info()

    def step(self, action):
        self.position = self.position + STEP_SIZE * np.clip(action, -1, 1)
        info = self._info()
        reward = self.values[info["goal"]] if info["success"] else 0.0
        return self._observation(), reward, info["success"] or info["fallen"], False, info

    def _observation(self) -> np.ndarray:
        return self.position.astype(np.float32)

    def _info(self) -> dict:
        distance = np.linalg.norm(GOALS - self.position, axis=1)
        goal = int(distance.argmin()) if distance.min() <= REACH else -1
        fallen = goal < 0 and bool(np.abs(self.position).min() > ROAD_HALF_WIDTH)
        return {"goal": goal, "success": goal >= 0, "fallen": fallen}


gym.register(ENV_ID, entry_point="gtp_mini.worlds.multigoal:MultiGoal", max_episode_steps=TIME_LIMIT)
gym.register(VALUES_ENV_ID, entry_point="gtp_mini.worlds.multigoal:MultiGoal", max_episode_steps=TIME_LIMIT,
             kwargs={"values": VALUES})
