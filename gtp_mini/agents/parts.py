"""How an update is computed: plainly, compiled, or for many agents at once. What is computed stands in the agents.

An update is imperative: losses, gradient steps, moving averages, one after another. What lies between two such steps is
a pure function of tensors and of the networks as they are, and a method of the agent: a part. `run` calls one. Plainly
that is the method itself. Compiled, the same method goes through `torch.compile`. In a stack every parameter has a
leading dimension, one entry for each of M agents, and the same method, mapped over it, sees one agent at a time.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_map

from ..draws import Listener, Request, Tape

Generators = torch.Generator | list[torch.Generator] | None  # a list: one for each member of a stack


class Plain:
    """A part is called as it stands."""

    def __call__(self, owner: nn.Module, part: str, *arguments, generator: torch.Generator | None) -> Any:
        return getattr(owner, part)(*arguments, *(() if generator is None else (generator,)))


class Traced:
    """A part is a function of tensors alone: of its arguments, and of random numbers drawn before it starts.

    `members` is the number of agents in a stack, None for an agent by itself; `compiled` sends what results through
    torch.compile, which takes a C++ compiler and half a minute.
    """

    def __init__(self, members: int | None = None, compiled: bool = False):
        self.members, self.compiled = members, compiled
        self._known: dict[tuple[int, str], tuple[list[Request], Callable]] = {}

    def __call__(self, owner: nn.Module, part: str, *arguments, generator: Generators) -> Any:
        key = id(owner), part
        if key not in self._known:
            self._known[key] = self._trace(owner, part, arguments, generator)
        requests, function = self._known[key]
        return function(arguments, [self._draw(request, generator) for request in requests])

    def _draw(self, request: Request, generator: Generators) -> Tensor:
        if self.members is None:
            return request.draw(generator, generator.device)
        return torch.stack([request.draw(g, g.device) for g in generator])

    def _trace(self, owner: nn.Module, part: str, arguments: tuple, generator: Generators) -> tuple:
        source = () if generator is None else (Listener((generator if self.members is None else generator[0]).device),)
        one = _first(arguments) if self.members else arguments

        def call(state: dict, arguments: tuple, numbers: list[Tensor]) -> Any:
            tape = (Tape(numbers),) if source else ()
            if self.members is None:
                return getattr(owner, part)(*arguments, *tape)
            return functional_call(owner, state, (part, *arguments, *tape))

        def mapped(state: dict, arguments: tuple, numbers: list[Tensor]) -> Any:
            return torch.vmap(call, (0, dimensions, 0))(state, arguments, numbers)

        function, state, dimensions = call, {}, None
        if self.members:
            state = _tensors(owner)
            # 0-d tensors and what is no tensor are the same for all
            dimensions = tree_map(lambda x: 0 if isinstance(x, Tensor) and x.ndim else None, arguments)
            function = mapped
        with torch.no_grad():  # once, to hear what numbers it asks for
            functional_call(owner, _first(state), (part, *one, *source))
        if self.compiled:
            function.__code__ = function.__code__.replace()  # dynamo counts how often it compiles one piece of code
            function = torch.compile(function, fullgraph=True, dynamic=False)
        return (source[0].requests if source else []), partial(function, state)

    def __deepcopy__(self, memo: dict) -> Plain:
        return Plain()  # what is compiled for one agent is not for its copy


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters()) | dict(module.named_buffers())


def _first(tree: Any) -> Any:
    """The first member's share of stacked arguments."""
    return tree_map(lambda x: x[0] if isinstance(x, Tensor) and x.ndim else x, tree)


class Parted(nn.Module):
    """A module that computes in parts."""

    parts: Plain | Traced = Plain()

    def run(self, part: str, *arguments, generator: Generators = None) -> Any:
        """The result of the method `part` for these arguments, and the generator if there is one; in a stack all of
        them, results too, have a leading dimension."""
        return self.parts(self, part, *arguments, generator=generator)

    def forward(self, part: str, *arguments) -> Any:
        """The method `part`: where `functional_call` finds it."""
        return getattr(self, part)(*arguments)


def compute_by(agent: nn.Module, parts: Plain | Traced) -> None:
    """Has an agent, and what it consists of, compute its parts in this way."""
    for module in agent.modules():
        if isinstance(module, Parted):
            module.parts = parts


def stack(agents: list[nn.Module], compiled: bool = False) -> nn.Module:
    """Many agents as one, trained in one program: each as it would be trained alone, but for rounding.

    Batches, metrics and all tensors of the result have a leading dimension; its `update` takes a list of generators.
    The first agent becomes the result; none of them is to be used afterwards. ValueError as `check_stackable`.
    """
    check_stackable(agents)
    first, etas = agents[0], [getattr(agent.config, "eta", None) for agent in agents]
    tensors = [_tensors(agent) for agent in agents]
    for name, tensor in tensors[0].items():
        tensor.data = torch.stack([other[name].data for other in tensors])
    for name, optimizer in first.optimizers.items():
        states = [agent.optimizers[name].state_dict()["state"] for agent in agents]
        merged = {i: {slot: torch.stack([state[i][slot] for state in states]) if value.ndim else value
                      for slot, value in slots.items()} for i, slots in states[0].items()}
        optimizer.load_state_dict({"state": merged, "param_groups": optimizer.state_dict()["param_groups"]})
    if len(set(etas)) > 1:
        first.member_eta = torch.tensor(etas, device=next(first.parameters()).device)
    compute_by(first, Traced(len(agents), compiled))
    return first


def check_compiler(device: torch.device) -> None:
    """RuntimeError if torch.compile cannot work here."""
    try:
        torch.compile(torch.sin)(torch.zeros(2, device=device))
    except RuntimeError as error:
        raise RuntimeError(f"nothing can be compiled on this machine, leave --compile out: {error}") from None


def check_stackable(agents: list[nn.Module]) -> None:
    """ValueError if agents differ in more than their weights and eta."""
    first = agents[0]
    for agent in agents[1:]:
        if type(agent) is not type(first) or not _alike(agent.config, first.config):
            raise ValueError(f"agents of one stack may differ in eta alone, and all or none must ask a critic; got "
                             f"{first.config} and {agent.config}")


def unstacked(module: nn.Module, member: int) -> nn.Module:
    """A copy of one member's share of a stack, or of a network of it."""
    alone = deepcopy(module)
    for tensor in _tensors(alone).values():
        tensor.data = tensor.data[member].clone()
    return alone


def _alike(one: Any, other: Any) -> bool:
    """Whether configurations differ at most in an eta that weighs."""
    if one == other:
        return True
    weighs = getattr(one, "weighted", False) and other.weighted and not one.eta_conditioned
    return weighs and replace(one, eta=other.eta) == other
