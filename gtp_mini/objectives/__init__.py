"""What a flow map is trained on: pure losses, no optimiser, no state. ::

    loss(model, target_model, actions, obs, weights, generator, ...) -> (scalar, metrics)

`model` gets the gradient, `target_model` teaches and gets none (it may be the same object, or a slow average).
`weights` (B,) multiply what comes from data (advantage weights; None for behaviour cloning). B batch, A action dim.
Every loss is a mean over the batch of a sum over dimensions.

All train one network, phi. phi(x, t, t) is the denoiser, and Phi(x, t, s) = (s/t) x + (1 - s/t) phi(x, t, s) a jump
from noise t to less noise s. They differ in the jumps they look at, from x = a + t z for a clean a, and in what those
must agree with; ``'`` marks the teacher::

    denoising     (t, t)            a itself: diffusion and flow matching, which learn no other jump
    consistency   (t, 0)            Phi'(a + u z, u, 0), u the level of a grid below t
    GTP           (t, s)            Phi'(a + u z, u, s), u the level below t; and denoising
    progressive   (t, s)            Phi'(Phi'(x, t, u), u, s), u anywhere between; and denoising
    shortcut      (t, s) dyadic     the same with u halfway; and denoising
    Lagrangian    (t, s)            dPhi/ds = f'(Phi, s); and denoising
    Eulerian      (t, s)            dPhi/dt = 0 along the teacher's own field; and denoising
    MeanFlow      (t, s), (t, t)    dPhi/dt = 0 along the sample's field (x - a) / t

Denoising is what ties a model to data; MeanFlow has it in its rows with s = t, consistency in its lowest level, from
which a jump hardly moves, and GTP once more in its rows with s = u, where the square is (1 - u/t)^2 |a - phi|^2. The
optimum is the exact flow map for all but three: consistency and GTP, whose a + u z is not where the ODE takes x, lose
spread that only a fine grid gives back (`trajectory`), and MeanFlow's adaptive weight prefers the frequent
(`average_velocity`).

To read in this order: terms, denoising, trajectory, distillation, average_velocity.
"""

from .average_velocity import meanflow_loss, shortcut_loss
from .denoising import denoising_loss
from .distillation import esd_loss, lsd_loss, psd_loss
from .terms import flow_loss
from .trajectory import consistency_loss, consistency_training_loss, gtp_loss

__all__ = ["consistency_loss", "consistency_training_loss", "denoising_loss", "esd_loss", "flow_loss", "gtp_loss",
           "lsd_loss", "meanflow_loss", "psd_loss", "shortcut_loss"]
