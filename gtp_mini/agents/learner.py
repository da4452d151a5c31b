"""What is an action worth? Everything that the agents which read rewards share: critics, targets, advantages."""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ..critics import QEnsemble, ValueNet, expectile_loss, lower_bound, td_loss, td_target
from ..networks import ema_update
from ..returns import n_step_returns
from ..times import sampling_times
from .base import Batch, Config, Metrics, adam, check_between, check_positive, gradient_step
from .parts import Parted
from .schedules import LR_SCHEDULES, check_schedule

VALUES = ("policy", "expectile", "place")


@dataclass(frozen=True, kw_only=True)
class ValueConfig(Config):
    """How values are learned. "Ours" marks a choice for which there is no published value."""

    gamma: float = 0.99
    critic_lr: float = 3e-4
    critic_lr_schedule: str = "constant"  # or "cosine", down to 0 at the last step: values then settle. Ours
    critic_ema: float = 0.995
    critic_heads: int = 2
    pessimism: float = 0.0  # 0: the least of the heads; c > 0: their mean - c std
    layer_norm: bool = True  # in the critic. Ours; every strong AntMaze method has it
    value: str = "policy"  # V from the policy's own actions; "expectile": from the data's actions alone (IQL); "place":
    # likewise, but V sees nothing but the position, and is an expectile of the data's returns of n_step steps. Ours
    value_heads: int = 1  # networks whose mean is V, where it is learned from the data; of the place alone, each
    # follows a target of its own. Ours; in AntMaze it brought nothing (data/benchmark)
    expectile: float = 0.7  # IQL's for locomotion; 0.9 for AntMaze
    value_samples: int = 1  # policy samples whose mean Q is V(s); 0: no V, no advantage. Ours
    target_steps: int = 2  # K of the policy inside the critic's target; GTP samples with the full K = 5
    n_step: int = 1  # rewards that a target sums before it asks V; see returns.n_step_returns
    target_candidates: int = 1  # actions at s', of which each head takes its best; Diffusion-QL's max-Q backup has 10
    reward_scale: float = 1.0  # r -> reward_scale * r + reward_offset
    reward_offset: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.gamma < 1:
            raise ValueError(f"gamma must be in [0, 1), got {self.gamma!r}")
        check_positive(self, "critic_lr", "reward_scale")
        check_schedule(self, "critic_lr_schedule")
        check_between(self, 0, 1, "critic_ema")
        check_between(self, 2, 10, "critic_heads")
        check_between(self, 1, 10, "value_heads")
        check_between(self, 0, 64, "value_samples")
        check_between(self, 1, 64, "target_candidates")
        check_between(self, 1, 1000, "n_step")
        if self.n_step > 1 and self.reward_offset:
            raise ValueError(f"reward_offset is added to a sum of rewards once; with n_step = {self.n_step} shift the "
                             f"rewards of the data instead, got {self.reward_offset!r}")
        if not 0 < self.expectile < 1:
            raise ValueError(f"expectile must be between 0 and 1, both excluded, got {self.expectile!r}")
        check_between(self, 0, math.inf, "pessimism")
        if not math.isfinite(self.reward_offset):
            raise ValueError(f"reward_offset must be finite, got {self.reward_offset!r}")
        if self.value not in VALUES:
            raise ValueError(f"unknown value {self.value!r}; known: {', '.join(VALUES)}")
        sampling_times(self.target_steps)  # raises if it is absurd

    @property
    def from_data(self) -> bool:
        """Whether V is learned without the policy."""
        return self.value != "policy"

    @property
    def spread(self) -> float | None:
        """The pessimism as `lower_bound` takes it."""
        return self.pessimism or None


