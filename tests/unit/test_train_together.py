"""Runs that are trained as one program leave what each would have left alone."""

from dataclasses import replace

import pytest
import torch

from gtp_mini import load
from gtp_mini.records import Run
from gtp_mini.saving import read_tensors
from gtp_mini.training import TrainConfig, train, train_together

SMALL = {"width": 8, "depth": 1}
CONFIG = TrainConfig("multigoal", "gtp", steps=60, batch_size=32, settings=SMALL, log_every=10, checkpoint_every=20,
                     eval_every=60, eval_episodes=4)
ETAS = [replace(CONFIG, seed=seed, settings=SMALL | {"eta": eta}) for seed, eta in ((0, 0.5), (1, 2.0), (1, 0.5))]


def assert_alike(one: Run, other: Run):
    """The same but for rounding."""
    assert {p.name for p in one.path.iterdir()} == {p.name for p in other.path.iterdir()}
    assert one.config == other.config
    for name in ("model.safetensors", "critic.safetensors", "best.safetensors", "state/checkpoint.safetensors"):
        if not (one.path / name).exists():
            continue
        (ours, our_header), (theirs, their_header) = read_tensors(one.path / name), read_tensors(other.path / name)
        assert our_header == their_header and ours.keys() == theirs.keys()
        for key, value in ours.items():
            torch.testing.assert_close(value, theirs[key], rtol=0, atol=1e-4, msg=lambda text, k=key: f"{k}: {text}")
            if key == "generator":
                assert torch.equal(value, theirs[key])
    ours, theirs = one.metrics(), other.metrics()
    assert ours.keys() == theirs.keys()
    for key in set(ours) - {"updates_per_second"}:
        assert ours[key] == pytest.approx(theirs[key], rel=1e-2, abs=1e-3), key
    assert [e["checkpoint_step"] for e in one.evaluations()] == [e["checkpoint_step"] for e in other.evaluations()]


def test_each_run_is_what_it_would_be_alone(multigoal, tmp_path):
    runs = train_together(ETAS, [tmp_path / f"together-{i}" for i in range(3)], progress=False)
    for i, config in enumerate(ETAS):
        assert_alike(runs[i], train(config, tmp_path / f"alone-{i}", progress=False))
    weights = [load(run.path / "model.safetensors").network[0].weight for run in runs]
    assert not torch.allclose(weights[0], weights[2]) and not torch.allclose(weights[1], weights[2])


def test_stopped_together_they_go_on_to_the_same_bits_and_one_goes_on_alone(multigoal, tmp_path, monkeypatch):
    whole = train_together(ETAS[:2], [tmp_path / "a", tmp_path / "b"], progress=False)

    def stop(tensors, step, kept=""):
        if step == 40:
            raise KeyboardInterrupt

    for names in (("c", "d"), ("e", "f")):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("gtp_mini.training.loop.check_tensors", stop)
            train_together(ETAS[:2], [tmp_path / name for name in names], progress=False)
    cut = train_together(ETAS[:2], [tmp_path / "c", tmp_path / "d"], resume=True, progress=False)
    for one, other in zip(whole, cut, strict=True):
        for name in ("model.safetensors", "critic.safetensors", "state/checkpoint.safetensors"):
            assert (one.path / name).read_bytes() == (other.path / name).read_bytes()
    assert_alike(whole[1], train(ETAS[1], tmp_path / "f", resume=True, progress=False))
    with pytest.raises(ValueError, match="must stand at one step .*e: 20.*f: 60"):
        train_together(ETAS[:2], [tmp_path / "e", tmp_path / "f"], resume=True, progress=False)


def test_each_takes_its_own_critic(multigoal, tmp_path):
    iql = replace(CONFIG, method="iql", eval_every=0)
    critics = train_together([iql, replace(iql, seed=1)], [tmp_path / "q0", tmp_path / "q1"], progress=False)
    pupils = [replace(CONFIG, method="gtp-sd", seed=5, eval_every=0, critic=str(critic.path)) for critic in critics]
    runs = train_together(pupils, [tmp_path / "p0", tmp_path / "p1"], progress=False)
    for i, config in enumerate(pupils):
        assert_alike(runs[i], train(config, tmp_path / f"alone{i}", progress=False))
    weights = [load(run.path / "model.safetensors").network[0].weight for run in runs]
    assert not torch.allclose(*weights)  # same seed, another critic


def test_runs_that_differ_otherwise_are_refused_before_anything_is_written(multigoal, tmp_path):
    with pytest.raises(ValueError, match="may differ in seed, eta and critic alone"):
        train_together([CONFIG, replace(CONFIG, batch_size=16)], [tmp_path / "a", tmp_path / "b"])
    with pytest.raises(ValueError, match="all or none must ask a critic"):
        train_together([CONFIG, replace(CONFIG, settings=SMALL | {"eta": 0.0})], [tmp_path / "a", tmp_path / "b"])
    with pytest.raises(ValueError, match="each its own folder"):
        train_together([CONFIG, replace(CONFIG, seed=1)], [tmp_path / "a", tmp_path / "a"])
    assert not list(tmp_path.iterdir())
