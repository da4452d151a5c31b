"""Exercises of chapter 8."""

import torch
from torch import Tensor

from ..critics import expectile_loss, td_target
from . import Answer, Exercise, Mistake, Reading

# ---- 8.1: the critic's target, target(reward, terminal, truncated, next_q, gamma) with next_q (2, B)


def _target(reward: Tensor, terminal: Tensor, truncated: Tensor, next_q: Tensor, gamma: float) -> Tensor:
    return td_target(reward, terminal, next_q.amin(0), gamma)


def _target_inputs(generator: torch.Generator) -> tuple:
    kind = torch.randint(3, (64,), generator=generator)
    return (-torch.rand(64, generator=generator), (kind == 1).float(), (kind == 2).float(),
            10 * torch.randn(2, 64, generator=generator) - 20, 0.99)


TARGET_MISTAKES = (
    Mistake(lambda r, d, c, q, g: r + g * (1 - d) * (1 - c) * q.amin(0),
            "A time limit is not an end: where the episode was only cut off (truncated), the future still counts."),
    Mistake(lambda r, d, c, q, g: r + g * (1 - c) * q.amin(0),
            "You masked the truncated steps instead of the terminal ones."),
    Mistake(lambda r, d, c, q, g: r + g * q.amin(0),
            "At the goal the episode ends: the future of a terminal step is worth nothing. Mask it."),
    Mistake(lambda r, d, c, q, g: r + g * d * q.amin(0),
            "The mask is the wrong way round: the future counts where terminal is 0."),
    Mistake(lambda r, d, c, q, g: r + g * (1 - d) * q.amax(0),
            "You took the larger of the two critics. The smaller one is what keeps errors from feeding on themselves."),
    Mistake(lambda r, d, c, q, g: r + g * (1 - d) * q.mean(0),
            "You took the mean of the two critics; clipped double Q takes the smaller."),
    Mistake(lambda r, d, c, q, g: r + (1 - d) * q.amin(0),
            "The discount gamma is missing: a reward tomorrow is worth a little less."),
    Mistake(lambda r, d, c, q, g: g * (r + (1 - d) * q.amin(0)),
            "The reward of this step is not discounted; only what follows is."),
    Mistake(lambda r, d, c, q, g: (1 - d) * (r + g * q.amin(0)),
            "The reward of a terminal step counts: it is the goal's. Only what follows is masked."),
    Mistake(lambda r, d, c, q, g: r + g * (1 - d) * q[0],
            "You asked one critic alone; take the smaller of the two, row by row."),
    Mistake(lambda r, d, c, q, g: r + g * (1 - d) * q[1],
            "You asked the second critic alone; take the smaller of the two, row by row."),
    Mistake(lambda r, d, c, q, g: r + g * (1 - d) * q.min(),
            "That is one number, the least of the whole batch; take the smaller of the two critics in each row."),
    Mistake(lambda r, d, c, q, g: r + g * (1 - d) * q.sum(0),
            "You added the two critics; take the smaller."),
    Mistake(lambda r, d, c, q, g: r, "The future is missing: add gamma times what the next step is worth."),
)

# ---- 8.2: the expectile loss, loss(q, v, tau), value and gradient in v


def _expectile(q: Tensor, v: Tensor, tau: float) -> Tensor:
    return expectile_loss(q - v, tau)


def _expectile_inputs(generator: torch.Generator) -> tuple:
    q, v = torch.randn(2, 64, generator=generator)
    return q, v, float(0.6 + 0.35 * torch.rand(1, generator=generator))


def _and_slope(answer: Answer, arguments: tuple) -> Tensor:
    """The loss, and its gradient in v; zeros where there is none."""
    q, v, tau = arguments
    v = v.requires_grad_()
    loss = answer(q, v, tau)
    if not isinstance(loss, Tensor) or loss.ndim:
        return loss
    slope = torch.autograd.grad(loss, v)[0] if loss.requires_grad else torch.zeros_like(v)
    return torch.cat([loss.detach()[None], slope])


