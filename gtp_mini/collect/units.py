"""Work that outlives a kill: episodes are made in units of fixed numbers, each kept in a file of its own.

Unit u holds the episodes u x size ... (u + 1) x size - 1 of one recipe. A file is written whole or not at all, and one
that cannot be read counts as not made. ``recipe.json`` says what the folder is for, so that nothing else gets into it.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

import numpy as np

from gtp_mini.collect.rollout import TOGETHER, Episode, Recipe, first_steps, walk
from gtp_mini.saving import write_bytes

MADE_WITH = ("numpy", "mujoco", "gymnasium-robotics")  # another version, other bits
DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)  # what NumPy raises on files that are none


def unit_size(transitions: int) -> int:
    """Episodes a unit: fewer where less data are wanted, so that little is made in vain. One has about 300 steps."""
    return min(TOGETHER, 1 + transitions // 300)


@dataclass(frozen=True)
class Units:
    """The units of one recipe, ``size`` episodes each, in ``folder``."""

    folder: Path
    recipe: Recipe
    size: int

    def open(self, overwrite: bool = False) -> None:
        """Makes the folder, or finds it as an earlier call of the same recipe left it.

        Raises:
            FileExistsError: it holds another recipe's units; with ``overwrite`` they are deleted instead.
        """
        wanted, file = self._description(), self.folder / "recipe.json"
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            found = None
        if found == wanted:
            return
        if found is not None and not overwrite:
            other = ", ".join(sorted(key for key in wanted if found.get(key) != wanted[key]))
            raise FileExistsError(
                f"{self.folder} holds unfinished data of other settings ({other}); finish them with those settings, "
                "or give them up by asking for overwriting"
            )
        self.delete()
        write_bytes(file, json.dumps(wanted, indent=2).encode())

    def delete(self) -> None:
        """Removes the folder and all in it."""
        import shutil

        shutil.rmtree(self.folder, ignore_errors=True)

    def made(self) -> dict[int, int]:
        """Unit -> steps, of the units that are there. Damaged files are deleted."""
        made = {}
        for path in sorted(self.folder.glob("unit-*.npz")):
            try:
                made[int(path.stem[5:])] = sum(map(len, _read(path)))
            except DAMAGE:
                path.unlink()
        return made

    def make(self, number: int) -> int:
        """Walks one unit and keeps it; returns its steps."""
        episodes = walk(self.recipe, range(number * self.size, (number + 1) * self.size))
        write_bytes(self._path(number), _packed(episodes))
        return sum(map(len, episodes))

    def episodes(self, transitions: int) -> Iterator[Episode]:
        """The first ``transitions`` steps, one unit in memory at a time.

        Raises:
            FileNotFoundError: not so many have been made.
        """
        yield from first_steps((e for number in count() for e in _read(self._path(number))), transitions)

    def _path(self, number: int) -> Path:
        return self.folder / f"unit-{number:06}.npz"

    def _description(self) -> dict:
        task = self.recipe.task
        about = {
            "task": task.name,
            "maze": asdict(task.maze),
            "time limit": task.time_limit,
            "seed": self.recipe.seed,
            "noise": self.recipe.noise,
            "walker": self.recipe.walker.about,
            "episodes a unit": self.size,
        } | {name: importlib.metadata.version(name) for name in MADE_WITH}
        return json.loads(json.dumps(about))  # as it is read again: tuples are lists


def _packed(episodes: list[Episode]) -> bytes:
    file = io.BytesIO()
    np.savez(
        file,
        lengths=[len(e) for e in episodes],
        terminated=[e.terminated for e in episodes],
        goals=[e.goal for e in episodes],
        qpos=np.concatenate([e.qpos for e in episodes]),
        qvel=np.concatenate([e.qvel for e in episodes]),
        actions=np.concatenate([e.actions for e in episodes]),
    )
    return file.getvalue()


def _read(path: Path) -> list[Episode]:
    with np.load(path) as file:
        lengths, columns = file["lengths"], {name: file[name] for name in ("qpos", "qvel", "actions")}
        ends = {name: np.cumsum(lengths + (name != "actions"))[:-1] for name in columns}
        parts = {name: np.split(column, ends[name]) for name, column in columns.items()}
        return [
            Episode(qpos, qvel, actions, goal, bool(terminated))
            for qpos, qvel, actions, goal, terminated in zip(
                *parts.values(), file["goals"], file["terminated"], strict=True
            )
        ]
