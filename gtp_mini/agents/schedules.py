"""What changes while an agent trains: its learning rate, and the grid of consistency training."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..times import curriculum_intervals
from .base import Config, check_positive

LR_SCHEDULES: dict[str, Callable[[float], float]] = {  # share done, 0 to 1 -> factor of the rate
    "constant": lambda done: 1.0,
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
}


def check_schedule(config: object, name: str) -> None:
    """ValueError unless this field names a schedule."""
    if getattr(config, name) not in LR_SCHEDULES:
        raise ValueError(f"unknown {name} {getattr(config, name)!r}; known: {', '.join(LR_SCHEDULES)}")


@dataclass(frozen=True, kw_only=True)
class CurriculumConfig(Config):
    """The number of grid intervals N(k), which doubles from the first to the last in equal stages."""

    first_intervals: int = 10
    last_intervals: int = 1280

    def __post_init__(self):
        super().__post_init__()
        check_positive(self, "first_intervals")
        if self.last_intervals < self.first_intervals:
            raise ValueError(f"last_intervals must be at least first_intervals ({self.first_intervals}), "
                             f"got {self.last_intervals!r}")

    def intervals(self, step: int, total_steps: int) -> int:
        """N(k)."""
        return curriculum_intervals(step, total_steps, self.first_intervals, self.last_intervals)
