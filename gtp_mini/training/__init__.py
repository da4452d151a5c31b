"""Training runs: `TrainConfig` says what, `train` does it and leaves a folder."""

from .config import TrainConfig, agent_config, run_record
from .loop import train, train_together

__all__ = ["TrainConfig", "agent_config", "run_record", "train", "train_together"]
