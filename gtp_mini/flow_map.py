"""The flow map: the one model of this library.

The probability-flow ODE dx/dt = f(x, t) carries noise (t = sigma_max) to data (t = 0). Its solution map ::

    Phi(x_t, t, s) = x_t + integral of f from t to s

takes a point at noise level t straight to where the ODE has it at level s. Following GTP (Feng et al. 2025, Eqs. 3-5)
the network is an endpoint estimate phi with ::

    Phi(x, t, s) = (s / t) x + (1 - s / t) phi(x, t, s),
    phi(x, t, t) = E[x_0 | x_t] = x - t f(x, t),

so that Phi(x, t, t) = x holds by construction and one network is denoiser (s = t), one-step sampler (s = 0) and
everything between.
"""

from copy import copy
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from . import samplers
from .clocks import CLOCKS
from .draws import normal
from .networks import Observer, TimeFeatures, check_activation, mlp
from .times import RHO, SIGMA_MAX, SIGMA_MIN, sampling_times


@dataclass(frozen=True)
class FlowMapConfig:
    """Shape and scales of a flow map. The defaults are GTP's lineage (EDM, Ding & Jin) where that is published."""

    action_dim: int  # A: size of a sample
    obs_dim: int = 0  # O: size of the condition; 0 for an unconditional model
    position_dims: int = 0  # its first entries that are metres; see networks.Observer
    width: int = 256
    depth: int = 3  # hidden layers
    activation: str = "silu"  # mish in the lineage; silu is cheaper on a CPU
    time_dim: int = 16  # features per time
    sigma_data: float = 0.5  # standard deviation of the data per dimension
    sigma_min: float = SIGMA_MIN
    sigma_max: float = SIGMA_MAX
    rho: float = RHO
    sampler: str = "jumps"  # how `sample` walks, a name of samplers.SAMPLERS; euler where only the denoiser is trained
    clock: str = "edm"  # in whose time its steps are evenly spaced, a name of clocks.CLOCKS
    eta: float | None = None  # a number: one network for every advantage temperature, and the one it samples at

    def __post_init__(self):
        for name in ("action_dim", "width", "depth", "time_dim", "sigma_data", "sigma_min", "rho"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}")
        for name, known in (("sampler", samplers.SAMPLERS), ("clock", CLOCKS)):
            if getattr(self, name) not in known:
                raise ValueError(f"unknown {name} {getattr(self, name)!r}; known: {', '.join(known)}")
        if self.eta is not None:
            check_eta(self.eta)
        check_activation(self.activation)
        if self.obs_dim < 0:
            raise ValueError(f"obs_dim must be 0 or more, got {self.obs_dim!r}")
        if not self.sigma_max > self.sigma_min:
            raise ValueError(f"sigma_max must be above sigma_min ({self.sigma_min}), got {self.sigma_max!r}")

    @property
    def condition_dim(self) -> int:
        """Width of phi's `obs`, the observation and, where there is one, the temperature."""
        return self.obs_dim + (self.eta is not None)

    def sampling_times(self, steps: int, device: torch.device | str | None = None) -> Tensor:
        """The K + 1 noise levels of a K-step sample, from sigma_max to 0."""
        if self.clock == "edm":
            return sampling_times(steps, self.sigma_min, self.sigma_max, self.rho, device)
        return CLOCKS[self.clock]().grid(steps, self.sigma_min, self.sigma_max, device)


