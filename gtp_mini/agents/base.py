"""What the training loop asks of an agent, and how an agent's whole state becomes tensors on disk."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from .parts import Parted

Batch = dict[str, Tensor]  # obs (B, O), action (B, A), reward (B,), next_obs (B, O), terminal (B,); or a part of these
Metrics = dict[str, Tensor]  # 0-d tensors, on the device, without gradient


# The mazes for which papers publish settings of their own, by the names of our tasks.
ANTMAZE = ("antmaze-umaze", "antmaze-umaze-diverse", "antmaze-medium-play", "antmaze-medium-play-learned",
           "antmaze-medium-diverse", "antmaze-large-play", "antmaze-large-diverse", "antmaze-umaze-goal")


class Config:
    """What all configurations end in. Each checks its own fields in `__post_init__`, and calls its parent's first."""

    needs_values = False  # whether the agent learns from rewards

    def __post_init__(self):
        pass


class Agent(Parted, ABC):
    """A learning rule with its networks and optimisers.

    `policy` is the actor's moving average, a module with `sample(n, obs, steps, generator)`.
    `needs_values` tells whether the update reads rewards and next observations, or actions alone.
    """

    policy: nn.Module
    needs_values: bool = False
    optimizers: dict[str, torch.optim.Optimizer]

    @abstractmethod
    def update(self, batch: Batch, step: int, generator: torch.Generator) -> Metrics:
        """One gradient step at global step `step`. Static shapes, no host synchronisation."""

    @abstractmethod
    def set_observation_scale(self, obs: Tensor) -> None:
        """Takes the normalisation of observations from the data, (M, O)."""

    def published(self) -> nn.Module:
        """What is saved, evaluated and returned by `fit`: the policy, or the policy with a critic that chooses."""
        return self.policy

    def act(self, obs: Tensor, steps: int, generator: torch.Generator, noise_scale: float = 1.0) -> Tensor:
        """Actions for the environment: a policy sample clamped to [-1, 1], (B, O) -> (B, A)."""
        return self.policy.sample(obs=obs, steps=steps, generator=generator, noise_scale=noise_scale).clamp(-1, 1)

    def state_tensors(self) -> Batch:
        """Everything that training changes: networks and optimisers, by name."""
        tensors = {f"agent/{name}": value for name, value in self.state_dict().items()}
        for which, optimizer in self.optimizers.items():
            for index, slots in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer/{which}/{index}/{slot}": value for slot, value in slots.items()}
        return tensors

    def load_state_tensors(self, tensors: Batch) -> None:
        """Inverse of `state_tensors`. Raises KeyError or RuntimeError if the tensors are another agent's."""
        self.load_state_dict({n.removeprefix("agent/"): v for n, v in tensors.items() if n.startswith("agent/")})
        for which, optimizer in self.optimizers.items():
            state: dict[int, Batch] = {}
            for name, value in tensors.items():
                if name.startswith(f"optimizer/{which}/"):
                    index, slot = name.split("/")[2:]
                    state.setdefault(int(index), {})[slot] = value
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def check_positive(config: object, *names: str) -> None:
    """ValueError unless these fields are above 0, and finite."""
    for name in names:
        if not 0 < getattr(config, name) < math.inf:
            raise ValueError(f"{name} must be positive, got {getattr(config, name)!r}")


def check_between(config: object, low: float, high: float, *names: str) -> None:
    """ValueError unless these fields are finite and between low and high, both included."""
    for name in names:
        if not (low <= getattr(config, name) <= high and math.isfinite(getattr(config, name))):
            wanted = f"{low} or more and finite" if high == math.inf else f"between {low} and {high}"
            raise ValueError(f"{name} must be {wanted}, got {getattr(config, name)!r}")


def gradient_step(optimizer: torch.optim.Optimizer, loss: Tensor, clip: float) -> Tensor:
    """Backward, clip the gradient's norm, step; returns the norm before clipping, of the loss's shape.

    Only the optimiser's own parameters get a gradient: a loss may pass through another network and leave it alone.
    A loss is a 0-d tensor, or (M,) for a stack of agents, each of which has its own norm.
    """
    own = optimizer.param_groups[0]["params"]
    optimizer.zero_grad(set_to_none=True)
    loss.sum().backward(inputs=own)
    norm = nn.utils.clip_grad_norm_(own, clip) if loss.ndim == 0 else _clip_each(own, clip)
    optimizer.step()
    return norm


def _clip_each(parameters: list[Tensor], clip: float) -> Tensor:
    """`clip_grad_norm_` for each entry of the leading dimension, (M,)."""
    gradients = [p.grad.flatten(1) for p in parameters]
    norm = torch.stack([g.norm(dim=1) for g in gradients]).norm(dim=0)
    share = (clip / (norm + 1e-6)).clamp(max=1)[:, None]  # as clip_grad_norm_ has it
    torch._foreach_mul_(gradients, [share] * len(gradients))
    return norm


def adam(module: nn.Module, lr: float) -> torch.optim.Adam:
    """Adam in its fused form: one kernel for all parameters."""
    return torch.optim.Adam(module.parameters(), lr=lr, fused=True)


def pick_device(name: str) -> torch.device:
    """"auto" is a GPU if there is one. ValueError for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {name!r} cannot be used: {str(error).splitlines()[0]}") from None
