"""The loop that trains: batches, logging, checkpoints, resume, evaluation. One loop for every method."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..agents import Agent, make_agent
from ..agents.base import Batch, pick_device
from ..agents.parts import Generators, Traced, check_compiler, check_stackable, compute_by, stack
from ..divergence import check_tensors, value_limit
from ..records import Run
from ..returns import n_step_returns
from .config import TrainConfig, agent_config, critic_of, run_record
from .log import Log
from .member import Member, publish


def train(config: TrainConfig, out: str, resume: bool = False, overwrite: bool = False, progress: bool = True) -> Run:
    """Trains and returns the run's folder. A killed run, resumed, ends with the bits of one that was not killed.

    Raises DivergedError when training has gone wrong; the folder then holds the last checkpoint before.
    """
    return train_together([config], [out], resume, overwrite, progress)[0]


def train_together(configs: list[TrainConfig], outs: list[str], resume: bool = False, overwrite: bool = False,
                   progress: bool = True) -> list[Run]:
    """Trains several runs as one program.

    They may differ in seed, in eta and in whose critic they take. Each folder is what it would be had the run been
    trained alone: the same stream of random numbers, results equal to rounding. Raises ValueError if they differ in
    anything else, and on resume if they stand at different steps.
    """
    from ..datasets.recovered import task_for
    from ..datasets.transitions import load_transitions

    config = _shared(configs)
    if len({Path(out).resolve() for out in outs}) < len(configs):
        raise ValueError(f"runs that are trained together need each its own folder, got {', '.join(map(str, outs))}")
    task = task_for(config.task)
    records = [run_record(c, task) for c in configs]
    if not resume and not overwrite:
        for out, record in zip(outs, records, strict=True):
            if Run(out).exists():
                Run.start(out, record)  # raises: refuse before the data are read
    if config.eval_every:
        task.make_env().close()  # what is wrong with it shall not come out at the first evaluation
    data = load_transitions(records[0]["dataset"], at_least=config.batch_size)
    for record in records:
        record |= {"transitions": len(data), "fingerprint": data.fingerprint}
    device = pick_device(config.device)
    tensors = {"obs": data.obs, "action": data.action, "reward": data.reward + records[0]["reward_shift"],
               "next_obs": data.next_obs, "terminal": data.terminal}
    tensors = {name: value.to(device) for name, value in tensors.items()}

    agents, advantages, chances = [], [], []
    for c, record in zip(configs, records, strict=True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(c.seed)
            agent = make_agent(c.method, data.obs.shape[1], data.action.shape[1], c.steps, agent_config(c, task))
        agent.to(device).set_observation_scale(tensors["obs"])
        if c.critic:
            if not agent.needs_values:
                raise ValueError(f"{c.method} as it is set asks no critic; leave --critic out, or give it an eta")
            agent.take_values(critic_of(c.critic, record).to(device))
            advantage = agent.advantages(tensors | {"episode": data.episode.to(device)})
            if (chance := agent.chances(advantage, tensors["obs"])) is None:
                advantages.append(advantage)
            else:
                chances.append(chance)
        else:
            _check_needs_no_given_values(agent)
        agents.append(agent)
    needs_values, agent_settings = agents[0].needs_values, agents[0].config
    limit = value_limit(tensors["reward"], agent_settings) if needs_values else math.inf
    if not needs_values or config.critic:
        tensors = {name: tensors[name] for name in ("obs", "action")}
    elif agent_settings.n_step > 1:
        tensors = n_step_returns(tensors | {"episode": data.episode.to(device)}, agent_settings.n_step,
                                 agent_settings.gamma)
        del tensors["episode"]

    check_stackable(agents)
    if config.compile:
        check_compiler(device)
    # after all that can fail
    runs = [Run.start(out, record, resume, overwrite) for out, record in zip(outs, records, strict=True)]
    generators = [torch.Generator(device).manual_seed(c.seed) for c in configs]
    start = _resume(runs, agents, generators, device) if resume else 0
    for run in runs:
        run.forget_after(start)
    agent, generator = agents[0], generators[0]
    if len(agents) > 1:
        agent, generator = stack(agents, config.compile), generators
    elif config.compile:
        compute_by(agent, Traced(compiled=True))
    draw = _batches(tensors, advantages, chances, config.batch_size)
    members = [Member(run, c, agent, i if len(agents) > 1 else None)
               for i, (run, c) in enumerate(zip(runs, configs, strict=True))]
    with Log(runs, config, start, limit, progress) as log:
        if start:
            publish(members, task, start, log)
        for step in range(start, config.steps):
            log.add(step + 1, agent.update(draw(generator), step, generator))
            done = step + 1
            if done % config.checkpoint_every == 0 or done == config.steps:
                state = agent.state_tensors()
                check_tensors(state, done, config.kept(done))
                for member, g in zip(members, generators, strict=True):
                    member.save(state, g, done)
                publish(members, task, done, log)
    return runs


def _shared(configs: list[TrainConfig]) -> TrainConfig:
    """What runs that are trained together have in common: the first of them."""
    def common(config: TrainConfig) -> TrainConfig:
        settings = {name: value for name, value in config.settings.items() if name != "eta"}
        return replace(config, seed=0, settings=settings, critic="taken" if config.critic else None)

    for config in configs[1:]:
        if common(config) != common(configs[0]):
            raise ValueError(f"runs that are trained together may differ in seed, eta and critic alone; got "
                             f"{configs[0]} and {config}")
    return configs[0]


def _resume(runs: list[Run], agents: list[Agent], generators: list[torch.Generator], device: torch.device) -> int:
    """Puts agents and generators where their checkpoints were; the step at which that was."""
    states = [run.load_state() for run in runs]
    if len({step for _, step in states}) > 1:
        where = ", ".join(f"{run.path}: {step}" for run, (_, step) in zip(runs, states, strict=True))
        raise ValueError(f"runs that go on together must stand at one step ({where}); resume each by itself")
    for agent, generator, (saved, step) in zip(agents, generators, states, strict=True):
        if step:
            generator.set_state(saved.pop("generator"))
            agent.load_state_tensors({name: value.to(device) for name, value in saved.items()})
    return states[0][1]


def _check_needs_no_given_values(agent: Agent) -> None:
    """ValueError if the agent learns its values itself, and a setting of it needs them whole."""
    for name, usual in (("draw_by_weight", False), ("advantage", "critic")):
        if getattr(agent.config, name, usual) != usual:
            raise ValueError(f"{name} = {getattr(agent.config, name)} needs values that are trained: give --critic or "
                             f"--critic-steps")


def _batches(tensors: Batch, advantages: list[Tensor], chances: list[Tensor],
             batch_size: int) -> Callable[[Generators], Batch]:
    """Draws batches from the whole data, (N, ...), and from each run's own advantages (N,): for one generator a batch
    (B, ...), for a list of M of them a stack (M, B, ...). With chances (N,) for each run, rows are drawn by these."""
    count = len(tensors["action"])
    own = torch.stack(advantages) if advantages else None
    shares = [chance.double().cumsum(0) / chance.double().sum() for chance in chances]

    def rows(generator: torch.Generator, run: int = 0) -> Tensor:
        if not shares:
            return torch.randint(count, (batch_size,), generator=generator, device=generator.device)
        pick = torch.rand(batch_size, generator=generator, device=generator.device, dtype=torch.float64)
        return torch.searchsorted(shares[run], pick, right=True).clamp(max=count - 1)

    def draw(generator: Generators) -> Batch:
        stacked = isinstance(generator, list)
        index = torch.stack([rows(g, i) for i, g in enumerate(generator)]) if stacked else rows(generator)
        batch = {name: value[index] for name, value in tensors.items()}
        if own is not None:
            batch["advantage"] = own.gather(1, index) if stacked else own[0, index]
        return batch

    return draw
