"""JupyterLab: a working copy set to the site, and a notebook really executed through the running server."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pdmlib.workbook.execute import NOTEBOOKS
from pdmlib.workbook.lab import working_copy
from tests.workbook.conftest import Server


def parameters_of(path: Path) -> dict[str, Any]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    (cell,) = [c for c in cells if "parameters" in c["metadata"].get("tags", ())]
    found: dict[str, Any] = {}
    exec("".join(cell["source"]), found)
    return {name: value for name, value in found.items() if not name.startswith("__")}


def test_every_notebook_is_copied_with_the_sites_parameters(tmp_path: Path) -> None:
    hostile = 'shop "quoted" \\ ü.yaml'
    copies = working_copy(tmp_path / "lab", {"site": hostile, "as_of": "2025-03-10T15:00:00Z", "out": "/o"})
    assert [copy.name for copy in copies] == sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
    for copy in copies:
        before, after = parameters_of(NOTEBOOKS / copy.name), parameters_of(copy)
        assert after == {**before, "site": hostile, "as_of": "2025-03-10T15:00:00Z", "out": "/o"}


def test_the_committed_notebooks_are_not_touched(tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in NOTEBOOKS.glob("*.ipynb")}
    working_copy(tmp_path, {"site": "x"})
    assert {path: path.read_bytes() for path in NOTEBOOKS.glob("*.ipynb")} == before


def test_a_copy_that_was_worked_on_keeps_its_cells(tmp_path: Path) -> None:
    copy = working_copy(tmp_path, {"site": "first"})[0]
    notebook = json.loads(copy.read_text(encoding="utf-8"))
    notebook["cells"].append({"cell_type": "markdown", "metadata": {}, "source": "my own words"})
    copy.write_text(json.dumps(notebook), encoding="utf-8")
    working_copy(tmp_path, {"site": "second"})
    assert json.loads(copy.read_text(encoding="utf-8"))["cells"][-1]["source"] == "my own words"
    assert parameters_of(copy)["site"] == "second"


@pytest.mark.slow
def test_a_notebook_runs_top_to_bottom_in_jupyterlab(server: Server) -> None:
    assert "JupyterLab" in server.ask("lab")
    notebook = server.ask("api/contents/daily.ipynb")["content"]
    cells = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    answers = server.run(cells)
    assert [answer for answer in answers if answer["type"] == "error"] == []
    shown = "".join(answer["data"].get("text/html", "") for answer in answers)
    assert "Dirt Free CRM" in shown or "YELLOW" in shown
    assert "Opened by hand" in shown


STARTED = """
import sys
from pathlib import Path
from pdmlib.cli.main import let_ends_be_orderly
from pdmlib.workbook.lab import open_lab
let_ends_be_orderly()
open_lab(Path(sys.argv[1]), sys.argv[2:])
"""


def processes_naming(text: str) -> list[str]:
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return [line.decode() for line in lines if text.encode() in line]


@pytest.mark.slow
def test_a_lab_that_is_told_to_end_leaves_no_server_behind(tmp_path: Path) -> None:
    folder = tmp_path / "served-folder-of-this-test"
    folder.mkdir()
    call = [sys.executable, "-c", STARTED, str(folder), "--no-browser", "--ServerApp.port=0", "--allow-root"]
    lab = subprocess.Popen(call, stderr=subprocess.PIPE, text=True, env={**os.environ, "PDM_SENTRY_DSN": "x"})
    serving = f"--ServerApp.root_dir={folder}"
    assert lab.stderr
    try:
        for line in lab.stderr:
            if "Use Control-C to stop this server" in line:
                break
        assert len(processes_naming(serving)) == 1
        lab.send_signal(signal.SIGTERM)
        assert lab.wait(30) == 128 + signal.SIGTERM
    finally:
        lab.kill()
        lab.stderr.close()
    assert not processes_naming(serving)
