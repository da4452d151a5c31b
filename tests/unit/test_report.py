"""A report: what counts as a run's score, what is not averaged, what is missing, and that records are enough for it."""

import json
import re

import pytest
from run_command import command
from small_sweep import GROUP, SMALL, Here, the_object

from gtp_mini.comparison import Choice, make_report
from gtp_mini.comparison.page import to_html
from gtp_mini.comparison.scores import rank_of_label
from gtp_mini.comparison.tables import to_markdown
from gtp_mini.evaluation import wilson_interval
from gtp_mini.records import Run, versions
from gtp_mini.sweep import load_plan, run_sweep
from gtp_mini.sweep.records import load_records, read_records, thinned, training_seconds, write_records


def evaluation(rate, k=2, episodes=10, step=100, checkpoint="last", noise=1.0, **more):
    return {"checkpoint": checkpoint, "checkpoint_step": step, "sampling_steps": k, "noise_scale": noise,
            "episodes": episodes, "success_rate": rate, "return_mean": rate, "action_latency_ms": 0.5,
            "during_training": False} | ({"steps_to_success_mean": 300.0} if rate else {}) | more


def watched(rate, step):
    return {"checkpoint_step": step, "sampling_steps": 2, "noise_scale": 1.0, "episodes": 5, "success_rate": rate,
            "return_mean": rate, "during_training": True}


def record(task, label, seed, evaluations, updates=100, failed=None, **config):
    method = "gtp" if label.startswith("gtp-hot") else label
    return {"format": 1, "run": f"{task}/{label}/seed-{seed}", "task": task, "method": method, "label": label,
            "seed": seed, "versions": versions() | {"git": "abc"}, "evaluations": evaluations, "updates": updates,
            "seconds": 50.0, "curve": {"step": [50, 100], "loss": [2.0, 1.0]}, "failed": failed,
            "config": {"task": task, "method": method, "steps": 100, "seed": seed, "sampling_steps": 2,
                       "agent": {"lr": 1e-3}} | config}


def runs(task, label, *rates, **more):
    return [record(task, label, seed, [evaluation(rate, **more)]) for seed, rate in enumerate(rates)]


UMAZE, MEDIUM = "antmaze-umaze", "antmaze-medium-play"
RECORDS = (runs(UMAZE, "gtp", 1.0, 0.8) + runs(MEDIUM, "gtp", 0.5, 0.7) + runs(UMAZE, "iql", 0.9, 0.7)
           + runs(MEDIUM, "iql", 0.6, 0.2) + runs(UMAZE, "gtp-hot", 0.4, 0.2))


# ---- rows

def test_a_methods_runs_are_summed_up():
    rich = [record(UMAZE, "gtp", 0, [evaluation(0.8, fallen_rate=0.2, steps_to_success_mean=300.0)]),
            record(UMAZE, "gtp", 1, [evaluation(0.4, fallen_rate=0.6, steps_to_success_mean=360.0,
                                                action_latency_ms=0.7, fast_action_latency_ms=0.03)])]
    (row,) = make_report(rich).methods
    assert row["success"] == pytest.approx(0.6) and row["runs"] == 2 and row["episodes"] == 20
    half = 12.7062 * 0.2  # t(0.975, 1) times the standard error
    assert row["interval_over_runs"] == pytest.approx((0.6 - half, 0.6 + half), abs=1e-4)
    assert row["interval_over_episodes"] == wilson_interval(12, 20)
    assert row["fell"] == pytest.approx(0.4) and row["steps_to_success"] == pytest.approx((8 * 300 + 4 * 360) / 12)
    assert row["fast_action_latency_ms"] == 0.03  # of those that have one
    assert row["action_latency_ms"] == 0.6 and row["updates"] == 100 and row["updates_per_second"] == 2.0


def test_what_is_not_on_record_is_none():
    (row,) = make_report([record(UMAZE, "gtp", 0, [evaluation(0.0)])]).methods
    for name in ("interval_over_runs", "fell", "steps_to_success", "last_three", "best_checkpoint", "highest_watched",
                 "fast_action_latency_ms"):
        assert row[name] is None
    unfilled = to_markdown(make_report([record(UMAZE, "gtp", 0, [evaluation(0.0)])]))
    assert "| steps to the goal |" not in unfilled and "| - |" not in unfilled  # columns that no row fills are left out
    half_filled = to_markdown(make_report([record(UMAZE, "gtp", 0, [evaluation(0.0)]), *runs(MEDIUM, "gtp", 1.0)]))
    assert "| steps to the goal |" in half_filled and "| - |" in half_filled


