"""The loop: a run that was killed and resumed ends with the bits of one that was not."""

import json
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

import gtp_mini.training.member
from gtp_mini import load
from gtp_mini.datasets.transitions import load_transitions
from gtp_mini.evaluation import Evaluation
from gtp_mini.records import Run
from gtp_mini.training import TrainConfig, agent_config, train

SMALL = {"width": 8, "depth": 1}
CONFIG = TrainConfig("multigoal", "gtp-bc", steps=60, batch_size=16, settings=SMALL, log_every=10, checkpoint_every=20)

# Trains whole, then again with three kills by SIGKILL at random moments, each in a process of its own.
KILLS = """
import os, random, signal, sys, time
from gtp_mini.records import Run
from gtp_mini.training import TrainConfig, train

method, folder = sys.argv[1:]
config = TrainConfig("multigoal", method, steps=400, batch_size=32, settings={"width": 8, "depth": 1} | (
    {"eta": 1.0} if method == "gtp" else {}), log_every=25, checkpoint_every=50, eval_every=100, eval_episodes=5)
train(config, folder + "/whole", progress=False)

def rows():
    return Run(folder + "/killed").metrics().get("step", [0])[-1]

moments = random.Random(int.from_bytes(os.urandom(4)))
for target in sorted(moments.uniform(20, 390) for _ in range(3)):
    child = os.fork()
    if child == 0:
        train(config, folder + "/killed", resume=True, progress=False)
        os._exit(0)
    while rows() < target - 25 and os.waitpid(child, os.WNOHANG) == (0, 0):
        time.sleep(0.002)
    time.sleep(moments.uniform(0, 0.1))
    try:
        os.kill(child, signal.SIGKILL)
        print("killed after step", rows(), os.waitpid(child, 0)[1])
    except (ProcessLookupError, ChildProcessError):
        print("was done")
train(config, folder + "/killed", resume=True, progress=False)
"""


def rows_of(run):
    return {name: values for name, values in run.metrics().items() if name != "updates_per_second"}


def evaluations_of(run):
    return [{k: v for k, v in e.items() if "latency" not in k} for e in run.evaluations()]


def assert_same_run(a, b):
    for name in ("model.safetensors", "best.safetensors", "critic.safetensors", "state/checkpoint.safetensors",
                 "config.json"):
        assert (a.path / name).exists() == (b.path / name).exists()
        if (a.path / name).exists():
            assert (a.path / name).read_bytes() == (b.path / name).read_bytes(), name
    assert rows_of(a) == rows_of(b) and evaluations_of(a) == evaluations_of(b)


