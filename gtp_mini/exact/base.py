"""What every exact distribution offers, and how its inputs are checked."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

FLOOR = 1e-60  # a variance below counts as this: at t = 0 a point mass then has the limit t -> 0 and not 0 / 0
LAST_LEVEL = 1e-6  # integration stops here, and one jump of the denoiser, wrong by less than this, does the rest


class Exact(ABC):
    """What every exact distribution offers: x (B, A) of any float dtype, times (B,) or a number, 0 <= s <= t.

    Computed in float64 on the CPU, returned with the dtype and device of x. `obs` is ignored: there is no condition.
    Everything raises ValueError for other shapes, for numbers that are not finite and for times out of order.
    """

    dim: int  # A

    # What a distribution brings: x (B, A) and t (B, 1) are checked and in float64.

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n exact samples of the data distribution, (n, A), float32."""

    @abstractmethod
    def _denoise(self, x: Tensor, t: Tensor) -> Tensor: ...

    @abstractmethod
    def _score(self, x: Tensor, t: Tensor) -> Tensor: ...

    @abstractmethod
    def _log_prob(self, x: Tensor, t: Tensor) -> Tensor: ...

    @abstractmethod
    def _has_density(self) -> bool: ...

    def log_prob(self, x: Tensor, t: Tensor | float) -> Tensor:
        """Log density of x_t at x, (B,). Raises ValueError at t = 0 where a width is 0: a point has no density."""
        return self._log_prob(*self._smooth(x, t)).to(x)

    def score(self, x: Tensor, t: Tensor | float) -> Tensor:
        """Gradient of the log density of x_t, (B, A); (E[x_0 | x_t] - x) / t^2 for t > 0 (Tweedie's formula)."""
        return self._score(*self._smooth(x, t)).to(x)

    def denoise(self, x: Tensor, t: Tensor | float, obs: None = None) -> Tensor:
        """E[x_0 | x_t = x], (B, A); at t = 0 the limit, which is x where x_0 can be."""
        return self._denoise(*self._inputs(x, t)).to(x)

    def velocity(self, x: Tensor, t: Tensor | float, obs: None = None) -> Tensor:
        """Right-hand side of the probability-flow ODE, `f = (x - E[x_0 | x_t]) / t = -t score`, (B, A)."""
        x_, t_ = self._smooth(x, t)
        return (-t_ * self._score(x_, t_)).to(x)

    def flow_map(self, x: Tensor, t: Tensor | float, s: Tensor | float) -> Tensor:
        """Phi(x, t, s), (B, A): where the ODE takes x at level t to at level s. At s = t it is x."""
        x_, t_, s_ = self._inputs(x, t, s)
        return torch.where(s_ == t_, x_, self._flow_map(x_, t_, s_)).to(x)

    def phi(self, x: Tensor, t: Tensor | float, s: Tensor | float, obs: None = None) -> Tensor:
        """Endpoint estimate (t Phi - s x) / (t - s) (GTP Eq. 4 solved for phi), (B, A); the denoiser at s = t."""
        x_, t_, s_ = self._inputs(x, t, s)
        near = t_ - s_ <= 1e-8 * t_  # the quotient has lost 8 digits here, and the denoiser is as near
        quotient = (t_ * self._flow_map(x_, t_, s_) - s_ * x_) / torch.where(near, 1.0, t_ - s_)
        return torch.where(near, self._denoise(x_, t_), quotient).to(x)

    def __call__(self, x: Tensor, t: Tensor | float, s: Tensor | float, obs: None = None) -> Tensor:
        return self.flow_map(x, t, s)

    def _flow_map(self, x: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """By integration (torchdiffeq, adaptive, to about 1e-6) in ln t, where dx / d ln t = x - E[x_0 | x_t] is smooth
        whatever the scale of the data."""
        from torchdiffeq import odeint

        if len(x) == 0:
            return x
        t = t.clamp(min=FLOOR**0.5)  # has a logarithm
        stop = s.maximum(t.clamp(max=LAST_LEVEL))
        log_t, log_s = t.log(), stop.log()

        def field(r: Tensor, y: Tensor) -> Tensor:  # r runs from 0 to 1 for every row, whatever its own times
            return (log_s - log_t) * (y - self._denoise(y, (log_t + r * (log_s - log_t)).exp()))

        # the error allowed is each row's own, not the mean over the batch
        y = odeint(field, x, x.new_tensor([0.0, 1.0]), rtol=1e-8, atol=1e-9, options={"norm": lambda e: e.abs().max()})
        return s / stop * y[-1] + (1 - s / stop) * self._denoise(y[-1], stop)

    def _inputs(self, x: Tensor, *times: Tensor | float) -> list[Tensor]:
        """x (B, A) and each time (B, 1), times named t and s, in float64 on the CPU. Raises ValueError."""
        if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim != 2 or x.shape[1] != self.dim:
            got = f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"x must be a float tensor of shape (B, {self.dim}), got {got}")
        levels = []
        for name, time in zip("ts", times, strict=False):
            level = numbers(name, time, (), (len(x),))
            if (level < 0).any():
                raise ValueError(f"{name} is a noise level and must be >= 0, got {level.min():g}")
            levels.append(level.expand(len(x))[:, None])
        if len(levels) == 2 and (wrong := levels[1] > levels[0] * (1 + 1e-6)).any():  # one may be float32's nearest
            t, s = (level[wrong][0] for level in levels)
            raise ValueError(f"s must not be above t, flow maps go from noise to data: got t = {t:g}, s = {s:g}")
        return [numbers("x", x, x.shape), *levels]

    def _smooth(self, x: Tensor, t: Tensor | float) -> list[Tensor]:
        """Inputs of what needs a density."""
        x, t = self._inputs(x, t)
        if (t == 0).any() and not self._has_density():
            raise ValueError("t must be > 0, got 0: data without width in some direction have no density there")
        return [x, t]


def numbers(name: str, value: object, *shapes: tuple[int | str, ...]) -> Tensor:
    """value as a float64 tensor of its own on the CPU; a letter in a shape stands for any size but 0.

    Raises ValueError, with the name, if it has none of the shapes or is not made of finite numbers.
    """
    try:
        tensor = torch.as_tensor(value, dtype=torch.float64, device="cpu").clone()
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name} must be made of numbers, got {value!r}") from None
    if not any(len(shape) == tensor.ndim and all(n == size or (isinstance(size, str) and n > 0)
                                                 for n, size in zip(tensor.shape, shape, strict=True))
               for shape in shapes):
        wanted = " or ".join("of shape " + str(shape).replace("'", "") if shape else "a number" for shape in shapes)
        raise ValueError(f"{name} must be {wanted}, got shape {tuple(tensor.shape)}")
    if not tensor.isfinite().all():
        raise ValueError(f"{name} must be finite, got {tensor[~tensor.isfinite()][0]:g}")
    return tensor


def distribution(name: str, value: object, n: int | str) -> Tensor:
    """Weights (n,) divided by their sum. Raises ValueError, with the name, if one is negative or all are 0."""
    tensor = numbers(name, value, (n,))
    if (tensor < 0).any() or not tensor.sum() > 0:
        raise ValueError(f"{name} must be {len(tensor)} numbers >= 0 with a positive sum, got {tensor.tolist()}")
    return tensor / tensor.sum()


def count(n: object) -> int:
    """n, if it is a number of samples; else ValueError."""
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"n must be a whole number of at least 1, got {n!r}")
    return n
