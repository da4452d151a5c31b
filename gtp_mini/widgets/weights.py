"""Models as plain data for the browser: weights in base64, and the numbers that the forward pass needs."""

import base64
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..agents.gaussian import LOG_STD_MAX, LOG_STD_MIN, GaussianPolicy
from ..exact import GaussianMixture
from ..flow_map import FlowMap
from ..networks import ACTIVATIONS, LOG_TIME_SCALE
from ..times import RHO, SIGMA_MAX, SIGMA_MIN, sampling_times

Model = FlowMap | GaussianPolicy | GaussianMixture
MOST_STEPS = 20  # of which a page knows the noise levels, for models on another clock than EDM's

# One step x, t -> s of the samplers that a browser knows; `fresh` is noise (n, A) for those that take some.
STEPS: dict[str, Callable[..., Tensor]] = {
    "jumps": lambda model, x, t, s, obs, fresh: model(x, t, s, obs),
    "euler": lambda model, x, t, s, obs, fresh: s / t * x + (1 - s / t) * model.denoise(x, t, obs),
    "consistency": lambda model, x, t, s, obs, fresh: model(x, t, 0.0, obs) + s * fresh,
}


def encode(array: Tensor, half: bool = False) -> str:
    """Little-endian float32, or float16, in base64, row by row; network.js has the inverses."""
    numbers = array.detach().cpu().contiguous().numpy().astype("<f2" if half else "<f4")
    return base64.b64encode(numbers.tobytes()).decode()


def describe_model(name: str, model: Model, half: bool = False) -> dict:
    """What network.js and exact.js need to compute the model's samples; with `half`, a network's weights rounded to
    float16. Raises TypeError for other kinds of model."""
    if isinstance(model, GaussianMixture):
        if model.dim != 2:
            raise ValueError(f"the figure draws in two dimensions, the mixture {name!r} has {model.dim}")
        if (model.stds != model.stds[:, :1]).any():
            raise ValueError(f"the figure draws mixtures of round components, {name!r} has ovals")
        return {"name": name, "kind": "mixture", "action_dim": 2, "obs_dim": 0, "means": model.means.tolist(),
                "stds": model.stds[:, 0].tolist(), "weights": model.weights.tolist(),
                "sigma_min": SIGMA_MIN, "sigma_max": SIGMA_MAX, "rho": RHO}
    if isinstance(model, FlowMap):
        c = model.config
        if c.sampler not in STEPS:
            raise TypeError(f"the figure draws by {', '.join(STEPS)}, {name!r} by {c.sampler}")
        if c.eta is not None:
            raise TypeError(f"the figure knows no models of all temperatures, as {name!r} is")
        own = {} if c.clock == "edm" else {
            "times": [c.sampling_times(steps).tolist() for steps in range(1, MOST_STEPS + 1)]}
        return _describe_mlp(name, "flow", model, half) | own | {
            "sampler": c.sampler, "sigma_data": c.sigma_data, "sigma_min": c.sigma_min, "sigma_max": c.sigma_max,
            "rho": c.rho,
            "log_time_scale": LOG_TIME_SCALE, "frequencies": model.time_features.frequencies.tolist()}
    if isinstance(model, GaussianPolicy):
        # a Gaussian has no noise levels; the sliders still show the usual ones
        return _describe_mlp(name, "gaussian", model, half) | {
            "log_std_min": LOG_STD_MIN, "log_std_max": LOG_STD_MAX,
            "sigma_min": SIGMA_MIN, "sigma_max": SIGMA_MAX, "rho": RHO}
    raise TypeError(f"the figure shows a FlowMap, a GaussianPolicy or a GaussianMixture; "
                    f"{name!r} is a {type(model).__name__}")


def _describe_mlp(name: str, kind: str, model: FlowMap | GaussianPolicy, half: bool) -> dict:
    layers = [layer for layer in model.network if isinstance(layer, nn.Linear)]
    used = {type(layer) for layer in model.network} - {nn.Linear}
    if used != {ACTIVATIONS[model.config.activation]}:
        raise TypeError(f"the browser knows linear layers with one activation, {name!r} has "
                        f"{', '.join(sorted(t.__name__ for t in used))}")
    return {"name": name, "kind": kind, "action_dim": model.config.action_dim, "obs_dim": model.config.obs_dim,
            "activation": model.config.activation, "obs_mean": encode(model.obs_mean), "obs_std": encode(model.obs_std),
            "wave_numbers": model.wave_numbers.tolist(), "position_dims": model.position_dims,
            "half": half,
            "layers": [{"n_in": layer.in_features, "n_out": layer.out_features, "weight": encode(layer.weight, half),
                        "bias": encode(layer.bias, half)} for layer in layers]}


@torch.no_grad()
def sample_from(model: Model, noise: Tensor, steps: int, obs: Tensor | None = None, level: float = 0.0) -> Tensor:
    """Samples from given standard normal noise (n, A), or the states of K jumps at a noise level > 0 on their way.

    The live counterpart of scenes.js: the jump that passes `level` ends there.
    """
    if isinstance(model, GaussianPolicy):
        mean, std = model(torch.zeros(len(noise), 1) if obs is None else obs)
        return mean + std * noise
    c = getattr(model, "config", None)
    times = c.sampling_times(steps) if c else sampling_times(steps)
    times = [t for t in times.tolist() if t > level] + [level]
    x, step = times[0] * noise, STEPS[c.sampler] if c else STEPS["jumps"]
    for i, (t, s) in enumerate(zip(times[:-1], times[1:], strict=True)):
        x = step(model, x, t, s, obs, noise.roll(-7 * (i + 1), 0))
    return x