def test_the_last_checkpoint_counts_and_the_others_are_shown_beside_it():
    seen = [watched(rate, step) for rate, step in ((1.0, 20), (0.2, 40), (0.3, 60), (0.4, 80), (0.6, 100))]
    run = record(UMAZE, "gtp", 0, [*seen, evaluation(0.5), evaluation(0.9, checkpoint="best", step=20)])
    (row,) = make_report([run]).methods
    assert row["success"] == 0.5 and row["last_three"] == pytest.approx((0.3 + 0.4 + 0.6) / 3)
    assert row["best_checkpoint"] == 0.9 and row["highest_watched"] == 1.0
    assert {(r["checkpoint"], r["success"]) for r in make_report([run]).evaluations} == {("last", 0.5), ("best", 0.9)}


def test_k_and_noise_are_chosen_and_the_methods_own_by_default():
    run = record(UMAZE, "gtp", 0, [evaluation(0.1, k=1), evaluation(0.2), evaluation(0.3, noise=0.5),
                                   evaluation(0.4, k=5, noise=0.5), evaluation(0.9, eta=3.0),
                                   evaluation(0.8, noise_memory=0.9)])
    chosen = {(None, 1.0): 0.2, (1, 1.0): 0.1, (None, 0.5): 0.3, (5, 0.5): 0.4, (7, 1.0): None}
    for (k, noise), rate in chosen.items():
        report = make_report([run], Choice(k, noise))
        assert report.methods[0]["success"] == rate
        assert [r["why"] for r in report.not_run] == (["not evaluated in this setting"] if rate is None else [])
    assert make_report([run], Choice(noise_memory=0.9)).methods[0]["success"] == 0.8
    assert len(make_report([run]).evaluations) == 6


def test_nobody_is_evaluated_until_he_is_lucky():
    run = record(UMAZE, "gtp", 0, [evaluation(0.2), evaluation(0.9), evaluation(0.5, episodes=20),
                                   evaluation(0.8, episodes=20)])
    assert make_report([run]).methods[0]["success"] == 0.5  # most episodes; of equals the first


def test_runs_that_failed_or_are_not_done_have_no_score():
    halfway = record(UMAZE, "gtp", 1, [evaluation(0.9, step=50)], updates=50)
    broken = record(UMAZE, "gtp", 2, [watched(0.9, 50)], updates=50, failed="DivergedError: training diverged")
    report = make_report([*runs(UMAZE, "gtp", 0.4), halfway, broken])
    (row,) = report.methods
    assert (row["runs"], row["failed"], row["unfinished"], row["success"]) == (1, 1, 1, 0.4)
    assert [r["why"] for r in report.not_run] == ["50 of 100 updates", "failed: DivergedError: training diverged"]
    assert "1, 1 failed, 1 unfinished" in to_markdown(report)


def test_averages_are_over_all_tasks_or_not_at_all():
    rows = {row["method"]: row for row in make_report(RECORDS).averages}
    assert rows["gtp"]["mean"] == pytest.approx((0.9 + 0.6) / 2) and rows["iql"]["mean"] == pytest.approx(0.6)
    assert rows["gtp"]["rank"] == 1 and rows["iql"]["rank"] == 2
    assert rows["gtp"]["iqm"] == pytest.approx((0.7 + 0.8) / 2)
    assert rows["gtp-hot"]["tasks"] == 1 and rows["gtp-hot"]["mean"] is None and rows["gtp-hot"]["rank"] is None
    low, high = rows["gtp"]["mean_interval"]
    assert 0.65 <= low < 0.75 < high <= 0.85
    ties = make_report(runs(UMAZE, "gtp", 0.5) + runs(UMAZE, "iql", 0.5)).averages
    assert [row["rank"] for row in ties] == [1.5, 1.5] and ties[0]["mean_interval"] is None


def test_methods_are_compared_on_the_tasks_they_share():
    rows = {(row["x"], row["y"]): row for row in make_report(RECORDS).improvement}
    assert set(rows) == {("gtp", "gtp-hot"), ("gtp", "iql"), ("gtp-hot", "iql")}
    # umaze: 1.0 beats both, 0.8 beats 0.7; medium: 0.5 beats 0.2, 0.7 beats both
    assert rows["gtp", "iql"]["probability"] == pytest.approx(3 / 4) and rows["gtp", "iql"]["tasks"] == 2
    assert rows["gtp", "gtp-hot"]["probability"] == 1 and rows["gtp", "gtp-hot"]["tasks"] == 1


def test_what_is_published_stands_beside_with_its_source():
    rows = make_report(RECORDS).published
    assert [(r["task"], r["published"], r["ours"]) for r in rows] == [
        (UMAZE, 1.0, pytest.approx(0.9)), (MEDIUM, 0.833, pytest.approx(0.6))]
    assert all("not the same data as ours" in r["source"] for r in rows)


