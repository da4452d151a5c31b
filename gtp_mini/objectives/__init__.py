"""What a flow map is trained on: pure losses, no optimiser, no state.

    loss(model, target_model, actions, obs, weights, generator, ...) -> (scalar, metrics)

`model` gets the gradient, `target_model` teaches and gets none (it may be the same object, or a slow average).
`weights` (B,) multiply what comes from data (advantage weights; None for behaviour cloning). B batch, A action dim.
Every loss is a mean over the batch of a sum over dimensions.
"""

from .average_velocity import meanflow_loss, shortcut_loss
from .denoising import denoising_loss
from .distillation import esd_loss, lsd_loss, psd_loss
from .terms import flow_loss
from .trajectory import consistency_loss, consistency_training_loss, gtp_loss

__all__ = ["consistency_loss", "consistency_training_loss", "denoising_loss", "esd_loss", "flow_loss", "gtp_loss",
           "lsd_loss", "meanflow_loss", "psd_loss", "shortcut_loss"]
