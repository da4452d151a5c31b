"""Diffusion-QL's update as its published code computes it, on the same tensors, to be timed beside ours.

Facts after Wang et al. 2023 and their released agent; the code is ours. What makes it slow is kept: Mish, two critics
one after the other, five network calls with gradient through all of them, the same five for the target, unfused Adam,
a moving average in a Python loop.
"""

import copy
import math

import torch
from torch import Tensor, nn

STEPS, GAMMA, TAU, LR, CLIP, ETA = 5, 0.99, 0.005, 3e-4, 5.0, 1.0


def _mlp(n_in: int, n_out: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in (n_in, width, width):
        layers += [nn.Linear(size, width), nn.Mish()]
    return nn.Sequential(*layers, nn.Linear(width, n_out))


class _Noise(nn.Module):
    """epsilon(a_i, i, s): the step number as 16 sines and cosines through a small network."""

    def __init__(self, obs_dim: int, action_dim: int, width: int):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(16, 32), nn.Mish(), nn.Linear(32, 16))
        self.network = _mlp(action_dim + 16 + obs_dim, action_dim, width)

    def forward(self, x: Tensor, i: Tensor, obs: Tensor) -> Tensor:
        angles = i[:, None] * torch.exp(torch.arange(8, device=x.device) * -math.log(10_000) / 7)
        features = self.time(torch.cat([angles.sin(), angles.cos()], 1))
        return self.network(torch.cat([x, features, obs], 1))


class PublishedDiffusionQL:
    """`update(batch, step, generator)` on a batch of obs, action, reward, next_obs, terminal."""

    def __init__(self, obs_dim: int, action_dim: int, width: int = 256, device: str = "cpu"):
        self.action_dim = action_dim
        self.actor = _Noise(obs_dim, action_dim, width).to(device)
        self.critics = nn.ModuleList(_mlp(obs_dim + action_dim, 1, width) for _ in range(2)).to(device)
        self.slow_actor, self.slow_critics = copy.deepcopy(self.actor), copy.deepcopy(self.critics)
        self.actor_optimizer = torch.optim.Adam(self.actor.parameters(), lr=LR)
        self.critic_optimizer = torch.optim.Adam(self.critics.parameters(), lr=LR)
        i = torch.arange(1, STEPS + 1, dtype=torch.float64)
        alpha = torch.exp(-0.1 / STEPS - 0.5 * 9.9 * (2 * i - 1) / STEPS**2)
        bar = alpha.cumprod(0)
        before = torch.cat([torch.ones(1), bar[:-1]])
        self.bar, beta = bar.float().to(device), 1 - alpha
        self.mean_x0 = (beta * before.sqrt() / (1 - bar)).float().to(device)
        self.mean_x = ((1 - before) * alpha.sqrt() / (1 - bar)).float().to(device)
        self.std = (beta * (1 - before) / (1 - bar)).clamp(min=1e-20).sqrt().float().to(device)

    def sample(self, actor: _Noise, obs: Tensor) -> Tensor:
        x = torch.randn(len(obs), self.action_dim, device=obs.device)
        for i in reversed(range(STEPS)):
            step = torch.full((len(obs),), i, device=obs.device)
            eps = actor(x, step, obs)
            x0 = ((x - (1 - self.bar[i]).sqrt() * eps) / self.bar[i].sqrt()).clamp(-1, 1)
            x = self.mean_x0[i] * x0 + self.mean_x[i] * x + (self.std[i] * torch.randn_like(x) if i else 0)
        return x.clamp(-1, 1)

    def update(self, batch: dict[str, Tensor], step: int, generator: torch.Generator) -> None:
        obs, action = batch["obs"], batch["action"]
        with torch.no_grad():
            joint = torch.cat([batch["next_obs"], self.sample(self.slow_actor, batch["next_obs"])], 1)
            next_q = torch.min(self.slow_critics[0](joint), self.slow_critics[1](joint))[:, 0]
            target = batch["reward"] + GAMMA * (1 - batch["terminal"]) * next_q
        joint = torch.cat([obs, action], 1)
        loss = sum(nn.functional.mse_loss(critic(joint)[:, 0], target) for critic in self.critics)
        self._step(self.critic_optimizer, loss, self.critics)

        i = torch.randint(STEPS, (len(obs),), device=obs.device)
        eps = torch.randn_like(action)
        x = self.bar[i, None].sqrt() * action + (1 - self.bar[i, None]).sqrt() * eps
        clone = nn.functional.mse_loss(self.actor(x, i, obs), eps)
        joint = torch.cat([obs, self.sample(self.actor, obs)], 1)
        q, other = self.critics[0](joint), self.critics[1](joint)
        self._step(self.actor_optimizer, clone - ETA * q.mean() / other.abs().mean().detach(), self.actor)

        if step % 5 == 0:
            self._follow(self.slow_actor, self.actor)
        self._follow(self.slow_critics, self.critics)

    @staticmethod
    def _step(optimizer: torch.optim.Optimizer, loss: Tensor, module: nn.Module) -> None:
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), CLIP)
        optimizer.step()

    @staticmethod
    def _follow(slow: nn.Module, fast: nn.Module) -> None:
        for a, b in zip(slow.parameters(), fast.parameters(), strict=True):
            a.data.copy_(TAU * b.data + (1 - TAU) * a.data)
