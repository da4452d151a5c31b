"""Few runs, honest intervals. Scores are arrays of one number a run; `by_task` are such arrays, one for each task."""

from collections.abc import Callable

import numpy as np

RESAMPLES = 2_000
CONFIDENCE = 0.95


def student_interval(scores: np.ndarray) -> tuple[float, float] | None:
    """Student's t interval of the mean over runs, (R,); None for one run alone. Not cut at 0 and 1: it is about a mean
    of few runs, and its width says so."""
    from scipy.stats import t

    runs = len(scores)
    if runs < 2:
        return None
    half = float(t.ppf((1 + CONFIDENCE) / 2, runs - 1) * np.std(scores, ddof=1) / runs**0.5)
    mean = float(np.mean(scores))
    return mean - half, mean + half


def mean_over_tasks(by_task: list[np.ndarray]) -> np.ndarray:
    """Mean over tasks of the mean over runs: arrays (..., R_i) -> (...). Every task counts the same."""
    return np.mean([scores.mean(-1) for scores in by_task], axis=0)


def interquartile_mean(by_task: list[np.ndarray]) -> np.ndarray:
    """Mean of the middle half of all runs of all tasks: arrays (..., R_i) -> (...). A quarter of the runs, rounded
    down, is left out at either end."""
    runs = np.sort(np.concatenate(by_task, axis=-1), axis=-1)
    cut = runs.shape[-1] // 4
    return runs[..., cut : runs.shape[-1] - cut].mean(-1)


def improvement_probability(x_by_task: list[np.ndarray], y_by_task: list[np.ndarray]) -> np.ndarray:
    """P(X > Y): how often a run of X beats a run of Y on the same task, ties counting half, mean over tasks.

    Arrays (..., R_i) and (..., S_i) -> (...). P(X > Y) + P(Y > X) = 1. On one task it is Mann and Whitney's U / (R S).
    """
    chances = []
    for x, y in zip(x_by_task, y_by_task, strict=True):
        difference = x[..., :, None] - y[..., None, :]
        chances.append((0.5 + 0.5 * np.sign(difference)).mean((-2, -1)))
    return np.mean(chances, axis=0)


def bootstrap_interval(statistic: Callable[..., np.ndarray], *samples: list[np.ndarray],
                       seed: int = 0) -> tuple[float, float] | None:
    """Percentile interval of statistic(*samples), where each run is drawn anew from those of its own method and task.

    `samples` are by task, (R_i,) each. None where a task has a single run, which cannot be drawn otherwise.
    """
    if min(len(scores) for by_task in samples for scores in by_task) < 2:
        return None
    rng = np.random.default_rng(seed)
    drawn = [[scores[rng.integers(len(scores), size=(RESAMPLES, len(scores)))] for scores in by_task]
             for by_task in samples]
    low, high = np.quantile(statistic(*drawn), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
