"""Training that goes wrong stops at once, says how, and spoils nothing; training that goes well is left alone."""

import math
from dataclasses import replace

import pytest
import torch
from small_agents import seeded

import gtp_mini
import gtp_mini.datasets.transitions
from gtp_mini import fitting
from gtp_mini.agents import method_config
from gtp_mini.agents.base import Agent
from gtp_mini.cli import main
from gtp_mini.datasets.tasks import TASKS, get_task
from gtp_mini.datasets.transitions import Transitions
from gtp_mini.divergence import DivergedError, check_metrics, check_tensors, value_limit
from gtp_mini.fitting import fit_agent
from gtp_mini.records import Run
from gtp_mini.training import TrainConfig, train

# Every step leads three times as far out, and nothing ends: a critic that extrapolates chases its own predictions.
_obs = torch.randn(500, 2, generator=seeded(0))
OUTWARDS = {"obs": _obs, "next_obs": 3 * _obs, "action": torch.rand(500, 2, generator=seeded(1)) * 2 - 1,
            "reward": torch.ones(500), "terminal": torch.zeros(500)}
SMALL = {"width": 16, "depth": 2}
CHASING = SMALL | {"critic_lr": 1e-2, "critic_ema": 0.9, "gamma": 0.9, "activation": "relu", "clip": 1e9}
CONFIG = TrainConfig("gtp/outwards-v0", "gtp", steps=200, batch_size=32, log_every=10, checkpoint_every=20,
                     settings=CHASING | {"eta": 0.0, "q_weight": 1000.0, "layer_norm": False})


@pytest.fixture
def outwards(monkeypatch):
    task = replace(get_task("multigoal-values"), name="outwards", dataset_id=CONFIG.task)
    data = Transitions(**OUTWARDS, episode=torch.arange(500), protocol="plain", dataset_id=CONFIG.task)
    monkeypatch.setitem(TASKS, "outwards", task)
    monkeypatch.setattr(gtp_mini.datasets.transitions, "load_transitions", lambda *_, **__: data)


# -- what is wrong ----------------------------------------------------------------------------------------------------


def test_values_have_a_limit_in_the_unit_of_reward():
    reward = torch.tensor([-3.0, 1.0])
    assert value_limit(reward, method_config("gtp", gamma=0.9)) == pytest.approx(10 * 3 / 0.1)
    scaled = method_config("gtp", gamma=0.99, reward_scale=4.0, reward_offset=2.0)
    assert value_limit(reward, scaled) == pytest.approx(10 * 10 / 0.01)
    assert value_limit(1e-3 * reward, method_config("gtp", gamma=0.9)) == pytest.approx(10 * 1 / 0.1)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_no_number_is_named(bad):
    with pytest.raises(DivergedError, match=rf"diverged at step 30: loss is {bad:g}; try a lower lr.*; kept it"):
        check_metrics({"grad": 1.0, "loss": bad}, math.inf, 30, "kept it")


def test_values_above_their_limit_are_named():
    check_metrics({"q_abs_max": 50.0, "loss": 1e9}, 50.0, 30)
    with pytest.raises(DivergedError, match=r"step 30: \|Q\| is 50.1 where rewards allow 5; try .*q_weight"):
        check_metrics({"q_abs_max": 50.1}, 50.0, 30)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_weight_that_is_no_number_is_named(bad):
    whole = {"agent/a": torch.zeros(3), "generator": torch.arange(3, dtype=torch.uint8)}
    check_tensors(whole, 30)
    with pytest.raises(DivergedError, match="agent/b holds NaN or infinity"):
        check_tensors(whole | {"agent/b": torch.tensor([0.0, bad])}, 30)


# -- a run ------------------------------------------------------------------------------------------------------------