def test_tasks_and_methods_come_in_the_order_of_the_library():
    assert [(r["task"], r["method"]) for r in make_report(RECORDS[::-1]).methods] == [
        (UMAZE, "gtp"), (UMAZE, "gtp-hot"), (UMAZE, "iql"), (MEDIUM, "gtp"), (MEDIUM, "iql")]
    assert sorted(["other", "gtp-sd-x", "iql", "gtp-x", "gtp-sd", "gtp"], key=rank_of_label) == [
        "gtp", "gtp-x", "gtp-sd", "gtp-sd-x", "iql", "other"]


@pytest.mark.parametrize("change, message", [
    ({"agent": {"lr": 1e-4}}, "differ in agent.lr"), ({"batch_size": 64}, "differ in batch_size"),
    ({"steps": 50}, "differ in steps")])
def test_runs_of_several_kinds_are_not_averaged(change, message):
    other = record(UMAZE, "gtp", 1, [evaluation(0.5)], **change)
    with pytest.raises(ValueError, match=f"runs of gtp on {UMAZE} are not of one kind: .* {message}"):
        make_report([*runs(UMAZE, "gtp", 0.5), other])
    make_report([*runs(UMAZE, "gtp", 0.5), other | {"label": "gtp-other"}])


def test_a_run_does_not_count_twice():
    with pytest.raises(ValueError, match=f"seed 0 of gtp on {UMAZE} is there twice"):
        make_report(runs(UMAZE, "gtp", 0.5) * 2)


def test_what_makes_runs_less_comparable_is_noted():
    assert make_report(runs(UMAZE, "gtp", 0.5, 0.6)).notes == []
    one, two = runs(UMAZE, "gtp", 0.5, 0.6)
    two["versions"] = two["versions"] | {"torch": "1.0", "gtp-mini": "0.0.1", "git": "abc-dirty"}
    notes = "\n".join(make_report([one, two]).notes)
    assert "several torch: 1.0, " in notes and "some were made by gtp-mini 0.0.1" in notes and "1 of 2 runs" in notes


# ---- records

def test_a_curve_is_thinned_to_means():
    curve = thinned({"step": [float(10 * i) for i in range(1, 101)], "loss": [float(i) for i in range(100)]})
    assert curve == {"step": [20.0 * i for i in range(1, 51)], "loss": [2 * i + 0.5 for i in range(50)]}
    uneven = thinned({"step": [float(i) for i in range(1, 74)]})
    assert len(uneven["step"]) == 50 and uneven["step"][-1] == 73
    short = {"step": [1.0, 2.0], "loss": [3.0, 4.0]}
    assert thinned(short) == short and thinned({}) == {}


def test_seconds_are_those_of_the_updates():
    assert training_seconds({"step": [100, 200, 250], "updates_per_second": [10.0, 50.0, 25.0]}) == pytest.approx(14)
    assert training_seconds({}) == 0


@pytest.mark.parametrize("line, message", [
    ("not json", "line 2: not the record of a run"), ("[]", "line 2: not the record of a run"),
    ("{}", "line 2: not the record of a run"),
    ('{"format": 2}', "line 2: a record of format 2, this version of gtp_mini reads 1"),
    ('{"format": 1, "run": "x"}', "line 2: the record lacks task, method")])
def test_a_line_that_is_no_record_of_ours_is_named(line, message, tmp_path):
    write_records(tmp_path / "r.jsonl", RECORDS[:1])
    with open(tmp_path / "r.jsonl", "a") as file:
        file.write(line + "\n")
    with pytest.raises(ValueError, match=message):
        read_records(tmp_path / "r.jsonl")


def test_records_come_back_and_are_found_in_a_folder(tmp_path):
    write_records(tmp_path / "records.jsonl", RECORDS)
    assert load_records(tmp_path) == load_records(tmp_path / "records.jsonl") == RECORDS
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no runs and no records.jsonl"):
        load_records(tmp_path / "empty")
    run = Run.start(tmp_path / "run", {"task": UMAZE, "method": "gtp", "steps": 9, "checkpoint_every": 9, "seed": 0})
    assert [r["run"] for r in load_records(run.path)] == ["run"]
    (tmp_path / "stranger").mkdir()
    (tmp_path / "stranger" / "config.json").write_text("{}")  # another program's
    assert [r["run"] for r in load_records(tmp_path)] == ["run"]


# ---- the page and the command

