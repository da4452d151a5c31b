"""gtp_mini: generative trajectory policies, small enough to read.

>>> import gtp_mini
>>> model = gtp_mini.fit(actions, method="gtp", steps=20_000)      # (M, A) tensor of samples to imitate
>>> model.sample(1000, steps=2)                                     # (1000, A) new ones in two jumps
"""

from . import datasets, exact, guidance, objectives, samplers, times
from .agents import METHODS
from .check import check
from .fitting import fit
from .flow_map import FlowMap, FlowMapConfig
from .saving import load, save

__version__ = "0.1.0"
__all__ = ["METHODS", "FlowMap", "FlowMapConfig", "check", "datasets", "exact", "fit", "guidance", "load", "objectives",
           "samplers", "save", "times"]
