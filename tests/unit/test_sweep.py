"""A sweep: what a plan means and may not mean, that it goes on after any end, and that nothing is run twice."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from run_command import command
from small_sweep import GROUP, SMALL, Deadly, Here, the_object

from gtp_mini.datasets.tasks import TASKS
from gtp_mini.lock import locked
from gtp_mini.records import Run
from gtp_mini.sweep import LocalEngine, load_plan, run_sweep, state_of
from gtp_mini.sweep.job import Job
from gtp_mini.sweep.records import read_records, write_records
from gtp_mini.sweep.run import states_of

COMMAND = [sys.executable, "-c", "from gtp_mini.cli import main; main()", "sweep"]
NAMES = ["multigoal/gtp/seed-0", "multigoal/gtp-bc/seed-0", "multigoal/gtp/seed-1", "multigoal/gtp-bc/seed-1"]


def written(tmp_path, text):
    file = tmp_path / "plan.toml"
    file.write_text(text)
    return file


def cells_of(tmp_path, text=SMALL + GROUP):
    return load_plan(written(tmp_path, text))


def models(folder, names=NAMES):
    return {name: (folder / name / "model.safetensors").read_bytes() for name in names}


def state_names(cells, folder):
    return [state.name for state in states_of(cells, folder).values()]


@pytest.fixture(scope="module")
def swept(multigoal_folder, tmp_path_factory):
    """The folder of a sweep that nothing happened to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(multigoal_folder))
        folder = tmp_path_factory.mktemp("sweep")
        run_sweep(cells_of(folder), folder, Here())
    return folder


@pytest.fixture
def sweep_folder(swept, tmp_path, multigoal):
    """A copy of it, to be spoilt."""
    import shutil

    return shutil.copytree(swept, tmp_path / "sweep")


# ---- what a plan means

def test_the_first_seed_of_everything_comes_first(tmp_path):
    assert [cell.name for cell in cells_of(tmp_path)] == NAMES
    late = GROUP.replace("main", "more").replace('["gtp", "gtp-bc"]', '["iql"]')
    seeds = [cell.config.seed for cell in cells_of(tmp_path, SMALL + GROUP + late)]
    assert seeds == [0, 0, 0, 1, 1, 1]


def test_the_nearest_word_counts(tmp_path):
    cells = cells_of(tmp_path, """
steps = 10
settings = {width = 8, lr = 1e-3}
method.gtp = {steps = 20, settings = {lr = 2e-3}}
task.pointmaze = {steps = 30}
eval = {episodes = 7}

[[group]]
tasks = ["multigoal", "pointmaze"]
methods = ["gtp", "iql"]
seeds = [0]

[[group]]
name = "second"
tasks = ["multigoal"]
methods = ["gtp"]
seeds = [0]
steps = 40
eval = {noise_scale = [0.5]}
variants = {wide = {width = 16}, hot = {eta = 2}}
method.gtp = {settings = {depth = 2}}
""")
    found = {cell.name.removesuffix("/seed-0"): cell.config for cell in cells}
    assert {name: config.steps for name, config in found.items()} == {
        "multigoal/gtp": 20, "multigoal/iql": 10, "pointmaze/gtp": 30, "pointmaze/iql": 30, "multigoal/gtp-wide": 40,
        "multigoal/gtp-hot": 40}
    assert found["multigoal/iql"].settings == {"width": 8, "lr": 1e-3}
    assert found["pointmaze/gtp"].settings == {"width": 8, "lr": 2e-3}
    assert found["multigoal/gtp-wide"].settings == {"width": 16, "lr": 2e-3, "depth": 2}
    assert found["multigoal/gtp-hot"].settings == {"width": 8, "lr": 2e-3, "depth": 2, "eta": 2}
    assert {cell.group for cell in cells} == {"1", "second"}
    evaluations = {cell.label: cell.evaluations for cell in cells if cell.config.task == "multigoal"}
    (own,) = evaluations["iql"]
    assert (own.checkpoint, own.sampling_steps, own.noise_scale, own.episodes) == ("last", 1, 1.0, 7)
    assert [e.noise_scale for e in evaluations["gtp-hot"]] == [0.5]


