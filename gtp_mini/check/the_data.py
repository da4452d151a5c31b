"""Exercises of chapter 9."""

import torch
from torch import Tensor

from . import Exercise, Mistake

# ---- 9.1: what to keep of a continuing episode, useful(success)


def _useful(success: Tensor) -> Tensor:
    return (success.long().cumsum(0) - success.long()) == 0


def _success_inputs(generator: torch.Generator) -> tuple:
    success = torch.rand(40, generator=generator) < 0.3
    success[: int(torch.randint(3, 30, (1,), generator=generator))] = False
    return (success,)


SUCCESS_EDGES = (torch.zeros(12, dtype=torch.bool),), (torch.arange(12) % 5 == 0,)  # none; in the first step


def _until(success: Tensor, extra: int) -> Tensor:
    found = success.nonzero()
    end = int(found[0]) + extra if len(found) else len(success)
    return torch.arange(len(success)) < end


USEFUL_MISTAKES = (
    Mistake(lambda s: _until(s, 0), "The first success is cut off as well, and with it the only reward."),
    Mistake(lambda s: ~s, "That keeps the steps after the success in which the ant had left the goal again, and drops "
                          "the reward."),
    Mistake(lambda s: s, "That keeps only what should go, the standing at the goal."),
    Mistake(lambda s: torch.ones_like(s), "Nothing is cut: most of the data would be ants that stand."),
    Mistake(lambda s: _until(s, 2), "One step too many: the episode ends *with* its first success."),
    Mistake(lambda s: s.flip(0).long().cumsum(0).flip(0) > 0, "That keeps everything up to the *last* success."),
    Mistake(lambda s: ~_until(s, 1), "That is the part to throw away."),
    Mistake(lambda s: torch.arange(len(s)) <= s.int().argmax(),
            "Without any success argmax is 0, and of the whole episode one step is left: all of it is to be kept."),
    Mistake(lambda s: _until(s, 1) | s[0] | ~s.any(),
            "argmax is 0 for a success in the first step as well as for none: ask success.any()."),
    Mistake(lambda s: s.long().cumsum(0) <= 1,
            "That goes on after the first success, until the step before the second."),
    Mistake(lambda s: ~_until(s, 0), "Turned round: that is what comes from the first success on."),
)

# ---- 9.2: D4RL's reward and terminal, relabel(next_xy, goal)

REACH = 0.45


def _relabel(next_xy: Tensor, goal: Tensor) -> Tensor:
    reached = ((next_xy - goal).norm(dim=1) <= REACH).float()
    return torch.stack([reached, reached])


def _relabel_inputs(generator: torch.Generator) -> tuple:
    goal = 4 * torch.randn(2, generator=generator)
    return goal + 0.5 * torch.randn(64, 2, generator=generator), goal


def _with(reward, terminal) -> object:
    return lambda xy, goal: torch.stack([reward(xy, goal).float(), terminal(xy, goal).float()])


def _near(xy: Tensor, goal: Tensor) -> Tensor:
    return (xy - goal).norm(dim=1) <= REACH


def _first(xy: Tensor, goal: Tensor) -> Tensor:
    near = _near(xy, goal)
    return near & (near.cumsum(0) == 1)


def _no(xy: Tensor, goal: Tensor) -> Tensor:
    return torch.zeros(len(xy))


RELABEL_MISTAKES = (
    Mistake(_with(_near, _no), "The goal ends the episode: without a terminal the critic waits for more."),
    Mistake(_with(lambda xy, g: _near(xy, g).float() - 1, _near), "The shift by -1 is made later; here 0 or 1."),
    Mistake(_with(*2 * (lambda xy, g: (xy - g).norm(dim=1) <= 0.5,)),
            "The radius is 0.45 m; the environment's documentation says 0.5, its code does not."),
    Mistake(_with(*2 * (lambda xy, g: (xy - g).abs().amax(1) <= REACH,)), "That is a square; reach is a distance."),
    Mistake(_with(*2 * (lambda xy, g: (xy - g).square().sum(1) <= REACH,)), "That is the distance's square."),
    Mistake(_with(*2 * (lambda xy, g: (xy - g).norm(dim=1) > REACH,)), "Turned round: reached is *within* the radius."),
    Mistake(_with(_no, _near), "All rewards are 0."),
    Mistake(_with(_first, _first), "Each step is judged by itself: all within reach count, not only the first."),
    Mistake(_with(lambda xy, g: _near(xy, g).int().cummax(0).values, lambda xy, g: _near(xy, g).int().cummax(0).values),
            "Each step is judged by itself: after the first arrival a step outside earns nothing."),
    Mistake(_with(_near, lambda xy, g: ~_near(xy, g)), "The terminal is 1 at the goal; its opposite is often called "
                                                       "not_done."),
    Mistake(_with(_no, _no), "Nothing is ever reached. One distance for each step: the norm needs dim=1."),
)

# ---- 9.3: what comes next, next_obs(obs, last, ended)


def _next(obs: Tensor, last: Tensor, ended: Tensor) -> Tensor:
    return torch.where(ended[:, None], last, torch.cat([obs[1:], last[-1:]]))


def _next_inputs(generator: torch.Generator) -> tuple:
    obs, last = torch.randn(2, 30, 3, generator=generator)
    ended = torch.rand(30, generator=generator) < 0.2
    ended[-1] = True
    return obs, last, ended


NEXT_MISTAKES = (
    Mistake(lambda o, end, e: torch.cat([o[1:], end[-1:]]),
            "Where an episode ends, the next row belongs to another ant: use last there."),
    Mistake(lambda o, end, e: end, "last holds the right answer only where an episode ended."),
    Mistake(lambda o, end, e: torch.where(e[:, None], torch.cat([o[1:], end[-1:]]), end),
            "The two cases are exchanged."),
    Mistake(lambda o, end, e: torch.where(e[:, None], o, torch.cat([o[1:], end[-1:]])),
            "At its end an episode does not stand still: its last observation is in last."),
    Mistake(lambda o, end, e: torch.where(e[:, None], 0 * o, torch.cat([o[1:], end[-1:]])),
            "An observation of zeros is a place in the maze like any other."),
    Mistake(lambda o, end, e: torch.where(e[:, None], end, torch.cat([o[:1], o[:-1]])),
            "That is the row before; what comes next is the row after."),
    Mistake(lambda o, end, e: torch.where(e[:, None], end, torch.roll(o, 1, 0)),
            "torch.roll(obs, 1) looks back; next is torch.roll(obs, -1)."),
    Mistake(lambda o, end, e: torch.where(e[:, None], end, o),
            "The shift is missing: obs[i] is what was seen before the action; what comes next is obs[i + 1]."),
    Mistake(lambda o, end, e: torch.where(e[:, None], torch.roll(end, -1, 0), torch.roll(o, -1, 0)),
            "last is shifted as well: last[i] already is what came after step i. Only obs is shifted."),
    Mistake(lambda o, end, e: torch.roll(torch.where(e[:, None], end, o), -1, 0),
            "First shift obs, then put last where an episode ended: you shift both together."),
)

EXERCISES = {
    "9.1": Exercise(_useful, _success_inputs, USEFUL_MISTAKES, edge_cases=SUCCESS_EDGES),
    "9.2": Exercise(_relabel, _relabel_inputs, RELABEL_MISTAKES),
    "9.3": Exercise(_next, _next_inputs, NEXT_MISTAKES),
}
