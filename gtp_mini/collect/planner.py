"""Which way to walk: breadth-first search over the maze's cells, then pure pursuit along the way.

Stateless and batched: the direction depends on where the ant is and where it should go, on nothing else.
"""

from __future__ import annotations

from collections import deque

import numpy as np

LOOKAHEAD = 1.2  # metres: short enough not to cut corners into a wall 2 m from the cell's centre; our choice
WALL = 1  # Gymnasium-Robotics' maps: 1 is a wall, everything else can be walked on


class MazePlanner:
    """Shortest ways through one maze.

    Args:
        maze_map: rows of cells as in ``gymnasium_robotics.envs.maze.maps``; row 0 is the largest y.
        cell_size: metres.
    """

    def __init__(self, maze_map: list[list], cell_size: float = 4.0):
        self.cell_size = cell_size
        self.shape = (len(maze_map), len(maze_map[0]))
        self.free_cells = [(i, j) for i, row in enumerate(maze_map) for j, c in enumerate(row) if c != WALL]
        self.centres = np.array([self.cell_to_xy(cell) for cell in self.free_cells])  # (C, 2)
        index = {cell: k for k, cell in enumerate(self.free_cells)}
        every_cell = np.array([self.cell_to_xy(cell) for cell in np.ndindex(self.shape)])
        distance = np.linalg.norm(every_cell[:, None] - self.centres, axis=-1)
        # An ant that leans over a wall belongs to the free cell nearest to that wall's centre.
        self._nearest_free = distance.argmin(1)
        self.hops = np.full((len(index), len(index)), -1)  # [goal, cell]: cells still to walk, -1 unreachable
        self._next = np.arange(len(index))[None].repeat(len(index), 0)  # [goal, cell] -> the cell to walk to
        for goal in self.free_cells:
            self._search(goal, index)

    def _search(self, goal: tuple[int, int], index: dict) -> None:
        g = index[goal]
        self.hops[g, g] = 0
        queue = deque([goal])
        while queue:
            i, j = queue.popleft()
            for neighbour in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                n = index.get(neighbour)
                if n is not None and self.hops[g, n] < 0:
                    self.hops[g, n] = self.hops[g, index[i, j]] + 1
                    self._next[g, n] = index[i, j]
                    queue.append(neighbour)

    def cell_to_xy(self, cell: tuple[int, int]) -> np.ndarray:
        """Centre (2,) in metres of cell (row, column); the maze's middle is the origin."""
        x = (cell[1] + 0.5 - self.shape[1] / 2) * self.cell_size
        y = (self.shape[0] / 2 - cell[0] - 0.5) * self.cell_size
        return np.array([x, y])

    def locate(self, xy: np.ndarray) -> np.ndarray:
        """Index (N,) into ``free_cells`` of the cell that holds each position (N, 2), or of the nearest free one."""
        row = np.floor(self.shape[0] / 2 - xy[:, 1] / self.cell_size).astype(int).clip(0, self.shape[0] - 1)
        column = np.floor(self.shape[1] / 2 + xy[:, 0] / self.cell_size).astype(int).clip(0, self.shape[1] - 1)
        return self._nearest_free[row * self.shape[1] + column]

    def path(self, start: tuple[int, int], goal: tuple[int, int]) -> list[tuple[int, int]]:
        """The cells from start to goal, both included.

        Raises:
            ValueError: a cell is a wall, or there is no way.
        """
        for cell in (start, goal):
            if cell not in self.free_cells:
                raise ValueError(f"cell {cell} is a wall or outside of the maze")
        here, target = self.free_cells.index(start), self.free_cells.index(goal)
        if self.hops[target, here] < 0:
            raise ValueError(f"there is no way from cell {start} to cell {goal}")
        cells = [start]
        while here != target:
            here = self._next[target, here]
            cells.append(self.free_cells[here])
        return cells

    def waypoint(self, xy: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Where to walk to (N, 2) from positions (N, 2) on the way to goals (N, 2), all in metres.

        The point `LOOKAHEAD` ahead on the line from this cell's centre to the next one's; the goal itself once the
        ant is in the goal's cell.
        """
        here, target = self.locate(xy), self.locate(goal)
        following = self._next[target, here]
        start = self.centres[here]
        along = (self.centres[following] - start) / self.cell_size  # unit vectors; 0 in the goal's cell
        progress = ((xy - start) * along).sum(1)
        ahead = start + (progress + LOOKAHEAD)[:, None] * along
        return np.where((here == target)[:, None], goal, ahead)

    def direction(self, xy: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """World angle (N,) in rad from each position to its waypoint."""
        offset = self.waypoint(xy, goal) - xy
        return np.arctan2(offset[:, 1], offset[:, 0])