@pytest.mark.parametrize("method", ["gtp", "gtp-bc"])
def test_three_kills_do_not_change_a_bit(method, multigoal, tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLS, method, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{int(signal.SIGKILL)}\n" in done.stdout, done.stdout  # at least one came in time
    whole, killed = Run(tmp_path / "whole"), Run(tmp_path / "killed")
    assert rows_of(whole)["step"] == list(range(25, 401, 25))
    assert [e["checkpoint_step"] for e in whole.evaluations()] == [100, 200, 300, 400]
    assert_same_run(whole, killed)


class Cut(Exception):
    """Stands for a kill at a chosen place."""


EVALUATED = replace(CONFIG, eval_every=20, eval_episodes=4)


@pytest.fixture(scope="module")
def whole(multigoal_folder, tmp_path_factory):
    """The run that nothing happened to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(multigoal_folder))
        return train(EVALUATED, tmp_path_factory.mktemp("runs") / "whole", progress=False)


@pytest.mark.parametrize("place", ["save_state", "append_metrics", "add_evaluation", "save"])
@pytest.mark.parametrize("moment", [1, 3])
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_place_does_not_change_a_bit(place, moment, after, whole, multigoal, tmp_path, monkeypatch):
    """Just before or just after each thing that is written, the last checkpoint's included."""
    owner = Run if hasattr(Run, place) else gtp_mini.training.member
    real, calls = getattr(owner, place), []

    def cut(*args, **kwargs):
        calls.append(place)
        if len(calls) == moment and not after:
            raise Cut
        result = real(*args, **kwargs)
        if len(calls) == moment and after:
            raise Cut
        return result

    with monkeypatch.context() as patch:
        patch.setattr(owner, place, cut)
        with pytest.raises(Cut):
            train(EVALUATED, tmp_path / "cut", progress=False)
    assert_same_run(whole, train(EVALUATED, tmp_path / "cut", resume=True, progress=False))


def test_same_seed_same_run_and_another_seed_another(multigoal, tmp_path):
    runs = [train(replace(CONFIG, seed=seed), tmp_path / name, progress=False) for name, seed in
            (("a", 0), ("b", 0), ("c", 1))]
    assert_same_run(runs[0], runs[1])
    assert (runs[0].path / "model.safetensors").read_bytes() != (runs[2].path / "model.safetensors").read_bytes()


def test_a_run_leaves_everything_it_should(multigoal, tmp_path):
    run = train(replace(CONFIG, method="gtp", steps=50), tmp_path / "run", progress=False)
    assert {p.name for p in run.path.iterdir()} == {
        "config.json", "versions.json", "metrics.csv", "model.safetensors", "critic.safetensors", "state",
        "tensorboard"}
    assert list((run.path / "tensorboard").glob("events.out.tfevents.*"))
    config = run.config
    assert config["dataset"] == "gtp/multigoal-v0" and config["reward_shift"] == -1.0
    data = load_transitions("gtp/multigoal-v0")
    assert (config["transitions"], config["fingerprint"]) == (len(data), data.fingerprint)
    assert len(data.fingerprint) == 16 and replace(data, reward=data.reward + 1).fingerprint != data.fingerprint
    assert config["agent"]["width"] == 8 and config["agent"]["eta"] == 1.0 and config["agent"]["gamma"] == 0.99
    assert run.metrics()["step"] == [10, 20, 30, 40, 50] and run.load_state()[1] == 50
    policy = load(run.path / "model.safetensors")
    state, _ = run.load_state()
    for name, value in policy.state_dict().items():
        assert torch.equal(value, state[f"agent/policy.{name}"])  # the average, not the actor


def test_rows_of_metrics_are_means_over_their_interval(multigoal, tmp_path):
    fine = train(replace(CONFIG, steps=25, log_every=1), tmp_path / "fine", progress=False).metrics()
    coarse = train(replace(CONFIG, steps=25), tmp_path / "coarse", progress=False).metrics()
    assert coarse["step"] == [10, 20, 25]
    for name in ("loss_flow", "loss_consistency", "grad_actor"):
        expected = [sum(fine[name][a:b]) / (b - a) for a, b in ((0, 10), (10, 20), (20, 25))]
        assert coarse[name] == pytest.approx(expected, rel=1e-4)


def test_the_agent_meets_shifted_rewards_and_the_observations_scale(multigoal, tmp_path, monkeypatch):
    from gtp_mini.agents.gtp import GTP

    seen, real = [], GTP.update
    monkeypatch.setattr(GTP, "update", lambda self, batch, *rest: (seen.append(batch), real(self, batch, *rest))[1])
    run = train(replace(CONFIG, method="gtp", batch_size=500, steps=20), tmp_path / "run", progress=False)
    batch = seen[0]
    assert set(batch["reward"].tolist()) == {-1.0, 0.0} and torch.equal(batch["terminal"], batch["reward"] + 1)
    policy = load(run.path / "model.safetensors")
    torch.testing.assert_close(policy.obs_std, batch["obs"].std(0), rtol=0.2, atol=0)
    train(CONFIG, tmp_path / "clone", progress=False)
    assert set(seen[-1]) == {"obs", "action"}  # a clone reads no rewards


def fake_evaluations(monkeypatch, scores):
    """Evaluations with these returns, one after another; success, which does not decide, the other way round."""

    class Result(Evaluation):
        def summary(self):
            score = scores.pop(0)
            return {"return_mean": score, "success_rate": 1 - score, "episodes": 1}

    monkeypatch.setattr(gtp_mini.training.member, "evaluate_together", lambda *_, **__: [Result([], 0.0)])


def weights_at(config, step, folder):
    """Weights of the checkpoint at a step, from a run of its own (the curriculum knows the total)."""
    class Stop(Exception):
        pass

    real = Run.save_state

    def stop(self, tensors, at):
        real(self, tensors, at)
        if at == step:
            raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "save_state", stop)
        with pytest.raises(Stop):
            train(replace(config, eval_every=0), folder, progress=False)
    return Run(folder).load_state()[0]


def test_the_best_checkpoint_is_that_of_the_best_evaluation(multigoal, tmp_path, monkeypatch):
    config = replace(CONFIG, steps=80, eval_every=20)
    fake_evaluations(monkeypatch, [0.2, 0.6, 0.6, 0.4])
    run = train(config, tmp_path / "run", progress=False)
    best, state = load(run.path / "best.safetensors"), weights_at(config, 40, tmp_path / "until")
    for name, value in best.state_dict().items():
        assert torch.equal(value, state[f"agent/policy.{name}"])
    assert [e["checkpoint_step"] for e in run.evaluations()] == [20, 40, 60, 80]


def test_evaluations_that_people_ask_for_do_not_choose_the_best(multigoal, tmp_path, monkeypatch):
    config = replace(CONFIG, steps=60, eval_every=20)
    fake_evaluations(monkeypatch, [0.2, 0.5, 0.3])
    real, calls = Run.save_state, []

    def cut(self, tensors, step):
        calls.append(step)
        if step == 40:
            raise Cut
        real(self, tensors, step)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "save_state", cut)
        with pytest.raises(Cut):
            train(config, tmp_path / "run", progress=False)
    asked = {"checkpoint_step": 20, "return_mean": 1.0, "success_rate": 1.0, "during_training": False}
    Run(tmp_path / "run").add_evaluation(asked)
    before = (tmp_path / "run" / "best.safetensors").read_bytes()
    run = train(config, tmp_path / "run", resume=True, progress=False)
    assert (run.path / "best.safetensors").read_bytes() != before  # the 0.5 at step 40 beats the 0.2 at step 20
    assert [e["return_mean"] for e in run.evaluations()] == [0.2, 1.0, 0.5, 0.3]


