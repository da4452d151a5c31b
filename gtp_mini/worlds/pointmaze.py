"""The point maze: a loop between two crossings, and one goal that rewards.

What AntMaze asks of an agent, without an ant: reward comes at the goal alone, and the data hold the way to it in
pieces only.
"""

import gymnasium as gym
import numpy as np

DRAWING = (  # S start, G goal, A and B the other ends; X and Y crossings, P and Q the corners between them
    "###########",
    "#######G###",
    "#######.###",
    "###P...Y.B#",
    "###.###.###",
    "###.###.###",
    "###.###.###",
    "#S.X...Q###",
    "###.#######",
    "###A#######",
    "###########",
)
MAP = [[int(mark == "#") for mark in row] for row in DRAWING]  # as Gymnasium-Robotics writes mazes: 1 is a wall
CELLS = {mark: (i, j) for i, row in enumerate(DRAWING) for j, mark in enumerate(row) if mark not in "#."}
START, GOAL = CELLS["S"], CELLS["G"]  # (row, column)
CELL_SIZE = 2.0
STEP_SIZE = 1.0  # distance that a full action moves the point along each axis; less than a cell, so no wall is jumped
MARGIN = 0.125  # a wall stops the point this far before it
START_JITTER = 0.5  # a start is uniform in x and in y within this distance of its cell's centre
REACH = 1.0  # the goal is reached within this distance of its cell's centre
TIME_LIMIT = 60  # steps; the shortest way takes about 20
ENV_ID = "gtp_mini/PointMaze-v0"


def centre(cell: tuple[int, int]) -> np.ndarray:
    """The centre (2,) of cell (row, column); the origin is the maze's middle and row 0 the largest y."""
    return CELL_SIZE * np.array([cell[1] - (len(MAP[0]) - 1) / 2, (len(MAP) - 1) / 2 - cell[0]], np.float32)


def cell_of(position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row (...) and column (...) of the cell that holds each position (..., 2)."""
    row = np.floor(len(MAP) / 2 - position[..., 1] / CELL_SIZE).astype(int)
    column = np.floor(len(MAP[0]) / 2 + position[..., 0] / CELL_SIZE).astype(int)
    return row, column


def _limits() -> tuple[np.ndarray, np.ndarray]:
    """How far one may go from each cell: the lowest and the highest x and y, (R, C, 2); infinite where no wall is."""
    wall = np.pad(np.array(MAP, bool), 1, constant_values=True)
    to_wall = CELL_SIZE / 2 - MARGIN
    centres = np.stack([[centre((i, j)) for j in range(len(MAP[0]))] for i in range(len(MAP))])
    below = np.stack([wall[1:-1, :-2], wall[2:, 1:-1]], -1)  # a wall to the west, to the south
    above = np.stack([wall[1:-1, 2:], wall[:-2, 1:-1]], -1)  # to the east, to the north
    return np.where(below, centres - to_wall, -np.inf), np.where(above, centres + to_wall, np.inf)


LOWEST, HIGHEST = (limit.astype(np.float32) for limit in _limits())


def move(position: np.ndarray, action: np.ndarray) -> np.ndarray:
    """Where actions (..., 2) lead from positions (..., 2), float32: first along x, then along y.

    A wall stops the motion towards it and leaves the motion beside it: the point slides.
    """
    position = np.array(position, np.float32)
    step = np.float32(STEP_SIZE) * np.clip(action, -1, 1).astype(np.float32)
    for axis in range(2):
        cell = cell_of(position)
        far = position[..., axis] + step[..., axis]
        position[..., axis] = np.minimum(np.maximum(far, LOWEST[cell][..., axis]), HIGHEST[cell][..., axis])
    return position


class PointMaze(gym.Env):
    """Observation: position (2,), float32, which is all there is to know. Action: velocity in [-1, 1]^2, see `move`.

    Reward 1 and termination at the goal, else 0. `info` has `success`. `reset` takes the option `reset_cell`.
    """

    metadata = {"render_modes": []}

    def __init__(self):
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.goal = centre(GOAL)
        self.position = centre(START)

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        super().reset(seed=seed)
        start = centre((options or {}).get("reset_cell", START))
        self.position = (start + self.np_random.uniform(-START_JITTER, START_JITTER, 2)).astype(np.float32)
        return self.position.copy(), {"success": self._at_goal()}

    def step(self, action):
        self.position = move(self.position, action)
        success = self._at_goal()
        return self.position.copy(), float(success), success, False, {"success": success}

    def _at_goal(self) -> bool:
        x, y = self.position - self.goal
        return bool(x * x + y * y <= REACH * REACH)


gym.register(ENV_ID, entry_point="gtp_mini.worlds.pointmaze:PointMaze", max_episode_steps=TIME_LIMIT)