def test_a_critic_is_that_of_the_cells_task_and_seed(tmp_path):
    cells = cells_of(tmp_path, 'critic = "critics/{task}/iql/seed-{seed}"' + GROUP)
    assert {cell.name: cell.config.critic for cell in cells}[NAMES[2]] == "critics/multigoal/iql/seed-1"


def test_steps_are_the_tasks_own_unless_given(tmp_path):
    (cell, *_) = cells_of(tmp_path, GROUP)
    assert cell.config.steps == TASKS["multigoal"].default_steps


def test_every_combination_is_evaluated_from_starts_that_no_checkpoint_was_chosen_on(tmp_path):
    (cell, *_) = cells_of(tmp_path, SMALL + GROUP + 'eval = {noise_scale = [0.5, 1], noise_memory = [0, 0.9], '
                         'checkpoints = ["last", "best"]}')
    assert [(e.checkpoint, e.sampling_steps, e.noise_scale, e.noise_memory) for e in cell.evaluations] == [
        (c, k, noise, m) for c in ("last", "best") for k in (1, 2) for noise in (0.5, 1.0) for m in (0.0, 0.9)]
    assert {e.seed for e in cell.evaluations} == {1000 + cell.config.seed}


@pytest.mark.parametrize("text, message", [
    ("steps = ", "is not TOML"),
    ("", "needs at least one [[group]]"),
    ("group = 3", "needs at least one [[group]]"),
    ("group = [3]", "needs at least one [[group]]"),
    ("stesp = 4" + GROUP, "at the top: unknown key 'stesp'; did you mean 'steps'? known: group"),
    (GROUP + "stepps = 4", "in group 'main': unknown key 'stepps'; did you mean 'steps'?"),
    (GROUP.replace("multigoal", "multigaol"), "in group 'main': unknown task 'multigaol'; did you mean 'multigoal'?"),
    (GROUP.replace('"gtp"', '"gpt"'), "in group 'main': unknown method 'gpt'; did you mean 'gtp'?"),
    (GROUP.replace('["multigoal"]', '"multigoal"'), "tasks in group 'main' must be a list of names, got 'multigoal'"),
    (GROUP.replace('["multigoal"]', "[]"), "tasks in group 'main' must be a list of names, got []"),
    (GROUP.replace("seeds = [0, 1]", ""), "seeds in group 'main' must be a list of whole numbers from 0, got None"),
    (GROUP.replace("[0, 1]", "[0, -1]"), "must be a list of whole numbers from 0, got [0, -1]"),
    (GROUP.replace("[0, 1]", "[true]"), "must be a list of whole numbers from 0, got [True]"),
    (GROUP.replace("[0, 1]", "[1, 1]"), "seeds in group 'main' has a value twice: [1, 1]"),
    (GROUP + GROUP, "in group 'main': multigoal/gtp/seed-0 is there twice"),
    (GROUP + GROUP.replace("main", "again"), "multigoal/gtp/seed-0 is there and in group 'main'"),
    ("settings = {widht = 8}" + GROUP, "gtp on multigoal: unknown setting of gtp 'widht'; did you mean 'width'?"),
    ("settings = {width = 'a'}" + GROUP, "gtp on multigoal: width must be a whole number, got 'a'"),
    ("settings = 8" + GROUP, "gtp on multigoal, settings: expected a table, got 8"),
    ("steps = 1.5" + GROUP, "gtp on multigoal: steps must be a whole number between 1 and 1e9, got 1.5"),
    ("checkpoint_every = 700" + GROUP, "must be a multiple of log_every"),
    ("eval = {episode = 3}" + GROUP, "eval: unknown key 'episode'; did you mean 'episodes'?"),
    ("eval = {episodes = 0}" + GROUP, "episodes must be a whole number from 1, got 0"),
    ("eval = {sampling_steps = 2}" + GROUP, "sampling_steps must be a list of whole numbers between 1 and 64, got 2"),
    ("eval = {sampling_steps = [65]}" + GROUP, "between 1 and 64, got [65]"),
    ("eval = {noise_scale = [1.5]}" + GROUP, "noise_scale must be a list of numbers between 0 and 1"),
    ('eval = {checkpoints = ["best"]}' + GROUP, "give eval.every as well"),
    ("eval = {every = 3}" + GROUP, "eval_every (3) must be a multiple of checkpoint_every"),
    ("method.gtpp = {}" + GROUP, "at the top, method: unknown method 'gtpp'; did you mean 'gtp'?"),
    ("method.gtp = {step = 3}" + GROUP, "at the top, method gtp: unknown key 'step'; did you mean 'steps'?"),
    (GROUP + "method.iql = {steps = 3}", "in group 'main', method: unknown method 'iql'; known: gtp, gtp-bc"),
    (GROUP + "task.pointmaze = {steps = 3}", "in group 'main', task: unknown task 'pointmaze'"),
    (GROUP + "variants = {}", "variants must be a table of named settings, got {}"),
    (GROUP + "variants = {'a/b' = {}}", "a variant's name has letters, digits and - _ . = alone, got 'a/b'"),
    (GROUP + "variants = {sd = {}}", "the variant 'sd' of gtp would be called gtp-sd, which is another method"),
    (GROUP + "variants = {hot = {eat = 2}}", "variant hot: unknown setting of gtp 'eat'; did you mean 'eta'?"),
    (GROUP + "variants = {hot = 2}", "variant hot, settings: expected a table, got 2"),
])
def test_what_a_plan_cannot_mean_is_refused_before_anything_runs(text, message, tmp_path, monkeypatch, capsys):
    with pytest.raises(ValueError) as error:
        cells_of(tmp_path, text.replace("}[", "}\n["))
    assert message in str(error.value) and "plan.toml" in str(error.value)
    status, out, err = command(capsys, monkeypatch, "sweep", tmp_path / "plan.toml", "--out", tmp_path / "out")
    assert status == 2 and out == "" and "Traceback" not in err and not (tmp_path / "out").exists()


