"""Values first, then the policy on them.

Values from the data's actions alone (implicit Q-learning) do not ask the policy. Trained before it, they are ready when
its first update weighs actions, the advantages of all data are computed once, and the policy's updates are its own.
"""

from dataclasses import replace
from pathlib import Path

from ..agents import METHODS
from ..records import Run
from .config import TrainConfig
from .loop import train_together

CRITIC = "critic"  # the folder of the values' run, in that of the policy's


def train_critic_first(configs: list[TrainConfig], outs: list[str], critic_steps: int, critic_settings: dict,
                       resume: bool = False, overwrite: bool = False, progress: bool = True) -> list[Run]:
    """`train_together`, each run after so many updates of values of its own seed, which stay in `OUT/critic`.

    Raises FileExistsError if there is a run and it is neither to go on nor to be replaced.
    """
    for out in outs:
        if Run(out).exists() and not (resume or overwrite):
            raise FileExistsError(f"{out} already holds a run; go on with --resume or replace it with --overwrite")
    settings = {"gamma": configs[0].settings["gamma"]} if "gamma" in configs[0].settings else {}
    teachers = [replace(config, method="iql", steps=critic_steps, settings=settings | critic_settings, eval_every=0,
                        noise_scale=1.0, sampling_steps=METHODS["iql"].sampling_steps) for config in configs]
    folders = [str(Path(out) / CRITIC) for out in outs]
    train_together(teachers, folders, resume, overwrite, progress)
    pupils = [replace(config, critic=folder) for config, folder in zip(configs, folders, strict=True)]
    return train_together(pupils, outs, resume, overwrite, progress)
