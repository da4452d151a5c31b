"""What chapters show: tables, costs, mazes, curves."""

import json

import matplotlib
import numpy as np
import pytest
from refresh_notebooks import chapters
from refresh_readme import README, RUNS, refreshed

from gtp_mini import book, plots
from gtp_mini.collect.planner import MazePlanner
from gtp_mini.datasets.tasks import TASKS
from gtp_mini.flow_map import FlowMap
from gtp_mini.records import Run

matplotlib.use("Agg")
SHIPPED = (*RUNS, "antmaze-medium-play", "antmaze-medium-play-no-waves", "antmaze-medium-play-critic")


@pytest.fixture
def ax():
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_a_table_has_a_line_a_row_and_three_digits():
    lines = book.table([{"K": 1, "W1": 0.12345}, {"K": 2, "W1": 1.0}]).data.splitlines()
    assert lines == ["| K | W1 |", "| --- | --- |", "| 1 | 0.123 |", "| 2 | 1.000 |"]


def test_source_is_shown_as_it_stands_coloured_and_plain(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append((data, raw)))
    book.source(FlowMap.phi, book.tier)
    (data, raw), = shown
    assert raw and data["text/html"].startswith('<div class="highlight">') and "<style" not in data["text/html"]
    assert data["text/plain"].startswith("def phi(self") and "\n    check_samples(" in data["text/plain"]
    assert "\ndef tier(" in data["text/plain"]


def test_the_cost_of_every_chapter_with_code_is_on_record():
    record = json.loads(book.COSTS.read_text())
    for chapter in (page.stem for page in chapters()):
        assert record[chapter]["minutes"] > 0 and record[chapter]["full"]["minutes"] > 0
        assert f"{record[chapter]['minutes']:.1f} minutes" in book.cost(chapter).data


def test_a_chapter_that_was_not_measured_says_so():
    assert "Not measured" in book.cost("no_such_chapter").data


def test_provenance_counts_what_is_on_record():
    runs, benchmark, study, chapters_ = book.provenance()
    for row in benchmark:
        assert row["runs"] == len((book.DATA / "benchmark" / row["file"]).read_text().splitlines()) and row["hours"]
    assert {row["folder"] for row in runs} == {f"data/{name}" for name in SHIPPED}
    lines = {part["part"]: len((book.DATA / "study" / f"{part['part']}.jsonl").read_text().splitlines())
             for part in study}
    assert {part["part"]: part["runs"] for part in study} == lines
    assert all(len(row["commit"]) == 12 for row in runs) and all(part["hours"] != "0.0" for part in study)
    assert len(chapters_) == len(json.loads(book.COSTS.read_text())) and chapters_[0]["chapter"] == "From noise to data"


def test_a_tier_is_chosen_by_the_environment(monkeypatch):
    monkeypatch.delenv("GTP_TIER", raising=False)
    assert book.tier(1, 2) == 1
    for name, value in (("smoke", 1), ("full", 2)):
        monkeypatch.setenv("GTP_TIER", name)
        assert book.tier(1, 2) == value
    monkeypatch.setenv("GTP_TIER", "huge")
    with pytest.raises(ValueError, match="smoke or full, got 'huge'"):
        book.tier(1, 2)


def test_both_tiers_are_told_where_both_were_measured(monkeypatch, tmp_path):
    one = {"minutes": 1.25, "peak_mb": 800, "cores": 2, "processor": "P"}
    costs = tmp_path / "chapters.json"
    costs.write_text(json.dumps({"a": one, "b": one | {"full": one | {"minutes": 7.5, "peak_mb": 900}}}))
    monkeypatch.setattr(book, "COSTS", costs)
    assert "GTP_TIER" not in book.cost("a").data and "1.2 minutes and 0.8 GB" in book.cost("a").data
    assert "1.2 minutes" in book.cost("b").data and "GTP_TIER=full" in book.cost("b").data
    assert "7.5 minutes and 0.9 GB" in book.cost("b").data


def test_what_is_not_shipped_is_named():
    assert book.shipped("gait.json").is_file()
    with pytest.raises(FileNotFoundError, match="nothing-of-the-kind is not there"):
        book.shipped("nothing-of-the-kind")


