"""Exercises of chapter 10."""

import torch
from torch import Tensor

from . import Exercise, Mistake, Reading

# ---- 10.1: Wilson's interval, interval(wins, n)

Z = 1.96


def _ends(wins: int, n: int, z: float = Z) -> Tensor:
    p = wins / n
    half = z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    return torch.tensor([p + z**2 / (2 * n) - half, p + z**2 / (2 * n) + half]) / (1 + z**2 / n)


def _wins_inputs(generator: torch.Generator) -> tuple:
    n = int(torch.randint(10, 30, (1,), generator=generator))
    return n - int(torch.randint(3, (1,), generator=generator)), n


def _textbook(wins: int, n: int) -> Tensor:
    p = wins / n
    half = Z * (p * (1 - p) / n) ** 0.5
    return torch.tensor([p - half, p + half])


def _root(wins: int, n: int, inside: float) -> float:
    return (wins / n * (1 - wins / n) / n + inside) ** 0.5


def _about(wins: int, n: int, half: float) -> Tensor:
    centre = wins / n + Z**2 / (2 * n)
    return torch.tensor([centre - half, centre + half]) / (1 + Z**2 / n)


WILSON_MISTAKES = (
    Mistake(_textbook, "That is the textbook's interval, which has no width at 100 of 100."),
    Mistake(lambda w, n: _textbook(w, n).clamp(0, 1), "That is the textbook's interval, cut to [0, 1]; it still has no "
                                                       "width at 100 of 100."),
    Mistake(lambda w, n: _ends(w, n, 1.0), "z = 1 makes a 68 % interval; 95 % needs 1.96."),
    Mistake(lambda w, n: _ends(w, n) * (1 + Z**2 / n), "The division by 1 + z^2 / n is missing."),
    Mistake(lambda w, n: _ends(w, n).flip(0), "The lower end first."),
    Mistake(lambda w, n: _ends(w, n, 1.645), "1.645 leaves 5 % on each side; 95 % between the ends needs 1.96."),
    Mistake(lambda w, n: 100 * _ends(w, n), "A rate between 0 and 1, not per cent."),
    Mistake(lambda w, n: _ends(w, n) - Z**2 / (2 * n) / (1 + Z**2 / n),
            "The centre is not the rate itself: z^2 / 2n is missing before the +-."),
    Mistake(lambda w, n: (_textbook(w, n) + Z**2 / (2 * n)) / (1 + Z**2 / n),
            "Below the root z^2 / 4n^2 is missing; without it there is no width at 100 of 100."),
    Mistake(lambda w, n: _about(w, n, _root(w, n, Z**2 / (4 * n**2))), "z is missing before the root."),
    Mistake(lambda w, n: _about(w, n, Z * _root(w, n, Z**2 / (4 * n))),
            "Below the root z^2 is divided by 4n^2, not by 4n."),
    Mistake(lambda w, n: torch.tensor([0.0, 1.0]), "From 0 to 1: always right, and says nothing."),
)

# ---- 10.2: how many episodes

# 1.96^2 0.09 / 0.05^2; cut to 138 or rounded up to 139, it is right
EPISODES = Reading(138.3, 2, (
    Mistake(10, "Ten episodes say little: at 9 of 10 the interval reaches from 0.60 to 0.98."),
    Mistake(100, "100 episodes give +- 0.06."),
    Mistake(36, "That is with z = 1, for a confidence of 68 %; 95 % needs 1.96."),
    Mistake(553, "That is for +- 0.025: 0.05 is the half width."),
    Mistake(384, "That is for a rate of 0.5, the worst case; at 0.9 the variance is 0.09."),
    Mistake(71, "z has to be squared: 1.96^2."),
    Mistake(144, "That is with z = 2; 95 % needs 1.96."),
))

# ---- 10.3: the grid over the whole training, cells(call, step, total)


def _cells(call: Tensor, step: Tensor, total: int) -> Tensor:
    return _of(1000 * call + step, total)


def _of(step: Tensor, total: int) -> Tensor:
    return 10 * 2 ** (8 * step / total).floor().clamp(0, 7)


def _cells_inputs(generator: torch.Generator) -> tuple:
    call = torch.randint(6, (200,), generator=generator).float()
    return call, torch.randint(1000, (200,), generator=generator).float(), 6_000


CELLS_MISTAKES = (
    Mistake(lambda c, s, n: _of(s, n), "The bug is still there: step starts again at every call."),
    Mistake(lambda c, s, n: _of(s, 1000), "Now the grid doubles through all its sizes within every call."),
    Mistake(lambda c, s, n: _of(c, n), "Calls are counted now, but in units of steps: a call is 1,000 of them."),
    Mistake(lambda c, s, n: _of(c + s, n), "A call is 1,000 steps, not one."),
    Mistake(lambda c, s, n: _of(1000 * c, n), "The steps within a call count as well."),
    Mistake(lambda c, s, n: 10 * 2 ** (8 * (1000 * c + s) / n).round().clamp(0, 7),
            "A stage lasts an eighth of the training: floor, where round begins the next one half an eighth early."),
    Mistake(lambda c, s, n: 10 * 2 ** (8 * (1000 * c + s) / n), "The number of cells must double in stages: take the "
                                                                 "floor of the exponent."),
    Mistake(lambda c, s, n: 10 * 2 ** (7 * (1000 * c + s) / n).floor(),
            "Eight stages, from 10 to 1280: 8 step / total, and at most 7 doublings."),
    Mistake(lambda c, s, n: 10 * (1 + (8 * (1000 * c + s) / n).floor().clamp(0, 7)), "It doubles: 10 x 2^stage."),
    Mistake(lambda c, s, n: 2 ** (8 * (1000 * c + s) / n).floor().clamp(0, 7), "It begins with 10 cells."),
)

EXERCISES = {
    "10.1": Exercise(_ends, _wins_inputs, WILSON_MISTAKES),
    "10.2": EPISODES,
    "10.3": Exercise(_cells, _cells_inputs, CELLS_MISTAKES),
}
