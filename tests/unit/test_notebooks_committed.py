"""The committed notebooks are the chapters, run from top to bottom. nbval itself passes a notebook never run."""

import nbformat
import pytest
from refresh_notebooks import COMPARED, NOTEBOOKS, chapters, keep, read

STALE = "run `make notebooks` and commit tests/notebooks"


def committed(chapter):
    path = NOTEBOOKS / f"{chapter.stem}.ipynb"
    assert path.exists(), f"{path.name} is missing: {STALE}"
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_is_one_notebook_for_each_chapter_with_code():
    expected = {f"{chapter.stem}.ipynb" for chapter in chapters()}
    assert {path.name for path in NOTEBOOKS.glob("*.ipynb")} == expected, STALE


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
class TestNotebook:
    def test_its_cells_are_the_chapters(self, chapter):
        ours, source = committed(chapter), read(chapter)
        assert [(c.cell_type, c.source) for c in ours.cells] == [(c.cell_type, c.source) for c in source.cells], STALE
        assert [c.metadata for c in ours.cells] == [c.metadata for c in source.cells], STALE

    def test_it_was_run_in_order_without_errors(self, chapter):
        cells = [cell for cell in code_cells(committed(chapter)) if cell.source.strip()]
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), STALE
        assert not [o for cell in cells for o in cell.outputs if o.output_type == "error"]

    def test_numbers_are_compared_and_cells_that_are_print_something(self, chapter):
        compared = [c for c in code_cells(committed(chapter)) if COMPARED in c.metadata.get("tags", [])]
        assert compared, f"no cell of {chapter.name} is tagged {COMPARED}: nbval would compare nothing"
        assert all(cell.outputs for cell in compared), f"a compared cell of {chapter.name} prints nothing"

    def test_its_code_is_as_wide_as_a_page(self, chapter):
        lines = [line for cell in code_cells(committed(chapter)) for line in cell.source.splitlines()]
        assert [line for line in lines if len(line) > 88] == []  # wider ones are cut at 1400 pixels

    def test_it_is_small(self, chapter):
        for cell in code_cells(committed(chapter)):
            assert [keep(output, cell) for output in cell.outputs] == cell.outputs, STALE
        assert (NOTEBOOKS / f"{chapter.stem}.ipynb").stat().st_size < 300_000
