"""Every notebook runs from top to bottom by plain papermill, its questions too; a report is made without these."""

import json
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from nbclient import NotebookClient

from pdmlib.report import ASK, page
from pdmlib.report.html import Html
from pdmlib.workbook.execute import NOTEBOOKS

NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
FREE = ("compare", "explore", "gallery")  # of no phase
OUTAGE = {"start": "2025-03-04T19:00:00Z", "end": "2025-03-04T20:00:00Z"}


def tagged(name: str) -> list[dict[str, Any]]:
    cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if ASK in cell["metadata"].get("tags", ())]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FREE])
def test_a_phases_notebook_ends_in_three_questions_of_ones_own(name: str) -> None:
    cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    questions = tagged(name)
    assert cells[-len(questions) :] == questions
    told = ["".join(cell["source"]) for cell in questions if cell["cell_type"] == "code"]
    assert [any(word in text for text in told) for word in (".slice(", "compare(", ".what_if(")] == [True] * 3


def test_a_page_has_no_questions_and_its_looks_once(tmp_path: Path) -> None:
    shown = nbformat.v4.new_output("execute_result", {"text/html": Html("<p>part of it</p>")._repr_html_()})
    cells = [
        nbformat.v4.new_code_cell("week.table()", outputs=[shown]),
        nbformat.v4.new_markdown_cell("## Ask Your Own Question", metadata={"tags": [ASK]}),
        nbformat.v4.new_code_cell("week.slice()", outputs=[shown], metadata={"tags": [ASK]}),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    page.write_page(notebook, tmp_path / "report.html", "Week 1")
    written = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert written.count("<p>part of it</p>") == 1
    assert "Own Question" not in written and "pdm-o" not in written


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_by_plain_papermill(name: str, demo_environ: object, tmp_path: Path) -> None:
    given = {"site": str(Path("params/demo.yaml").resolve()), "out": str(tmp_path / "out")}
    given |= OUTAGE if name == "incident" else {}
    done = papermill.execute_notebook(
        str(NOTEBOOKS / f"{name}.ipynb"), None, given, kernel_name="python3", progress_bar=False
    )
    cells = [cell for cell in done.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    shown = [str(output.get("data", {})) for cell in cells for output in cell.outputs]
    assert [text for text in shown if "Not shown: internal error" in text] == []


def test_a_notebook_reads_what_is_kept_where_there_are_no_widgets() -> None:
    """They come with JupyterLab; without them DuckDB refuses in a notebook to be told that it has no bar."""
    cell = """import sys
sys.modules["ipywidgets"] = None
from pdmlib.storage import engine
with engine.session() as one, engine.cursor() as other:
    print(one.execute("SELECT 41").fetchall(), other.execute("SELECT 42").fetchall())"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    NotebookClient(notebook, kernel_name="python3").execute()
    assert [output.text for output in notebook.cells[0].outputs] == ["[(41,)] [(42,)]\n"]
