"""Shared by the library's tests: examples that are the same on every machine, and a small dataset, made once."""

import os

import pytest
from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def multigoal_folder(tmp_path_factory):
    """A folder of Minari datasets that holds a small gtp/multigoal-v0."""
    from gtp_mini.datasets.tasks import get_task

    folder = tmp_path_factory.mktemp("datasets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "MINARI_DATASETS_PATH", str(folder))
        get_task("multigoal").make(2000, seed=0)
    return folder


@pytest.fixture
def multigoal(multigoal_folder, monkeypatch):
    """Minari's root is the folder with the small multi-goal dataset."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(multigoal_folder))
    return multigoal_folder


@pytest.fixture
def cli(monkeypatch, capsys):
    """Runs a command in this process: (exit status, standard output, standard error)."""
    from run_command import command

    return lambda *args: command(capsys, monkeypatch, *args)


@pytest.fixture
def in_double_precision():
    """What torch makes is float64, random numbers and networks included."""
    import torch

    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
