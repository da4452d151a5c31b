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
    noise_scale: float = 1.0  # in evaluations


PRESETS = {
    # For the ant's U-maze on two cores. Values first; rows drawn by their weights, none more than three times as often
    # as an ordinary one; a learning rate that 40,000 updates can use; and little noise when it acts, for the data's
    # is what makes ants fall.
    "laptop": Preset(
        None, "gtp", 40_000,
        {"eta": 0.5, "weight_rule": "exponential", "weight_cap": 3.0, "draw_by_weight": True, "value": "expectile",
         "lr": 3e-3, "lr_schedule": "cosine"},
        10_000, {"width": 128, "n_step": 20, "critic_lr": 1e-3}, noise_scale=0.3),
}
