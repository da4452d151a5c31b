"""One run among those that are trained: what it writes at a checkpoint."""

import math
from dataclasses import dataclass

import torch
from torch import nn

from ..agents import Agent
from ..agents.base import Batch
from ..agents.parts import unstacked
from ..datasets.task import Task
from ..evaluation import evaluate_together
from ..records import Run
from ..saving import save
from .config import TrainConfig
from .log import Log


@dataclass(frozen=True)
class Member:
    """A run, and its agent or its place in a stack of agents."""

    run: Run
    config: TrainConfig
    agent: Agent
    index: int | None  # None: the agent is no stack

    def save(self, state: Batch, generator: torch.Generator, step: int) -> None:
        """What resuming needs: the agent's state, or this run's share of the stack's."""
        if self.index is not None:  # the optimisers' counts, 0-d, are the same for all
            state = {name: value[self.index].clone() if value.ndim else value for name, value in state.items()}
        self.run.save_state(state | {"generator": generator.get_state()}, step)

    def publish(self) -> nn.Module:
        """Writes the weights that follow from a saved state; returns the policy."""
        policy = self._own(self.agent.published())
        save(policy, self.run.path / "model.safetensors")
        if self.agent.needs_values and not self.config.critic:
            save(self._own(self.agent.values), self.run.path / "critic.safetensors")
        return policy

    def _own(self, module: nn.Module) -> nn.Module:
        return module if self.index is None else unstacked(module, self.index)

    def watched(self) -> list[dict]:
        """The run's evaluations, without those that somebody asked for later."""
        return [e for e in self.run.evaluations() if e.get("during_training")]

    def record(self, policy: nn.Module, result: dict, task: Task, step: int) -> str:
        """Records an evaluation, and keeps the weights if their return is the best so far; a line about it."""
        best = max((e["return_mean"] for e in self.watched()), default=-math.inf)
        if result["return_mean"] > best:
            save(policy, self.run.path / "best.safetensors")
        self.run.add_evaluation({"task": task.name, "method": self.config.method, "checkpoint_step": step,
                                 "during_training": True} | result)
        return (f"step {step}: return {result['return_mean']:.2f}, success {result['success_rate']:.2f} over "
                f"{result['episodes']} episodes" + (f" ({self.run.path})" if self.index is not None else ""))


def publish(members: list[Member], task: Task, step: int, log: Log) -> None:
    """What follows from saved states: weights and, where one is due, an evaluation, of all in one simulation. Made
    again on resume, as a kill may have come between."""
    published = [(member, member.publish()) for member in members]
    c = members[0].config
    if not c.eval_every or (step % c.eval_every and step != c.steps):
        return
    due = [(member, policy) for member, policy in published
           if step not in [e["checkpoint_step"] for e in member.watched()]]
    if not due:
        return
    results = evaluate_together([policy for _, policy in due], task, [member.config.seed for member, _ in due],
                                c.eval_episodes, c.sampling_steps, c.noise_scale)
    for (member, policy), result in zip(due, results, strict=True):
        log.say(member.record(policy, result.summary(), task, step))
