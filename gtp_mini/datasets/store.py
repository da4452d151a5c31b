"""Episodes become a Minari dataset, or nothing: never half of one.

A dataset is written into a hidden folder beside its place and moved there when it is whole. It lives where Minari
looks (``MINARI_DATASETS_PATH``, else ``~/.minari/datasets``), so that ``minari list local`` shows it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path


def check_room(dataset_id: str, size: int, overwrite: bool = False) -> Path:
    """Where the dataset will live; to be called before hours are spent on making what cannot be stored.

    Raises:
        FileExistsError: it exists and ``overwrite`` is not set.
        OSError: the folder cannot be written to, or fewer than ``size`` bytes are free.
    """
    from minari.storage import get_dataset_path

    try:
        place = get_dataset_path(dataset_id)
        root = get_dataset_path()
        if place.exists() and not overwrite:
            raise FileExistsError(f"dataset {dataset_id} exists at {place}; ask for overwriting to replace it")
        if not os.access(root, os.W_OK):
            raise PermissionError("the folder is not writable")
        free = shutil.disk_usage(root).free
        if free < size:
            raise OSError(f"{size / 1e6:.0f} MB are needed and {free / 1e6:.0f} MB are free")
    except FileExistsError:
        raise
    except OSError as error:
        raise unwritable(dataset_id, error) from error
    return place


def write_dataset(
    dataset_id: str, buffers: Iterable, *, overwrite: bool = False, scratch: Path | None = None, **description
) -> str:
    """Stores Minari's ``EpisodeBuffer``s under ``dataset_id``, all or none.

    Args:
        buffers: one after another, so that they need not be in memory together.
        scratch: a folder on the same disk in which it is put together; Minari's root by default.
        description: what ``minari.create_dataset_from_buffers`` takes besides: env or spaces, author, description...

    Raises:
        FileExistsError, OSError: as `check_room`, also when the disk fills up while writing.
    """
    import minari
    from minari.dataset.minari_dataset import parse_dataset_id
    from minari.namespace import create_namespace, list_local_namespaces

    place = check_room(dataset_id, 0, overwrite)
    root = Path(str(place)[: -len(dataset_id)])
    namespace = parse_dataset_id(dataset_id)[0]
    try:
        with tempfile.TemporaryDirectory(dir=scratch or root, prefix=".making-") as making:
            with _datasets_in(making), warnings.catch_warnings():
                # No e-mail address, no permanent link: these datasets are made at home and not published.
                warnings.filterwarnings("ignore", message=".*is (set to )?None", category=UserWarning)
                minari.create_dataset_from_buffers(dataset_id, buffers, data_format="hdf5", **description)
            if namespace is not None and namespace not in list_local_namespaces():
                create_namespace(namespace)
            if place.exists():
                os.replace(place, Path(making) / "replaced")
            os.replace(Path(making) / dataset_id, place)
    except OSError as error:
        raise unwritable(dataset_id, error) from error
    return dataset_id


def list_datasets() -> dict[str, dict]:
    """The local datasets by id: ``episodes``, ``steps``, ``megabytes``, ``description``."""
    import minari

    return {
        dataset_id: {
            "episodes": int(metadata["total_episodes"]),
            "steps": int(metadata["total_steps"]),
            "megabytes": float(metadata["dataset_size"]),
            "description": metadata.get("description", ""),
        }
        for dataset_id, metadata in minari.list_local_datasets().items()
    }


@contextlib.contextmanager
def _datasets_in(folder: str) -> Iterator[None]:
    """Minari takes its root from the environment only."""
    before = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["MINARI_DATASETS_PATH"]
        else:
            os.environ["MINARI_DATASETS_PATH"] = before


def unwritable(dataset_id: str, error: OSError) -> OSError:
    """The error of a dataset that cannot be stored, with what can be done."""
    reason = error.strerror or str(error).splitlines()[0]
    return OSError(
        f"cannot store dataset {dataset_id}: {reason} (free some disk, or set MINARI_DATASETS_PATH to another folder)"
    )
