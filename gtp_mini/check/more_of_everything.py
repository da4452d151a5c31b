"""Exercises of chapter 12."""

import torch
from torch import Tensor

from . import Exercise, Mistake, Reading

# ---- 12.1: a layer for many members, linear(x, w, b)


def _linear(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return torch.baddbmm(b[:, None], x, w)


def _linear_inputs(generator: torch.Generator) -> tuple:
    # as many rows as members and as many inputs as outputs: wrong products have the right shape
    return (torch.randn(4, 4, 4, generator=generator), torch.randn(4, 4, 4, generator=generator),
            torch.randn(4, 4, generator=generator))


LINEAR_MISTAKES = (
    Mistake(lambda x, w, b: x @ w + b, "b + (E, J) meets the last two dimensions: it is added by row, not by member. "
                                       "b[:, None]."),
    Mistake(lambda x, w, b: x @ w, "The bias is missing."),
    Mistake(lambda x, w, b: x @ w.mT + b[:, None], "w is (E, I, J): not transposed, unlike in torch.nn.Linear."),
    Mistake(lambda x, w, b: x @ w[0] + b[:, None], "Every member has weights of its own."),
    Mistake(lambda x, w, b: torch.einsum("ebi,bij->ebj", x, w) + b[:, None],
            "The weights go with the member, e, not with the row, b."),
    Mistake(lambda x, w, b: torch.einsum("ebi,eij->bej", x, w) + b, "The result is (E, B, J), members first."),
    Mistake(lambda x, w, b: x * w + b[:, None], "That multiplies entry by entry; a layer is a matrix product."),
    Mistake(lambda x, w, b: x @ w + b[:, :, None], "The bias goes with the outputs, the last dimension: b[:, None]."),
    Mistake(lambda x, w, b: x, "That hands the inputs on: weights and bias are not used."),
)

# ---- 12.2: Amdahl's law

TIMES = Reading(1.923, 0.02, (
    Mistake(5.0, "Only 60 % of the update became faster."),
    Mistake(3.0, "0.6 x 5 is not it: the time that is left counts, 0.4 + 0.6 / 5."),
    Mistake(2.5, "That is the limit, with a sampler that takes no time at all."),
    Mistake(0.52, "That is the new time; the speed is its inverse."),
    Mistake(1.4706, "That makes the other 40 % five times faster."),
    Mistake(1.6667, "That is the limit if the *other* 40 % took no time."),
    Mistake(2.0, "Nearly: to three digits."),
    Mistake(3.4, "An average of the two speeds, 0.4 x 1 + 0.6 x 5: it is times that add up, not speeds."),
))

# ---- 12.3: noise of many members, noise(seeds, B, A)


def _of(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _noise(seeds: list[int], B: int, A: int) -> Tensor:
    return torch.stack([_of(seed, B, A) for seed in seeds])


def _in_turn(seeds: list[int], B: int, A: int) -> Tensor:
    generator = torch.Generator().manual_seed(seeds[0])
    return torch.stack([torch.randn(B, A, generator=generator) for _ in seeds])


def _seeds_inputs(generator: torch.Generator) -> tuple:
    return torch.randperm(50, generator=generator)[:3].tolist(), 6, 2


NOISE_MISTAKES = (
    Mistake(lambda seeds, B, A: _of(seeds[0], B, A).expand(len(seeds), B, A),
            "All members still see the first one's noise."),
    Mistake(lambda seeds, B, A: _of(seeds[0], len(seeds), B, A),
            "One generator draws for all: a member's noise then depends on who is trained beside it."),
    Mistake(_in_turn, "One generator draws for all in turn: a member's noise then depends on who comes before it."),
    Mistake(lambda seeds, B, A: torch.stack([_of(0, B, A) for _ in seeds]), "The seeds are not used."),
    Mistake(lambda seeds, B, A: torch.stack([_of(i, B, A) for i in range(len(seeds))]),
            "Those are the members' places, not their seeds: seed 7 alone would draw something else."),
    Mistake(lambda seeds, B, A: torch.stack([_of(sum(seeds), B, A) for _ in seeds]), "One seed for all of them."),
    Mistake(lambda seeds, B, A: torch.stack([_of(seed, 1, A).expand(B, A) for seed in seeds]),
            "Within a member every row needs noise of its own."),
)

EXERCISES = {
    "12.1": Exercise(_linear, _linear_inputs, LINEAR_MISTAKES),
    "12.2": TIMES,
    "12.3": Exercise(_noise, _seeds_inputs, NOISE_MISTAKES),
}
