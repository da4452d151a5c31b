"""Many runs from one plan: which, in what order, on what, and how it goes on after a kill.

A plan is a TOML file. Each of its cells (task, method, variant, seed) is a run's folder as `gtp-mini train` makes it,
evaluated as `gtp-mini evaluate` does it.
"""

from .cell import Cell, Planned, state_of
from .engine import Engine, LocalEngine
from .plan import load_plan
from .run import run_sweep

__all__ = ["Cell", "Engine", "LocalEngine", "Planned", "load_plan", "run_sweep", "state_of"]
