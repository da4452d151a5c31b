"""Data that are made in units: the same bits whoever makes them, and whatever happens in between."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from gtp_mini.collect.parallel import make_units
from gtp_mini.collect.rollout import Recipe, collect_episodes
from gtp_mini.collect.units import Units, unit_size
from gtp_mini.datasets.tasks import get_task

TASK = get_task("antmaze-umaze-diverse")
STEPS = 500


@pytest.fixture(scope="module")
def truth():
    """What one process makes in memory, without a file."""
    return collect_episodes(TASK, STEPS, seed=3, ants=5)


@pytest.fixture
def units(tmp_path):
    units = Units(tmp_path / "units", Recipe(TASK, seed=3), size=1)
    units.open()
    return units


def assert_same(made, expected):
    assert len(made) == len(expected)
    for a, b in zip(made, expected, strict=True):
        for name in ("qpos", "qvel", "actions", "goal", "success"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
            assert getattr(a, name).dtype == getattr(b, name).dtype
        assert a.terminated is b.terminated


@pytest.mark.parametrize(("size", "processes"), [(1, 1), (3, 1), (2, 2)])
def test_neither_units_nor_processes_change_the_data(tmp_path, truth, size, processes):
    units = Units(tmp_path / "units", Recipe(TASK, seed=3), size)
    units.open()
    calls = []
    make_units(units, STEPS, processes, lambda done, total: calls.append((done, total)))
    assert_same(list(units.episodes(STEPS)), truth)
    assert calls[0] == (0, STEPS) and calls[-1] == (STEPS, STEPS) and calls == sorted(calls)


class Stopped(KeyboardInterrupt):
    """Ctrl-C comes from the progress callback, where the real one would come from anywhere."""


def stop(done, total):
    if done:
        raise Stopped


def test_an_interrupted_collection_goes_on(units, truth):
    with pytest.raises(Stopped):
        make_units(units, STEPS, 1, stop)
    kept = {path: path.stat().st_mtime_ns for path in units.folder.glob("unit-*.npz")}
    assert len(kept) == 1
    left = sum(units.made().values())
    again = Units(units.folder, units.recipe, units.size)
    again.open()
    calls = []
    make_units(again, STEPS, 1, lambda done, total: calls.append(done))
    assert calls[0] == left > 0 and calls[-1] == STEPS
    assert all(path.stat().st_mtime_ns == then for path, then in kept.items())
    assert_same(list(again.episodes(STEPS)), truth)


def test_damaged_and_missing_units_are_made_again(units, truth):
    make_units(units, STEPS + 300)  # so that there are enough steps without the two, if not the right ones
    first, second = sorted(units.folder.glob("unit-*.npz"))[:2]
    first.write_bytes(first.read_bytes()[:-100])  # the end of a disk
    second.unlink()
    make_units(units, STEPS)
    assert_same(list(units.episodes(STEPS)), truth)
    data = bytearray(first.read_bytes())
    data[len(data) // 2] ^= 1  # a bit that flipped
    first.write_bytes(data)
    assert 0 not in units.made()
    with pytest.raises(FileNotFoundError):
        list(units.episodes(STEPS))


def test_work_for_other_settings_is_not_mixed_in(units):
    make_units(units, 50)
    other = Units(units.folder, replace(units.recipe, seed=4, noise=0.1), units.size)
    with pytest.raises(FileExistsError, match=r"unfinished data of other settings \(noise, seed\); finish them"):
        other.open()
    assert units.made()
    other.open(overwrite=True)
    assert other.made() == {}
    units.open(overwrite=True)
    (units.folder / "recipe.json").write_text("{")  # nobody knows what it was for: it is begun anew
    units.open()


def test_little_data_come_in_small_units():
    assert [unit_size(n) for n in (1, 300, 10**4, 10**6)] == [1, 2, 34, 64]


def test_bad_numbers_of_processes(units):
    with pytest.raises(ValueError, match="processes must be at least 1, got 0"):
        make_units(units, STEPS, 0)


def test_a_unit_that_cannot_be_written_is_an_error_and_no_file(units):
    in_the_way = units.folder / "unit-000000.npz" / "folder"
    in_the_way.mkdir(parents=True)
    with pytest.raises(OSError):
        units.make(0)
    assert [path for path in units.folder.rglob("*") if path.is_file()] == [units.folder / "recipe.json"]


SCRIPT = """
import sys
from pathlib import Path
from gtp_mini.collect.parallel import make_units
from gtp_mini.collect.rollout import Recipe
from gtp_mini.collect.units import Units
from gtp_mini.datasets.tasks import get_task

if __name__ == "__main__":
    make_units(Units(Path(sys.argv[1]), Recipe(get_task("antmaze-umaze-diverse"), seed=3), 1), 20_000, processes=2)
"""


def children(pid):
    return [int(child) for child in open(f"/proc/{pid}/task/{pid}/children").read().split()]


def alive(pid):
    try:
        return "State:\tZ" not in open(f"/proc/{pid}/status").read()
    except FileNotFoundError:
        return False


def wait_for(condition, seconds=180):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="looks for processes where Linux shows them")
def test_a_kill_leaves_no_process_and_only_whole_units(units, truth, tmp_path):
    (tmp_path / "make.py").write_text(SCRIPT)
    process = subprocess.Popen([sys.executable, str(tmp_path / "make.py"), str(units.folder)])
    try:
        wait_for(lambda: list(units.folder.glob("unit-*.npz")) or process.poll() is not None)
        workers = children(process.pid)
        assert len(workers) >= 2
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_for(lambda: not any(map(alive, workers)))
    assert units.made()
    make_units(units, STEPS)
    assert_same(list(units.episodes(STEPS)), truth)
