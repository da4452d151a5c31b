"""Bandits with exact answers: one state, a few arms, and policies that are distributions over the arms.

What a rule for improving on data does, it must already do here: how much value it gains, and how far from the data it
goes for that. All numbers are float64; samples are float32, as models take them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .exact import GaussianMixture
from .exact.base import count, distribution, numbers
from .guidance import tilt, tilt_truncated


@dataclass(frozen=True, eq=False)
class Bandit:
    """Arms that are points in action space (std 0) or round Gaussians of one width (std > 0, a mixture bandit).

    The value of an action is that of the arm it comes from. A distribution over arms is a tensor (M,); its policy is a
    `Bandit` with these probabilities, `dataclasses.replace(bandit, probabilities=p).data`.
    Raises ValueError for shapes that do not fit, numbers that are not finite, a negative std, and probabilities that
    are negative or all 0; other probabilities are divided by their sum.
    """

    arms: Tensor  # (M, A), centres
    values: Tensor  # (M,), Q
    probabilities: Tensor  # (M,), of the data
    std: float = 0.0

    def __post_init__(self):
        arms = numbers("arms", self.arms, ("M", "A"))
        checked = {"arms": arms, "values": numbers("values", self.values, (len(arms),)),
                   "probabilities": distribution("probabilities", self.probabilities, len(arms)),
                   "std": float(numbers("std", self.std, ()))}
        if checked["std"] < 0:
            raise ValueError(f"std must be >= 0, got {self.std}")
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def data(self) -> GaussianMixture:
        """The distribution of the data, p."""
        return GaussianMixture(self.arms, self.std, self.probabilities)

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """n pulls: actions (n, A) and their values (n,), float32, and the arms that they come from, (n,), int64."""
        arm = torch.multinomial(self.probabilities, count(n), replacement=True, generator=generator)
        noise = torch.randn(n, self.arms.shape[1], generator=generator, dtype=torch.float64)
        return (self.arms[arm] + self.std * noise).float(), self.values[arm].float(), arm

    def optimum(self, eta: float) -> Tensor:
        """Arm probabilities of the best policy at a price: argmax of E[Q] - KL(. | p) / eta, p exp(eta Q) / Z
        (GTP Eq. 12), (M,). Raises ValueError unless eta >= 0."""
        return tilt(self.probabilities, self.values, _temperature(eta))

    def truncated(self, eta: float) -> Tensor:
        """Arm probabilities that GTP's weights lead to (Eq. 14): p exp(eta max(0, A) / std(A)) / Z, (M,).
        A is Q - E_p[Q]. Raises ValueError unless eta >= 0."""
        return tilt_truncated(self.probabilities, self.values, _temperature(eta))

    def policy(self, eta: float) -> GaussianMixture:
        """The distribution of actions of `optimum`: what a perfect learner's samples follow."""
        return GaussianMixture(self.arms, self.std, self.optimum(eta))

    def arm_of(self, actions: Tensor) -> Tensor:
        """The arm nearest to each action, (n, A) -> (n,), int64. Raises ValueError for other shapes."""
        return torch.cdist(numbers("actions", actions, ("n", self.arms.shape[1])), self.arms).argmin(1)

    def shares(self, actions: Tensor) -> Tensor:
        """The share of the actions (n, A) that is nearest to each arm, (M,)."""
        arm = self.arm_of(actions)
        return torch.bincount(arm, minlength=len(self.arms)).double() / len(arm)

    def expected_value(self, p: Tensor) -> float:
        """E[Q] of a distribution over arms p, (M,)."""
        return float(distribution("p", p, len(self.arms)) @ self.values)


def kl(p: Tensor, q: Tensor) -> float:
    """KL(p | q) = sum_k p_k log(p_k / q_k) of distributions over arms, (M,), in nats; inf where q misses an arm of p.

    For points it is the divergence of the actions as well; for arms with a width this much at most, and less only by
    as much as the arms overlap. p and q are divided by their sums. Raises ValueError if they are no distributions or
    differ in length.
    """
    p = distribution("p", p, "M")
    q = distribution("q", q, len(p))
    return max(0.0, float((torch.xlogy(p, p) - torch.xlogy(p, q)).sum()))  # rounding may give -1e-17


def _temperature(eta: object) -> float:
    eta = float(numbers("eta", eta, ()))
    if eta < 0:
        raise ValueError(f"eta must be >= 0, got {eta:g}")
    return eta


# Our choice: four corners, and the better an arm the rarer, so that improving and staying near the data are at odds.
# Up to eta = 4 every arm keeps more than 4 in 100 pulls of `optimum`, and more than 5 in 10,000 of `truncated`.
_CORNERS = torch.tensor([[-0.6, -0.6], [-0.6, 0.6], [0.6, -0.6], [0.6, 0.6]], dtype=torch.float64)
_VALUES = torch.tensor([0.0, 0.3, 0.6, 1.0], dtype=torch.float64)
_PROBABILITIES = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)

DISCRETE = Bandit(_CORNERS, _VALUES, _PROBABILITIES)
MIXTURE = Bandit(_CORNERS, _VALUES, _PROBABILITIES, std=0.06)  # arms 20 standard deviations apart
