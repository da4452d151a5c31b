"""What a figure can show beside samples: a condition to turn, or a world to walk in."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Point = tuple[float, float]


@dataclass(frozen=True)
class Condition:
    """A one-dimensional observation that a slider turns, and the arms among which the samples are counted.

    `curve` (rows of `grid`, columns of `arms`) holds the exact shares at the slider's values in `grid` (ascending);
    between two of them the figure interpolates.
    """

    label: str
    low: float
    high: float
    value: float
    arms: dict[str, Point]  # name -> centre; a sample belongs to the nearest
    grid: Tensor | None = None  # (G,)
    curve: Tensor | None = None  # (G, arms)

    def __post_init__(self):
        if not self.low <= self.value <= self.high:
            raise ValueError(f"value must be between low ({self.low}) and high ({self.high}), got {self.value}")
        if (self.grid is None) != (self.curve is None):
            raise ValueError("grid and curve belong together: give both or none")
        if self.curve is not None and tuple(self.curve.shape) != (len(self.grid), len(self.arms)):
            raise ValueError(f"curve must be ({len(self.grid)}, {len(self.arms)}): a row per grid value, a column per "
                             f"arm; got {tuple(self.curve.shape)}")

    def describe(self) -> dict:
        return {"label": self.label, "low": self.low, "high": self.high, "value": self.value,
                "arms": [{"name": name, "at": list(map(float, at))} for name, at in self.arms.items()],
                "grid": None if self.grid is None else self.grid.tolist(),
                "curve": None if self.curve is None else self.curve.tolist()}


@dataclass(frozen=True)
class World:
    """A point in the plane that a policy moves: position += step_size * clip(action, -1, 1).

    The observation is the position. An episode ends within `reach` of a goal, off the road, or after `limit` steps.
    Roads run along both axes; off them is where |x| and |y| both exceed `road` (None: there is no off).
    """

    goals: list[Point]
    reach: float
    step_size: float
    limit: int
    start: Point = (0.0, 0.0)
    start_std: float = 0.0  # spread of the starts
    road: float | None = None
    names: list[str] | None = None

    @classmethod
    def multigoal(cls, names: list[str] | None = None) -> "World":
        """The library's multi-goal world."""
        from ..worlds import multigoal as w

        return cls(w.GOALS.tolist(), w.REACH, w.STEP_SIZE, w.TIME_LIMIT, start_std=w.START_STD,
                   road=w.ROAD_HALF_WIDTH, names=names)

    def describe(self, episodes: int) -> dict:
        """For the browser, with the square that shows everything."""
        places = torch.tensor([*self.goals, self.start], dtype=torch.float64)
        low, high = places.amin(0), places.amax(0)
        return {"goals": [list(map(float, g)) for g in self.goals], "reach": self.reach, "step_size": self.step_size,
                "limit": self.limit, "start": list(map(float, self.start)), "road": self.road,
                "names": self.names or [f"goal {i + 1}" for i in range(len(self.goals))], "episodes": episodes,
                "centre": ((low + high) / 2).tolist(),
                "half_width": float((high - low).max() / 2 + self.reach) * 1.15}  # room for the labels

    def draw(self, episodes: int, generator: torch.Generator) -> Tensor:
        """All that is random in the rollouts, (limit + 1, episodes, 2): the starts, then each step's noise."""
        drawn = torch.randn(self.limit + 1, episodes, 2, generator=generator)
        drawn[0] = torch.tensor(self.start) + self.start_std * drawn[0]
        return drawn

    def rollouts(self, act: Callable[[Tensor, Tensor], Tensor], drawn: Tensor) -> Tensor:
        """Positions (T + 1, episodes, 2) under act(obs, noise), with the random numbers of `draw`."""
        position = drawn[0]
        goals, path = torch.tensor(self.goals, dtype=torch.float32), [position]
        for z in drawn[1:]:
            walking = torch.cdist(position, goals).amin(1) > self.reach
            if self.road is not None:
                walking &= position.abs().amin(1) <= self.road
            if not walking.any():
                break
            position = position.clone()
            position[walking] += self.step_size * act(position[walking], z[walking]).clamp(-1, 1)
            path.append(position)
        return torch.stack(path)