# ---- running it

def test_every_cell_is_a_run_with_its_evaluations(swept):
    for name in NAMES:
        run = Run.open(swept / name)
        assert run.metrics()["step"] == [2, 4] and run.config["agent"]["width"] == 8
        asked = [e for e in run.evaluations() if not e["during_training"]]
        assert [(e["sampling_steps"], e["episodes"], e["checkpoint_step"]) for e in asked] == [(1, 3, 4), (2, 3, 4)]
        assert [e["checkpoint_step"] for e in run.evaluations() if e["during_training"]] == [2, 4]
    records = read_records(swept / "records.jsonl")
    assert sorted(r["run"] for r in records) == sorted(NAMES)


def test_what_is_done_is_not_done_again(sweep_folder, tmp_path):
    before = {p: p.read_bytes() for p in sweep_folder.rglob("*") if p.is_file() and p.name != "sweep.lock"}
    engine = Here()
    states = run_sweep(cells_of(tmp_path), sweep_folder, engine)
    assert engine.did == [] and {state.name for state in states.values()} == {"done"}
    assert {p: p.read_bytes() for p in sweep_folder.rglob("*") if p.is_file() and p.name != "sweep.lock"} == before


def test_what_is_on_record_elsewhere_is_not_run_again(swept, multigoal, tmp_path, monkeypatch, capsys):
    """In an empty folder: one record is whole, one of other settings, one lacks an evaluation, one is missing."""
    whole, other, short, _ = (next(r for r in read_records(swept / "records.jsonl") if r["run"] == name)
                              for name in NAMES)
    other["config"]["agent"]["width"] = 16
    short["evaluations"] = [e for e in short["evaluations"] if e["sampling_steps"] != 1]
    cells, kept = cells_of(tmp_path), tmp_path / "kept.jsonl"
    write_records(kept, [whole, other, short])
    states = states_of(cells, tmp_path / "new", read_records(kept))
    assert [str(states[name]) for name in NAMES] == ["done, on record", "missing", "missing", "missing"]
    engine = Here()
    states = run_sweep(cells, tmp_path / "new", engine, records=read_records(kept))
    assert engine.did == NAMES[1:] and {state.name for state in states.values()} == {"done"}
    plan = written(tmp_path, SMALL + GROUP)
    _, _, err = command(capsys, monkeypatch, "sweep", plan, "--out", tmp_path / "none", "--records", kept, "--dry-run")
    assert "1 done" in err and "3 missing" in err


