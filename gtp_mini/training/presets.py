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
    # For the ants' mazes on two cores: what data/benchmark/{antmaze,critics}.toml found. Values first, by returns of
    # five seconds; rows drawn by what these say, bad ones left out; sigma_data as wide as the torques are at one
    # place; a learning rate that 20,000 updates can use; and little noise when it acts, for the data's makes ants fall.
    "laptop": Preset(
        None, "gtp", 20_000,
        {"eta": 0.3, "weight_rule": "exponential", "weight_cap": 1.0, "draw_by_weight": True, "advantage": "return",
         "value": "expectile", "lr": 3e-3, "lr_schedule": "cosine", "sigma_data": 0.2, "sigma_max": 10.0},
        10_000, {"width": 128, "n_step": 100, "critic_lr": 1e-3, "critic_lr_schedule": "cosine"}, noise_scale=0.3),
}
