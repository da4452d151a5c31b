"""How good is a policy? Episodes in the real environment, many side by side, and what they are worth as evidence."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from .acting import DETERMINISTIC, FastPolicy
from .datasets.tasks import Task
from .flow_map import FlowMap
from .worlds.side_by_side import Step, Worlds, make_worlds

MAX_SLOTS = 50  # environments side by side: the policy is called once for all of them


@dataclass
class Episode:
    """One episode of an evaluation."""

    success: bool
    total_reward: float
    length: int
    info: dict
    path: np.ndarray | None = None  # observations (T + 1, O), if asked for


@dataclass
class Evaluation:
    """All episodes of an evaluation, and their summary."""

    episodes: list[Episode]
    latency: dict[str, float]  # milliseconds, see `action_latency`
    settings: dict = field(default_factory=dict)

    def summary(self) -> dict:
        """Plain numbers, ready for JSON."""
        n = len(self.episodes)
        wins = sum(e.success for e in self.episodes)
        result = self.settings | {
            "episodes": n,
            "success_rate": wins / n,
            "success_ci95": list(wilson_interval(wins, n)),
            "return_mean": float(np.mean([e.total_reward for e in self.episodes])),
            "episode_length_mean": float(np.mean([e.length for e in self.episodes])),
        } | self.latency
        if wins:
            result["steps_to_success_mean"] = float(np.mean([e.length for e in self.episodes if e.success]))
        if "fallen" in self.episodes[0].info:
            result["fallen_rate"] = sum(bool(e.info["fallen"]) for e in self.episodes) / n
        if "goal" in self.episodes[0].info:
            goals = [e.info["goal"] for e in self.episodes if e.success]
            result["goal_shares"] = [goals.count(k) / n for k in range(4)]
        return result


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a proportion: honest near 0 and 1, where the normal one is not."""
    from scipy.stats import binomtest

    interval = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def evaluate(policy, task: Task, episodes: int = 100, sampling_steps: int = 2, seed: int = 0, noise_scale: float = 1.0,
             paths: bool = False, progress: Callable[[int, int], None] | None = None,
             noise_memory: float = 0.0) -> Evaluation:
    """Runs `policy` in the task's environment. Episode i starts from environment seed (seed, i) whatever the policy,
    so that methods meet the same starts.

    `policy` is anything with `sample(obs=, steps=, generator=, noise_scale=)`, on the device of its parameters if it
    has any; actions are clamped to [-1, 1]. With `noise_memory` m > 0 the noise of an action is m times that of the
    last one and sqrt(1 - m^2) times a new draw, so that an action is still drawn from the policy, but a policy with
    several modes does not pick anew at every step; with 1 an episode has one noise. The policy's `sample` must take
    `noise`.
    """
    return evaluate_together([policy], task, [seed], episodes, sampling_steps, noise_scale, paths, progress,
                             noise_memory)[0]