def test_an_evaluation_that_is_added_to_the_plan_trains_nothing(sweep_folder, tmp_path):
    """Not even where the state that resuming needs has been thrown away."""
    import shutil

    logs = [sweep_folder / name / "metrics.csv" for name in NAMES]  # with their rates, which no second run repeats
    before = models(sweep_folder), [log.read_bytes() for log in logs]
    for name in NAMES:
        shutil.rmtree(sweep_folder / name / "state")
    cells = cells_of(tmp_path, (SMALL + GROUP).replace("[1, 2]", "[1, 2, 5]"))
    assert set(state_names(cells, sweep_folder)) == {"partial"}
    assert "1 of 3 evaluations to do" in states_of(cells, sweep_folder)[NAMES[0]].note
    run_sweep(cells, sweep_folder, Here())
    assert (models(sweep_folder), [log.read_bytes() for log in logs]) == before
    for name in NAMES:
        evaluations = Run(sweep_folder / name).evaluations()
        assert [e["sampling_steps"] for e in evaluations if not e["during_training"]] == [1, 2, 5]


def test_settings_that_changed_are_refused_or_started_again(sweep_folder, tmp_path):
    before = models(sweep_folder)
    cells = cells_of(tmp_path, SMALL + "method.gtp = {settings = {lr = 1e-4}}\n" + GROUP)
    with pytest.raises(ValueError, match=r"2 of the runs in .* are not what the plan says: multigoal/gtp/seed-0 "
                                         r"\(other settings: agent.lr\)"):
        run_sweep(cells, sweep_folder, Here())
    assert models(sweep_folder) == before
    engine = Here()
    run_sweep(cells, sweep_folder, engine, overwrite=True)
    assert engine.did == NAMES[::2] and set(state_names(cells, sweep_folder)) == {"done"}
    after = models(sweep_folder)
    assert [after[name] == before[name] for name in NAMES] == [False, True, False, True]
    assert Run(sweep_folder / NAMES[0]).config["agent"]["lr"] == 1e-4


def test_a_run_older_than_a_setting_is_as_by_its_default(swept, tmp_path):
    older = Run(swept / NAMES[0]).config
    del older["agent"]["width"], older["agent"]["eta"]  # as if there had been none yet; the plan names one of them
    cell, same = (cells_of(tmp_path, text)[0] for text in (SMALL + GROUP, SMALL.replace("width = 8, ", "") + GROUP))
    assert cell.changed(older) == ["agent.width"] and same.changed(older) == []
    assert cell.changed(older | {"agent": older["agent"] | {"gone": 1}}) == ["agent.width", "agent.gone"]


def test_a_cell_that_fails_is_on_record_and_the_others_go_on(tmp_path, multigoal, capsys, monkeypatch):
    plan = written(tmp_path, SMALL + GROUP.replace("[0, 1]", "[0]") + "variants = {mad = {lr = 1e30}, sane = {}}")
    cells, engine = load_plan(plan), Here()
    states = run_sweep(cells, tmp_path / "out", engine)
    assert [state.name for state in states.values()] == ["failed", "done", "failed", "done"]
    assert states["multigoal/gtp-mad/seed-0"].note.startswith("DivergedError: training diverged at step")
    assert "Traceback" in json.loads((tmp_path / "out/multigoal/gtp-mad/seed-0/cell.json").read_text())["failed"]
    records = {r["label"]: r["failed"] for r in read_records(tmp_path / "out" / "records.jsonl")}
    assert records["gtp-sane"] is None and "\n" not in records["gtp-mad"]
    # a failure stands until somebody asks for it again; the exit status tells
    status, out, err = command(capsys, monkeypatch, "sweep", plan, "--out", tmp_path / "out", "--json")
    result = the_object(out)
    assert status == 1 and result["done"] == 2 and set(result["failed"]) == {
        "multigoal/gtp-mad/seed-0", "multigoal/gtp-bc-mad/seed-0"}
    assert "failed: multigoal/gtp-mad/seed-0: DivergedError" in err
    again = Here()
    run_sweep(cells, tmp_path / "out", again, retry=True)
    assert again.did == ["multigoal/gtp-mad/seed-0", "multigoal/gtp-bc-mad/seed-0"]