class ValueLearner(Parted):
    """Critic, its slow copy, and a value network if V is an expectile; one `update` a step, then `soft_update`."""

    def __init__(self, obs_dim: int, action_dim: int, config: ValueConfig, width: int = 256, depth: int = 3,
                 activation: str = "silu", position_dims: int = 0):
        super().__init__()
        self.config = c = config
        self.critic = QEnsemble(obs_dim, action_dim, width, depth, c.critic_heads, activation, c.layer_norm,
                                position_dims)
        self.target_critic = deepcopy(self.critic).requires_grad_(False)
        self.optimizers = {"critic": adam(self.critic, c.critic_lr)}
        if c.from_data:
            alone = c.value == "place"
            self.value = ValueNet(obs_dim, width, depth, activation, c.layer_norm, position_dims, alone, c.value_heads)
            self.target_value = deepcopy(self.value).requires_grad_(False) if alone else None
            self.optimizers["value"] = adam(self.value, c.critic_lr)

    def update(self, batch: Batch, act: Callable[[Tensor], Tensor] | None,
               clip: float) -> tuple[Tensor | None, Metrics]:
        """One step of the critic (and of V); then the batch's advantages Q(s, a) - V(s), (B,), without gradient.

        A batch of n-step returns brings its `discount` (B,), gamma to the number of steps; else it is gamma.

        `act` gives the policy's actions at observations, (M, O) -> (M, A), without gradient; expectile values do not
        ask it. Without value_samples there is no V and the advantage is None.
        """
        learn = self._learn_from_data if self.config.from_data else self._learn_from_policy
        found, norms = learn(batch, act, clip)
        return found.pop("advantage", None), found | norms

    def _learn_from_policy(self, batch: Batch, act, clip: float) -> tuple[Batch, Metrics]:
        """Clipped double Q (GTP Eq. 16): the future is what the policy's own actions at s' are worth."""
        # the policy's actions at s' (for the target) and at s (for V) come from one call
        where = torch.cat([batch["next_obs"]] * self.config.target_candidates
                          + [batch["obs"]] * self.config.value_samples, dim=-2)
        actions = act(where)
        loss = self.run("critic_loss_by_policy", batch, where, actions)
        norms = {"loss_critic": loss.detach(), "grad_critic": gradient_step(self.optimizers["critic"], loss, clip)}
        return self.run("advantages_over_policy", batch, where, actions), norms

    def critic_loss_by_policy(self, batch: Batch, where: Tensor, actions: Tensor) -> Tensor:
        """Error of Q towards the values of the actions at s', the first of those at `where`."""
        c, n, m = self.config, len(batch["obs"]), self.config.target_candidates
        with torch.no_grad():
            candidates = self.target_critic(where[: m * n], actions[: m * n])  # (E, m n)
            next_value = lower_bound(candidates.view(-1, m, n).amax(1), c.spread)
        return self._critic_loss(batch, next_value)

    @torch.no_grad()
    def advantages_over_policy(self, batch: Batch, where: Tensor, actions: Tensor) -> Batch:
        """Advantages over the actions at s, the last of those at `where`, by the critic just updated."""
        c, n, at_s = self.config, len(batch["obs"]), self.config.target_candidates * len(batch["obs"])
        q = self.critic.pessimistic(torch.cat([batch["obs"], where[at_s:]]),
                                    torch.cat([batch["action"], actions[at_s:]]), c.spread)
        return _advantages(q[:n], q[n:].view(c.value_samples, n).mean(0) if c.value_samples else None, q)

    def _learn_from_data(self, batch: Batch, act, clip: float) -> tuple[Batch, Metrics]:
        """Implicit Q-learning (Kostrikov et al. 2022): V an expectile of Q over the data's actions, Q towards V(s')."""
        loss, q = self.run("value_loss", batch)
        norms = {"loss_value": loss.detach(), "grad_value": gradient_step(self.optimizers["value"], loss, clip)}
        loss, found = self.run("critic_loss_by_value", batch, q)
        norms |= {"loss_critic": loss.detach(), "grad_critic": gradient_step(self.optimizers["critic"], loss, clip)}
        return found, norms

    def value_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Error of V, and Q(s, a), whose expectile it is.

        V of the place alone is an expectile of r + ... + gamma^n V(s_n) instead. What an ant's legs do tells which way
        the demonstrator went on, and who was on a wrong way never turned: Q, and a V that sees legs, judge an ant by
        where it is going. A V that cannot tell ants at one place apart credits all with the best way from there.
        """
        with torch.no_grad():
            q = self.target_critic.pessimistic(batch["obs"], batch["action"], self.config.spread)
            wanted = q if self.target_value is None else self._target(batch, self.target_value.each(batch["next_obs"]))
        missing = wanted - self.value.each(batch["obs"])  # (heads, B); each head's error counts as if it were alone
        return self.config.value_heads * expectile_loss(missing, self.config.expectile), q

    def critic_loss_by_value(self, batch: Batch, q: Tensor) -> tuple[Tensor, Batch]:
        """Error of Q towards the V just updated, and the advantages over that."""
        with torch.no_grad():
            value, next_value = self.value(torch.cat([batch["obs"], batch["next_obs"]])).view(2, -1)
        return self._critic_loss(batch, next_value), _advantages(q, value, q)

    def _target(self, batch: Batch, next_value: Tensor) -> Tensor:
        """r + discount V(s'), (B,), in the unit of the scaled reward."""
        c = self.config
        reward = c.reward_scale * batch["reward"] + c.reward_offset
        return td_target(reward, batch["terminal"], next_value, batch.get("discount", c.gamma))

    def _critic_loss(self, batch: Batch, next_value: Tensor) -> Tensor:
        return td_loss(self.critic(batch["obs"], batch["action"]), self._target(batch, next_value))

    def set_learning_rate(self, done: float) -> None:
        """That of the schedule, at a share of the training, 0 to 1."""
        c = self.config
        for optimizer in self.optimizers.values():
            optimizer.param_groups[0]["lr"] = c.critic_lr * LR_SCHEDULES[c.critic_lr_schedule](done)

    def soft_update(self) -> None:
        """Moves the slow copies towards what they copy; last in a step."""
        ema_update(self.target_critic, self.critic, self.config.critic_ema)
        if self.config.value == "place":
            ema_update(self.target_value, self.value, self.config.critic_ema)

    def set_observation_scale(self, obs: Tensor) -> None:
        """Takes the normalisation of observations from the data, (M, O)."""
        for network in self.children():
            network.set_observation_scale(obs)

    @torch.no_grad()
    def advantages(self, data: Batch, rows: int = 65_536) -> Tensor:
        """Q(s, a) - V(s) of a whole dataset, (M,), so many rows at a time: `gains` on the average of what followed such
        actions, if Q was taught with the same n_step. Needs a V from the data."""
        return torch.cat([self.target_critic.pessimistic(o, a, self.config.spread) - self.value(o)
                          for o, a in zip(data["obs"].split(rows), data["action"].split(rows), strict=True)])

    @torch.no_grad()
    def gains(self, data: Batch, rows: int = 65_536) -> Tensor:
        """r_0 + ... + gamma^n V(s_n) - V(s_0) of a whole dataset with its `episode`, (M,): what the data's next
        `n_step` steps were worth beyond V, luck included. No Q is asked. Needs a V from the data."""
        c = self.config
        ahead = n_step_returns(data, c.n_step, c.gamma)
        values, future = (torch.cat([self.value(o) for o in ahead[name].split(rows)]) for name in ("obs", "next_obs"))
        return self._target(ahead, future) - values

    def describe(self) -> dict:
        """What makes this learner again, as plain data, for saving."""
        critic = self.target_critic
        shared = {f.name: getattr(self.config, f.name) for f in fields(ValueConfig)}
        return {"config": shared, "obs_dim": critic.obs_dim, "action_dim": critic.action_dim, "width": critic.width,
                "depth": critic.depth, "activation": critic.activation, "position_dims": critic.position_dims}

    @classmethod
    def from_description(cls, description: dict) -> "ValueLearner":
        """A fresh learner from what `describe` wrote."""
        return cls(config=ValueConfig(**description["config"]),
                   **{name: value for name, value in description.items() if name != "config"})


def _advantages(q: Tensor, value: Tensor | None, visited: Tensor) -> Batch:
    """The data's Q(s, a) - V(s), (B,), if there is a V, and metrics; `visited` is every Q that was looked at."""
    found = {"q_mean": q.mean(), "q_abs_max": visited.abs().amax()}
    if value is None:
        return found
    advantage = q - value
    return found | {"advantage": advantage, "value_mean": value.mean(), "advantage_std": advantage.std(correction=0),
                    "advantage_positive": (advantage > 0).float().mean()}
