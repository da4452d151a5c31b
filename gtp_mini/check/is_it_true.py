"""Exercises of chapter 11."""

import torch
from torch import Tensor

from . import Exercise, Mistake, Reading

# ---- 11.1: the best of n looks, best_of_looks(cdf, n)


def _best(cdf: Tensor, n: int) -> Tensor:
    return (1 - cdf**n).mean()


def _cdf_inputs(generator: torch.Generator) -> tuple:
    chance = torch.rand(21, generator=generator)
    return (chance / chance.sum()).cumsum(0)[:-1], int(torch.randint(3, 40, (1,), generator=generator))


BEST_MISTAKES = (
    Mistake(lambda cdf, n: (1 - cdf).mean(), "That is one look; with n, each P(W <= w) is raised to the power n."),
    Mistake(lambda cdf, n: (1 - cdf**n).sum(), "That counts successes; divide by N for a rate."),
    Mistake(lambda cdf, n: (1 - cdf).mean() * n, "The best of n looks is not n times one look: it cannot exceed 1."),
    Mistake(lambda cdf, n: ((1 - cdf) ** n).mean(), "That is the *worst* of n looks: all of them above w."),
    Mistake(lambda cdf, n: (cdf**n).mean(), "The mean is a sum over P(best > w), which is 1 - P(W <= w)^n."),
    Mistake(lambda cdf, n: 1 - cdf.mean() ** n,
            "First the power n of each probability, then the average."),
    Mistake(lambda cdf, n: (1 - (1 - cdf) ** n).mean(),
            "The best is at most w if *all* looks are: P(W <= w)^n. You raised P(W > w) to the power n."),
    Mistake(lambda cdf, n: (1 - cdf**n).sum() / (len(cdf) + 1), "There are N entries, w = 0 to N - 1: divide by N."),
)

# ---- 11.2: probability of improvement, better(x, y)


def _better(x: Tensor, y: Tensor) -> Tensor:
    return (0.5 + 0.5 * (x[:, None] - y).sign()).mean()


def _scores_inputs(generator: torch.Generator) -> tuple:
    x, y = torch.randint(6, (5,), generator=generator), torch.randint(6, (4,), generator=generator)
    x[0] = y[0]  # a tie
    return x / 5, y / 5


BETTER_MISTAKES = (
    Mistake(lambda x, y: (x[:, None] > y).float().mean(), "Ties count half: two equal methods must get 1/2."),
    Mistake(lambda x, y: (x[:, None] >= y).float().mean(), "Ties count half, not whole."),
    Mistake(lambda x, y: (x.mean() > y.mean()).float(), "That compares the means; compare every two runs."),
    Mistake(lambda x, y: (0.5 + 0.5 * (y[:, None] - x).sign()).mean(), "That is how often the second beats the first."),
    Mistake(lambda x, y: x.mean() - y.mean(), "That is by how much, not how often."),
    Mistake(lambda x, y: (x[:, None] - y).sign().mean(),
            "That goes from -1 to 1; take half of it, plus a half."),
    Mistake(lambda x, y: (0.5 + 0.5 * (x[:4] - y).sign()).mean(),
            "You compare the first with the first, the second with the second. Runs are not pairs: compare every two."),
    Mistake(lambda x, y: (0.5 + 0.5 * (x.sort().values[:4] - y.sort().values).sign()).mean(),
            "Runs are not pairs: the first of one has nothing to do with the first of the other."),
    Mistake(lambda x, y: (0.5 + 0.5 * (x[:, None] - y).sign()).sum(), "That counts pairs; divide by their number."),
    Mistake(lambda x, y: (x.max() > y.max()).float(), "That compares the best runs; compare every two."),
)

# ---- 11.3: Student's half width of five seeds

HALF = Reading(0.1963, 0.002, (
    Mistake(0.1414, "That is the standard deviation with n; an interval needs n - 1, the root of n, and Student's t."),
    Mistake(0.1581, "That is the standard deviation; divide by the root of 5 and multiply by 2.776."),
    Mistake(0.0707, "That is the standard error; multiply by 2.776."),
    Mistake(0.1386, "That is with 1.96, for many seeds; five need Student's 2.776."),
    Mistake(0.4389, "The root of the number of seeds is missing."),
    Mistake(0.1755, "That standard deviation has n below the root; with a mean that was estimated it is n - 1."),
    Mistake(0.3926, "That is the whole width."),
    Mistake(0.2195, "The root of n, 5; n - 1 is below the root of the standard deviation alone."),
    Mistake(0.2, "Nearly: to three digits."),
))

EXERCISES = {
    "11.1": Exercise(_best, _cdf_inputs, BEST_MISTAKES),
    "11.2": Exercise(_better, _scores_inputs, BETTER_MISTAKES),
    "11.3": HALF,
}
