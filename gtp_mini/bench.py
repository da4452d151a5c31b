"""How fast is it? Candidates take turns, so that a machine's moods meet all of them alike; what counts is the ratio."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from .acting import DETERMINISTIC, FastPolicy
from .agents import METHODS, Agent, make_agent, method_config
from .flow_map import FlowMap

OBS_DIM, ACTION_DIM, ROWS, BATCH = 29, 8, 50_000, 256  # AntMaze's sizes, and the batch of nearly all papers
ROUNDS = 7
UPDATES = {  # name: method and settings
    "gtp": ("gtp", {}),
    "gtp, K = 5 targets": ("gtp", {"target_steps": 5}),
    "gtp, expectile V": ("gtp", {"value": "expectile"}),
    "gtp-sd": ("gtp-sd", {}),
    "gtp-sd, policy V, one-step targets": ("gtp-sd", {"value": "policy", "target_steps": 1, "eta": 1.0}),
    "gtp-sd-bc": ("gtp-sd-bc", {}),
    "diffusion-ql": ("diffusion-ql", {}),
    "consistency-ac": ("consistency-ac", {}),
    "idql": ("idql", {}),
    "fql": ("fql", {}),
    "iql": ("iql", {}),
}


def measure(candidates: dict[str, Callable[[], object]], calls: int = 10, rounds: int = ROUNDS) -> dict[str, float]:
    """Median seconds of one call of each candidate; a round is `calls` calls of each in turn, the first round is
    thrown away."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds + 1):
        for name, call in candidates.items():
            start = time.perf_counter()
            for _ in range(calls):
                call()
            if number:
                times[name].append((time.perf_counter() - start) / calls)
    return {name: float(np.median(seconds)) for name, seconds in times.items()}


def transitions(device: torch.device | str = "cpu") -> dict[str, torch.Tensor]:
    """Random transitions of AntMaze's sizes, (ROWS, ...), on a device: what every candidate is trained on."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(ROWS, *shape, generator=generator).to(device)

    return {"obs": normal(OBS_DIM), "action": normal(ACTION_DIM).clamp(-1, 1), "reward": -(normal() > 0).float(),
            "next_obs": normal(OBS_DIM), "terminal": (normal() > 3).float()}


def updates(device: str = "cpu", width: int = 256, rivals: dict[str, Agent] | None = None,
            **options) -> dict[str, float]:
    """Seconds of an update of each method, and of `rivals`: anything with `update(batch, step, generator)`.

    A call draws its batch and waits for the device.
    """
    data, generator = transitions(device), torch.Generator(device).manual_seed(0)
    agents = {}
    for name, (method, settings) in UPDATES.items():
        torch.manual_seed(0)
        agents[name] = make_agent(method, OBS_DIM, ACTION_DIM, 10**6, method_config(method, width=width, **settings))
        agents[name].to(device).set_observation_scale(data["obs"])

    def update(agent) -> None:
        rows = torch.randint(ROWS, (BATCH,), generator=generator, device=device)
        agent.update({name: column[rows] for name, column in data.items()}, 0, generator)
        if data["obs"].is_cuda:
            torch.cuda.synchronize()

    return measure({name: lambda agent=agent: update(agent) for name, agent in (agents | (rivals or {})).items()},
                   **options)


def latencies(steps: tuple[int, ...] = (1, 2, 5), batches: tuple[int, ...] = (1, 256), **options) -> dict[str, float]:
    """Seconds of a decision by `sample` and by FastPolicy, for each method's network, K and batch of observations."""
    candidates: dict[str, Callable[[], object]] = {}
    for name in ("gtp-bc", "ddpm", "gaussian-bc"):
        policy = make_agent(name, OBS_DIM, ACTION_DIM, 1).policy
        for batch in batches:
            obs, rng = torch.randn(batch, OBS_DIM), np.random.default_rng(0)
            for k in steps if name == "gtp-bc" else (METHODS[name].sampling_steps,):
                label = f"{name}, K = {k}, batch {batch}"
                candidates[label] = lambda policy=policy, obs=obs, k=k: policy.sample(obs=obs, steps=k)
                if isinstance(policy, FlowMap) and policy.config.sampler in DETERMINISTIC:
                    fast, seen, shape = FastPolicy(policy, k), obs.numpy(), (batch, ACTION_DIM)
                    candidates[f"{label}, fast"] = lambda fast=fast, seen=seen, shape=shape, rng=rng: fast(
                        seen, rng.standard_normal(shape, dtype=np.float32))
    return measure(candidates, **options)


def world(episode_steps: int = 50, count: int = 50, rounds: int = 3) -> dict[str, float]:
    """Seconds of one step of one ant: in Gymnasium's environments one by one, and in threads as evaluations do."""
    from dataclasses import replace

    from .datasets.tasks import get_task
    from .worlds.side_by_side import AntWorlds, GymWorlds

    task = replace(get_task("antmaze-umaze"), time_limit=10**9)
    actions = np.random.default_rng(0).uniform(-1, 1, (count, ACTION_DIM)).astype(np.float32)
    kinds = {"one by one": GymWorlds(task, count), "in threads": AntWorlds(task, count)}
    try:
        for worlds in kinds.values():
            for i in range(count):
                worlds.reset(i, seed=i)
        indices = list(range(count))
        found = measure({name: lambda w=worlds: w.step(indices, actions) for name, worlds in kinds.items()},
                        episode_steps, rounds)
    finally:
        for worlds in kinds.values():
            worlds.close()
    return {name: seconds / count for name, seconds in found.items()}


def imports(rounds: int = 5) -> dict[str, float]:
    """Seconds to import torch, and gtp_mini after it, in a fresh interpreter."""
    def run(code: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    codes = {"python": "pass", "torch": "import torch", "gtp_mini": "import gtp_mini"}
    found = measure({name: run(code) for name, code in codes.items()}, 1, rounds)
    return {"torch": found["torch"] - found["python"], "gtp_mini after torch": found["gtp_mini"] - found["torch"]}


def peak_memory_mb() -> float:
    """The most memory that this process has held, in megabytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024
