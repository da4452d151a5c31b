"""Finds the gait's constants by CMA-ES: the search behind ``data/gait.json``.

An ant walks four sides of a square in an open arena, turning left or right by 90 degrees after each, with
the noise of the data collection on its motors. Its fitness is the mean speed in the wanted direction (m/s),
less a penalty for every ant that ends upside down.

Run ``python -m gtp_mini.collect.tune --help``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import numpy as np

from gtp_mini.collect.batch import AntBatch
from gtp_mini.collect.gait import Gait, gait_action
from gtp_mini.collect.rollout import ACTION_NOISE
from gtp_mini.worlds.antmaze import upside_down

ARENA = "AntMaze_Open-v4"  # 20 m by 12 m without inner walls
SIDES, SIDE_STEPS = 4, 50  # four sides of 2.5 s: a fast ant comes 4.5 m far and stays in the arena
FALL_PENALTY = 2.0  # m/s: about the speed of a good gait, so that falling always costs more than it brings
POPULATION = 16

# Where the search begins, and the steps in which it thinks of each constant: a stiff trot by guess.
START = Gait(0.5, 0.4, 0.0, 0.0, 0.0, 0.6, 1.5, 0.1, 1.0, 0.0, 0.0, 0.0, 12.0, 1.5)
SCALE = Gait(0.3, 0.3, 1.0, 0.2, 1.0, 0.2, 0.6, 0.1, 0.4, 0.3, 0.2, 1.0, 4.0, 0.6)


@dataclass(frozen=True)
class Tuned:
    """The gait found, its fitness in m/s, and the best fitness of each generation of the search."""

    gait: Gait
    fitness: float
    history: tuple[float, ...]


def fitness(gait: Gait, batch: AntBatch, seed: int | tuple[int, ...]) -> float:
    """Mean speed (m/s) of the batch's ants along their wanted directions, less `FALL_PENALTY` x fallen share."""
    rng = np.random.default_rng(seed)
    ants = len(batch.qpos)
    for i in range(ants):
        batch.reset(i, np.zeros(2))
    direction = rng.uniform(-np.pi, np.pi, ants)
    turn = rng.choice([-np.pi / 2, np.pi / 2], ants)
    progress = np.zeros(ants)
    for _ in range(SIDES):
        before = batch.qpos[:, :2].copy()
        for _ in range(SIDE_STEPS):
            torque = gait_action(gait, batch.qpos, batch.qvel, direction)
            batch.step(np.clip(torque + ACTION_NOISE * rng.standard_normal(torque.shape), -1.0, 1.0))
        heading = np.stack((np.cos(direction), np.sin(direction)), axis=1)
        progress += ((batch.qpos[:, :2] - before) * heading).sum(1)
        direction = direction + turn
    seconds = SIDES * SIDE_STEPS * 0.05
    return float(progress.mean() / seconds - FALL_PENALTY * upside_down(batch.qpos[:, 3:7]).mean())


def tune_gait(
    seed: int = 0,
    budget: int = 1200,
    out: Path | str | None = None,
    *,
    ants: int = 16,
    progress: Callable[[int, int], None] | None = None,
) -> Tuned:
    """Searches with ``budget`` fitness evaluations and writes constants and provenance to ``out`` (JSON), if
    given.

    Raises:
        ValueError: the budget is less than one generation.
        ImportError: the library cma is missing.
    """
    if budget < POPULATION:
        raise ValueError(f"budget must be at least {POPULATION} evaluations (one generation), got {budget}")
    try:
        import cma
    except ImportError as error:
        raise ImportError('the search needs the library cma: pip install "gtp-mini[antmaze]"') from error
    rng = np.random.default_rng(seed)
    start, scale = np.array(astuple(START)), np.array(astuple(SCALE))
    search = cma.CMAEvolutionStrategy(
        np.zeros(len(start)),
        0.5,
        # Our own generator: cma would otherwise seed NumPy's global one.
        {"popsize": POPULATION, "verbose": -9, "seed": np.nan, "randn": lambda *shape: rng.standard_normal(shape)},
    )
    history: list[float] = []
    with AntBatch(ARENA, ants) as batch:
        evaluations = 0
        while evaluations + POPULATION <= budget:
            candidates = search.ask()
            # One generation shares its noise, so that its members are compared with each other and not with
            # luck.
            values = [fitness(Gait(*(start + scale * x)), batch, (seed, len(history))) for x in candidates]
            search.tell(candidates, [-value for value in values])
            history.append(max(values))
            evaluations += POPULATION
            if progress is not None:
                progress(evaluations, budget)
        # The mean of the last distribution: the best candidate ever seen is one that was lucky with its
        # noise.
        found = Gait(*(float(round(x, 3)) for x in start + scale * search.mean))
        tuned = Tuned(found, fitness(found, batch, (seed, len(history))), tuple(history))
    if out is not None:
        _write(Path(out), tuned, f"python -m gtp_mini.collect.tune --seed {seed} --budget {budget}")
    return tuned


def _write(path: Path, tuned: Tuned, command: str) -> None:
    versions = {name: importlib.metadata.version(name) for name in ("cma", "mujoco", "gymnasium-robotics", "numpy")}
    found = {"method": "CMA-ES", "command": command, "fitness": round(tuned.fitness, 3), "versions": versions}
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({"constants": asdict(tuned.gait), "found": found}, indent=2) + "\n")
    os.replace(temporary, path)


def main() -> None:
    """The command line of the search."""
    parser = argparse.ArgumentParser(prog="python -m gtp_mini.collect.tune", description=__doc__.split("\n\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=1200, help="fitness evaluations (default 1200)")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write, e.g. data/gait.json")
    options = parser.parse_args()

    def show(done: int, total: int) -> None:
        print(f"\r{done}/{total} evaluations", end="", flush=True)

    tuned = tune_gait(options.seed, options.budget, options.out, progress=show)
    print(f"\nfitness {tuned.fitness:.3f} m/s, written to {options.out}")


if __name__ == "__main__":
    main()
