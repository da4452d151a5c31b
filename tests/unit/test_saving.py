"""Model files: the same bits back, an old file or a new one but never half of one, and no stranger's file."""

import errno
import os

import pytest
import torch
from safetensors.torch import save_file

import gtp_mini
from gtp_mini.agents.best_of import BestOfN, BestOfNConfig
from gtp_mini.agents.gaussian import GaussianPolicy, GaussianPolicyConfig
from gtp_mini.critics import QEnsemble
from gtp_mini.flow_map import FlowMap, FlowMapConfig
from gtp_mini.saving import write_bytes


def flow_map(obs_dim=3, seed=0):
    torch.manual_seed(seed)
    model = FlowMap(FlowMapConfig(2, obs_dim, width=8, depth=2, activation="mish", sigma_max=5.0))
    if obs_dim:
        model.set_observation_scale(4 + torch.randn(50, obs_dim))
    return model


def best_of(policy):
    torch.manual_seed(1)
    critic = QEnsemble(3, 2, width=8, depth=1, members=4, activation="relu", layer_norm=False)
    critic.set_observation_scale(2 + torch.randn(50, 3))
    return BestOfN(policy, critic, BestOfNConfig(6, temperature=0.5, pessimism=1.5))


@pytest.mark.parametrize("model", [flow_map(), flow_map(0), GaussianPolicy(GaussianPolicyConfig(2, 3, width=8)),
                                   GaussianPolicy(GaussianPolicyConfig(2)), best_of(flow_map()),
                                   best_of(GaussianPolicy(GaussianPolicyConfig(2, 3, width=8)))])
def test_round_trip_is_exact(model, tmp_path):
    path = tmp_path / "new" / "m.safetensors"
    gtp_mini.save(model, path)
    again = gtp_mini.load(str(path))
    assert type(again) is type(model) and again.config == model.config and again.describe() == model.describe()
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    obs = torch.randn(4, 3) if getattr(model.config, "obs_dim", 3) else None
    samples = [m.sample(4, obs=obs, steps=2, generator=torch.Generator().manual_seed(1)) for m in (model, again)]
    assert torch.equal(*samples)
    assert not any(p.requires_grad for p in again.parameters())
    first = path.read_bytes()
    gtp_mini.save(again, path)
    assert path.read_bytes() == first and list(path.parent.iterdir()) == [path]


def test_a_missing_file_is_named(tmp_path):
    for path in (tmp_path / "nothing.safetensors", tmp_path):
        with pytest.raises(FileNotFoundError, match=f"no such model file: {path}"):
            gtp_mini.load(path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(share, tmp_path):
    path = tmp_path / "m.safetensors"
    gtp_mini.save(flow_map(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"m.safetensors is not a readable safetensors file \(truncated\?\)"):
        gtp_mini.load(path)


def test_a_text_file_is_refused(tmp_path):
    path = tmp_path / "notes.safetensors"
    path.write_text("these are my weights: " + 100 * "0.5 ")
    with pytest.raises(ValueError, match="notes.safetensors is not a readable safetensors file"):
        gtp_mini.load(path)


@pytest.mark.parametrize("header, message", [
    (None, "not a gtp_mini model: its header names the kind None, expected one of FlowMap, GaussianPolicy"),
    ({"format": "pt"}, "not a gtp_mini model"),
    ({"kind": "training state"}, "not a gtp_mini model: its header names the kind 'training state'"),
    ({"kind": "FlowMap"}, "does not fit this version of gtp_mini"),
    ({"kind": "FlowMap", "config": "{"}, "does not fit this version of gtp_mini"),
    ({"kind": "FlowMap", "config": "[]"}, "does not fit this version of gtp_mini"),
    ({"kind": "FlowMap", "config": '{"action_dim": 2, "wings": 4}'}, "does not fit this version of gtp_mini: .*wings"),
    ({"kind": "FlowMap", "config": '{"action_dim": 2}'}, "does not fit this version of gtp_mini: Error.* loading"),
    ({"kind": "FlowMap", "config": '{"action_dim": 0}'}, "does not fit this version of gtp_mini: action_dim must be"),
    ({"kind": "BestOfN", "config": "{}"}, "does not fit this version of gtp_mini"),
    ({"kind": "BestOfN", "config": '{"policy": {"kind": "Robot", "config": {}}}'}, "gtp_mini: .*Robot"),
    ({"kind": "BestOfN", "config": '{"policy": {"kind": "FlowMap", "config": {"action_dim": 2}}, "critic": [], '
      '"choice": {}}'}, "does not fit this version of gtp_mini"),
    ({"kind": "BestOfN", "config": '{"policy": {"kind": "FlowMap", "config": {"action_dim": 2}}, "critic": {"obs_dim": '
      '3, "action_dim": 2}, "choice": {"candidates": 0}}'}, "does not fit this version of gtp_mini: candidates must"),
])
def test_another_programs_file_is_refused(header, message, tmp_path):
    path = tmp_path / "theirs.safetensors"
    save_file({"layer.weight": torch.zeros(2, 2)}, path, metadata=header)
    with pytest.raises(ValueError, match=f"theirs.safetensors .*{message}"):
        gtp_mini.load(path)


@pytest.mark.parametrize("broken", ["replace", "fsync"])
def test_a_full_disk_leaves_the_old_file_and_no_rubbish(broken, tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    gtp_mini.save(flow_map(), path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OSError, match="No space left"):
        gtp_mini.save(flow_map(seed=1), path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, real=real: (calls.append(name), real(*a))[1])
    write_bytes(tmp_path / "x", b"abc")
    assert calls[:2] == ["fsync", "replace"] and (tmp_path / "x").read_bytes() == b"abc"