def test_a_run_that_diverges_keeps_its_last_good_checkpoint(outwards, tmp_path):
    with pytest.raises(DivergedError, match=r"\|Q\| is .* where rewards allow 10; .*checkpoint of step 60 is kept"):
        train(CONFIG, tmp_path / "run", progress=False)
    run = Run(tmp_path / "run")
    state, step = run.load_state()
    assert step == 60 and all(value.isfinite().all() for value in state.values())
    assert run.metrics()["step"] == [10, 20, 30, 40, 50, 60] and max(run.metrics()["q_abs_max"]) <= 100
    for name, value in gtp_mini.load(run.path / "model.safetensors").state_dict().items():
        assert torch.equal(value, state[f"agent/policy.{name}"])
    before = {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file() and "tensorboard" not in str(p)}
    with pytest.raises(DivergedError, match="the checkpoint of step 60 is kept"):  # from there it diverges again
        train(CONFIG, tmp_path / "run", resume=True, progress=False)
    assert before == {p: p.read_bytes() for p in before}


def test_its_advice_helps(outwards):
    """Layer normalisation bounds what a critic makes of places it has never seen; r / (1 - gamma) is 10."""
    settings = dict(CONFIG.settings)
    with pytest.raises(DivergedError):
        fit_agent(OUTWARDS, "gtp", 200, batch_size=32, **settings)
    agent = fit_agent(OUTWARDS, "gtp", 200, batch_size=32, **settings | {"layer_norm": True})
    assert 7 < agent.values.critic(OUTWARDS["obs"], OUTWARDS["action"]).mean() < 13


def test_a_run_without_a_checkpoint_says_so(outwards, tmp_path):
    config = TrainConfig("gtp/outwards-v0", "gtp-bc", steps=20, batch_size=8, log_every=10, checkpoint_every=20,
                         settings=SMALL | {"lr": 1e15, "clip": 1e15})
    with pytest.raises(DivergedError, match="diverged at step 10: .* is (nan|inf); .*there was no checkpoint yet"):
        train(config, tmp_path / "run", progress=False)
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"config.json", "versions.json", "tensorboard"}


def test_weights_are_looked_at_before_they_are_written(outwards, tmp_path, monkeypatch):
    """Metrics may be fine where weights are not."""
    real = Agent.state_tensors

    def spoilt(self):
        tensors = real(self)
        if calls.append(1) or len(calls) == 2:
            tensors["agent/actor.network.0.bias"] = torch.full((16,), math.nan)
        return tensors

    calls = []
    monkeypatch.setattr(Agent, "state_tensors", spoilt)
    config = TrainConfig("gtp/outwards-v0", "gtp-bc", steps=60, batch_size=8, log_every=10, checkpoint_every=20,
                         settings=SMALL)
    with pytest.raises(DivergedError, match="step 40: agent/actor.network.0.bias holds NaN.*step 20 is kept"):
        train(config, tmp_path / "run", progress=False)
    assert Run(tmp_path / "run").load_state()[1] == 20


def test_the_command_line_says_it_in_one_line(outwards, tmp_path, monkeypatch, capsys):
    import gtp_mini.datasets.store

    monkeypatch.setattr(gtp_mini.datasets.store, "list_datasets", lambda: {"gtp/outwards-v0": {}})
    settings = [part for name, value in CONFIG.settings.items()
                for part in ("--set", f"{name}={str(value).lower() if isinstance(value, bool) else value}")]
    monkeypatch.setattr("sys.argv", ["gtp-mini", "train", "gtp/outwards-v0", "--out", str(tmp_path / "run"), "--steps",
                                     "200", "--batch-size", "32", "--log-every", "10", "--checkpoint-every", "20",
                                     *settings])
    with pytest.raises(SystemExit) as stop:
        main()
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if not line.startswith("training ")]
    assert stop.value.code == 1 and out == "" and "Traceback" not in err
    assert lines[-1].startswith("error: training diverged at step 70: |Q| is ")


# -- fit --------------------------------------------------------------------------------------------------------------


def test_fit_stops_too(monkeypatch):
    with pytest.raises(DivergedError, match="diverged at step 30: .* is (nan|inf)"):
        gtp_mini.fit(OUTWARDS["action"], steps=30, batch_size=8, lr=1e15, clip=1e15, **SMALL)
    monkeypatch.setattr(fitting, "CHECK_EVERY", 10)
    with pytest.raises(DivergedError, match="diverged at step 10: "):
        gtp_mini.fit(OUTWARDS["action"], steps=30, batch_size=8, lr=1e15, clip=1e15, **SMALL)
