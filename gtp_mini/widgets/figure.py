"""`FlowMapFigure`: the interactive figure of the book, for pages and for JupyterLab."""

import torch
import traitlets
from torch import Tensor

from .base import PageFigure, module_source
from .scenes import Condition, World
from .weights import MOST_STEPS, Model, describe_model, encode, sample_from

SCRIPTS = ("network.js", "exact.js", "world.js", "draw.js", "controls.js", "page.js", "scenes.js", "figure.js")
EPISODES = 40  # of a world: enough to see shares, few enough to see ways


class FlowMapFigure(PageFigure):
    """Samples of one or several 2-D models, with sliders.

    >>> FlowMapFigure({"GTP": gtp, "exact": ring}, data=points)                        # K, noise level, paths
    >>> FlowMapFigure(policy, data=points, condition=Condition("temperature", 0, 4, 1, arms=centres))
    >>> FlowMapFigure({"Gaussian": bc, "GTP": gtp}, world=World(goals, reach=0.1, step_size=0.1, limit=60))

    The last expression of a cell shows it. On a static page the weights in the page compute everything; in JupyterLab
    they give the preview, and the kernel's model the result.

    models: a model, or name -> model; data: (M, 2) points drawn in the background (needed without a world);
    condition: a number that the models take as observation, with a slider of its own, and the arms whose shares are
    told; world: where episodes of the models' actions are walked in place of samples, the position their observation;
    n: samples drawn, from noise that `seed` fixes; steps, max_steps: the slider of sampling steps; scrub: whether there
    is a slider of the noise level (default: without a condition); paths: whether paths are shown at first.
    """

    _esm = module_source(*SCRIPTS)
    _request = traitlets.Dict().tag(sync=True)  # the controls' state, from the browser
    _answer = traitlets.Dict().tag(sync=True)  # the kernel's samples

    def __init__(self, models: Model | dict[str, Model], data: Tensor | None = None, *,
                 condition: Condition | None = None, world: World | None = None, n: int = 600, steps: int = 5,
                 max_steps: int = 10, scrub: bool | None = None, paths: bool = False, seed: int = 0):
        if not 1 <= steps <= max_steps <= MOST_STEPS:
            raise ValueError(f"steps must be between 1 and max_steps ({max_steps}), and that at most {MOST_STEPS}, "
                             f"got {steps}")
        if (data is None) == (world is None):
            raise ValueError("give either data, (M, 2) points to compare samples with, or a world to walk in")
        self._models = models if isinstance(models, dict) else {"the model": models}
        self._condition, self._world = condition, world
        for name, model in self._models.items():
            _check_dimensions(name, model, obs_dim=2 * (world is not None) + (condition is not None))
        generator = torch.Generator().manual_seed(seed)
        self._noise = world.draw(EPISODES, generator) if world else torch.randn(n, 2, generator=generator)
        spec = {"models": [describe_model(name, model) for name, model in self._models.items()],
                "noise": encode(self._noise), "steps": steps, "max_steps": max_steps, "paths": paths,
                "scrub": not world and (condition is None if scrub is None else scrub),
                "condition": condition.describe() if condition else None,
                "world": world.describe(EPISODES) if world else None}
        if data is not None:
            shown = data[:n]  # as many as samples, so that the eye compares like with like
            spec |= {"data": encode(shown), "data_std": float(data.std(0).square().mean().sqrt()),
                     "limit": 1.15 * float(data.abs().max())}
        super().__init__(_spec=spec)
        self.observe(self._compute, "_request")

    @torch.no_grad()
    def _compute(self, change: dict) -> None:
        """Answers the browser's request with the live model's samples, or rollouts."""
        request = change["new"]
        model = list(self._models.values())[request["model"]]
        steps = int(request["steps"])
        if self._world:
            def seen(where: Tensor) -> Tensor:
                turned = where.new_full((len(where), 1), float(request["value"])) if self._condition else where[:, :0]
                return torch.cat([where, turned], 1)

            result = self._world.rollouts(lambda where, z: sample_from(model, z, steps, seen(where)), self._noise)
        else:
            obs = torch.full((len(self._noise), 1), float(request["value"])) if self._condition else None
            result = sample_from(model, self._noise, steps, obs, self._level(request))
        self._answer = {"id": request["id"], "array": encode(result)}

    def _level(self, request: dict) -> float:
        """Noise level of the scrub slider: levelAt in scenes.js."""
        spec, u = self._spec["models"][request["model"]], float(request["scrub"])
        low, high = spec["sigma_min"] ** (1 / spec["rho"]), spec["sigma_max"] ** (1 / spec["rho"])
        return 0.0 if u >= 1 else (low + (1 - u) * (high - low)) ** spec["rho"]

    def __repr__(self) -> str:
        return f"FlowMapFigure({', '.join(self._models)})"


def _check_dimensions(name: str, model: Model, obs_dim: int) -> None:
    config = getattr(model, "config", None)
    if config is not None and (config.action_dim, config.obs_dim) != (2, obs_dim):
        wanted = {0: "no observation", 1: "one number as observation", 2: "a position as observation",
                  3: "a position and one number as observation"}[obs_dim]
        raise ValueError(f"this figure needs models with 2-D samples and {wanted}; {name!r} has action_dim "
                         f"{config.action_dim} and obs_dim {config.obs_dim}")