def test_a_failed_evaluation_is_tried_again_without_training(sweep_folder, tmp_path, monkeypatch):
    import gtp_mini.run_evaluation
    import gtp_mini.sweep.job

    cells, before = cells_of(tmp_path, (SMALL + GROUP).replace("[1, 2]", "[1, 2, 3]")), models(sweep_folder)
    with monkeypatch.context() as patch:
        patch.setattr(gtp_mini.run_evaluation, "evaluate", lambda *_, **__: 1 / 0)
        states = run_sweep(cells, sweep_folder, Here())
    assert {state.note for state in states.values()} == {"ZeroDivisionError: division by zero"}
    monkeypatch.setattr(gtp_mini.sweep.job, "train", lambda *_, **__: pytest.fail("trained again"))
    run_sweep(cells, sweep_folder, Here(), retry=True)
    assert set(state_names(cells, sweep_folder)) == {"done"} and models(sweep_folder) == before


def test_data_that_are_missing_are_named_or_made(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    plan = written(tmp_path, SMALL + GROUP.replace('"gtp", ', "").replace("0, 1", "0"))
    status, _, err = command(capsys, monkeypatch, "sweep", plan, "--out", tmp_path / "out")
    assert status == 1 and "gtp-mini data make multigoal (or add --make-data)" in err
    assert not (tmp_path / "out" / "multigoal").exists()
    spec = TASKS["multigoal"]
    monkeypatch.setitem(TASKS, "multigoal", replace(spec, default_transitions=300))
    monkeypatch.setattr("gtp_mini.sweep.LocalEngine", lambda *_: Here())
    status, _, err = command(capsys, monkeypatch, "sweep", plan, "--out", tmp_path / "out", "--make-data")
    assert status == 0, err
    assert "1 of 1 cells done; see them with:  gtp-mini report" in err


def test_a_dry_run_shows_states_and_touches_nothing(sweep_folder, tmp_path, monkeypatch, capsys):
    import shutil

    shutil.rmtree(sweep_folder / NAMES[3])
    mark = json.loads((sweep_folder / NAMES[2] / "cell.json").read_text())
    (sweep_folder / NAMES[2] / "cell.json").write_text(json.dumps(mark | {"trained": False}))
    (sweep_folder / NAMES[1] / "cell.json").write_text(json.dumps(mark | {"failed": "OutOfMemoryError: no\nTrace"}))
    plan = written(tmp_path, SMALL + GROUP)
    before = sorted(p for p in sweep_folder.rglob("*"))
    args = ("sweep", plan, "--out", sweep_folder, "--dry-run")
    status, out, err = command(capsys, monkeypatch, *args)
    assert status == 0 and out == "" and "4 cells in" in err
    for line in ("seed-0 +done", "seed-0 +failed, OutOfMemoryError: no$", "seed-1 +partial, 4 of 4 updates",
                 "seed-1 +missing"):
        assert any(re.search(line, row) for row in err.splitlines()), (line, err)
    result = the_object(command(capsys, monkeypatch, *args, "--json")[1])
    assert [(c["cell"], c["state"]) for c in result["cells"]] == list(
        zip(NAMES, ("done", "failed", "partial", "missing"), strict=True))
    assert sorted(p for p in sweep_folder.rglob("*")) == before
    status, _, err = command(capsys, monkeypatch, "sweep", plan, "--out", tmp_path / "no", "--dry-run")
    assert status == 0 and "4 missing" in err and not (tmp_path / "no").exists()


def test_one_sweep_at_a_time(tmp_path, multigoal):
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys, time; from pathlib import Path\nfrom gtp_mini.lock import locked\n"
         "with locked(Path(sys.argv[1]), ''): print('held', flush=True); time.sleep(600)",
         str(tmp_path / "out" / "sweep.lock")],
        stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RuntimeError, match=f"another sweep is at work in .* \\(process {holder.pid}\\)"):
            run_sweep(cells_of(tmp_path), tmp_path / "out", Here())
        assert not (tmp_path / "out" / "multigoal").exists()
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert (tmp_path / "out" / "sweep.lock").read_text() == f"{holder.pid}\n"
    with locked(tmp_path / "out" / "sweep.lock", "held"):  # what the killed one left binds nobody
        assert (tmp_path / "out" / "sweep.lock").read_text() == f"{os.getpid()}\n"
        with pytest.raises(RuntimeError, match="held"), locked(tmp_path / "out" / "sweep.lock", "held"):
            pass


