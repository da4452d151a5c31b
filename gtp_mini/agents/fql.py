"""Flow Q-learning (Park et al. 2025): a flow clones the data, a one-step policy learns from it and climbs Q.

    critic:  Q_j(s, a) <- r + gamma mean_j' Q'_j'(s', mu(s', z))
    flow:    min E |v(a_tau, tau, s) - (a - z)|^2
    policy:  min E[ -Q(s, mu(s, z)) + alpha |mu(s, z) - Euler_10(z)|^2 ]             (their Eqs. 6 to 8)

Only the one-step policy is used, and the gradient of Q passes a single network call. Both are flow maps here: the flow
by its denoiser, and mu as the jump mu(s, z) = Phi(sigma_max z, sigma_max, 0). No other jump of mu is trained, which is
why its sampler takes that one whatever K it is given.

`GuidedAgent` has critic and Q term. Beside the published agent: the flow steps before the policy does, not at once; the
Q term draws its own noise; the critic's targets come from the policy's moving average; networks are those of all
methods here (theirs: 4 x 512).
"""

from dataclasses import dataclass, replace

import torch

from ..clocks import FlowMatching
from ..flow_map import FlowMap
from ..objectives import denoising_loss
from ..objectives.terms import flow_map, noise_like
from ..samplers import euler
from .base import adam, check_between, check_positive, gradient_step
from .flow_matching import FlowConfig
from .guided import GuidedAgent, GuidedConfig


@dataclass(frozen=True, kw_only=True)
class FQLConfig(GuidedConfig, FlowConfig):
    """The defaults are the published ones."""

    lr: float = 3e-4
    alpha: float = 10.0  # of distillation, by task; 3 on the large mazes
    q_weight: float = 1.0  # 0: a one-step clone
    flow_steps: int = 10  # Euler steps of the teacher
    mean_of_heads: bool = True  # in targets and in the Q term, instead of `pessimism`
    value_samples: int = 0  # there is no V
    target_steps: int = 1  # whatever it is, mu takes one
    sampler: str = "one_jump"
    # normalise_q, off as for their benchmarks, is what they recommend for a new task

    def __post_init__(self):
        super().__post_init__()
        check_positive(self, "alpha")
        check_between(self, 1, 64, "flow_steps")

    @property
    def spread(self):
        return 0.0 if self.mean_of_heads else super().spread  # mean - 0 std


PER_TASK = {task: {"alpha": 3.0} for task in ("antmaze-large-play", "antmaze-large-diverse")}


class FQL(GuidedAgent):
    """The agent. `actor` is mu, `flow` its teacher."""

    Config = FQLConfig

    def __init__(self, obs_dim: int, action_dim: int, total_steps: int, config: FQLConfig):
        super().__init__(obs_dim, action_dim, total_steps, config)
        self.flow = FlowMap(replace(self.actor.config, sampler="euler"))
        self.optimizers["flow"] = adam(self.flow, config.lr)

    def update_actor(self, batch, obs, weights, step, generator):
        """A step of the flow, then one of the policy."""
        self.optimizers["flow"].param_groups[0]["lr"] = self.learning_rate(step)
        loss, metrics = self.run("flow_loss", batch, obs, weights, generator=generator)
        metrics["grad_flow"] = gradient_step(self.optimizers["flow"], loss, self.config.clip)
        return metrics | super().update_actor(batch, obs, weights, step, generator)

    def flow_loss(self, batch, obs, weights, generator):
        """What the teacher minimises."""
        return denoising_loss(self.flow, None, batch["action"], obs, weights, generator, FlowMatching())

    def clone_loss(self, batch, obs, weights, intervals, generator):
        """alpha |mu(s, z) - Euler(z)|^2 over rows and dimensions; both start from the same noise."""
        c = self.config
        x = c.sigma_max * noise_like(batch["action"], generator)
        top = torch.full_like(x[:, 0], c.sigma_max)
        with torch.no_grad():
            target = euler(self.flow, x, self.flow.config.sampling_times(c.flow_steps, x.device), obs).clamp(-1, 1)
        loss = (flow_map(self.actor, x, top, torch.zeros_like(top), obs) - target).pow(2).mean()
        return c.alpha * loss, {"loss_distillation": loss.detach()}