def test_a_finished_run_resumes_to_itself(multigoal, tmp_path):
    run = train(CONFIG, tmp_path / "run", progress=False)
    before = {p.name: p.read_bytes() for p in run.path.glob("*.*")}
    train(CONFIG, tmp_path / "run", resume=True, progress=False)
    assert {p.name: p.read_bytes() for p in run.path.glob("*.*")} == before


def test_what_cannot_be_trained_leaves_no_folder_and_spoils_none(multigoal, tmp_path, monkeypatch):
    old = train(CONFIG, tmp_path / "old", progress=False)
    before = (old.path / "model.safetensors").read_bytes()
    for change, message in (({"device": "abacus"}, "device 'abacus' cannot be used"),
                            ({"task": "gtp/nothing-v0"}, "no dataset 'gtp/nothing-v0' here")):
        for folder in ("new", "old"):
            with pytest.raises((ValueError, FileNotFoundError), match=message):
                train(replace(CONFIG, **change), tmp_path / folder, overwrite=True, progress=False)
    assert not (tmp_path / "new").exists() and (old.path / "model.safetensors").read_bytes() == before
    with pytest.raises(FileExistsError, match="already holds a run"):
        train(CONFIG, tmp_path / "old", progress=False)
    with pytest.raises(ValueError, match=r"other settings \(seed\)"):
        train(replace(CONFIG, seed=1), tmp_path / "old", resume=True, progress=False)


def test_a_damaged_state_is_refused_on_resume(multigoal, tmp_path):
    run = train(CONFIG, tmp_path / "run", progress=False)
    run.state_file.write_bytes(run.state_file.read_bytes()[:-100])
    metrics = (run.path / "metrics.csv").read_bytes()
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        train(CONFIG, tmp_path / "run", resume=True, progress=False)
    assert (run.path / "metrics.csv").read_bytes() == metrics


def test_a_tasks_settings_stand_between_the_methods_and_the_runs():
    from gtp_mini.datasets.tasks import get_task

    config = replace(CONFIG, method="gtp", settings={})
    multigoal, umaze = (replace(get_task(name), gamma=0.9) for name in ("multigoal", "antmaze-umaze"))
    assert (agent_config(config, multigoal).gamma, agent_config(config, multigoal).eta) == (0.9, 1.0)
    assert (agent_config(config, umaze).gamma, agent_config(config, umaze).eta) == (0.9, 0.25)
    hotter = replace(config, settings={"eta": 2.0, "gamma": 0.8})
    assert (agent_config(hotter, umaze).eta, agent_config(hotter, umaze).gamma) == (2.0, 0.8)
    assert agent_config(replace(config, method="gtp-bc"), umaze).eta == 0.0
    assert not hasattr(agent_config(replace(config, method="gaussian-bc"), umaze), "gamma")
    assert (agent_config(config, umaze).position_dims, agent_config(config, multigoal).position_dims) == (2, 0)
    assert agent_config(replace(config, settings={"position_dims": 0}), umaze).position_dims == 0
    assert agent_config(replace(config, method="iql"), umaze).eta == 10.0
    assert agent_config(replace(config, method="iql"), multigoal).eta == 3.0
    ql = replace(config, method="diffusion-ql", settings={"clip": 1.5})
    assert (agent_config(ql, umaze).q_weight, agent_config(ql, umaze).clip) == (0.5, 1.5)


@pytest.mark.parametrize("change, message", [
    ({"steps": 0}, "steps must be a whole number between 1 and 1e9, got 0"),
    ({"steps": 1.5}, "steps must be a whole number between 1 and 1e9, got 1.5"),
    ({"batch_size": 10**10}, "batch_size must be a whole number"),
    ({"eval_every": 30}, r"eval_every \(30\) must be a multiple of checkpoint_every \(20\)"),
    ({"checkpoint_every": 25}, r"checkpoint_every \(25\) must be a multiple of log_every \(10\)"),
    ({"sampling_steps": 65}, "between 1 and 64, got 65"),
    ({"method": "magic"}, "unknown method 'magic'"),
    ({"settings": {"eta": -1}}, "eta must be between"),
])
def test_settings_that_cannot_be_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **change)


def test_configuration_is_all_of_it(multigoal, tmp_path):
    run = train(CONFIG, tmp_path / "run", progress=False)
    stored = json.loads((run.path / "config.json").read_text())
    for name in TrainConfig.__dataclass_fields__:
        assert stored[name] == getattr(CONFIG, name)
