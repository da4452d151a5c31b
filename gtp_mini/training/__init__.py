"""Training runs: `TrainConfig` says what, `train` does it and leaves a folder."""

from .config import TrainConfig, agent_config, run_record
from .critic_first import train_critic_first
from .loop import train, train_together
from .presets import PRESETS

__all__ = ["PRESETS", "TrainConfig", "agent_config", "run_record", "train", "train_critic_first", "train_together"]
