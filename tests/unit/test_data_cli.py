"""`gtp-mini data make` and `inspect`: stopped and resumed, drawn, and refused in one line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import minari
import numpy as np
import pytest

from gtp_mini.collect.parallel import make_units
from gtp_mini.datasets.making import unfinished
from gtp_mini.datasets.tasks import get_task
from gtp_mini.lock import locked

TASK = get_task("antmaze-umaze-diverse")
MAKE = ["data", "make", TASK.name, "--seed", "3"]


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "data"))
    return tmp_path / "data"


pytestmark = pytest.mark.usefixtures("datasets")


def contents(dataset_id):
    """All numbers of a dataset."""
    return [
        (*(e.observations[k] for k in sorted(e.observations)), e.actions, e.rewards, e.terminations, e.truncations)
        for e in minari.load_dataset(dataset_id).iterate_episodes()
    ]


def hidden(datasets):
    return [path for path in datasets.rglob(".*")]


def stop(done, total):
    if done:
        raise KeyboardInterrupt


def test_a_stopped_command_goes_on_to_the_same_dataset(cli, datasets):
    units = unfinished(TASK, 400, 3)
    units.open()
    with pytest.raises(KeyboardInterrupt):
        make_units(units, 400, 1, stop)
    (units.folder / ".making-at-a-kill").mkdir()
    assert cli("data", "list")[0] == 0 and minari.list_local_datasets() == {}  # nobody mistakes it for a dataset
    status, _, err = cli(*MAKE, "--transitions", 400, "--processes", 1)
    assert status == 0 and "going on: " in err and " of 400 steps were made before" in err
    assert hidden(datasets) == []
    resumed = contents(TASK.dataset_id)
    status, out, err = cli(*MAKE, "--transitions", 400, "--processes", 1, "--overwrite", "--json")
    assert status == 0 and "going on" not in err and json.loads(out)["steps"] == 400
    for one, other in zip(resumed, contents(TASK.dataset_id), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_unfinished_data_of_other_settings(cli, datasets):
    unfinished(TASK, 400, 4).open()
    status, _, err = cli(*MAKE, "--transitions", 400)
    assert status == 1 and "holds unfinished data of other settings (seed); finish them with those" in err
    assert err.count("error: ") == 1 and "Traceback" not in err
    assert cli(*MAKE, "--transitions", 400, "--processes", 1, "--overwrite")[0] == 0
    status, _, err = cli(*MAKE, "--transitions", 400)
    assert status == 1 and "exists" in err and hidden(datasets) == []


def test_two_commands_do_not_make_one_dataset_at_once(cli, datasets):
    task = get_task("antmaze-umaze")
    folder = unfinished(task, 500, 0).folder
    with locked(folder.with_suffix(".lock"), "held"):
        status, _, err = cli("data", "make", task.name, "--transitions", 500)
        assert status == 1 and f"another process is making {task.dataset_id} (process {os.getpid()})" in err
        assert not folder.exists()
    assert cli("data", "list")[0] == 0  # the file that is left disturbs nobody
    assert cli("data", "make", task.name, "--transitions", 500)[0] == 0


def test_a_full_disk_is_one_line_and_the_work_is_kept(datasets):
    """No file may grow beyond 300 kB: the units do not fit."""
    import resource

    command = [sys.executable, "-c", "from gtp_mini.cli import main; main()", *MAKE, "--transitions", "3000"]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))  # noqa: E731
    done = subprocess.run([*command, "--processes", "1"], capture_output=True, text=True, preexec_fn=limit)
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("making data")]
    assert done.returncode == 1 and line.startswith(f"error: cannot store dataset {TASK.dataset_id}: ")
    assert "free some disk, or set MINARI_DATASETS_PATH" in line
    assert not (datasets / TASK.dataset_id).exists()
    assert [path.name for path in unfinished(TASK, 3000, 3).folder.iterdir()] == ["recipe.json"]


def group(leader):
    """The processes of a group that run, by what Linux tells."""
    stats = [path.read_text().rpartition(")")[2].split() for path in Path("/proc").glob("[0-9]*/stat")]
    return [stat for stat in stats if int(stat[2]) == leader and stat[0] != "Z"]


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="looks for processes where Linux shows them")
def test_ctrl_c_stops_all_processes_and_says_how_to_go_on(datasets):
    command = [sys.executable, "-c", "from gtp_mini.cli import main; main()", *MAKE, "--transitions", "20000"]
    # a test run in the background ignores SIGINT, and children inherit that; a person's terminal does not
    process = subprocess.Popen([*command, "--processes", "2"], stderr=subprocess.PIPE, text=True,
                               start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        while len(group(process.pid)) < 4 and process.poll() is None:  # it, two workers that start, their tracker
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
        _, err = process.communicate(timeout=180)
    finally:
        process.kill()
    assert process.returncode == 1 and "Traceback" not in err
    assert err.splitlines()[-1] == "stopped; nothing half-made was stored. The same command goes on from here"
    end = time.monotonic() + 60
    while group(process.pid):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert (unfinished(TASK, 20_000, 3).folder / "recipe.json").exists() and minari.list_local_datasets() == {}


def test_inspect_draws(cli, multigoal, tmp_path):
    status, out, err = cli("data", "inspect", "multigoal", "--pictures", tmp_path / "drawn", "--json")
    assert status == 0 and json.loads(out)["pictures"] == [str(tmp_path / "drawn" / f"{name}.png")
                                                           for name in ("lengths", "returns", "actions")]
    status, out, err = cli("data", "inspect", "multigoal", "--pictures", tmp_path / "drawn")
    assert status == 0 and f"  picture: {tmp_path / 'drawn' / 'lengths.png'}" in err
    assert "pictures" not in json.loads(cli("data", "inspect", "multigoal", "--json")[1])


@pytest.mark.parametrize("args", [["--processes", "0"], ["--processes", "many"]])
def test_wrong_numbers_of_processes(cli, args):
    status, _, err = cli(*MAKE, *args)
    assert status == 2 and "--processes" in err
