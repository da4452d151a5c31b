"""Trainings that were done before. Building the book runs the same cells again and again, and most of them train.

Where the environment names a folder, ``GTP_FITS``, `fit_agent` and the book's `trained` look there first: `make book`
does so, with a folder under ``_build``. What is kept is named by a digest of the data, the arguments, the library's own
sources and PyTorch's version, so that whatever may change a result changes its name. Without the variable nothing is
kept.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from .agents import Agent
from .saving import read_tensors, write_tensors

FOLDER = "GTP_FITS"
LIBRARY = Path(__file__).parent


def sources_hash(*folders: Path) -> str:
    """A short digest of all files under the folders, by name and content."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            digest.update(str(path.relative_to(folder)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def remembered_states(agent: Agent, training: Iterator[int], moments: Sequence[int], tensors: dict[str, Tensor],
                      arguments: dict) -> Iterator[int]:
    """Goes through a training, which says after each update how many there were, and yields those of `moments`
    (ascending, not empty). The agent is then what it was at that moment, in this training or in the first one with
    these tensors and arguments (plain data)."""
    file = _kept(arguments | {"moments": list(moments)}, ".safetensors", tensors)
    if file and file.exists():
        kept, _ = read_tensors(file)
        for moment in moments:
            start = f"{moment}/"
            agent.load_state_tensors({n.removeprefix(start): v for n, v in kept.items() if n.startswith(start)})
            yield moment
        return
    states = {}
    for done in training:
        if done in moments:
            if file:
                states |= {f"{done}/{name}": value.clone() for name, value in agent.state_tensors().items()}
            yield done
    if file:
        write_tensors(file, states, {"kind": "training states"})


def remembered_folder(make: Callable[[], object], out: Path, arguments: dict) -> None:
    """Has `make` fill the folder `out`, or copies what it wrote when it was first called for these arguments."""
    kept = _kept(arguments, "")
    if kept and kept.exists():
        shutil.copytree(kept, out)
        return
    make()
    if kept:
        unfinished = kept.with_name(f"{kept.name}.{os.getpid()}")
        shutil.copytree(out, unfinished)
        unfinished.rename(kept)


def _kept(arguments: dict, suffix: str, tensors: dict[str, Tensor] | None = None) -> Path | None:
    """Where a result for these arguments and tensors is kept; None where nothing is."""
    if not (folder := os.environ.get(FOLDER)):
        return None
    digest = hashlib.sha256(f"{sources_hash(LIBRARY)} {torch.__version__} {sorted(arguments.items())}".encode())
    for name, value in sorted((tensors or {}).items()):
        digest.update(f"{name} {tuple(value.shape)}".encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return Path(folder) / (digest.hexdigest()[:32] + suffix)