def evaluate_together(policies: list, task: Task, seeds: list[int], episodes: int = 100, sampling_steps: int = 2,
                      noise_scale: float = 1.0, paths: bool = False,
                      progress: Callable[[int, int], None] | None = None,
                      noise_memory: float = 0.0) -> list[Evaluation]:
    """`evaluate` for several policies in one simulation, each from its own seed; what each does depends on it alone."""
    if episodes < 1:
        raise ValueError(f"episodes must be at least 1, got {episodes!r}")
    if not 0 <= noise_memory <= 1:
        raise ValueError(f"noise_memory must be between 0 and 1, got {noise_memory!r}")
    count = min(episodes, MAX_SLOTS)
    worlds = make_worlds(task, count * len(policies))
    try:
        players = []
        for i, (policy, seed) in enumerate(zip(policies, seeds, strict=True)):
            starts = np.random.SeedSequence(seed).generate_state(episodes)
            slots = [_Slot(worlds, i * count + j, starts[j::count], paths) for j in range(count)]
            players.append(_Player(policy, seed, slots))
        while acting := [player for player in players if player.active]:
            actions = [player.act(task, sampling_steps, noise_scale, noise_memory) for player in acting]
            slots = [slot for player in acting for slot in player.active]
            for slot, answer in zip(slots, worlds.step([s.index for s in slots], np.concatenate(actions)), strict=True):
                slot.take(answer)
            if progress:
                done = sum(len(slot.done) for player in players for slot in player.slots)
                progress(done, episodes * len(players))
    finally:
        worlds.close()
    settings = {"sampling_steps": sampling_steps, "noise_scale": noise_scale}
    settings |= {"noise_memory": noise_memory} if noise_memory else {}
    return [Evaluation([player.slots[i % count].done[i // count] for i in range(episodes)], player.latency,
                       settings | {"seed": seed}) for player, seed in zip(players, seeds, strict=True)]


def _noise(slots: list["_Slot"], action_dim: int, memory: float, generator: torch.Generator) -> torch.Tensor:
    """Noise (n, A) of the slots' next actions, which each slot remembers until its episode ends."""
    new = torch.randn(len(slots), action_dim, generator=generator, device=generator.device)
    for slot, draw in zip(slots, new, strict=True):
        slot.noise = draw if slot.noise is None else memory * slot.noise + (1 - memory**2) ** 0.5 * draw
    return torch.stack([slot.noise for slot in slots])


def action_latency(policy, obs: torch.Tensor, steps: int) -> dict[str, float]:
    """Median time of one decision, milliseconds, for the given batch of observations (one row: a robot's case).

    `action_latency_ms` is that of `policy.sample`, which every policy has; `fast_action_latency_ms` that of
    `acting.FastPolicy` where it can be had.
    """
    generator = torch.Generator(obs.device).manual_seed(0)
    found = {"action_latency_ms": _median_ms(lambda: policy.sample(obs=obs, steps=steps, generator=generator).cpu())}
    if isinstance(policy, FlowMap) and policy.config.sampler in DETERMINISTIC:
        fast, seen, rng = FastPolicy(policy, steps), obs.cpu().numpy(), np.random.default_rng(0)
        shape = len(seen), policy.config.action_dim
        found["fast_action_latency_ms"] = _median_ms(lambda: fast(seen, rng.standard_normal(shape, dtype=np.float32)))
    return found


def _median_ms(decide: Callable[[], object], repeats: int = 30) -> float:
    times = []
    for _ in range(repeats + 5):  # the first ones warm up
        start = time.perf_counter()
        decide()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times[5:]))


class _Player:
    """A policy, its source of noise, and the environments it acts in."""

    def __init__(self, policy, seed: int, slots: list["_Slot"]):
        self.policy, self.slots, self.latency = policy, slots, None
        self.device = next((p.device for p in getattr(policy, "parameters", list)()), torch.device("cpu"))
        self.generator = torch.Generator(self.device).manual_seed(seed)

    @property
    def active(self) -> list["_Slot"]:
        return [slot for slot in self.slots if not slot.finished]

    def act(self, task: Task, steps: int, noise_scale: float, noise_memory: float) -> np.ndarray:
        """An action (n, A) for each environment whose episodes are not over, in one call of the policy."""
        active = self.active
        obs = torch.as_tensor(np.stack([slot.obs for slot in active]), device=self.device)
        remembered = {"noise": _noise(active, task.action_dim, noise_memory, self.generator)} if noise_memory else {}
        actions = self.policy.sample(obs=obs, steps=steps, generator=self.generator, noise_scale=noise_scale,
                                     **remembered)
        self.latency = self.latency or action_latency(self.policy, obs[:1], steps)
        return actions.clamp(-1, 1).cpu().numpy()


class _Slot:
    """One environment and the episodes it runs, one after another."""

    def __init__(self, worlds: Worlds, index: int, seeds: np.ndarray, paths: bool):
        self.worlds, self.index, self.seeds, self.paths = worlds, index, [int(s) for s in seeds], paths
        self.done: list[Episode] = []
        self._begin()

    @property
    def finished(self) -> bool:
        return len(self.done) == len(self.seeds)

    def _begin(self) -> None:
        self.obs = self.worlds.reset(self.index, self.seeds[len(self.done)])
        self.total, self.length, self.path, self.noise = 0.0, 0, [self.obs], None

    def take(self, answer: Step) -> None:
        """Records what an action led to; begins the next episode where this one ended."""
        self.obs = answer.obs
        self.total, self.length = self.total + float(answer.reward), self.length + 1
        if self.paths:
            self.path.append(self.obs)
        if answer.terminated or answer.truncated:
            self.done.append(Episode(bool(answer.info.get("success", False)), self.total, self.length, answer.info,
                                     np.stack(self.path) if self.paths else None))
            if not self.finished:
                self._begin()
