"""What a dataset looks like: where the ants were, where they began and wanted to go, how long, with which actions."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gtp_mini.datasets.opening import (
    check_episode,
    check_spaces,
    has_goals,
    maze_of,
    observation_parts,
    open_dataset,
    read_episodes,
    unit_actions,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SQUARE = 0.25  # metres, side of the squares in which the visits are counted; our choice
BINS = np.linspace(-1.0, 1.0, 51)  # of the actions
GREY, BLUE, RED = "#999999", "#0072b2", "#d55e00"


def draw(dataset_id: str, folder: Path | str) -> list[Path]:
    """Draws a local dataset as PNG files into ``folder``, which is made; returns their paths.

    Every dataset: ``lengths``, ``returns``, ``actions``. In a maze: ``coverage``, ``starts_and_goals``. Episodes that
    cannot be learnt from are left out, and the pictures say how many.

    Raises:
        FileNotFoundError, ValueError: as `open_dataset` and `check_spaces`.
        OSError: the folder cannot be written to.
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('pictures need matplotlib: pip install "gtp-mini[book]"') from error
    dataset = open_dataset(dataset_id)
    check_spaces(dataset)
    seen = _look(dataset)
    Path(folder).mkdir(parents=True, exist_ok=True)
    pictures = [_lengths, _returns, _actions] + ([_coverage, _starts_and_goals] if seen.maze is not None else [])
    paths = []
    for picture in pictures:
        figure = Figure(figsize=(5, 4), layout="constrained")
        left_out = f", without {seen.unusable:,} unusable" if seen.unusable else ""
        figure.suptitle(f"{dataset_id}: {len(seen.lengths):,} episodes{left_out}", fontsize=9)
        picture(figure, seen)
        paths.append(Path(folder) / f"{picture.__name__[1:]}.png")
        figure.savefig(paths[-1], dpi=110)
    return paths


@dataclass
class _Seen:
    """What the pictures need of all episodes; ``visits`` over x and y, ``actions`` a histogram per entry."""

    maze: object
    visits: np.ndarray
    actions: np.ndarray
    lengths: list[int] = field(default_factory=list)
    returns: list[float] = field(default_factory=list)
    starts: list[np.ndarray] = field(default_factory=list)
    goals: list[np.ndarray] = field(default_factory=list)
    unusable: int = 0

    @property
    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the squares, along x and y, in metres; the maze's middle is the origin."""
        rows, columns = self.maze.shape
        return tuple(
            np.arange(round(n * self.maze.cell_size / SQUARE) + 1) * SQUARE - n * self.maze.cell_size / 2
            for n in (columns, rows)
        )


def _look(dataset) -> _Seen:
    seen = _Seen(maze_of(dataset), np.zeros(1), np.zeros((dataset.action_space.shape[0], len(BINS) - 1), int))
    if seen.maze is not None:
        seen.visits = np.zeros([len(edges) - 1 for edges in seen.edges])
    for episode in read_episodes(dataset):
        try:
            check_episode(episode, dataset)
        except ValueError:
            seen.unusable += 1
            continue
        seen.lengths.append(len(episode.rewards))
        seen.returns.append(float(np.sum(episode.rewards)))
        for counts, column in zip(seen.actions, unit_actions(episode.actions, dataset.action_space).T, strict=True):
            counts += np.histogram(column.clip(-1.0, 1.0), BINS)[0]
        parts = observation_parts(episode)
        if has_goals(dataset) and seen.maze is not None:
            seen.visits += np.histogram2d(*parts["achieved_goal"].T, bins=seen.edges)[0]
            seen.starts.append(parts["achieved_goal"][0])
            seen.goals.append(parts["desired_goal"][-1])
    return seen


def _lengths(figure: Figure, seen: _Seen) -> None:
    _histogram(figure, seen.lengths, "steps an episode")


def _returns(figure: Figure, seen: _Seen) -> None:
    _histogram(figure, seen.returns, "sum of an episode's rewards")


def _histogram(figure: Figure, values: list, label: str) -> None:
    ax = figure.subplots()
    ax.hist(values, bins=40, color=BLUE)
    ax.set(xlabel=label, ylabel="episodes")


def _actions(figure: Figure, seen: _Seen) -> None:
    ax = figure.subplots()
    share = seen.actions / np.maximum(seen.actions.sum(1, keepdims=True), 1)
    image = ax.imshow(share, aspect="auto", cmap="Blues", extent=(-1, 1, len(share) - 0.5, -0.5), vmin=0)
    ax.set(xlabel="action, its box scaled to [-1, 1]", ylabel="entry", xticks=(-1, -0.5, 0, 0.5, 1))
    figure.colorbar(image, label="share of the steps")


def _coverage(figure: Figure, seen: _Seen) -> None:
    ax = figure.subplots()
    counted = np.log10(np.where(seen.visits > 0, seen.visits, np.nan)).T
    image = ax.pcolormesh(*seen.edges, counted, cmap="viridis", vmin=0)
    figure.colorbar(image, label=f"steps a square of {SQUARE} m, log10")
    _walls(ax, seen.maze)


def _starts_and_goals(figure: Figure, seen: _Seen) -> None:
    ax = figure.subplots()
    for points, color, name in ((seen.starts, BLUE, "starts"), (seen.goals, RED, "goals")):
        ax.plot(*np.reshape(points, (-1, 2)).T, ".", color=color, markersize=3, alpha=0.4, label=name)
    _walls(ax, seen.maze)
    figure.legend(loc="outside lower center", ncols=2, markerscale=3)


def _walls(ax, maze) -> None:
    from matplotlib.patches import Rectangle

    half = maze.cell_size / 2
    for cell in np.ndindex(maze.shape):
        if cell not in maze.free_cells:
            ax.add_patch(Rectangle(maze.cell_to_xy(cell) - half, 2 * half, 2 * half, color=GREY, lw=0))
    ax.set(aspect="equal", xlabel="x (m)", ylabel="y (m)")
