"""The study: its records survive what can happen to them, it goes on where it stopped, and its theory is right."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_part import TINY

from gtp_mini.book import DATA
from gtp_mini.study import PARTS, bias, headlines, improvement, quality, run_part, temperature
from gtp_mini.study.records import Store
from gtp_mini.study.report import mean_interval, write_report


def test_a_part_makes_what_is_missing_and_nothing_twice(tmp_path):
    assert run_part(TINY, tmp_path, seeds=1, workers=1) == 2
    first = (tmp_path / "tiny.jsonl").read_bytes()
    assert run_part(TINY, tmp_path, seeds=2, workers=2) == 4
    assert (tmp_path / "tiny.jsonl").read_bytes().startswith(first)
    rows = Store(tmp_path, "tiny").rows()
    assert sorted((r["cell"]["name"], r["cell"]["seed"], r["result"]["value"]) for r in rows) == [
        ("a", 0, 0.5), ("a", 1, 1.5), ("b", 0, 0.5), ("b", 1, 1.5)]
    assert all(r["seconds"] >= 0 and r["versions"]["torch"] == torch.__version__ for r in rows)
    seen = []
    run_part(TINY, tmp_path, seeds=2, workers=1, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(4, 4)]


def test_a_run_that_fails_leaves_the_others_on_record(tmp_path, monkeypatch):
    monkeypatch.setenv("TINY_PART_FAILS", "b")
    with pytest.raises(RuntimeError, match="told to fail"):
        run_part(TINY, tmp_path, seeds=1, workers=1)
    assert [r["cell"]["name"] for r in Store(tmp_path, "tiny").rows()] == ["a"]
    monkeypatch.delenv("TINY_PART_FAILS")
    run_part(TINY, tmp_path, seeds=1, workers=1)
    assert len(Store(tmp_path, "tiny").rows()) == 2


def test_a_line_that_a_kill_cut_short_is_made_again(tmp_path):
    store = Store(tmp_path, "tiny")
    store.add({"name": "a", "seed": 0}, {"value": 0.5}, 1.0)
    whole = store.file.read_bytes()
    store.file.write_bytes(whole + b'{"cell": {"name": "b"')
    assert store.missing([{"name": "a", "seed": 0}, {"name": "b", "seed": 0}]) == [{"name": "b", "seed": 0}]
    run_part(TINY, tmp_path, seeds=1, workers=1)
    assert store.file.read_bytes().startswith(whole)
    assert [r["cell"]["name"] for r in store.rows()] == ["a", "b"]


def test_a_damaged_record_is_named_and_nothing_is_lost(tmp_path):
    store = Store(tmp_path, "tiny")
    store.add({"name": "a", "seed": 0}, {"value": 0.5}, 1.0)
    damaged = b"not json\n" + store.file.read_bytes()
    store.file.write_bytes(damaged)
    with pytest.raises(ValueError, match="tiny.jsonl, line 1: not a record of the study"):
        run_part(TINY, tmp_path, seeds=1, workers=1)
    assert store.file.read_bytes() == damaged


def test_numbers_that_are_none_cannot_be_recorded(tmp_path):
    store = Store(tmp_path, "tiny")
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.add({"name": "a"}, {"value": float("nan")}, 1.0)
    assert store.rows() == []


def test_the_report_has_every_table(tmp_path):
    run_part(TINY, tmp_path, seeds=1, workers=1)
    text = write_report([TINY], tmp_path)
    assert "What is a half more?" in text and "| a | 0.500 |" in text
    assert (tmp_path / "tables.md").read_text() == text


def test_intervals_are_students():
    # 1, 2, 3: mean 2, standard error 1 / sqrt(3), t(0.975, 2) = 4.3027
    assert mean_interval([1.0, 2.0, 3.0]) == f"2.000 ± {4.3027 / 3**0.5:.3f}"
    assert mean_interval([1.0, None]) == "1.000 (1 failed)"
    assert mean_interval([None, None]) == "failed"


def test_the_shipped_tables_are_those_of_the_shipped_records(tmp_path):
    for file in (DATA / "study").glob("*.jsonl"):
        shutil.copy(file, tmp_path)
    assert write_report(list(PARTS.values()), tmp_path) == (DATA / "study" / "tables.md").read_text()


# ---- theory of the bias

@pytest.mark.parametrize("intervals", [10, 40, 160])
def test_the_fixed_point_for_gaussian_data_is_the_product_of_cosines(intervals):
    assert bias.fixed_point("gaussian", intervals) == pytest.approx(bias.gaussian_product(intervals), abs=2e-4)


@pytest.mark.parametrize(("data", "u", "intervals", "ratio"), [
    ("gaussian", "uniform", 10, 0.275), ("gaussian", "uniform", 40, 0.301),
    ("two-points", "adjacent", 160, 0.64 / 0.7)])
def test_the_fixed_point_has_the_known_values(data, u, intervals, ratio):
    assert bias.fixed_point(data, intervals, u == "uniform") == pytest.approx(ratio, abs=5e-3)


def test_the_fixed_point_of_two_points_is_the_mean_of_a_random_walk():
    """Phi is what a walk from x_T ends at on average, where each hop draws a from its posterior."""
    from gtp_mini.times import karras_grid

    levels, generator, half = karras_grid(10).double(), torch.Generator().manual_seed(0), bias.HALF
    starts = levels[-1] * torch.randn(400, 1, generator=generator, dtype=torch.float64)
    x = starts.expand(400, 4000).clone()
    for n in range(10, 0, -1):
        right = torch.sigmoid(2 * half * x / levels[n] ** 2)
        a = half * (2 * (torch.rand(x.shape, generator=generator, dtype=torch.float64) < right).double() - 1)
        x = a + levels[n - 1] / levels[n] * (x - a)
    means = (half * torch.tanh(half * x / levels[0] ** 2)).mean(1)
    assert float(means.pow(2).mean().sqrt() / half) == pytest.approx(bias.fixed_point("two-points", 10), abs=0.03)


# ---- the parts themselves

SMALL = {"width": 8}


def test_workers_end_with_a_study_that_is_killed(tmp_path):
    code = f"from tiny_part import TINY; from gtp_mini.study import run_part; run_part(TINY, {str(tmp_path)!r}, 1, 2)"
    waiting = tmp_path / "waiting"
    waiting.mkdir()
    study = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parent,
                             env=os.environ | {"TINY_PART_WAITS": str(waiting)})
    while len(workers := list(waiting.iterdir())) < 2:
        assert study.poll() is None
        time.sleep(0.1)
    study.kill()
    study.wait()
    deadline = time.monotonic() + 30
    while any(_alive(int(path.name)) for path in workers):
        assert time.monotonic() < deadline, "a worker goes on without its study"
        time.sleep(0.1)


def _alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # one that nobody has buried yet does nothing


def test_every_part_names_its_cells_once(tmp_path):
    for part in (p for name, p in PARTS.items() if name not in ("quality", "improvement")):
        cells = [json.dumps(cell, sort_keys=True) for cell in part.cells(2, tmp_path)]
        assert cells and len(set(cells)) == len(cells)
    for name, needed in (("quality", "costs and tuning"), ("improvement", "strength")):
        with pytest.raises(ValueError, match=needed):
            PARTS[name].cells(1, tmp_path)


def test_a_small_run_of_each_kind_is_measured(tmp_path):
    result = bias.measure({"data": "two-points", "u": "uniform", "intervals": 5, "steps": 3,
                           "settings": SMALL, "seed": 0})
    assert set(result["std_ratio"]) == {"1", "2", "5", "10"}
    cell = quality._cell("GTP-SD", "ring", 0, 1e-3, 10.0, 4)
    result = quality.measure(cell | {"settings": cell["settings"] | SMALL})
    assert result["seconds"] > 0 and result["samples"]["5"]["sw1"] > 0
    result = temperature.measure({"method": "gtp-sd", "bandit": "mixture", "rule": "truncated", "eta": None,
                                  "steps": 3, "settings": temperature.SETTINGS | SMALL, "seed": 0})
    assert set(result["shares"]) == {"0.0", "0.5", "1.0", "2.0", "4.0"}
    assert np.sum(result["shares"]["4.0"]) == pytest.approx(1)


def test_tuning_takes_the_least_mean_distance_over_the_toys_and_no_failure():
    def row(lr, toy_name, *distances):
        samples = {str(k): {"sw1": d, "std_ratio": 1.0} for k, d in zip((1, 2, 5, 10), distances, strict=True)}
        return {"cell": {"name": "GTP", "toy": toy_name, "settings": {"lr": lr, "sigma_max": 80.0}},
                "result": {"samples": samples}}

    rows = [row(1e-4, "ring", 4, 3, 2, 1), row(1e-3, "ring", 3, 2, 2, 1), row(3e-3, "ring", 0.1, 0.1, 0.1, None),
            row(1e-4, "two-moons", 1, 1, 1, 1), row(1e-3, "two-moons", 1, 3, 1, 3),
            row(3e-3, "two-moons", 0.1, 0.1, 0.1, 0.1)]
    assert quality.best_settings(rows) == {"GTP": {"lr": 1e-4, "sigma_max": 80.0}}


def test_runs_are_told_apart_by_their_budget():
    def row(name, updates):
        return {"cell": {"name": name, "toy": "ring", "updates": updates}}

    rows = [row("diffusion", quality.STEPS), row("diffusion", 9_900), row("GTP", quality.STEPS)]
    assert quality.runs(rows, "diffusion", "ring", equal_time=False) == rows[:1]
    assert quality.runs(rows, "diffusion", "ring", equal_time=True) == rows[1:2]
    assert quality.runs(rows, "GTP", "ring", equal_time=True) == rows[2:]  # the same run is both


def test_the_strength_with_the_highest_return_is_chosen_and_of_equals_the_quicker():
    def row(eta, value, length):
        evaluation = {"K": 2, "candidates": 1, "return_mean": value, "episode_length_mean": length}
        return {"cell": {"task": "pointmaze", "name": "gtp", "settings": {"eta": eta}},
                "result": {"evaluations": [evaluation]}}

    failed = {"cell": {"task": "pointmaze", "name": "gtp", "settings": {"eta": 99}}, "result": {"failed": "NaN"}}
    rows = [row(1.0, 0.5, 30), row(3.0, 0.9, 30), row(10.0, 0.9, 20), failed]
    assert improvement.best_strengths(rows) == {("pointmaze", "gtp"): {"eta": 10.0}}


def test_a_run_that_failed_counts_as_one_and_spoils_no_table():
    cell = {"task": "pointmaze", "name": "diffusion-ql", "settings": {"q_weight": 5.0}, "steps": 10}
    evaluation = {"K": 2, "candidates": 1, "return_mean": 0.25, "success_rate": 0.5, "episode_length_mean": 9.0,
                  "std_ratio": 1.0, "action_latency_ms": 0.1, "goal_shares": None}
    rows = [{"cell": cell, "result": {"failed": "diverged"}},
            {"cell": cell, "result": {"train_seconds": 3.0, "evaluations": [evaluation]}}]
    (line,) = improvement.tables(rows)["pointmaze, 1 candidate an action"]
    assert line["return, K = 2"] == "0.250 (1 failed)" and line["seconds"] == 3.0 and line["seeds"] == 2


# ---- the short tables

def test_headlines_average_a_seed_over_the_toys_that_all_have_it(tmp_path):
    store, samples = Store(tmp_path, "quality"), {str(k): {"sw1": 0.1, "std_ratio": 1.0} for k in (1, 5, 10)}
    for i, toy_name in enumerate(quality.TOYS):
        for seed in range(3 if i else 2):  # the third seed is not on record for the first toy
            for name in ("GTP", "diffusion"):
                cell = {"name": name, "toy": toy_name, "seed": seed, "updates": quality.STEPS}
                sw1 = None if (name, toy_name, seed) == ("diffusion", "spiral", 1) else i + 10.0 * seed
                store.add(cell, {"samples": samples | {"2": {"sw1": sw1, "std_ratio": 1.0}}}, 1.0)
    Store(tmp_path, "costs").add({}, dict.fromkeys(quality.METHODS, 2.5), 1.0)
    lines = {line["method"]: line for line in headlines.few_steps(tmp_path)}
    half = 12.706204736 * 5  # Student's t with one degree of freedom, times the standard error of 2 and 12
    assert lines["GTP"]["K = 2"] == lines["GTP"]["K = 2, equal time"] == f"7.000 ± {half:.3f}"
    assert lines["diffusion"]["K = 2"] == "2.000 (1 failed)" and lines["diffusion"]["K = 1"] == "0.100 ± 0.000"
    assert lines["GTP-SD"]["K = 5"] == "not run" and lines["GTP"]["ms an update"] == 2.5
    floor = np.mean([quality.floor(toy_name) for toy_name in quality.TOYS])
    assert float(lines["*floor*"]["K = 2"]) == pytest.approx(floor, abs=5e-4)


def test_headlines_of_improvement_and_bias(tmp_path):
    store = Store(tmp_path, "improvement")
    for task, value in (("multigoal-values", 0.5), ("pointmaze", 1.0)):
        evaluations = [{"K": 2, "candidates": n, "return_mean": value * (1 if n == 1 else 0.5)} for n in (1, 16)]
        store.add({"name": "gtp", "task": task}, {"train_seconds": 10.0, "evaluations": evaluations}, 1.0)
    store.add({"name": "gtp-bc", "task": "pointmaze"},
              {"train_seconds": 4.0, "evaluations": [{"K": 2, "candidates": 1, "return_mean": 0.3}]}, 1.0)
    clone, gtp = headlines.improvers(tmp_path)
    assert clone == {"agent": "gtp-bc", "multigoal-values": "-", "multigoal-values, best of 16": "-",
                     "pointmaze": "0.300", "pointmaze, best of 16": "-", "seconds": "4"}
    assert list(gtp.values()) == ["gtp", "0.500", "0.250", "1.000", "0.500", "10"]
    Store(tmp_path, "bias").add({"data": "gaussian", "u": "adjacent", "intervals": 10},
                                {"std_ratio": {"1": 0.75}}, 1.0)
    (line,) = headlines.bias_law(tmp_path)
    assert line["gaussian, trained"] == "0.750" and line["two-points, trained"] == "not run"
    assert line["gaussian, theory"] == pytest.approx(bias.gaussian_product(10), abs=5e-3)
