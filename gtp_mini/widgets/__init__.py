"""The interactive figure: one object that is live in JupyterLab and moves on a static page without a kernel."""

from .figure import FlowMapFigure
from .scenes import Condition, World

__all__ = ["Condition", "FlowMapFigure", "World"]
