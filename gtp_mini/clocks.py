"""The clocks of other papers, converted to ours in one place.

Here time is the noise level: x_t = x_0 + t z. Others scale the sample as well and count time in their own way, ::

    x_own = scale(tau) (x_0 + sigma(tau) z),

and their networks predict something else than E[x_0 | x_t]. A `Clock` knows all three translations, so that a method's
own loss, its own distribution of training times and its own sampling grid can be used on the one model of this library.
Shapes: times (B,), samples and predictions (B, A).

A step of Euler's method is the same in all of them: (s / t) x + (1 - s / t) D in our clock, whatever the method's own
(check by substitution). What differs is where the steps stand, how errors are weighed and where the network is trained.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from .draws import integers, normal, uniform
from .times import SIGMA_MAX, SIGMA_MIN, check_steps, sample_lognormal, sampling_times


class Clock(ABC):
    """One way to count time. `tau` is the method's own time, sigma the noise level, both (B,)."""

    start: float | None = None  # own time of pure noise, where sigma is infinite; None where it is not

    @abstractmethod
    def sigma(self, tau: Tensor) -> Tensor:
        """Noise level at own time tau."""

    @abstractmethod
    def time(self, sigma: Tensor) -> Tensor:
        """Own time at noise level sigma; the inverse of `sigma`."""

    @abstractmethod
    def scale(self, sigma: Tensor) -> Tensor:
        """Factor between the method's sample and ours, x_own = scale x."""

    @abstractmethod
    def error_weight(self, sigma: Tensor) -> Tensor:
        """|error of the own prediction|^2 = error_weight |error of the denoiser|^2, (B,)."""

    @abstractmethod
    def denoised(self, x: Tensor, sigma: Tensor, prediction: Tensor) -> Tensor:
        """E[x_0 | x] from our x and the method's prediction, (B, A)."""

    @abstractmethod
    def prediction(self, x: Tensor, sigma: Tensor, denoised: Tensor) -> Tensor:
        """The method's prediction from our x and E[x_0 | x]; the inverse of `denoised`, (B, A)."""

    @abstractmethod
    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Own training times, (n,)."""

    def sample(self, n: int, generator: torch.Generator, sigma_min: float = SIGMA_MIN,
               sigma_max: float = SIGMA_MAX) -> Tensor:
        """Noise levels of a training batch, (n,), cut to [sigma_min, sigma_max]."""
        return self.sigma(self.draw(n, generator)).clamp(sigma_min, sigma_max)

    def grid(self, steps: int, sigma_min: float = SIGMA_MIN, sigma_max: float = SIGMA_MAX,
             device: torch.device | str | None = None) -> Tensor:
        """The K + 1 noise levels of a K-step sampler, from sigma_max to 0, evenly spaced in own time."""
        check_steps(steps)
        first, last = self.time(torch.tensor([sigma_max, 0.0], dtype=torch.float64))
        first = first if self.start is None else torch.full_like(first, self.start)
        tau = torch.lerp(first, last, torch.linspace(0, 1, steps + 1, dtype=torch.float64))
        return self.sigma(tau).clamp(max=sigma_max).float().to(device)


class EDM(Clock):
    """Karras et al. 2022: time is the noise level, the network's output is F in D = c_skip x + c_out F (Eq. 7)."""

    def __init__(self, sigma_data: float = 0.5, log_mean: float = -1.2, log_std: float = 1.2):  # their Table 1
        self.sigma_data, self.log_mean, self.log_std = sigma_data, log_mean, log_std

    def sigma(self, tau):
        return tau

    def time(self, sigma):
        return sigma

    def scale(self, sigma):
        return torch.ones_like(sigma)

    def error_weight(self, sigma):  # their lambda(sigma)
        return (sigma**2 + self.sigma_data**2) / (sigma * self.sigma_data) ** 2

    def denoised(self, x, sigma, prediction):
        total = sigma**2 + self.sigma_data**2
        return ((self.sigma_data**2 / total)[:, None] * x
                + (sigma * self.sigma_data / total.sqrt())[:, None] * prediction)

    def prediction(self, x, sigma, denoised):
        skipped = denoised - (self.sigma_data**2 / (sigma**2 + self.sigma_data**2))[:, None] * x
        return self.error_weight(sigma).sqrt()[:, None] * skipped

    def draw(self, n, generator):
        return sample_lognormal(n, generator, self.log_mean, self.log_std)

    def grid(self, steps, sigma_min=SIGMA_MIN, sigma_max=SIGMA_MAX, device=None):
        """The grid of Karras et al. (Eq. 5), with its last level put to 0."""
        return sampling_times(steps, sigma_min, sigma_max, device=device)


