"""Data: toy densities, the multi-goal world, and the one adapter from Minari datasets to transitions."""

from .toys import TOYS, toy

__all__ = ["TOYS", "toy"]