def test_the_maze_has_a_square_a_wall_and_marks_the_ends(ax):
    task = TASKS["antmaze-umaze"]
    plots.maze(ax, task)
    squares = [p for p in ax.patches if hasattr(p, "get_xy")]
    assert len(squares) == 5 * 5 - 7  # the U has seven free cells
    ends = {tuple(np.round(p.center, 6)) for p in ax.patches if hasattr(p, "center")}
    import gymnasium as gym

    plan = MazePlanner(gym.spec(task.maze.env_id).kwargs["maze_map"])
    assert ends == {tuple(plan.cell_to_xy(task.maze.eval_start)), tuple(plan.cell_to_xy(task.maze.eval_goal))}


@pytest.mark.parametrize("task", [name for name in TASKS if name.startswith("antmaze")])
def test_words_in_a_maze_stand_in_its_walls(ax, task):
    task = TASKS[task]
    plots.maze(ax, task)
    walls = [p.get_xy() for p in ax.patches if hasattr(p, "get_xy")]
    assert [word.get_text() for word in ax.texts] == ["start", "goal"]
    for word in ax.texts:
        assert any((corner <= word.xy).all() and (word.xy <= np.add(corner, 4)).all() for corner in walls)


def test_the_point_maze_has_its_walls_and_ends(ax):
    from gtp_mini.worlds.pointmaze import GOAL, MAP, START, centre

    plots.point_maze(ax)
    squares = [p for p in ax.patches if hasattr(p, "get_xy") and hasattr(p, "get_width")]
    assert len(squares) == np.sum(MAP)
    assert {tuple(p.center) for p in ax.patches if hasattr(p, "center")} == {tuple(centre(c)) for c in (START, GOAL)}


def test_ways_are_coloured_by_success(ax):
    plots.ways(ax, [np.zeros((3, 5)), np.ones((2, 5))], [True, False])
    assert [line.get_color() for line in ax.lines] == [plots.GREEN, plots.RED]
    assert ax.lines[0].get_xydata().shape == (3, 2)


def test_curves_and_success_are_drawn_from_the_run(tmp_path):
    run = Run.start(tmp_path / "run", {"steps": 2})
    for step in (1, 2):
        run.append_metrics({"step": step, "loss": 1.0 / step})
    run.add_evaluation({"checkpoint_step": 2, "during_training": True, "success_rate": 0.5, "success_ci95": [0.3, 0.7]})
    run.add_evaluation({"checkpoint_step": 2, "during_training": False, "success_rate": 0.9, "success_ci95": [0.8, 1]})
    drawn = plots.curves(run, {"loss": "loss"}).axes[0].lines[0].get_xydata()
    assert drawn.tolist() == [[1, 1.0], [2, 0.5]]
    (line,) = plots.success_curves({"run": run}).data
    assert (line.name, list(line.x), list(line.y)) == ("run", [2], [0.5])  # what was evaluated later is no point
    assert line.error_y.array[0] == pytest.approx(0.2) and line.error_y.arrayminus[0] == pytest.approx(0.2)


def test_the_readme_shows_what_is_on_record():
    text = README.read_text()
    assert text.count("<!-- end of ") == 6 and refreshed(text) == text, "run python tests/refresh_readme.py"


def test_a_table_that_is_out_of_date_is_made_anew():
    text = README.read_text()
    old = text.replace("| gtp | last, 50,000 |", "| gtp | last, 1 |")
    assert old != text and refreshed(old) == text
    with pytest.raises(ValueError, match="a table 'rumours'; known: results, antmazes, bias"):
        refreshed("<!-- rumours -->\nmuch\n<!-- end of rumours -->")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_run_is_whole(name):
    run = Run.open(book.shipped(name))
    assert run.metrics()["step"][-1] == run.config["steps"]
    assert run.read_json("versions.json")["torch"] and not run.read_json("versions.json")["git"].endswith("-dirty")
    last = [e for e in run.evaluations() if not e["during_training"] and e["checkpoint"] == "last"]
    assert all(e["checkpoint_step"] == run.config["steps"] and e["episodes"] >= 100 for e in last) and last
