"""Pictures that need no interaction: mazes, ways through them, learning curves. Matplotlib; axes in, axes out."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .datasets.tasks import Task
    from .evaluation import Episode
    from .records import Run

# Okabe and Ito's colours: told apart by colour-blind readers, and on light and dark paper
BLUE, ORANGE, GREEN, RED, GREY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#999999"


def maze(ax: "Axes", task: "Task") -> "Axes":
    """Draws the walls of an AntMaze task (metres, seen from above), its start and its goal."""
    import gymnasium as gym
    from matplotlib.patches import Circle
    from matplotlib.ticker import MaxNLocator

    from .collect.planner import MazePlanner
    from .worlds.antmaze import raw_antmaze_env

    raw_antmaze_env(task.maze.env_id).close()  # registers the mazes, or says what is missing
    plan = MazePlanner(gym.spec(task.maze.env_id).kwargs["maze_map"])
    for cell in np.ndindex(plan.shape):
        if cell not in plan.free_cells:
            ax.add_patch(_square(*plan.cell_to_xy(cell), plan.cell_size))
    for cell, color, name in ((task.maze.eval_start, BLUE, "start"), (task.maze.eval_goal, RED, "goal")):
        x, y = plan.cell_to_xy(cell)
        side = 1 if (cell[0] - 1, cell[1]) not in plan.free_cells else -1  # the word stands in a wall, off the ways
        ax.add_patch(Circle((x, y), 0.9, color=color, alpha=0.35, zorder=1))
        ax.annotate(name, (x, y + side * 0.75 * plan.cell_size), ha="center", va="center", color=color, zorder=5,
                    path_effects=halo())
    ax.set_aspect("equal")
    ax.autoscale_view()
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set_xlabel("x (m)")
    ax.set_ylabel("y (m)")
    return ax


def point_maze(ax: "Axes") -> "Axes":
    """Draws the walls of the point maze, its start and its goal."""
    from matplotlib.patches import Circle

    from .worlds.pointmaze import CELL_SIZE, GOAL, MAP, REACH, START, centre

    for cell in np.argwhere(MAP):
        ax.add_patch(_square(*centre(tuple(cell)), CELL_SIZE))
    for cell, color, name in ((START, BLUE, "start"), (GOAL, RED, "goal")):
        x, y = centre(cell)
        ax.add_patch(Circle((x, y), REACH / 2, color=color, alpha=0.5, zorder=3))
        ax.annotate(name, (x, y + 0.7), ha="center", color=color, fontsize=9, zorder=3, path_effects=halo())
    ax.set_aspect("equal")
    ax.autoscale_view()
    ax.axis("off")
    return ax


def ways(ax: "Axes", paths: Iterable[np.ndarray], successes: Sequence[bool] | None = None) -> "Axes":
    """Draws paths, each (T, >= 2) with x and y first: green if it succeeded, red if not, grey if that is not said."""
    for i, path in enumerate(paths):
        color = GREY if successes is None else GREEN if successes[i] else RED
        ax.plot(path[:, 0], path[:, 1], color=color, lw=0.8, alpha=0.8, zorder=2)
    return ax


def episodes(ax: "Axes", shown: Sequence["Episode"]) -> "Axes":
    """Draws an evaluation's episodes, recorded with `paths=True`."""
    return ways(ax, [e.path for e in shown], [e.success for e in shown])


def curves(run: "Run", names: dict[str, str], **style):
    """Learning curves of a run side by side: metric -> title. Returns the figure."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    metrics = run.metrics()
    columns = min(len(names), 2)
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.6 * columns, 2.4 * rows), layout="constrained", squeeze=False)
    for ax in axes.flat[len(names):]:
        ax.set_axis_off()
    for ax, (name, title) in zip(axes.flat, names.items(), strict=False):
        ax.plot(metrics["step"], metrics[name], **({"color": BLUE, "lw": 1.2} | style))
        ax.set_title(title, fontsize=10)
        ax.set_xlabel("updates")
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        ax.grid(alpha=0.3)
    return figure


def success_curves(runs: dict[str, "Run"]):
    """Success during training with 95 % intervals, a line a run (name -> run), as a plotly figure to hover over."""
    import plotly.graph_objects as go

    figure = go.Figure(layout={"xaxis_title": "updates", "yaxis_title": "success", "yaxis_range": [0, 1.05],
                               "height": 320, "margin": {"l": 50, "r": 10, "t": 10, "b": 40},
                               "template": "plotly_white", "legend": {"x": 0.02, "y": 0.05}})
    for (name, run), color in zip(runs.items(), (BLUE, ORANGE, GREEN, RED), strict=False):
        during = [e for e in run.evaluations() if e["during_training"]]
        rate = np.array([e["success_rate"] for e in during])
        low, high = np.array([e["success_ci95"] for e in during]).T
        figure.add_scatter(x=[e["checkpoint_step"] for e in during], y=rate, name=name, mode="lines+markers",
                           line_color=color, error_y={"array": high - rate, "arrayminus": rate - low})
    return figure


def halo(width: float = 2.5) -> list:
    """White around a word or a line, so that it is seen on any ground: for `path_effects`."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=width, foreground="white")]


def _square(x: float, y: float, size: float):
    from matplotlib.patches import Rectangle

    return Rectangle((x - size / 2, y - size / 2), size, size, color=GREY, alpha=0.5, lw=0, zorder=0)