class FlowMap(Observer):
    """A learned flow map Phi(x, t, s), optionally conditioned on an observation.

    Times are float tensors (B,); a number is taken for the whole batch. Samples are (B, A), observations (B, O).
    """

    def __init__(self, config: FlowMapConfig):
        super().__init__(config.obs_dim, config.position_dims)
        self.config = config
        c = config
        self.time_features = TimeFeatures(c.time_dim, floor=c.sigma_min)
        self.eta_features = TimeFeatures(c.time_dim, floor=1.0)  # of 1 + eta, which has a logarithm at eta = 0
        conditions = self.seen_dim + (c.time_dim if c.eta is not None else 0)
        sizes = [c.action_dim + 2 * c.time_dim + conditions] + [c.width] * c.depth + [c.action_dim]
        self.network = mlp(sizes, c.activation)

    def phi(self, x: Tensor, t: Tensor | float, s: Tensor | float, obs: Tensor | None = None) -> Tensor:
        """Endpoint estimate phi(x, t, s), (B, A). Preconditioned as EDM (Karras et al. 2022, Eq. 7)."""
        check_samples(x, self.config.action_dim)
        t, s = _times(t, x), _times(s, x)
        sd = self.config.sigma_data
        total = (t**2 + sd**2).sqrt()[:, None]  # standard deviation of x_t
        parts = [x / total, self.time_features(t), self.time_features(s)]
        if check_obs(obs, len(x), self.config.condition_dim):
            parts.append(self.see(obs[:, : self.config.obs_dim]))
            if self.config.eta is not None:
                parts.append(self.eta_features(obs[:, -1]))
        return (sd / total) ** 2 * x + (t[:, None] * sd / total) * self.network(torch.cat(parts, dim=-1))

    def forward(self, x: Tensor, t: Tensor | float, s: Tensor | float, obs: Tensor | None = None) -> Tensor:
        """Phi(x, t, s): the ODE's solution at noise level s <= t, (B, A).

        Raises ValueError for times that are negative, not finite or in the wrong order.
        """
        check_samples(x, self.config.action_dim)
        t, s = _times(t, x), _times(s, x)
        check_order(t, s)
        return jump(x, self.phi(x, t, s, obs), t, s)

    def denoise(self, x: Tensor, t: Tensor | float, obs: Tensor | None = None) -> Tensor:
        """E[x_0 | x_t = x], (B, A): the endpoint estimate of an infinitely short jump."""
        return self.phi(x, t, t, obs)

    def velocity(self, x: Tensor, t: Tensor | float, obs: Tensor | None = None) -> Tensor:
        """f(x, t) = (x - E[x_0 | x_t = x]) / t, t > 0: the right-hand side of the probability-flow ODE, (B, A)."""
        return (x - self.denoise(x, t, obs)) / _times(t, x)[:, None]

    @torch.no_grad()
    def sample(self, n: int | None = None, obs: Tensor | None = None, steps: int = 5,
               generator: torch.Generator | None = None, return_path: bool = False,
               sampler: "samplers.Sampler | None" = None, noise_scale: float = 1.0,
               eta: float | None = None, noise: Tensor | None = None) -> Tensor:
        """Draws n samples in `steps` jumps from N(0, sigma_max^2 I): (n, A), or the path (K + 1, n, A), noise first.

        Deterministic given the noise (GTP Eq. 15). obs is (n, O) for a conditional model; then n may be left out.
        `sampler` is any function of `gtp_mini.samplers`, by default the configuration's; `noise_scale` < 1 starts from
        less noise (nearer the mean); `eta` is the temperature, for a model that is trained for all of them; `noise`
        (n, A), standard normal, is what to start from instead of a draw.
        """
        if obs is not None:
            n = len(obs) if n is None else n
            if len(obs) != n:
                raise ValueError(f"obs must have one row per sample: {len(obs)} rows for n = {n}")
        if n is None or n < 1:
            raise ValueError(f"n must be at least 1, got {n!r}")
        c, device = self.config, self.obs_mean.device
        times = c.sampling_times(steps, device)
        noise = start_noise(noise, (n, c.action_dim), generator, device)
        walk = sampler or samplers.SAMPLERS[c.sampler]
        return walk(self, noise_scale * c.sigma_max * noise, times, self.condition(obs, n, eta), return_path, generator)

    def condition(self, obs: Tensor | None, n: int, eta: float | Tensor | None = None) -> Tensor | None:
        """What phi takes as `obs`, (n, O) or (n, O + 1): the observation and, for a model of all temperatures, eta
        (a number or (n,); the configuration's if it is left out).

        Raises ValueError for an observation that is missing, of another shape or one too many, and for an eta that is
        no temperature, of another shape, or not this model's to choose.
        """
        check_obs(obs, n, self.config.obs_dim)
        if self.config.eta is None:
            if eta is not None:
                raise ValueError("this model has no temperature to choose: train it with eta_conditioned=True")
            return obs
        eta = self.config.eta if eta is None else eta
        if not isinstance(eta, Tensor):
            check_eta(eta)
            eta = self.obs_mean.new_tensor(float(eta))
        if eta.shape not in ((), (n,)):
            raise ValueError(f"eta must be a number or of shape ({n},), got shape {tuple(eta.shape)}")
        column = eta.expand(n)[:, None]
        return column if obs is None else torch.cat([obs, column], dim=-1)

    def at_temperature(self, eta: float) -> "FlowMap":
        """A model of all temperatures, sampling at another one by default; the weights are shared, not copied."""
        if self.config.eta is None:
            raise ValueError("this model has no temperature to choose: train it with eta_conditioned=True")
        model = copy(self)
        model.config = replace(self.config, eta=eta)
        return model

    def describe(self) -> dict:
        """The configuration as plain data, for saving."""
        return asdict(self.config)