def test_the_page_needs_nothing_else():
    records = [r | {"evaluations": [*(watched(0.1 * i, 20 * i) for i in range(1, 6)), *r["evaluations"]]}
               for r in RECORDS]
    text = to_html(make_report(records), "A & B")
    assert text == to_html(make_report(records[::-1]), "A & B")
    assert not re.search(r"https?:|//|src=|href=|url\(|@import|<script", text)
    assert "<title>A &amp; B</title>" in text and text.count("<polyline") == 5 + 5  # success, and the loss
    assert not re.search(r"\bnan\b|None", text)
    from xml.etree import ElementTree

    for svg in re.findall(r"<svg.*?</svg>", text):
        ElementTree.fromstring(svg)


def test_the_curve_is_where_the_numbers_are():
    from gtp_mini.comparison.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, chart, success_lines

    two = [record(UMAZE, "gtp", seed, [watched(0.5 + d, 50), watched(1.0, 100)]) for seed, d in ((0, 0.25), (1, -0.25))]
    lines = success_lines(make_report(two).groups, UMAZE)
    assert lines["gtp"] == [(50, 0.5, 0.25, 0.75), (100, 1.0, 1.0, 1.0)]
    middle, height = (LEFT + WIDTH - RIGHT) / 2, HEIGHT - TOP - BOTTOM
    assert f'points="{middle},{TOP + height / 2} {float(WIDTH - RIGHT)},{float(TOP)}"' in chart(
        "t", lines, {"gtp": 0}, unit_interval=True)


@pytest.fixture(scope="module")
def swept(multigoal_folder, tmp_path_factory):
    """A small sweep's folder, its plan and one that asks for more."""
    folder = tmp_path_factory.mktemp("reported")
    (folder / "plan.toml").write_text(SMALL + GROUP)
    more = GROUP.replace("[0, 1]", "[0, 1, 2]").replace('"gtp-bc"]', '"gtp-bc", "iql"]')
    (folder / "more.toml").write_text(SMALL + more)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(multigoal_folder))
        run_sweep(load_plan(folder / "plan.toml"), folder / "runs", Here())
    return folder


def test_records_are_enough_for_the_whole_report(swept, tmp_path, capsys, monkeypatch):
    texts = []
    for source, name in ((swept / "runs", "a"), (tmp_path / "a.jsonl", "b")):
        status, out, err = command(capsys, monkeypatch, "report", source, "--collect", tmp_path / f"{name}.jsonl",
                                   "--out", tmp_path / f"{name}.html", "--plan", swept / "plan.toml")
        assert status == 0 and out == "", err
        texts.append(((tmp_path / f"{name}.html").read_text(), (tmp_path / f"{name}.jsonl").read_text(),
                      err.split("the records are in")[0]))
    assert texts[0] == texts[1]
    assert texts[0][1] == (swept / "runs" / "records.jsonl").read_text()
    assert "| multigoal | gtp | 2 | 2 of 2 |" in texts[0][2] and "Not run" not in texts[0][2]


def test_what_the_plan_has_more_is_shown_as_not_run(swept, capsys, monkeypatch):
    status, out, err = command(capsys, monkeypatch, "report", swept / "runs", "--plan", swept / "more.toml")
    assert status == 0 and out == ""
    assert "| multigoal | gtp | 2 | 2 of 3 |" in err and "| multigoal | iql | - | 0 of 3 | not run | 0 |" in err
    status, out, _ = command(capsys, monkeypatch, "report", swept / "runs", "--plan", swept / "more.toml", "--json")
    result = the_object(out)
    assert [(r["method"], r["seed"], r["why"]) for r in result["not_run"]] == [
        ("gtp", 2, "not run"), ("gtp-bc", 2, "not run"), *(("iql", seed, "not run") for seed in range(3))]
    assert all(row["mean"] is not None for row in result["averages"])
    changed = swept / "changed.toml"
    changed.write_text((SMALL + GROUP).replace("steps = 4", "steps = 6"))
    _, out, _ = command(capsys, monkeypatch, "report", swept / "runs", "--plan", changed, "--json")
    assert any("has other settings than the plan: steps" in note for note in json.loads(out)["notes"])


def test_what_cannot_be_reported_is_one_line(tmp_path, capsys, monkeypatch):
    (tmp_path / "empty").mkdir()
    status, out, err = command(capsys, monkeypatch, "report", tmp_path / "empty")
    assert (status, out) == (1, "") and err.startswith("error: ") and "holds no runs" in err
    assert command(capsys, monkeypatch, "report", tmp_path / "nothing")[0] == 2
    write_records(tmp_path / "r.jsonl", RECORDS[:1])
    status, _, err = command(capsys, monkeypatch, "report", tmp_path / "r.jsonl", tmp_path / "r.jsonl")
    assert status == 1 and "is there twice" in err
