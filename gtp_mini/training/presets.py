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
    # For the ants' mazes on two cores: the recipe of data/benchmark/{antmaze,critics}.toml. Values of the place first;
    # rows drawn by what their next 2.5 seconds were worth to these, bad ones left out; sigma_data as wide as torques
    # are at one place; a rate that 20,000 updates can use; little noise when it acts, for that makes ants fall.
    "laptop": Preset(
        None, "gtp", 20_000,
        {"eta": 50.0, "weight_rule": "exponential", "weight_cap": 1.0, "draw_by_weight": True, "advantage": "return",
         "value": "place", "lr": 3e-3, "lr_schedule": "cosine", "sigma_data": 0.2, "sigma_max": 10.0},
        10_000, {"width": 128, "value": "place", "n_step": 50, "reward_scale": 0.02, "critic_lr": 1e-3,
                 "critic_lr_schedule": "cosine", "critic_ema": 0.98}, noise_scale=0.3),
}
