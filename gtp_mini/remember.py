"""Fits that were made before. Building the book runs the same cells again and again, and most of them train.

Where the environment names a folder, ``GTP_FITS``, `fit` looks there first: `make book` does so, with a folder
under ``_build``. A file's name is a digest of the data, the arguments, the library's own sources and PyTorch's
version, so that whatever may change a model changes its name. Without the variable nothing is kept.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from .saving import load, save

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


def remembered(make: Callable[[], nn.Module], tensors: dict[str, Tensor], arguments: dict) -> nn.Module:
    """What `make` returns, or a copy from when it was last called for these tensors and arguments (plain data)."""
    if not (folder := os.environ.get(FOLDER)):
        return make()
    digest = hashlib.sha256(f"{sources_hash(LIBRARY)} {torch.__version__} {sorted(arguments.items())}".encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {tuple(value.shape)}".encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    file = Path(folder) / f"{digest.hexdigest()[:32]}.safetensors"
    if not file.exists():
        save(make(), file)
    return load(file)
