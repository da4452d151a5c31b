"""A run's folder: everything needed to trust a number, repeat it, or go on.

In it lie::

    config.json         the whole configuration, defaults included
    versions.json       packages, Python, git commit, device, processor
    metrics.csv         one row per logging interval: means over the interval
    model.safetensors   the policy (EMA weights) of the last checkpoint; best.safetensors that of the best evaluation
    critic.safetensors  the values of the last checkpoint, if the method learns any
    evaluation.json     every evaluation, in order
    state/              what resuming needs; not worth keeping once the run is done

Every file is written whole or not at all, except metrics.csv, which grows by lines and is cut back on resume.
"""

import csv
import importlib.metadata
import json
import platform
import shutil
import subprocess
from pathlib import Path

import torch
from torch import Tensor

from .saving import read_tensors, write_bytes, write_tensors

PACKAGES = ("gtp-mini", "torch", "numpy", "gymnasium", "gymnasium-robotics", "mujoco", "minari")
RUN_FILES = ("config.json", "versions.json", "metrics.csv", "model.safetensors", "best.safetensors",
             "critic.safetensors", "evaluation.json", "state", "tensorboard")


class Run:
    """The folder of one training run."""

    def __init__(self, path: str | Path):
        self.path = Path(path)

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """A folder that holds a run. FileNotFoundError if it does not."""
        run = cls(path)
        if not run.exists():
            raise FileNotFoundError(f"{path} holds no run (no config.json); "
                                    f"train one with: gtp-mini train ... --out {path}")
        missing = [key for key in ("task", "method", "steps", "checkpoint_every") if key not in run.config]
        if missing:
            raise ValueError(f"{path} is no run of gtp_mini: its config.json lacks {', '.join(missing)}")
        return run

    @classmethod
    def start(cls, path: str | Path, config: dict, resume: bool = False, overwrite: bool = False) -> "Run":
        """A new run, or with `resume` the one that is there. Refuses to touch an existing run unasked."""
        run = cls(path)
        if run.exists():
            if resume:
                changed = [key for key in config if run.config.get(key) != config[key]]
                if changed:
                    raise ValueError(f"{path} was started with other settings ({', '.join(changed)}); "
                                     f"resume with the same ones, or start again with --overwrite")
                return run
            if not overwrite:
                raise FileExistsError(f"{path} already holds a run; go on with --resume or replace it with --overwrite")
            for name in reversed(RUN_FILES):  # config.json last: until then the folder holds a run
                target = run.path / name
                shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
        run.write_json("versions.json", versions())
        run.write_json("config.json", config)
        return run

    def exists(self) -> bool:
        return (self.path / "config.json").is_file()

    @property
    def config(self) -> dict:
        return self.read_json("config.json")

    def read_json(self, name: str, default=None):
        """A JSON file of the run, or `default` if it is not there. ValueError if it is no JSON."""
        file = self.path / name
        if not file.is_file():
            return default
        try:
            return json.loads(file.read_text())
        except json.JSONDecodeError as error:
            raise ValueError(f"{file} is damaged: {error}") from None

    def write_json(self, name: str, content) -> None:
        write_bytes(self.path / name, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())

    # -- metrics ------------------------------------------------------------------------------------------------

    def append_metrics(self, row: dict[str, float]) -> None:
        """Adds a line to metrics.csv; the first line fixes the columns."""
        file = self.path / "metrics.csv"
        new = not file.exists()
        with open(file, "a", newline="") as handle:
            writer = csv.DictWriter(handle, list(row), lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})

    def metrics(self) -> dict[str, list[float]]:
        """metrics.csv as columns. A last line that a kill cut short is left out."""
        header, *rows = list(csv.reader(self._metrics_lines())) or [[]]
        return {key: [float(row[i]) for row in rows] for i, key in enumerate(header)} if rows else {}

    def _metrics_lines(self) -> list[str]:
        """The whole lines of metrics.csv, the columns' names first, with their ends."""
        file = self.path / "metrics.csv"
        if not file.exists():
            return []
        with open(file, newline="") as handle:
            return [line for line in handle if line.endswith("\n")]

    def forget_after(self, step: int) -> None:
        """Cuts metrics and evaluations back to `step`: what was logged after the checkpoint will be made again."""
        lines = self._metrics_lines()
        keep = [i for i, at in enumerate(self.metrics().get("step", []), start=1) if at <= step]
        if keep:
            write_bytes(self.path / "metrics.csv", "".join(lines[i] for i in [0, *keep]).encode())
        else:
            (self.path / "metrics.csv").unlink(missing_ok=True)
        evaluations = [e for e in self.evaluations() if e["checkpoint_step"] <= step]
        if evaluations:
            self.write_json("evaluation.json", evaluations)
        else:
            (self.path / "evaluation.json").unlink(missing_ok=True)

    # -- evaluations --------------------------------------------------------------------------------------------

    def evaluations(self) -> list[dict]:
        return self.read_json("evaluation.json", [])

    def add_evaluation(self, evaluation: dict) -> None:
        self.write_json("evaluation.json", self.evaluations() + [evaluation])

    # -- state --------------------------------------------------------------------------------------------------

    @property
    def state_file(self) -> Path:
        return self.path / "state" / "checkpoint.safetensors"

    def save_state(self, tensors: dict[str, Tensor], step: int) -> None:
        write_tensors(self.state_file, tensors, {"kind": "training state", "step": str(step)})

    def load_state(self) -> tuple[dict[str, Tensor], int]:
        """Tensors and step of the last checkpoint; no tensors and step 0 if there is none yet."""
        if not self.state_file.exists():
            return {}, 0
        tensors, header = read_tensors(self.state_file)
        if header.get("kind") != "training state":
            raise ValueError(f"{self.state_file} is not a training state of gtp_mini")
        return tensors, int(header["step"])


def versions() -> dict[str, str | int | bool | None]:
    """What a number depends on beside the configuration."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found | {"python": platform.python_version(), "platform": platform.platform(), "processor": _processor(),
                    "threads": torch.get_num_threads(), "git": _git_commit(),
                    "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _git_commit() -> str | None:
    """The checkout's commit, with -dirty if it was changed; None outside a checkout."""
    try:
        return subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True,
                              check=True, cwd=Path(__file__).parent).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
