"""Behaviour cloning guided by a critic. Three ways, each an option of every agent here:

* weights: good actions count more in the cloning loss (`eta`),
* ascent: the gradient of Q at the policy's own actions joins the loss (`q_weight`),
* choice: of several candidates the critic picks one when the policy is used (`test_candidates`).

With none of them an agent has no critic and is its clone.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..critics import linear_q_loss, normalised_q_loss
from ..draws import uniform
from ..flow_map import check_eta
from ..guidance import WEIGHT_CAP, WEIGHT_RULES, advantage_weights, effective_sample_size, per_place
from .actor import ActorAgent
from .base import Batch, Metrics, check_between, check_positive
from .best_of import BestOfN, BestOfNConfig
from .learner import ValueConfig, ValueLearner

ADVANTAGES = ("critic", "return")


@dataclass(frozen=True, kw_only=True)
class GuidedConfig(ValueConfig):
    """How the critic guides, beside how it is learned. "Ours" marks a choice for which there is no published value."""

    eta: float = 0.0  # advantage temperature; 0: all weights are 1
    weight_rule: str = "truncated"  # as GTP's Eq. 14; see guidance.WEIGHT_RULES
    weight_cap: float = WEIGHT_CAP
    normalise_weights: bool = False  # to mean 1 over the batch: weights are then no learning rate, no reason to clip
    # a gradient, and no share of the terms that have none. Always for eta_conditioned
    advantage: str = "critic"  # Q(s, a) - V(s); or "return": what the data's next n_step steps earned, V of where they
    # led included, minus V(s): luck included, too, which Q averages out. For values that are given. Ours
    draw_by_weight: bool = False  # rows are drawn in proportion to their weights and then count alike: the same loss on
    # average, and no update is spent on rows that hardly count. For values that are given (take_values). Ours
    place_side: float = 0.0  # metres: those weights come to n**place_power in each square of that side that has n rows,
    # whatever Q says of it; 0: they do not. Needs position_dims. See guidance.per_place. Ours
    place_power: float = 1.0  # 1: places are drawn as often as the data have them; 0: all alike
    eta_conditioned: bool = False  # one network for every temperature up to eta_max; eta is then where it samples
    eta_max: float = 16.0  # ours
    q_weight: float = 0.0  # of -Q(s, pi(s)), differentiated through every step of the sampler (`target_steps` of them)
    normalise_q: bool = False  # that term divided by mean |Q| (Diffusion-QL), or in the unit of reward
    test_candidates: int = 1  # actions drawn per decision when the policy is used; the critic picks one
    test_temperature: float = 0.0  # of that choice: 0 takes the best, 1 draws by softmax of Q (Diffusion-QL)

    def __post_init__(self):
        super().__post_init__()
        check_eta(self.eta)
        check_positive(self, "eta_max")
        if self.eta_conditioned and self.eta > self.eta_max:
            raise ValueError(f"eta must be at most eta_max ({self.eta_max:g}), for which the network is trained, "
                             f"got {self.eta!r}")
        if self.advantage not in ADVANTAGES:
            raise ValueError(f"unknown advantage {self.advantage!r}; known: {', '.join(ADVANTAGES)}")
        if self.draw_by_weight and (self.eta_conditioned or not self.eta):
            raise ValueError("draw_by_weight draws rows for one temperature, so it needs an eta above 0 and no "
                             "eta_conditioned")
        check_between(self, 0, math.inf, "place_side")
        check_between(self, 0, 1, "place_power")
        if self.place_power != 1 and not self.place_side:
            raise ValueError(f"place_power needs a place_side, the metres of its squares, got {self.place_power!r}")
        if self.place_side and not self.draw_by_weight:
            raise ValueError(f"place_side is for rows that are drawn by weight: give draw_by_weight, too, "
                             f"got {self.place_side!r}")
        if self.weight_rule not in WEIGHT_RULES:
            raise ValueError(f"unknown weight_rule {self.weight_rule!r}; known: {', '.join(WEIGHT_RULES)}")
        if not self.weight_cap >= 1:
            raise ValueError(f"weight_cap must be at least 1, an ordinary weight, got {self.weight_cap!r}")
        check_between(self, 0, float("inf"), "q_weight")
        check_between(self, 1, 1024, "test_candidates")
        check_between(self, 0, 1000, "test_temperature")
        if self.weighted and self.value == "policy" and self.value_samples == 0:
            raise ValueError("value_samples must be at least 1 for advantage weights (eta > 0), got 0")

    @property
    def weighted(self) -> bool:
        """Whether rows are weighted by advantage."""
        return self.eta > 0 or self.eta_conditioned

    @property
    def needs_values(self) -> bool:
        """Whether anything here asks a critic."""
        return self.weighted or self.q_weight > 0 or self.test_candidates > 1


class GuidedAgent(ActorAgent):
    """Critic, weights from the critic just updated, actor, moving averages: the order of GTP's Algorithm 1.

    A method is this and a clone, `class DiffusionQL(GuidedAgent, DiffusionBC)`, with the configuration of its paper.
    """

    values_are_given = False

    def __init__(self, obs_dim: int, action_dim: int, total_steps: int, config):
        super().__init__(obs_dim, action_dim, total_steps, config)
        self.register_buffer("member_eta", None, persistent=False)  # in a stack whose members differ in it
        if self.needs_values:
            if obs_dim == 0:
                raise ValueError("an agent with a critic needs observations; without them use a clone (eta = 0)")
            if config.place_side and not config.position_dims:
                raise ValueError(f"place_side needs observations that begin with a position: a task of a maze, or "
                                 f"position_dims, got {config.place_side!r}")
            self.values = ValueLearner(obs_dim, action_dim, config, config.width, config.depth, config.activation,
                                       config.position_dims)
            self.optimizers |= self.values.optimizers

    def take_values(self, values: ValueLearner) -> None:
        """Takes values that are trained, and trains them no further: batches then bring their `advantage` (B,), or
        were drawn by `chances`.

        One critic can so serve many policies, which then differ by nothing else. Raises ValueError if it has no V that
        does not depend on the policy.
        """
        if not values.config.from_data:
            raise ValueError("a critic that is taken from elsewhere needs a V of its own: train it with "
                             "value=expectile or value=place")
        self.values, self.values_are_given = values.requires_grad_(False), True
        self.optimizers = {name: o for name, o in self.optimizers.items() if name not in values.optimizers}

    def update(self, batch: Batch, step: int, generator: torch.Generator) -> Metrics:
        c = self.config
        if not self.needs_values:
            return super().update(batch, step, generator)
        if self.values_are_given:
            advantage, metrics = batch.get("advantage"), {}  # None: rows were drawn by their weights
        else:
            self.values.set_learning_rate(step / self.total_steps)
            advantage, metrics = self.values.update(
                batch, lambda obs: self.run("act", obs, c.target_steps, generator=generator), c.clip)
        obs, weights = batch["obs"], None
        if c.weighted and advantage is not None:
            obs, weights, used = self.run("weigh", obs, advantage, generator=generator)
            metrics["effective_sample_size"] = used
        metrics |= self.update_actor(batch, obs, weights, step, generator)
        if not self.values_are_given:
            self.values.soft_update()
        return metrics

    def weigh(self, obs: Tensor, advantage: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """What the actor sees, (B, O), the weight of each row, (B,), and the share of the batch that still counts."""
        c, eta = self.config, self.config.eta if self.member_eta is None else self.member_eta
        if c.eta_conditioned:
            eta = draw_eta(len(advantage), c.eta_max, generator)
            obs = self.actor.condition(obs, len(obs), eta)
        weights = advantage_weights(advantage, eta, c.weight_cap, c.weight_rule,
                                    normalise=c.eta_conditioned or c.normalise_weights)
        return obs, weights, effective_sample_size(weights)

    def advantages(self, data: Batch) -> Tensor:
        """Of a whole dataset by the values that are given, (N,). `data` has the columns of a batch and `episode`."""
        return self.values.advantages(data) if self.config.advantage == "critic" else self.values.gains(data)

    def chances(self, advantage: Tensor, obs: Tensor) -> Tensor | None:
        """How often each row of a dataset is to be drawn, (N,), (N, O) -> (N,), if weights are for that; else None."""
        c = self.config
        if not c.draw_by_weight:
            return None
        weights = advantage_weights(advantage, c.eta, c.weight_cap, c.weight_rule)
        if not c.place_side:
            return weights
        place = obs[:, : c.position_dims].cpu()  # on a GPU sums have no fixed order, and a run that goes on other draws
        return per_place(weights.cpu(), place, c.place_side, c.place_power).to(weights.device)

    def actor_loss(self, batch, obs, weights, intervals, generator):
        """L_clone - q_weight Q(s, pi(s))."""
        loss, metrics = super().actor_loss(batch, obs, weights, intervals, generator)
        c = self.config
        if not c.q_weight:
            return loss, metrics
        q = self.values.critic(batch["obs"], self.sample_with_gradient(obs, c.target_steps, generator))  # (E, B)
        loss_q = normalised_q_loss(q, generator) if c.normalise_q else linear_q_loss(q, c.spread)
        return loss + c.q_weight * loss_q, metrics | {"loss_q": loss_q.detach()}

    def published(self):
        c = self.config
        if c.test_candidates == 1:
            return self.policy
        choice = BestOfNConfig(c.test_candidates, c.test_temperature, c.pessimism)
        return BestOfN(self.policy, self.values.target_critic, choice)


def draw_eta(n: int, eta_max: float, generator: torch.Generator, zero_mass: float = 0.125) -> Tensor:
    """Temperatures to train one network for all of them, (n,): 0 with probability `zero_mass`, else 1 + eta is
    log-uniform up to 1 + eta_max. Our choice."""
    pick, to_zero = uniform((2, n), generator)
    eta = torch.expm1(pick * math.log1p(eta_max))
    return torch.where(to_zero < zero_mass, torch.zeros_like(eta), eta)