# ---- processes, and their ends

LONG = SMALL.replace("steps = 4", "steps = 160").replace("{every = 2", "{every = 80").replace("every = 2", "every = 20")


def started(plan, out, *args):
    # a test run in the background ignores SIGINT, and children inherit that; a person's terminal does not
    return subprocess.Popen([*COMMAND, str(plan), "--out", str(out), *args], stderr=subprocess.PIPE, text=True,
                            start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def waits_for(condition, process):
    while not condition() and process.poll() is None:
        time.sleep(0.01)


def test_a_sweep_that_is_killed_goes_on_to_the_same_bits(tmp_path, multigoal):
    """SIGKILL, while the second cell is between two checkpoints: its worker ends, too, and its training is resumed."""
    plan = written(tmp_path, LONG + GROUP)
    cells, killed = load_plan(plan), tmp_path / "killed"
    run_sweep(cells, tmp_path / "whole", Here())
    process = started(plan, killed)
    waits_for(lambda: state_of(cells[0], killed / NAMES[0]).name == "done"
              and (killed / NAMES[1] / "model.safetensors").exists(), process)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    time.sleep(0.5)
    log = killed / NAMES[1] / "metrics.csv"
    begun = log.read_bytes()
    time.sleep(0.5)
    assert log.read_bytes() == begun
    assert state_names(cells, killed) == ["done", "partial", "missing", "missing"]
    done = (killed / NAMES[0] / "model.safetensors").stat().st_mtime_ns
    status = subprocess.run([*COMMAND, str(plan), "--out", str(killed), "--workers", "2"], capture_output=True)
    assert status.returncode == 0, status.stderr
    assert (killed / NAMES[0] / "model.safetensors").stat().st_mtime_ns == done
    assert log.read_bytes().splitlines()[:2] == begun.splitlines()[:2]  # with the rate, which no second start repeats
    assert models(killed) == models(tmp_path / "whole")
    for name in NAMES:
        a, b = ([{k: v for k, v in e.items() if "latency" not in k} for e in Run(folder / name).evaluations()]
                for folder in (killed, tmp_path / "whole"))
        assert a == b


def test_ctrl_c_stops_the_workers_and_says_how_to_go_on(tmp_path, multigoal):
    plan = written(tmp_path, LONG.replace("steps = 160", "steps = 10_000_000") + GROUP)
    process = started(plan, tmp_path / "out")
    waits_for((tmp_path / "out" / NAMES[0] / "model.safetensors").exists, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to the workers, too
    _, err = process.communicate(timeout=60)  # the workers hold the pipe: its end is theirs
    assert process.returncode == 1 and "Traceback" not in err
    assert err.splitlines()[-1] == "stopped; what was saved is complete, and the same command goes on from there"
    (record,) = read_records(tmp_path / "out" / "records.jsonl")
    assert record["run"] == NAMES[0] and 0 < record["updates"] < 10_000_000


def test_a_worker_that_is_killed_is_one_failure(tmp_path, multigoal):
    (cell, *_) = cells_of(tmp_path)
    jobs = [Job(Deadly(), tmp_path / "deadly"), Job(cell, tmp_path / "good")]
    results = {job.cell.name: failure for job, failure in LocalEngine(workers=1).run(jobs)}
    assert results == {"deadly": "the worker was killed by SIGKILL (out of memory?)", cell.name: None}
    assert state_of(cell, tmp_path / "good").name == "done"
    assert json.loads((tmp_path / "good" / "versions.json").read_text())["threads"] == 1


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path, multigoal):
    other = tmp_path / "out" / NAMES[0]
    other.mkdir(parents=True)
    (other / "config.json").write_text('{"name": "another program"}')
    with pytest.raises(ValueError, match="is no run of gtp_mini"):
        run_sweep(cells_of(tmp_path), tmp_path / "out", Here(), overwrite=True)
    assert [p.name for p in Path(other).iterdir()] == ["config.json"]