class DDPM(Clock):
    """The variance-preserving chain of Ho et al. 2020 in the schedule of Diffusion-QL (Wang et al. 2023).

    x_own = sqrt(abar) x_0 + sqrt(1 - abar) z, abar = exp(-b_min tau - (b_max - b_min) tau^2 / 2), tau = i / T <= 1.
    The network predicts z. `levels` is T: training visits i = 1 .. T only. At T = 5 the noise levels are
    0.494, 1.139, 2.304, 4.974, 12.45.
    """

    def __init__(self, levels: int = 5, b_min: float = 0.1, b_max: float = 10.0):
        self.levels, self.b_min, self.slope = levels, b_min, b_max - b_min

    @property
    def last(self) -> float:
        """The noise level at tau = 1, where sampling starts."""
        return math.sqrt(math.expm1(self.b_min + self.slope / 2))

    def sigma(self, tau):
        return torch.expm1(self.b_min * tau + self.slope * tau**2 / 2).sqrt()

    def time(self, sigma):
        # the root of the quadratic, in the form that keeps its digits at small noise
        log = torch.log1p(sigma**2)
        return 2 * log / (self.b_min + (self.b_min**2 + 2 * self.slope * log).sqrt())

    def scale(self, sigma):
        return (1 + sigma**2).rsqrt()

    def error_weight(self, sigma):
        return sigma**-2

    def denoised(self, x, sigma, prediction):
        return x - sigma[:, None] * prediction

    def prediction(self, x, sigma, denoised):
        return (x - denoised) / sigma[:, None]

    def draw(self, n, generator):
        index = integers(self.levels, (n,), generator)
        return (1 + index) / self.levels


class FlowMatching(Clock):
    """Linear paths (Lipman et al. 2023; FQL's clock): x_own = (1 - tau) z + tau x_0, data at tau = 1.

    The network predicts the velocity E[x_0 - z | x_own].
    """

    start = 0.0

    def sigma(self, tau):
        return (1 - tau) / tau

    def time(self, sigma):
        return 1 / (1 + sigma)

    def scale(self, sigma):
        return 1 / (1 + sigma)

    def error_weight(self, sigma):
        return ((1 + sigma) / sigma) ** 2

    def denoised(self, x, sigma, prediction):  # x_own + (1 - tau) v
        return (x + sigma[:, None] * prediction) / (1 + sigma)[:, None]

    def prediction(self, x, sigma, denoised):
        return ((1 + sigma)[:, None] * denoised - x) / sigma[:, None]

    def draw(self, n, generator):
        return uniform((n,), generator)


class MeanFlow(Clock):
    """The linear path counted the other way (Geng et al. 2025): x_own = (1 - tau) x_0 + tau z, data at tau = 0.

    The network predicts the velocity E[z - x_0 | x_own]; training times are logit-normal(-0.4, 1).
    """

    start = 1.0

    def sigma(self, tau):
        return tau / (1 - tau)

    def time(self, sigma):
        return sigma / (1 + sigma)

    def scale(self, sigma):
        return 1 / (1 + sigma)

    def error_weight(self, sigma):
        return ((1 + sigma) / sigma) ** 2

    def denoised(self, x, sigma, prediction):  # x_own - tau v
        return (x - sigma[:, None] * prediction) / (1 + sigma)[:, None]

    def prediction(self, x, sigma, denoised):
        return (x - (1 + sigma)[:, None] * denoised) / sigma[:, None]

    def draw(self, n, generator):
        return torch.sigmoid(-0.4 + normal((n,), generator))


CLOCKS: dict[str, type[Clock]] = {"edm": EDM, "ddpm": DDPM, "flow-matching": FlowMatching, "meanflow": MeanFlow}
