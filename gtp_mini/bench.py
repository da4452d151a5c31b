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
from .agents.parts import Traced, compute_by, stack
from .flow_map import FlowMap
from .records import versions

OBS_DIM, ACTION_DIM, ROWS, BATCH = 29, 8, 50_000, 256  # AntMaze's sizes, and the batch of nearly all papers
ROUNDS = 7
UPDATES = {  # name: method and settings
    "gtp": ("gtp", {}),
    "gtp, K = 5 targets": ("gtp", {"target_steps": 5}),
    "gtp, expectile V": ("gtp", {"value": "expectile"}),
    "gtp-sd": ("gtp-sd", {}),
    "gtp-sd, policy V, one-step targets": ("gtp-sd", {"value": "policy", "target_steps": 1, "eta": 1.0}),
    "gtp-sd, a quarter distilled": ("gtp-sd", {"fraction": 0.25, "distillation_weight": 1.0}),  # data/benchmark's
    "gtp-sd-bc": ("gtp-sd-bc", {}),
    "diffusion-ql": ("diffusion-ql", {}),
    "consistency-ac": ("consistency-ac", {}),
    "idql": ("idql", {}),
    "fql": ("fql", {}),
    "iql": ("iql", {}),
}
COMPUTED = ("gtp", "gtp-sd", "gtp-sd, a quarter distilled", "gtp-sd-bc", "diffusion-ql")  # timed in every way
WAYS = {"plain": (None, False), "compiled": (None, True),  # seeds in a stack, compiled?
        "4 seeds stacked": (4, False), "4 seeds stacked, compiled": (4, True)}


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
            ways: tuple[str, ...] = tuple(WAYS), **options) -> dict[str, float]:
    """Seconds of an update of one seed: of every method plainly, of the `COMPUTED` in other ways too, of `rivals`.

    A rival is anything with `update(batch, step, generator)`. A call draws its batch and waits for the device.
    """
    data = transitions(device)
    candidates: dict[str, Callable[[], object]] = {}
    members = {}
    for name, (method, settings) in UPDATES.items():
        config = method_config(method, width=width, **settings)
        for way in [way for way in ways if way == "plain" or name in COMPUTED]:
            count, compiled = WAYS[way]
            agents = []
            for seed in range(count or 1):
                torch.manual_seed(seed)
                agents.append(make_agent(method, OBS_DIM, ACTION_DIM, 10**6, config).to(device))
                agents[-1].set_observation_scale(data["obs"])
            agent = stack(agents, compiled) if count else agents[0]
            if compiled and not count:
                compute_by(agent, Traced(compiled=True))
            label = name if way == "plain" else f"{name}, {way}"
            candidates[label], members[label] = _update(agent, data, count), count or 1
    for name, rival in (rivals or {}).items():
        candidates[name], members[name] = _update(rival, data, None), 1
    return {name: seconds / members[name] for name, seconds in measure(candidates, **options).items()}


def _update(agent: Agent, data: dict[str, torch.Tensor], members: int | None) -> Callable[[], None]:
    """A call that draws a batch, or one for each member, and updates."""
    device = data["obs"].device
    generators = [torch.Generator(device).manual_seed(seed) for seed in range(members or 1)]
    generator = generators if members else generators[0]
    shape = (members, BATCH) if members else (BATCH,)

    def update() -> None:
        rows = torch.randint(ROWS, shape, generator=generators[0], device=device)
        agent.update({name: column[rows] for name, column in data.items()}, 0, generator)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return update


def latencies(steps: tuple[int, ...] = (1, 2, 5), batches: tuple[int, ...] = (1, 256), **options) -> dict[str, float]:
    """Seconds of a decision by `sample` and by FastPolicy, for each method's network, K and batch of observations.

    PyTorch has one thread for it: more would wait for work at the side of what is timed next.
    """
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
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return measure(candidates, **options)
    finally:
        torch.set_num_threads(threads)


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


def everything(device: str, width: int = 256, rivals: dict[str, Agent] | None = None,
               say: Callable[[str], None] = print) -> dict:
    """All measures of this module by this machine, plain data, with what they depend on. Minutes."""
    say(f"updates of {BATCH} transitions, 3 x {width}, on {device} ...")
    found = {"versions": versions(), "device": device, "width": width,
             "updates_per_second": {name: 1 / s for name, s in updates(device, width, rivals).items()}}
    say("decisions ...")
    found["decision_ms"] = {name: 1000 * s for name, s in latencies().items()}
    say("ants and imports ...")
    found["ant_steps_per_second"] = {name: 1 / s for name, s in world().items()}
    found["import_seconds"] = imports()
    return found | {"peak_memory_mb": peak_memory_mb()}


def peak_memory_mb() -> float:
    """The most memory that this process has held, in megabytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024
