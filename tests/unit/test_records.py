"""A run's folder: what it refuses, what it forgets, and what a kill cannot spoil."""

import json

import pytest
import torch

from gtp_mini.records import RUN_FILES, Run, versions

CONFIG = {"task": "multigoal", "method": "gtp", "steps": 100, "checkpoint_every": 10, "settings": {"width": 8}}


@pytest.fixture
def run(tmp_path):
    return Run.start(tmp_path / "run", CONFIG)


def test_a_run_knows_its_configuration_and_versions(run):
    assert Run.open(run.path).config == CONFIG
    found = json.loads((run.path / "versions.json").read_text())
    assert found == versions() and found["torch"] == torch.__version__.split("+")[0] or found["torch"]
    assert found["python"] and found["processor"]


def test_an_existing_run_is_refused_unless_told(run):
    with pytest.raises(FileExistsError, match="already holds a run; go on with --resume or replace it with --overw"):
        Run.start(run.path, CONFIG)


def test_resume_goes_on_or_starts(run, tmp_path):
    run.append_metrics({"step": 1, "loss": 2.0})
    again = Run.start(run.path, CONFIG, resume=True)
    assert again.metrics() == {"step": [1.0], "loss": [2.0]}
    assert Run.start(tmp_path / "none", CONFIG, resume=True).exists()


def test_resume_with_other_settings_names_them(run):
    other = CONFIG | {"steps": 200, "settings": {"width": 16}}
    with pytest.raises(ValueError, match=r"started with other settings \(steps, settings\); resume with the same"):
        Run.start(run.path, other, resume=True)
    assert run.config == CONFIG


def test_overwrite_removes_all_of_the_old_run_and_nothing_else(run):
    for name in set(RUN_FILES) - {"config.json", "versions.json", "state", "tensorboard"}:
        (run.path / name).write_text("[]")
    run.save_state({"a": torch.ones(1)}, 5)
    (run.path / "notes.txt").write_text("mine")
    new = Run.start(run.path, CONFIG | {"steps": 7}, overwrite=True)
    assert new.config["steps"] == 7 and new.load_state() == ({}, 0)
    assert {p.name for p in run.path.iterdir()} == {"config.json", "versions.json", "notes.txt"}


def test_overwriting_that_is_cut_short_does_not_mix_two_runs(run, monkeypatch):
    run.save_state({"a": torch.ones(1)}, 5)
    run.append_metrics({"step": 5, "loss": 1.0})
    monkeypatch.setattr(Run, "write_json", lambda *_: pytest.fail("stopped"))
    monkeypatch.setattr("pathlib.Path.unlink", _stop_at("metrics.csv"))
    with pytest.raises(KeyboardInterrupt):
        Run.start(run.path, CONFIG, overwrite=True)
    assert run.exists()  # still the old configuration, so nobody resumes its state with another


def _stop_at(name):
    from pathlib import Path

    real = Path.unlink

    def unlink(self, *args, **kwargs):
        if self.name == name:
            raise KeyboardInterrupt
        real(self, *args, **kwargs)

    return unlink


@pytest.mark.parametrize("content, message", [
    ("{", "config.json is damaged"),
    ("{}", "no run of gtp_mini: its config.json lacks task, method"),
    ("[1]", "no run of gtp_mini"),
])
def test_a_folder_of_something_else_is_refused(content, message, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run .no config.json.; train one with: gtp-mini train"):
        Run.open(tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        Run.open(tmp_path)


# -- metrics ----------------------------------------------------------------------------------------------------


def fill(run, steps):
    for step in steps:
        run.append_metrics({"step": step, "loss": 1 / step, "grad": float(step)})
    return (run.path / "metrics.csv").read_bytes()


def test_metrics_come_back_as_columns(run):
    assert run.metrics() == {}
    fill(run, [1, 2])
    assert run.metrics() == {"step": [1, 2], "loss": [1, 0.5], "grad": [1, 2]}


def test_a_line_that_was_cut_anywhere_is_left_out(run):
    before = fill(run, [1, 2])
    whole = fill(run, [12345])
    for cut in range(len(before), len(whole)):
        (run.path / "metrics.csv").write_bytes(whole[:cut])
        assert run.metrics()["step"] == [1, 2], whole[len(before) : cut]
    for cut in range(len(whole.split(b"\n")[0]) + 1):  # of the header, nothing is left
        (run.path / "metrics.csv").write_bytes(whole[:cut])
        assert run.metrics() == {}


@pytest.mark.parametrize("unit", [1, 500, 1_234_567])
def test_forgetting_leaves_the_file_as_it_was_at_that_step(run, unit):
    """To the letter: steps of seven digits, and a last line that was cut, included."""
    before = fill(run, [unit, 2 * unit])
    fill(run, [3 * unit, 4 * unit])
    with open(run.path / "metrics.csv", "ab") as file:
        file.write(b"99")
    run.forget_after(2 * unit)
    assert (run.path / "metrics.csv").read_bytes() == before
    run.forget_after(0)
    assert not (run.path / "metrics.csv").exists()
    run.forget_after(0)  # nothing to forget


def test_evaluations_are_forgotten_too(run):
    for step in (10, 20, 30):
        run.add_evaluation({"checkpoint_step": step, "success_rate": 0.5})
    run.forget_after(20)
    assert [e["checkpoint_step"] for e in run.evaluations()] == [10, 20]
    run.forget_after(5)
    assert run.evaluations() == []


def test_damaged_json_is_named(run):
    (run.path / "evaluation.json").write_text('[{"success')
    with pytest.raises(ValueError, match="evaluation.json is damaged"):
        run.evaluations()


# -- state ------------------------------------------------------------------------------------------------------


def test_state_comes_back_with_its_step(run):
    assert run.load_state() == ({}, 0)
    run.save_state({"weights": torch.arange(3.0), "rng": torch.tensor([1, 2], dtype=torch.uint8)}, 40)
    tensors, step = run.load_state()
    assert step == 40 and torch.equal(tensors["weights"], torch.arange(3.0)) and tensors["rng"].dtype == torch.uint8


def test_a_state_that_is_none_is_refused(run):
    from gtp_mini.saving import write_tensors

    run.save_state({"weights": torch.zeros(100)}, 40)
    run.state_file.write_bytes(run.state_file.read_bytes()[:-7])
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        run.load_state()
    write_tensors(run.state_file, {"a": torch.zeros(1)}, {"kind": "FlowMap"})
    with pytest.raises(ValueError, match="is not a training state of gtp_mini"):
        run.load_state()


def test_numbers_that_json_does_not_have_are_not_written(run):
    run.write_json("evaluation.json", [1])
    with pytest.raises(ValueError):
        run.write_json("evaluation.json", [float("nan")])
    assert run.evaluations() == [1]
