"""Comparing methods by the runs on record: scores, what they are worth as evidence, tables, curves, a page.

After Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice": interquartile means
with stratified bootstrap intervals, and the probability that a run of one method is better than a run of another.
"""

from .report import Report, make_report
from .scores import Choice

__all__ = ["Choice", "Report", "make_report"]
