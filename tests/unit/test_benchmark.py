"""The benchmark's plans mean what they say, and its records can be read anywhere."""

import json

import pytest
from pages import ROOT

from gtp_mini.sweep import load_plan
from gtp_mini.sweep.records import read_records

FOLDER = ROOT / "data" / "benchmark"
SIX = {"antmaze-umaze", "antmaze-umaze-diverse", "antmaze-medium-play", "antmaze-medium-diverse", "antmaze-large-play",
       "antmaze-large-diverse"}


@pytest.fixture(scope="module")
def cells():
    return load_plan(FOLDER / "antmaze.toml")


def test_the_first_group_is_the_table_of_the_paper_and_its_clones(cells):
    first = {(c.config.task, c.config.method, c.config.seed) for c in cells if c.group.startswith("1 ")}
    methods = ("gtp", "gtp-sd", "gtp-bc", "gtp-sd-bc")
    assert first == {(task, method, seed) for task in SIX for method in methods for seed in (0, 1, 2)}


def test_a_critic_that_is_taken_is_planned_and_has_the_policys_discount(cells):
    critics = {f"runs/critics/{c.name}": c.config for c in load_plan(FOLDER / "critics.toml")}
    taken = [c.config for c in cells if c.config.critic]
    assert taken and {config.critic for config in taken} <= set(critics)
    for config in taken:
        assert critics[config.critic].settings["gamma"] == config.settings["gamma"]


def test_all_cells_have_the_same_updates_and_evaluations(cells):
    assert {c.config.steps for c in cells if not c.group.endswith(" the updates")} == {20_000}
    assert {e.episodes for c in cells for e in c.evaluations} == {100}
    assert {tuple(sorted({e.noise_scale for e in c.evaluations})) for c in cells} == {(0.3, 1.0)}


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.jsonl")), ids=lambda file: file.stem)
def test_records_are_whole_and_name_no_machine(file):
    records = read_records(file)
    assert records and len({record["run"] for record in records}) == len(records)
    assert '"/' not in json.dumps(records)  # no absolute path
    fewest = 20 if file.stem == "critics" else 100  # what acts beside a critic is no result, only a sign of life
    assert all(e["episodes"] >= fewest for record in records for e in record["evaluations"])


@pytest.mark.parametrize("plan", ["antmaze", "critics"])
def test_every_record_is_of_a_cell_of_its_plan_as_that_is_now(plan):
    planned = {cell.name: cell for cell in load_plan(FOLDER / f"{plan}.toml")}
    records = {record["run"]: record for record in read_records(FOLDER / f"{plan}.jsonl")}
    assert records and set(records) <= set(planned)
    changed = {name: planned[name].changed(record["config"]) for name, record in records.items()}
    assert not {name: settings for name, settings in changed.items() if settings}
    whole = {name for name, record in records.items() if planned[name].recorded(record)}
    assert whole == {name for name, record in records.items() if not record["failed"]}


def test_the_counted_datasets_are_those_that_the_runs_had():
    counted = [json.loads(line) for line in (ROOT / "data" / "datasets.jsonl").read_text().splitlines()]
    used = {(r["config"]["dataset"], r["config"]["fingerprint"]) for r in read_records(FOLDER / "antmaze.jsonl")}
    assert {line["dataset_id"] for line in counted} == {f"gtp/{task}-v0" for task in SIX}
    assert {(line["dataset_id"], line["fingerprint"]) for line in counted} <= used
    assert not any(line["warnings"] for line in counted)
