"""`fit`: one call from samples to a model."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import gtp_mini
from gtp_mini import book, remember, training
from gtp_mini.agents import METHODS, method_config
from gtp_mini.agents.gtp import GTP
from gtp_mini.agents.gtp_sd import GTPSD
from gtp_mini.datasets.task import Task
from gtp_mini.datasets.tasks import get_task
from gtp_mini.datasets.toys import RING_RADIUS, toy
from gtp_mini.datasets.transitions import load_transitions
from gtp_mini.fitting import fit_agent
from gtp_mini.training import TrainConfig

SMALL = {"width": 8, "depth": 1, "batch_size": 8, "steps": 5}


def actions(n=20, dim=2):
    return torch.rand(n, dim, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("obs", [None, actions(20, 3)])
def test_same_seed_same_bits(method, obs):
    models = [gtp_mini.fit(actions(), obs, method=method, seed=seed, **SMALL) for seed in (0, 0, 1)]
    states = [model.state_dict() for model in models]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert any(not torch.equal(value, states[2][name]) for name, value in states[0].items())


def test_the_seed_orders_the_data_too(monkeypatch):
    seen = []
    monkeypatch.setattr(GTP, "update", lambda self, batch, *_: seen.append(batch["action"]) or {})
    for seed in (0, 0, 1):
        gtp_mini.fit(actions(), seed=seed, **SMALL)
    assert torch.equal(seen[0], seen[5]) and not torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[10])


def test_the_seed_of_the_caller_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    gtp_mini.fit(actions(), **SMALL)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.clone])
def test_a_method_that_needs_rewards_is_its_clone(method):
    a, b = (gtp_mini.fit(actions(), method=m, **SMALL) for m in (method, METHODS[method].clone))
    assert all(torch.equal(value, b.state_dict()[name]) for name, value in a.state_dict().items())


@pytest.mark.parametrize("method", METHODS)
def test_every_model_samples_and_is_saved(method, tmp_path):
    obs = actions(20, 3)
    model = gtp_mini.fit(actions(), obs, method=method, **SMALL)
    gtp_mini.save(model, tmp_path / "m.safetensors")
    again = gtp_mini.load(tmp_path / "m.safetensors")
    x, y = (m.sample(obs=obs, steps=3, generator=torch.Generator().manual_seed(0)) for m in (model, again))
    assert x.shape == (20, 2) and x.isfinite().all() and torch.equal(x, y)


def test_an_agent_with_rewards_comes_whole():
    n, seen = 20, []
    data = {"obs": actions(n, 3), "next_obs": actions(n, 3), "action": actions(), "reward": torch.ones(n),
            "terminal": torch.ones(n)}
    agent = fit_agent(data, "fql", 5, batch_size=8, width=8, depth=1, callback=lambda step, _: seen.append(step))
    assert seen == [1, 2, 3, 4, 5] and agent.values.critic(data["obs"], data["action"]).shape == (2, n)
    torch.testing.assert_close(agent.values.critic.obs_mean, data["obs"].mean(0))
    assert agent.config == method_config("fql", width=8, depth=1)


def test_arrays_and_lists_will_do():
    a, b, c = (gtp_mini.fit(x, **SMALL) for x in (actions(), actions().double().numpy(), actions().tolist()))
    for name, value in a.state_dict().items():
        assert torch.equal(value, b.state_dict()[name]) and torch.equal(value, c.state_dict()[name])


def test_one_row_is_enough():
    model = gtp_mini.fit(actions(1), actions(1, 3), **SMALL)
    assert model.sample(obs=actions(5, 3)).isfinite().all()


def test_the_model_returned_is_the_average_with_the_scale_of_the_observations():
    obs = 5 + 3 * actions(20, 3)
    model = gtp_mini.fit(actions(), obs, **SMALL)
    torch.testing.assert_close(model.obs_mean, obs.mean(0))
    assert not any(p.requires_grad for p in model.parameters())


NAN = actions()
NAN[3, 1] = float("nan")


@pytest.mark.parametrize("given, message", [
    ({"actions": NAN}, "actions contains NaN or infinity; remove those rows first"),
    ({"obs": NAN}, "obs contains NaN or infinity"),
    ({"weights": torch.full((20,), np.inf)}, "weights contains NaN or infinity"),
    ({"actions": torch.zeros(20)}, r"actions must have 2 dimensions and at least one row, got shape \(20,\)"),
    ({"actions": torch.zeros(0, 2)}, r"actions must have 2 dimensions and at least one row, got shape \(0, 2\)"),
    ({"weights": torch.ones(20, 1)}, r"weights must have shape \(20,\), one for each row, got \(20, 1\)"),
    ({"obs": torch.zeros(19, 3)}, "obs has 19 rows, actions 20: they must match"),
    ({"weights": torch.ones(21)}, r"weights must have shape \(20,\), one for each row, got \(21,\)"),
    ({"weights": -torch.ones(20)}, "weights must be >= 0 and not all 0"),
    ({"weights": torch.zeros(20)}, "weights must be >= 0 and not all 0"),
    ({"method": "magic"}, "unknown method 'magic'; known: .*gtp, gtp-bc"),
    ({"widht": 8}, "no setting 'widht'; it has: .*width"),
    ({"eta": 1.0}, "fit has no rewards, and 'gtp-bc' with eta = 1.0 needs some; use weights, or fit_agent or train"),
    ({"q_weight": 1.0}, "fit has no rewards, and 'gtp-bc' with eta = 0.0 needs some"),
    ({"eta_conditioned": True}, "fit has no rewards"),
    ({"test_candidates": 4}, "fit has no rewards"),
    ({"steps": 0}, "steps must be a whole number, at least 1, got 0"),
    ({"steps": 2.5}, "steps must be a whole number, at least 1, got 2.5"),
    ({"batch_size": 0}, "batch_size must be a whole number, at least 1, got 0"),
    ({"sigma_data": 0.0}, "sigma_data must be positive"),
    ({"device": "abacus"}, "device 'abacus' cannot be used"),
    ({"actions": [["a", "b"]]}, "actions must be numbers"),
])
def test_bad_input_is_named_with_its_remedy(given, message):
    with pytest.raises(ValueError, match=message):
        gtp_mini.fit(**{"actions": actions()} | SMALL | given)


def test_a_ring_of_eight_is_learnt_with_all_its_modes():
    model = gtp_mini.fit(toy("ring", 10_000), steps=2500, width=64, batch_size=256, sigma_max=5.0)
    x = model.sample(4000, steps=5, generator=torch.Generator().manual_seed(0))
    mode = (torch.atan2(x[:, 1], x[:, 0]) / (2 * torch.pi / 8)).round().int() % 8
    shares = torch.bincount(mode, minlength=8) / len(x)
    assert ((0.05 < shares) & (shares < 0.20)).all(), shares
    assert x.norm(dim=1).mean().item() == pytest.approx(RING_RADIUS, abs=0.08)
    assert x.norm(dim=1).std() < 0.2


def test_a_fit_is_remembered_where_the_environment_says_so(monkeypatch, tmp_path):
    actions, settings = torch.randn(64, 2), {"method": "gtp-sd", "steps": 3, "width": 8}
    plain = gtp_mini.fit(actions, **settings)
    monkeypatch.setenv(remember.FOLDER, str(tmp_path / "fits"))
    first = gtp_mini.fit(actions, **settings)
    assert len(list((tmp_path / "fits").iterdir())) == 1
    with monkeypatch.context() as patch:
        patch.setattr(GTPSD, "update", lambda *given: pytest.fail("it was trained again"))
        again = gtp_mini.fit(actions, progress=True, **settings)
    for model in (first, again):
        assert model.config == plain.config and not any(p.requires_grad for p in model.parameters())
        for name, value in plain.state_dict().items():
            assert torch.equal(model.state_dict()[name], value), name


@pytest.mark.parametrize("change", ["actions", "obs", "weights", "method", "steps", "seed", "setting", "sources"])
def test_what_may_change_a_fit_is_not_remembered(monkeypatch, tmp_path, change):
    monkeypatch.setenv(remember.FOLDER, str(tmp_path))
    given = {"actions": torch.randn(64, 2), "obs": torch.randn(64, 1), "weights": torch.ones(64), "method": "gtp-sd",
             "steps": 2, "seed": 0, "width": 8}
    changes = {"actions": given["actions"] + 1, "obs": None, "weights": None, "method": "gtp", "steps": 3, "seed": 1}
    gtp_mini.fit(**given)
    if change == "sources":
        monkeypatch.setattr(remember, "sources_hash", lambda *folders: "other")
    changes["setting"] = 16
    name = "width" if change == "setting" else change
    gtp_mini.fit(**(given | {name: changes[change]} if change in changes else given))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_run_of_the_book_is_remembered_whole(multigoal, monkeypatch, tmp_path):
    config = TrainConfig("multigoal", "gtp-bc", steps=4, batch_size=16, settings={"width": 8}, log_every=2,
                         checkpoint_every=4)
    monkeypatch.setenv(remember.FOLDER, str(tmp_path / "fits"))
    first = book.trained(config, str(tmp_path / "first"))
    with monkeypatch.context() as patch:
        patch.setattr(training, "train", lambda *given, **named: pytest.fail("it was trained again"))
        again = book.trained(config, str(tmp_path / "again"))
    assert again.config == first.config and again.metrics() == first.metrics() and again.path != first.path
    assert (again.path / "model.safetensors").read_bytes() == (first.path / "model.safetensors").read_bytes()
    other = book.trained(replace(config, seed=1), str(tmp_path / "other"))
    assert (other.path / "model.safetensors").read_bytes() != (first.path / "model.safetensors").read_bytes()
    assert len(list((tmp_path / "fits").iterdir())) == 2


def test_moments_of_a_training_are_remembered_with_all_that_the_agent_was(monkeypatch, tmp_path):
    data = {"obs": torch.randn(64, 2), "action": torch.randn(64, 1).clamp(-1, 1), "reward": -torch.ones(64),
            "next_obs": torch.randn(64, 2), "terminal": torch.zeros(64)}

    def looked(**where):
        seen = {}

        def look(updates, agent):
            seen[updates] = {name: value.clone() for name, value in agent.state_tensors().items()}

        agent = fit_agent(data, "gtp-sd", 6, batch_size=8, width=8, depth=1, callback=look, **where)
        return seen, agent.state_tensors()

    every, end = looked()
    assert list(every) == [1, 2, 3, 4, 5, 6]
    monkeypatch.setenv(remember.FOLDER, str(tmp_path))
    first = looked(moments=(2, 5))
    with monkeypatch.context() as patch:
        patch.setattr(GTPSD, "update", lambda *given: pytest.fail("it was trained again"))
        again = looked(moments=(2, 5))
    for seen, last in (first, again):
        assert list(seen) == [2, 5]
        for moment, state in [*seen.items(), (6, last)]:
            wanted = end if moment == 6 else every[moment]
            assert state.keys() == wanted.keys()
            assert all(torch.equal(state[name], value) for name, value in wanted.items())
    assert len(list(tmp_path.iterdir())) == 1


def test_data_of_the_book_are_remembered_whole(monkeypatch, tmp_path):
    def made_in(name, transitions=500):
        monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / name))
        return load_transitions(book.made(get_task("multigoal"), transitions, seed=3)).fingerprint

    monkeypatch.setenv(remember.FOLDER, str(tmp_path / "fits"))
    first = made_in("one")
    with monkeypatch.context() as patch:
        patch.setattr(Task, "make", lambda *given: pytest.fail("they were made again"))
        assert made_in("two") == first
    assert get_task("pointmaze").make(300, seed=0) == "gtp/pointmaze-v0"  # beside a copy others can be made
    assert made_in("three", transitions=400) != first