def check_samples(x: Tensor, action_dim: int) -> None:
    """ValueError unless x is a float tensor of shape (B, action_dim)."""
    if not isinstance(x, Tensor) or x.ndim != 2 or x.shape[1] != action_dim or not x.is_floating_point():
        got = f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x must be a float tensor of shape (B, {action_dim}), got {got}")


def check_obs(obs: Tensor | None, n: int, obs_dim: int) -> bool:
    """Whether there is an observation to use, (n, obs_dim). ValueError if it is missing, has another shape or is one
    too many."""
    if obs_dim == 0 and obs is not None:
        raise ValueError(f"this model is unconditional, leave obs out; got obs of shape {tuple(obs.shape)}")
    if obs_dim and (obs is None or obs.shape != (n, obs_dim)):
        got = "none" if obs is None else str(tuple(obs.shape))
        raise ValueError(f"this model needs obs of shape ({n}, {obs_dim}), got {got}")
    return obs_dim > 0


def start_noise(noise: Tensor | None, shape: tuple[int, int], generator: torch.Generator | None,
                device: torch.device) -> Tensor:
    """Standard normal noise to sample from: the one that is given, or a draw. ValueError if its shape is another."""
    if noise is None:
        return normal(shape, generator, device)
    if noise.shape != shape:
        raise ValueError(f"noise must be of shape {tuple(shape)}, got shape {tuple(noise.shape)}")
    return noise


def check_order(t: Tensor, s: Tensor) -> None:
    """ValueError unless 0 <= s <= t < infinity in every row. Compiled code does not look, nor does a GPU, which would
    have to wait for the answer."""
    if torch.compiler.is_compiling() or t.is_cuda:
        return
    if not bool(((s >= 0) & (s <= t) & (t < torch.inf)).all()):
        worst = int((~((s >= 0) & (s <= t) & (t < torch.inf))).nonzero()[0])
        raise ValueError(f"times must satisfy 0 <= s <= t < infinity: a jump goes from noise t to less noise s; "
                         f"row {worst} has t = {t[worst].item():g}, s = {s[worst].item():g}")


def check_eta(eta: float) -> None:
    """ValueError unless eta is an advantage temperature, a number from 0 to 100."""
    if isinstance(eta, bool) or not isinstance(eta, int | float) or not 0 <= eta <= 100:
        raise ValueError(f"eta must be between 0 (behaviour cloning) and 100, got {eta!r}")


def jump(x: Tensor, phi: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """Phi = (s / t) x + (1 - s / t) phi (GTP Eq. 4); x, phi (B, A), t, s (B,). At t = s = 0 it is x."""
    ratio = torch.where(t > 0, s / t, 1.0)[:, None]
    return ratio * x + (1 - ratio) * phi


def _times(t: Tensor | float, x: Tensor) -> Tensor:
    """A time for each row of x: numbers and 0-d tensors are repeated, (B,) passes through."""
    t = torch.as_tensor(t, dtype=x.dtype, device=x.device)
    if t.ndim and t.shape != x.shape[:1]:
        raise ValueError(f"times must be a number or of shape ({len(x)},), one for each row of x; "
                         f"got shape {tuple(t.shape)}")
    return t.expand(len(x)) if t.ndim == 0 else t
