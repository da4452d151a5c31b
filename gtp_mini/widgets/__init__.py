"""The interactive figures: objects that are live in JupyterLab and move on a static page without a kernel."""

from .ant import AntFigure
from .figure import FlowMapFigure
from .flipbook import Flipbook
from .scenes import Condition, World
from .triangle import TriangleFigure

__all__ = ["AntFigure", "Condition", "FlowMapFigure", "Flipbook", "TriangleFigure", "World"]
