"""Closed-form truth: distributions whose density, score, denoiser, flow map and exponential tilt are known.

A model can be wrong in ways that a picture hides; these cannot. All use our clock, x_t = x_0 + t z, and have the
methods of a `FlowMap` (call, phi, denoise, velocity), so samplers, plots and tests take either. Derivations: chapter 1
of the book.
"""

from .base import Exact
from .gaussian import Gaussian
from .mixture import GaussianMixture, point_masses

__all__ = ["Exact", "Gaussian", "GaussianMixture", "point_masses"]