EXPECTILE_MISTAKES = (
    Mistake(lambda q, v, tau: (q - v).square().mean(), "That is tau = 1/2, twice: it learns the mean of Q."),
    Mistake(lambda q, v, tau: expectile_loss(v - q, tau),
            "The two sides are exchanged: with tau near 1, being *below* Q must cost more."),
    Mistake(lambda q, v, tau: ((tau - (q < v).float()).abs() * (q - v).abs()).mean(),
            "Without the square that is a quantile, not an expectile."),
    Mistake(lambda q, v, tau: ((tau - (q < v).float()) * (q - v).square()).mean(),
            "The weight must not be negative: take its absolute value."),
    Mistake(lambda q, v, tau: (tau * (q - v).clamp(min=0).square()).mean(),
            "Where v is above Q there must be a loss as well, of weight 1 - tau, or V rises for ever."),
    Mistake(lambda q, v, tau: ((tau - (q < v).float()).abs() * (q - v).square()).sum(),
            "Mean over the batch, not its sum."),
    Mistake(lambda q, v, tau: expectile_loss(q - v.detach(), tau),
            "The value is right, but v has no gradient: what is to be learned here is V."),
    Mistake(lambda q, v, tau: (tau * (q - v).square()).mean(),
            "The weight tau stands on one side only, where v is below Q; on the other it is 1 - tau."),
    Mistake(lambda q, v, tau: 2 * expectile_loss(q - v, tau),
            "Twice too large: the weights are tau and 1 - tau."),
)

# ---- 8.3: the value of being lost, with stops taken for ends

LOST = Reading(-50.25, 0.15, (
    Mistake(-100.0, "That is the right value, -1 / (1 - gamma); what is asked is what the wrong mask makes of it."),
    Mistake(-99.0, "That is one step less than the truth; the mask works in every step."),
    Mistake(-63.4, "That is a sum of exactly 100 discounted steps. Here each step may be the last: the discount is "
                   "0.99 x 0.99."),
    Mistake(-1.0, "Only the recording's last step has the value -1; the others look ahead to it."),
    Mistake(50.25, "Steps cost 1 each: the value is negative."),
    Mistake(-87.6, "That is for recordings of 700 steps, as in the text."),
    Mistake(-50.0, "Near, and the right idea, but gamma (1 - q) is 0.99^2, not 0.98."),
))

# ---- 8.4: reward and terminal of a conversion, columns(reached, truncated)


def _columns(reached: Tensor, truncated: Tensor) -> Tensor:
    return torch.stack([reached, reached])


def _columns_inputs(generator: torch.Generator) -> tuple:
    kind = torch.randint(4, (64,), generator=generator)
    return (kind == 1).float(), (kind == 2).float()


COLUMNS_MISTAKES = (
    Mistake(lambda r, t: torch.stack([torch.zeros_like(r), torch.maximum(r, t)]),
            "Both bugs are still there: all rewards are 0, and time limits are ends."),
    Mistake(lambda r, t: torch.stack([r, torch.maximum(r, t)]),
            "The rewards are back. The second bug: a time limit is not a terminal."),
    Mistake(lambda r, t: torch.stack([torch.zeros_like(r), r]),
            "The terminals are right. The second bug: all rewards are 0, there is nothing to learn from."),
    Mistake(lambda r, t: torch.stack([r, t]), "Now only time limits are ends, and the goal is none."),
    Mistake(lambda r, t: torch.stack([r - 1, r]), "The shift comes later; the rewards wanted here are 0 or 1."),
    Mistake(lambda r, t: torch.stack([r, torch.zeros_like(r)]),
            "Without a terminal the critic counts on rewards after the goal, of which there are none."),
    Mistake(lambda r, t: torch.stack([torch.maximum(r, t), r]), "A time limit is no success: its reward is 0."),
    Mistake(lambda r, t: torch.stack([torch.maximum(r, t)] * 2),
            "A time limit is neither a success nor an end: it has no reward and is no terminal."),
    Mistake(lambda r, t: torch.stack([r, 1 - t]), "A step that was not cut off is no terminal for that: only the goal "
                                                  "is."),
    Mistake(lambda r, t: torch.stack([r, 1 - r]), "The terminal is 1 at the goal; its opposite is often "
                                                  "called not_done."),
)

EXERCISES = {
    "8.1": Exercise(_target, _target_inputs, TARGET_MISTAKES),
    "8.2": Exercise(_expectile, _expectile_inputs, EXPECTILE_MISTAKES, _and_slope),
    "8.3": LOST,
    "8.4": Exercise(_columns, _columns_inputs, COLUMNS_MISTAKES),
}
