"""Random numbers as the library asks for them: from a generator, or drawn in advance.

What is compiled, or mapped over many seeds at once, cannot ask a `torch.Generator`. Its numbers are drawn before it
starts, from the same generator, in the same order, of the same shapes, and wait on a `Tape` that stands in for the
generator. So a seed has one stream of numbers however its updates are computed.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor


class Request(NamedTuple):
    """One call for random numbers."""

    kind: str  # "normal", "uniform" or "integers"
    shape: tuple[int, ...]
    high: int = 0  # of integers, excluded
    dtype: torch.dtype | None = None

    def draw(self, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """The numbers."""
        if self.kind == "normal":
            return torch.randn(self.shape, generator=generator, device=device, dtype=self.dtype)
        if self.kind == "uniform":
            return torch.rand(self.shape, generator=generator, device=device)
        return torch.randint(self.high, self.shape, generator=generator, device=device)


@dataclass
class Tape:
    """Numbers drawn in advance, in the order in which they will be asked for."""

    numbers: list[Tensor]
    used: int = 0

    def answer(self, request: Request, device: torch.device | None) -> Tensor:
        self.used += 1
        return self.numbers[self.used - 1]


@dataclass
class Listener:
    """Notes what is asked of it and answers with numbers that are none: how one learns what a tape must hold."""

    device: torch.device
    requests: list[Request] = field(default_factory=list)

    def answer(self, request: Request, device: torch.device | None) -> Tensor:
        self.requests.append(request)
        return request.draw(torch.Generator(self.device).manual_seed(0), self.device)


Source = torch.Generator | Tape | Listener | None  # None: torch's global generator


def normal(shape: tuple[int, ...], source: Source, device: torch.device | None = None,
           dtype: torch.dtype | None = None) -> Tensor:
    """Standard normal numbers. Here and below `device` is where to draw them, by default the generator's own."""
    return _ask(Request("normal", tuple(shape), dtype=dtype), source, device)


def uniform(shape: tuple[int, ...], source: Source, device: torch.device | None = None) -> Tensor:
    """Uniform numbers in [0, 1)."""
    return _ask(Request("uniform", tuple(shape)), source, device)


def integers(high: int, shape: tuple[int, ...], source: Source, device: torch.device | None = None) -> Tensor:
    """Uniform whole numbers from 0 to high - 1."""
    return _ask(Request("integers", tuple(shape), high), source, device)


def _ask(request: Request, source: Source, device: torch.device | None) -> Tensor:
    if isinstance(source, Tape | Listener):
        return source.answer(request, device)
    return request.draw(source, device or (source.device if source is not None else torch.device("cpu")))
