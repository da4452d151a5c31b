"""Values first, then the policy: one command, two runs, and the recipes that use it."""

from dataclasses import replace

import pytest

from gtp_mini import load
from gtp_mini.agents import METHODS, method_config
from gtp_mini.records import Run
from gtp_mini.training import PRESETS, TrainConfig, train, train_critic_first

SMALL = {"width": 8, "depth": 1}
CONFIG = TrainConfig("multigoal", "gtp-sd", steps=40, batch_size=16, settings=SMALL, log_every=10, checkpoint_every=20)
VALUES = SMALL | {"expectile": 0.8, "n_step": 3}


def test_the_policy_learns_on_the_values_that_were_trained_first(multigoal, tmp_path):
    (run,) = train_critic_first([CONFIG], [str(tmp_path / "run")], 30, VALUES, progress=False)
    critic = Run.open(tmp_path / "run" / "critic")
    assert run.config["critic"] == str(critic.path) and "loss_critic" not in run.metrics()
    assert (critic.config["method"], critic.config["steps"], critic.config["seed"]) == ("iql", 30, 0)
    assert critic.config["agent"]["expectile"] == 0.8 and critic.config["agent"]["n_step"] == 3
    assert load(critic.path / "critic.safetensors").config.expectile == 0.8
    by_hand = train(replace(CONFIG, critic=str(critic.path)), tmp_path / "by-hand", progress=False)
    assert (run.path / "model.safetensors").read_bytes() == (by_hand.path / "model.safetensors").read_bytes()


def test_it_goes_on_after_a_stop_in_either_half_and_touches_nothing_unasked(multigoal, tmp_path, monkeypatch):
    (whole,) = train_critic_first([CONFIG], [str(tmp_path / "run")], 40, VALUES, progress=False)
    before = (whole.path / "critic" / "model.safetensors").read_bytes()
    with pytest.raises(FileExistsError, match="already holds a run"):
        train_critic_first([CONFIG], [str(tmp_path / "run")], 40, VALUES, progress=False)
    assert (whole.path / "critic" / "model.safetensors").read_bytes() == before

    saves = []

    def stop(tensors, step, kept=""):
        saves.append(step)
        if len(saves) in (2, 5):  # in the values' run, and after it in the policy's
            raise KeyboardInterrupt

    for _ in range(2):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("gtp_mini.training.loop.check_tensors", stop)
            train_critic_first([CONFIG], [str(tmp_path / "cut")], 40, VALUES, resume=True, progress=False)
    assert Run.open(tmp_path / "cut").load_state()[1] == 20
    (cut,) = train_critic_first([CONFIG], [str(tmp_path / "cut")], 40, VALUES, resume=True, progress=False)
    assert (cut.path / "model.safetensors").read_bytes() != b""
    for name in ("critic/critic.safetensors", "critic/model.safetensors"):
        assert (cut.path / name).read_bytes() == (whole.path / name).read_bytes()
    ours, theirs = (load(run.path / "model.safetensors").state_dict() for run in (cut, whole))
    assert all((ours[name] == theirs[name]).all() for name in theirs)


def test_seeds_have_values_of_their_own(multigoal, tmp_path):
    configs, outs = [CONFIG, replace(CONFIG, seed=1)], [str(tmp_path / "a"), str(tmp_path / "b")]
    runs = train_critic_first(configs, outs, 20, VALUES, progress=False)
    critics = [load(run.path / "critic" / "critic.safetensors").state_dict() for run in runs]
    assert any((critics[0][name] != critics[1][name]).any() for name in critics[0])


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_sound(name):
    preset = PRESETS[name]
    config = method_config(preset.method, **preset.settings)
    assert preset.method in METHODS and config.needs_values == (preset.critic_steps > 0)
    if preset.critic_steps:
        assert config.from_data and method_config("iql", **preset.critic_settings).from_data


def test_a_preset_fills_in_what_the_command_leaves_out(cli, multigoal, tmp_path, monkeypatch):
    small = SMALL | {"position_dims": 2}
    tiny = replace(PRESETS["laptop"], steps=20, settings=PRESETS["laptop"].settings | small, critic_steps=20,
                   critic_settings=PRESETS["laptop"].critic_settings | small)
    monkeypatch.setitem(PRESETS, "laptop", tiny)
    train = ["train", "multigoal", "--preset", "laptop", "--log-every", 10, "--checkpoint-every", 10]
    status, _, err = cli(*train, "--out", tmp_path / "run")
    assert status == 0, err
    config = Run.open(tmp_path / "run").config
    assert (config["method"], config["steps"], config["settings"]) == (tiny.method, 20, tiny.settings)
    assert config["noise_scale"] == tiny.noise_scale < 1
    assert Run.open(tmp_path / "run" / "critic").config["settings"] == tiny.critic_settings
    other = ["--method", "gtp-sd-bc", "--set", "width=8", "--steps", 30, "--out", tmp_path / "other"]
    status, _, err = cli(*train, *other)
    assert status == 0, err
    config = Run.open(tmp_path / "other").config
    assert (config["method"], config["steps"], config["settings"]) == ("gtp-sd-bc", 30, {"width": 8})
    assert not (tmp_path / "other" / "critic").exists()  # a clone asks no critic
    status, _, err = cli(*train, "--critic-steps", 0, "--out", tmp_path / "joint")
    assert status == 1 and "draw_by_weight = True needs values that are trained" in err
    assert not (tmp_path / "joint").exists()
    joint = ["--critic-steps", 0, "--set", "draw_by_weight=false", "--set", "advantage=critic",
             "--eta", 3, "--out", tmp_path / "joint"]
    assert cli(*train, *joint)[0] == 0
    joint = Run.open(tmp_path / "joint")
    assert joint.config["critic"] is None and joint.config["agent"]["eta"] == 3.0
    status, _, err = cli(*train, "--critic", tmp_path / "run", "--out", tmp_path / "both")
    assert status == 2 and "give one of them" in err
    status, _, err = cli("train", "multigoal", "--preset", "mainframe", "--out", tmp_path / "none")
    assert status == 2 and "unknown preset 'mainframe'; known: laptop" in err
