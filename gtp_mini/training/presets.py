"""Whole recipes by name, for a machine or a purpose."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Preset:
    """What `gtp-mini train --preset` fills in where the command says nothing."""

    transitions: int | None  # of data that are made; None: the task's own number
    method: str
    steps: int
    settings: dict = field(default_factory=dict)  # of the method
    critic_steps: int = 0  # updates of the values alone, before the policy; 0: together with it
    critic_settings: dict = field(default_factory=dict)


# For a small ant maze on two cores. A first choice: no run on record says yet what it reaches, nor in what time.
PRESETS = {
    "laptop": Preset(
        200_000, "gtp-sd", 40_000, {"eta": 0.5, "lr_schedule": "cosine"},
        10_000, {"width": 128, "n_step": 20, "critic_lr": 1e-3}),
}
