"""Training that has gone wrong stops, says how, and leaves the last good checkpoint as it is."""

import math

import torch
from torch import Tensor

from .agents.learner import ValueConfig

Q_FACTOR = 10.0  # times the largest |Q| that rewards allow; ours


class DivergedError(RuntimeError):
    """A loss, a value or a weight is not finite, or values are far beyond what rewards allow."""


def value_limit(reward: Tensor, config: ValueConfig) -> float:
    """10 max|r| / (1 - gamma) over the data's rewards, (M,), as the configuration scales them: no policy's values come
    near it. Rewards below 1 count as 1, or the random start of a critic might be beyond it."""
    largest = (config.reward_scale * reward + config.reward_offset).abs().max().item()
    return Q_FACTOR * max(largest, 1.0) / (1 - config.gamma)


def check_metrics(metrics: dict[str, float], limit: float, step: int, kept: str = "") -> None:
    """DivergedError if a metric is not finite, or max |Q| is above `limit`. `kept` says what there is to go back to."""
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise _diverged(step, f"{name} is {value:g}", kept)
    if metrics.get("q_abs_max", 0.0) > limit:
        raise _diverged(step, f"|Q| is {metrics['q_abs_max']:.3g} where rewards allow {limit / Q_FACTOR:.3g}", kept)


def check_tensors(tensors: dict[str, Tensor], step: int, kept: str = "") -> None:
    """DivergedError if a tensor holds NaN or infinity."""
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise _diverged(step, f"{name} holds NaN or infinity", kept)


def _diverged(step: int, seen: str, kept: str) -> DivergedError:
    return DivergedError(f"training diverged at step {step}: {seen}; try a lower lr, eta or q_weight, a lower clip, "
                         f"or layer_norm=true{kept and '; ' + kept}")
