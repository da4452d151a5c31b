"""The command line: one JSON object or a line for people, the right exit status, and nothing half done."""

import json
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import save_file

from gtp_mini.agents import METHODS
from gtp_mini.datasets.multigoal import demonstrations
from gtp_mini.datasets.tasks import TASKS
from gtp_mini.records import Run
from gtp_mini.training import TrainConfig

TRAIN = ["train", "multigoal", "--method", "gtp-bc", "--steps", "20", "--log-every", "10", "--checkpoint-every", "10",
         "--set", "width=8", "--set", "depth=1", "--batch-size", "16"]
COMMAND = [sys.executable, "-c", "from gtp_mini.cli import main; main()"]
REQUIRED = {"task", "method", "episodes", "success_rate", "success_ci95", "return_mean", "episode_length_mean",
            "sampling_steps", "action_latency_ms", "seed", "checkpoint_step"}


@pytest.fixture(scope="module")
def trained(multigoal_folder, tmp_path_factory):
    """The folder of a small run."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    env = os.environ | {"MINARI_DATASETS_PATH": str(multigoal_folder)}
    subprocess.run([*COMMAND, *TRAIN, "--out", str(folder)], check=True, env=env, capture_output=True)
    return folder


@pytest.fixture
def run_folder(trained, tmp_path, multigoal):
    """A copy of it, to be spoilt."""
    import shutil

    return shutil.copytree(trained, tmp_path / "run")


def the_object(out):
    """The one JSON object on standard output."""
    assert out.endswith("\n") and out.count("\n") == 1
    return json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


# -- the commands, as a shell runs them -------------------------------------------------------------------------


def test_make_train_evaluate_from_a_shell(tmp_path):
    """Separate processes, the installed command, standard output for JSON alone."""
    env = os.environ | {"MINARI_DATASETS_PATH": str(tmp_path / "data")}
    (tmp_path / "data").mkdir()

    def shell(*args):
        command = os.path.join(os.path.dirname(sys.executable), "gtp-mini")
        done = subprocess.run([command, *map(str, args)], capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stderr
        return the_object(done.stdout)

    made = shell("data", "make", "multigoal", "--transitions", 500, "--seed", 3, "--json")
    assert made["dataset"] == "gtp/multigoal-v0" and 500 <= made["steps"] < 520 and made["seed"] == 3
    result = shell(*TRAIN, "--out", tmp_path / "run", "--eval-every", 10, "--eval-episodes", 3, "--json")
    assert result["run"] == str(tmp_path / "run") and result["steps"] == 20 and result["metrics"]["step"] == 20
    result = shell("evaluate", tmp_path / "run", "--episodes", 7, "--sampling-steps", 3, "--seed", 5, "--json")
    assert result.keys() >= REQUIRED
    assert (result["task"], result["method"], result["episodes"]) == ("multigoal", "gtp-bc", 7)
    assert (result["sampling_steps"], result["seed"], result["checkpoint_step"]) == (3, 5, 20)
    assert result["success_ci95"][0] <= result["success_rate"] <= result["success_ci95"][1]
    evaluations = Run(tmp_path / "run").evaluations()
    assert [e["during_training"] for e in evaluations] == [True, True, False]
    assert evaluations[-1] == result | {"during_training": False}


def test_lists_and_inspections(cli, multigoal):
    status, out, _ = cli("data", "list", "--json")
    listed = the_object(out)
    assert status == 0 and list(listed["local"]) == ["gtp/multigoal-v0"] and listed["tasks"].keys() == TASKS.keys()
    assert [name for name, task in listed["tasks"].items() if task["made"]] == ["multigoal"]
    status, out, err = cli("data", "list")
    assert status == 0 and out == "" and all(name in err for name in TASKS)
    for name in ("multigoal", "gtp/multigoal-v0"):
        status, out, _ = cli("data", "inspect", name, "--json")
        assert status == 0 and the_object(out)["dataset_id"] == "gtp/multigoal-v0"
    status, out, err = cli("data", "inspect", "multigoal")
    assert status == 0 and out == "" and "gtp/multigoal-v0" in err


def test_without_json_people_read_standard_error(cli, run_folder):
    status, out, err = cli("evaluate", run_folder, "--episodes", 3)
    assert status == 0 and out == "" and "multigoal, gtp-bc, K = 2, 3 episodes: success" in err


def test_same_seed_same_evaluation(cli, run_folder):
    results = [the_object(cli("evaluate", run_folder, "--episodes", 20, "--seed", seed, "--json")[1])
               for seed in (1, 1, 2)]
    for result in results:
        del result["action_latency_ms"], result["fast_action_latency_ms"]
    assert results[0] == results[1] != results[2]


def test_several_seeds_train_as_one_program_into_a_folder_each(cli, multigoal, tmp_path):
    status, out, err = cli(*TRAIN, "--seed", "3", "--seeds", "2", "--json", "--out", tmp_path / "runs")
    assert status == 0, err
    found = [json.loads(line) for line in out.splitlines()]
    assert [line["seed"] for line in found] == [3, 4]
    for line in found:
        assert line["run"] == str(tmp_path / "runs" / f"seed-{line['seed']}")
        assert Run(line["run"]).config["seed"] == line["seed"]
    status, _, err = cli(*TRAIN, "--seed", "4", "--seeds", "2", "--out", tmp_path / "runs")
    assert status == 1 and "seed-4 already holds a run" in err and not (tmp_path / "runs" / "seed-5").exists()


def test_what_compiling_needs_is_asked_for_before_the_run_begins(cli, multigoal, tmp_path, monkeypatch):
    import torch

    def no_compiler(*_, **__):
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found")

    monkeypatch.setattr(torch, "compile", no_compiler)
    status, _, err = cli(*TRAIN, "--compile", "--out", tmp_path / "run")
    assert status == 1 and "--compile" in err and "InvalidCxxCompiler" in err and not (tmp_path / "run").exists()


def test_a_lack_of_memory_is_one_line_that_says_what_to_do(multigoal, tmp_path):
    def little():
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))

    done = subprocess.run([*COMMAND, *TRAIN, "--set", "width=60000", "--set", "depth=2", "--out", tmp_path / "run"],
                          preexec_fn=little, capture_output=True, text=True)  # a layer of 14 GB
    assert done.returncode == 1 and done.stderr.count("error:") == 1 and "Traceback" not in done.stderr
    assert "out of memory: take a smaller --batch-size" in done.stderr and not (tmp_path / "run").exists()


def test_settings_reach_the_run(cli, multigoal, tmp_path):
    status, _, err = cli(*TRAIN, "--out", tmp_path / "run", "--method", "gtp", "--eta", 0.5, "--seed", 4,
                         "--set", "ema_teacher=true", "--set", "sigma_max=5")
    assert status == 0, err
    config = Run(tmp_path / "run").config
    assert config["seed"] == 4 and config["agent"]["eta"] == 0.5 and config["agent"]["width"] == 8
    assert config["agent"]["ema_teacher"] is True and config["agent"]["sigma_max"] == 5


def test_a_run_is_evaluated_with_its_own_noise_unless_told_otherwise(cli, multigoal, tmp_path):
    assert cli("train", "multigoal", "--steps", 10, "--log-every", 5, "--checkpoint-every", 5, "--eval-every", 10,
               "--eval-episodes", 2, "--noise-scale", 0.25, "--set", "width=8", "--out", tmp_path / "run")[0] == 0
    for given in ([], ["--noise-scale", 1], ["--noise-scale", 0]):
        cli("evaluate", tmp_path / "run", "--episodes", 2, *given)
    seen = [e["noise_scale"] for e in Run.open(tmp_path / "run").evaluations()]
    assert seen == [0.25, 0.25, 1.0, 0.0]  # the first while it was trained
    with pytest.raises(ValueError, match="noise_scale must be between 0 and 1, got 2"):
        TrainConfig("multigoal", noise_scale=2)


def test_each_method_is_evaluated_in_its_own_number_of_steps(cli, multigoal, tmp_path):
    train = [*TRAIN, "--method", "ddpm", "--out", tmp_path / "run"]
    assert cli(*train)[0] == 0 and Run(tmp_path / "run").config["sampling_steps"] == 5
    _, out, _ = cli("evaluate", tmp_path / "run", "--episodes", 2, "--json")
    assert json.loads(out)["sampling_steps"] == 5
    _, out, _ = cli("evaluate", tmp_path / "run", "--episodes", 2, "--sampling-steps", 3, "--json")
    assert json.loads(out)["sampling_steps"] == 3


def test_the_temperature_is_chosen_when_the_policy_acts(cli, multigoal, tmp_path, run_folder):
    train = [*TRAIN, "--method", "gtp-sd", "--set", "eta_conditioned=true", "--out", tmp_path / "every"]
    assert cli(*train)[0] == 0
    results = [json.loads(cli("evaluate", tmp_path / "every", "--episodes", 4, "--eta", eta, "--json")[1])
               for eta in (0, 8)]
    assert [r["eta"] for r in results] == [0.0, 8.0]
    status, _, err = cli("evaluate", run_folder, "--episodes", 2, "--eta", 1)
    assert status == 1 and "has no temperature to choose" in err


def test_resume_overwrite_and_neither(cli, run_folder):
    before = (run_folder / "model.safetensors").read_bytes()
    status, out, err = cli(*TRAIN, "--out", run_folder)
    assert (status, out) == (1, "") and err == (
        f"error: {run_folder} already holds a run; go on with --resume or replace it with --overwrite\n")
    status, _, err = cli(*TRAIN, "--out", run_folder, "--resume", "--seed", 9)
    assert status == 1 and "other settings (seed)" in err
    assert cli(*TRAIN, "--out", run_folder, "--resume")[0] == 0
    assert (run_folder / "model.safetensors").read_bytes() == before
    assert cli(*TRAIN, "--out", run_folder, "--overwrite", "--seed", 9)[0] == 0
    assert Run(run_folder).config["seed"] == 9 and (run_folder / "model.safetensors").read_bytes() != before


def test_make_data_makes_what_is_missing(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    status, out, err = cli(*TRAIN, "--out", tmp_path / "run")
    wanted = "make it with: gtp-mini data make multigoal (less than a minute); or add --make-data"
    assert (status, out) == (1, "") and wanted in err
    assert not (tmp_path / "run").exists()
    assert cli(*TRAIN, "--out", tmp_path / "run", "--make-data", "--transitions", 300)[0] == 0
    status, _, err = cli("data", "make", "multigoal", "--transitions", 300)
    assert status == 1 and "exists" in err and "Traceback" not in err


def test_the_best_checkpoint_is_named_by_its_step(cli, multigoal, tmp_path, run_folder):
    status, _, err = cli("evaluate", run_folder, "--best")
    assert status == 1 and "has no best checkpoint: train with --eval-every" in err
    assert cli(*TRAIN, "--out", tmp_path / "b", "--eval-every", 10, "--eval-episodes", 4)[0] == 0
    run = Run(tmp_path / "b")
    for scores, step in (((0.7, 0.2), 10), ((0.2, 0.7), 20), ((0.5, 0.5), 10)):
        run.write_json("evaluation.json", [
            {"checkpoint_step": 10, "return_mean": scores[0], "success_rate": 1 - scores[0], "during_training": True},
            {"checkpoint_step": 20, "return_mean": scores[1], "success_rate": 1 - scores[1], "during_training": True},
            {"checkpoint_step": 40, "return_mean": 1.0, "success_rate": 1.0, "during_training": False}])
        result = the_object(cli("evaluate", run.path, "--best", "--episodes", 2, "--json")[1])
        assert result["checkpoint"] == "best" and result["checkpoint_step"] == step
        assert run.evaluations()[-1] == result | {"during_training": False}


# -- wrong arguments: status 2, and not a file ------------------------------------------------------------------


@pytest.mark.parametrize("args, message", [
    ([], "Usage"),
    (["fly"], "No such command"),
    (["train", "no-such", "--out", "X"], "unknown task 'no-such'"),
    (["train", "antmaze-umase", "--out", "X"], "did you mean 'antmaze-umaze'"),
    (["train", "multigoal"], "Missing option '--out'"),
    (["train", "multigoal", "--out", "X", "--method", "magic"], "unknown method 'magic'; known: gaussian-bc, "),
    (["train", "multigoal", "--out", "X", "--steps", "0"], "'--steps'"),
    (["train", "multigoal", "--out", "X", "--steps", "1e6"], "'--steps'"),
    (["train", "multigoal", "--out", "X", "--eta", "-1"], "'--eta'"),
    (["train", "multigoal", "--out", "X", "--eta", "1000"], "'--eta'"),
    (["train", "multigoal", "--out", "X", "--eta", "nan"], "'--eta'"),
    (["train", "multigoal", "--out", "X", "--batch-size", "0"], "'--batch-size'"),
    (["train", "multigoal", "--out", "X", "--method", "gaussian-bc", "--eta", "1"], "has no setting 'eta'"),
    (["train", "multigoal", "--out", "X", "--set", "width"], "--set takes name=value, got 'width'"),
    (["train", "multigoal", "--out", "X", "--set", "widht=8"], "has no setting 'widht'"),
    (["train", "multigoal", "--out", "X", "--set", "width=wide"], "width must be a whole number, got 'wide'"),
    (["train", "multigoal", "--out", "X", "--set", "width=0"], "width must be positive, got 0"),
    (["train", "multigoal", "--out", "X", "--set", "lr=NaN"], "lr must be a number, got nan"),
    (["train", "multigoal", "--out", "X", "--set", "target_steps=65"], "between 1 and 64"),
    (["train", "multigoal", "--out", "X", "--checkpoint-every", "700"], "must be a multiple of log_every"),
    (["train", "multigoal", "--out", "X", "--sampling-steps", "65"], "'--sampling-steps'"),
    (["train", "multigoal", "--out", "X", "--resume", "--overwrite"], "give one of them"),
    (["evaluate", "X", "--sampling-steps", "0"], "'--sampling-steps'"),
    (["evaluate", "X", "--sampling-steps", "65"], "'--sampling-steps'"),
    (["evaluate", "X", "--episodes", "0"], "'--episodes'"),
    (["evaluate", "X", "--seed", "-1"], "'--seed'"),
    (["data", "make", "no-such"], "unknown task 'no-such'"),
    (["data", "make", "multigoal", "--transitions", "0"], "'--transitions'"),
])
def test_wrong_arguments(cli, multigoal, tmp_path, monkeypatch, args, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = cli(*args)
    assert status == 2 and message in (err + out) and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_the_help_names_every_method(cli):
    status, out, _ = cli("train", "--help")
    assert status == 0 and f"Oneof{','.join(METHODS)}." in "".join(out.split())  # however it is wrapped


# -- what cannot be done: status 1, one line -------------------------------------------------------------------


def assert_one_line(result, message):
    status, out, err = result
    lines = [line for line in err.splitlines() if not line.startswith(("training", "episodes", "making"))]
    assert (status, out) == (1, "") and len(lines) == 1 and lines[0].startswith("error: "), err
    assert message in lines[0], err


def test_data_that_are_not_there(cli, multigoal, tmp_path):
    assert_one_line(cli("train", "no/such-v0", "--out", tmp_path / "x"), "no dataset no/such-v0 on this machine")
    assert_one_line(cli("data", "inspect", "no/such-v0"), "no dataset 'no/such-v0' here")
    assert_one_line(cli("train", "antmaze-umaze", "--out", tmp_path / "x"), "gtp-mini data make antmaze-umaze")
    assert not (tmp_path / "x").exists()


def test_data_with_a_nan(cli, tmp_path, monkeypatch):
    import gymnasium as gym
    from minari.data_collector import EpisodeBuffer

    from gtp_mini.datasets.store import write_dataset
    from gtp_mini.worlds.multigoal import ENV_ID

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    episodes = demonstrations(50)
    episodes[2]["observations"][3, 1] = np.nan
    write_dataset("gtp/multigoal-v0", [EpisodeBuffer(**e) for e in episodes], env=gym.make(ENV_ID), author="tests",
                  algorithm_name="tests", description="tests")
    assert_one_line(cli(*TRAIN, "--out", tmp_path / "x"),
                    "episode 2: observation has 1 NaN or infinite numbers, the first at step 3, entry 1")
    assert not (tmp_path / "x").exists()


def test_runs_that_are_none(cli, multigoal, tmp_path):
    assert_one_line(cli("evaluate", tmp_path / "nothing"), "holds no run (no config.json); train one with")
    (tmp_path / "config.json").write_text('{"name": "another program"}')
    assert_one_line(cli("evaluate", tmp_path), "is no run of gtp_mini")


def test_checkpoints_that_are_damaged_or_foreign(cli, run_folder):
    file = run_folder / "model.safetensors"
    whole, evaluations = file.read_bytes(), run_folder / "evaluation.json"
    file.write_bytes(whole[: len(whole) // 2])
    assert_one_line(cli("evaluate", run_folder), "model.safetensors is not a readable safetensors file (truncated?)")
    save_file({"w": np.zeros(3, np.float32)}, file)
    assert_one_line(cli("evaluate", run_folder), "model.safetensors is not a gtp_mini model")
    file.write_text("torch.save was here")
    assert_one_line(cli("evaluate", run_folder), "model.safetensors is not a readable safetensors file")
    file.unlink()
    assert_one_line(cli("evaluate", run_folder), "has no checkpoint yet; go on training it with --resume")
    state = run_folder / "state" / "checkpoint.safetensors"
    state.write_bytes(state.read_bytes()[:-50])
    assert_one_line(cli(*TRAIN, "--out", run_folder, "--resume"), "checkpoint.safetensors is not a readable safetensor")
    assert not evaluations.exists()


def test_a_device_that_is_not_there(cli, multigoal, tmp_path):
    assert_one_line(cli(*TRAIN, "--out", tmp_path / "x", "--device", "abacus"), "device 'abacus' cannot be used")
    assert not (tmp_path / "x").exists()


def test_a_folder_that_cannot_be_written(cli, multigoal, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    assert_one_line(cli(*TRAIN, "--out", tmp_path / "file" / "run"), "file")


def test_a_disk_that_is_full(multigoal, tmp_path):
    """No file may grow beyond 8 kB: the state does not fit. What is there resumes once there is room."""
    command = [*COMMAND, *TRAIN, "--out", str(tmp_path / "run")]
    command += ["--method", "gtp", "--set", "width=32"]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))  # noqa: E731
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit)
    assert_one_line((done.returncode, done.stdout, done.stderr), "File too large")
    assert "checkpoint.safetensors" in done.stderr
    files = [p for p in (tmp_path / "run").rglob("*") if p.is_file() and "tensorboard" not in str(p)]
    assert {p.name for p in files} == {"config.json", "versions.json", "metrics.csv"}
    assert subprocess.run([*command, "--resume"], capture_output=True).returncode == 0


def test_without_mujoco_the_rest_works_and_the_ant_says_what_to_install(multigoal, tmp_path):
    script = ('import sys\nfor name in ("mujoco", "gymnasium_robotics", "cma"): sys.modules[name] = None\n'
              "from gtp_mini.cli import main\nmain()")

    def shell(*args):
        done = subprocess.run([sys.executable, "-c", script, *map(str, args)], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    install = 'AntMaze needs MuJoCo and Gymnasium-Robotics: pip install "gtp-mini[antmaze]"'
    assert_one_line(shell("data", "make", "antmaze-umaze", "--transitions", 100), install)
    assert_one_line(shell("train", "antmaze-umaze", "--make-data", "--out", tmp_path / "x"), install)
    assert not (tmp_path / "x").exists()
    assert shell(*TRAIN, "--out", tmp_path / "run")[0] == 0


def test_interrupted_training_says_how_to_go_on(multigoal, tmp_path):
    command = [*COMMAND, *TRAIN, "--out", str(tmp_path / "run"), "--steps", "1000000"]
    # a test run in the background ignores SIGINT, and children inherit that; a person's terminal does not
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        while not (tmp_path / "run" / "model.safetensors").exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1 and out == "" and "Traceback" not in err
    assert err.splitlines()[-1] == "stopped; what was saved is complete, and training goes on from there with --resume"


def test_numbers_that_json_does_not_have_are_null(cli, multigoal, tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "metrics", lambda self: {"step": [20.0], "loss_flow": [float("nan")]})
    result = the_object(cli(*TRAIN, "--out", tmp_path / "run", "--json")[1])
    assert result["metrics"] == {"step": 20.0, "loss_flow": None}


def test_a_download_that_cannot_be_is_one_line(cli):
    """No network, or Minari without what it downloads with: the real path, up to where this machine ends it."""
    status, out, err = cli("data", "download", "D4RL/antmaze/no-such-maze-v1")
    assert (status, out) == (1, "") and err.startswith("error: ") and "Traceback" not in err


# ---- the study

def test_the_study_reports_and_refuses(cli, tmp_path, monkeypatch):
    from tiny_part import TINY

    from gtp_mini import study

    monkeypatch.setattr(study, "PARTS", {"tiny": TINY})
    status, out, _ = cli("study", "tiny", "--seeds", 1, "--workers", 1, "--out", tmp_path, "--json")
    assert status == 0 and json.loads(out) == {"folder": str(tmp_path), "records": {"tiny": 2}}
    status, _, err = cli("study", "--report", "--out", tmp_path)
    assert status == 0 and "What is a half more?" in err and (tmp_path / "tables.md").exists()
    status, _, err = cli("study", "large", "--out", tmp_path)
    assert status == 2 and "unknown part 'large'; known: tiny" in err
