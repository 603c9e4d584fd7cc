"""The recipes of CONTRIBUTING.md, followed to the letter in a copy of the project: the report shows it all."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
PLACE = r"(\(new\)|(?:a copy of \S+, )?(?:after|before): .*?|at the end)"
HEAD = rf"(?:#|--|\{{#) (\S+?),? {PLACE}(?: #\}})?"  # the first line of a block, as a comment of its language
BLOCK = re.compile(rf"^```(?:python|sql|jinja|yaml)\n{HEAD}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = ("-m", "pdmlib.cli")
STRUCTURE = (
    "tests/test_house.py",
    "tests/test_calls.py",
    "tests/test_style.py",
    "tests/site/test_reference.py::test_the_page_and_the_schema_are_those_that_the_code_makes",
    "tests/site/test_site.py::test_the_files_that_come_with_the_project_are_valid",
    "tests/test_docs.py::test_a_page_of_the_reference_is_the_one_that_the_code_makes",
    "tests/sources/test_sources.py",
    "tests/demo/test_world.py::test_every_scenario_changes_the_plan_but_healthy",
    "tests/phases/test_phase.py",
    "tests/cli/test_replay.py::test_five_weeks_bring_every_report_of_the_guides_timeline",
)
FINISHED = "2025-03-10T03:00:00Z"  # twelve hours before the demo's clock
TOKEN = "bk_0123456789abcdef"
# In the world of the scenario: points awarded in the week before the deployment and in the week after it.
AWARDED = """
from pdmlib.demo.scenarios import DEPLOYED, plan_of
from pdmlib.demo.world import build
from pdmlib.demo.world.grid import DAY, ms
loyalty, at = build(1, plan_of("points_lost", DEPLOYED))["loyalty"], ms(DEPLOYED)
print(*(loyalty.between(start, start + 7 * DAY)["earned"].sum() > 0 for start in (at - 7 * DAY, at)))
"""


def follow(recipes: str, copy: Path) -> list[str]:
    """Does in a copy of the project what each block says; the files that were touched."""
    touched = []
    for name, place, text in BLOCK.findall(recipes):
        path = copy / name
        touched.append(name)
        if place.startswith("a copy of "):
            source, place = place.removeprefix("a copy of ").split(", ", 1)
            shutil.copy(copy / source, path)
        if name.endswith(".ipynb"):
            nbformat.write(notebook_of(text), path)
        elif place == "(new)":
            path.write_text(text, encoding="utf-8")
        else:
            path.write_text(put(path.read_text(encoding="utf-8"), place, text), encoding="utf-8")
    return touched


def put(old: str, place: str, new: str) -> str:
    """New text at its place: at the end, or as lines after or before the one line that holds a text."""
    if place == "at the end":
        return old + new
    where, anchor = place.split(": ", 1)
    lines = old.splitlines(keepends=True)
    (number,) = (n for n, line in enumerate(lines) if anchor in line)
    lines.insert(number + (where == "after"), new)
    return "".join(lines)


def notebook_of(text: str) -> Any:
    made = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    for part in re.split(r"^# %%", text, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        if "markdown" in head:
            made.cells.append(nbformat.v4.new_markdown_cell(re.sub(r"^# ?", "", body.strip(), flags=re.MULTILINE)))
        else:
            tags = {"tags": ["parameters"]} if "parameters" in head else {}
            made.cells.append(nbformat.v4.new_code_cell(body.strip(), metadata=tags))
    return made


@pytest.fixture
def backup_service() -> Iterator[str]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"finished_at": FINISHED}).encode()
            self.send_response(200 if self.headers["Authorization"] == f"Bearer {TOKEN}" else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("pdmlib", "notebooks", "params", "tests", "docs", "bench", "deploy"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run(copy: Path, *call: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(copy), **variables}
    return subprocess.run(
        [sys.executable, *call], cwd=copy, env=environ, capture_output=True, text=True, timeout=600
    )


@pytest.mark.slow
def test_what_the_recipes_add_is_in_the_report_and_touches_nothing_else(copy: Path, backup_service: str) -> None:
    touched = follow((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), copy)
    assert {"pdmlib/sources/backups.py", "pdmlib/phases/phase.py", "notebooks/evening.ipynb"} <= set(touched)
    evening = ("report", "evening", "--out", str(copy / "out"))
    asked = {"BACKUPS_URL": backup_service, "BACKUPS_TOKEN": TOKEN}
    done = run(copy, *COMMAND, *evening, "--site", "params/backups.yaml", **asked)
    assert done.returncode == 0, done.stderr
    folder = copy / "out/demo/evening/latest"
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    (age,) = (row for row in report["readings"] if row["id"] == "backup_age_hours")
    assert (age["value"], age["status"], age["target"]) == (12, "pass", "<= 48")
    assert report["tables"]["backups"] == [{"service": "backups", "finished_at": "2025-03-10T03:00:00+00:00"}]
    assert "Health endpoint: OK" in {row["box"] for row in report["tables"]["checklist"]}
    assert "backups" in {row["source"] for row in report["coverage"] if row["status"] == "ok"}
    assert any("prepared" in str(row["check"]) for row in report["tables"]["database_findings"])
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Can everybody go home?" in page and "Backups of backups." in page
    assert "backups: Sun 9 Mar 2025 22:00 CDT" in (folder / "report.md").read_text(encoding="utf-8")  # UTC-5
    named = run(copy, *COMMAND, "variables", "--site", "params/backups.yaml").stdout.split()
    assert {"BACKUPS_URL", "PDM_DEMO_DATABASE_URL"} <= set(named)
    assert run(copy, "-c", AWARDED).stdout == "True False\n"
    _is_laid_out_well(copy, {name for name in touched if name.endswith((".py", ".ipynb"))})


def _is_laid_out_well(copy: Path, code: set[str]) -> None:
    """The recipes' last steps, `make reference` and `make format`; then the tests of how the code is laid out."""
    for step in (
        ("pdmlib.site.reference",),
        ("tests.reference",),
        ("ruff", "check", "--fix", *code),
        ("ruff", "format", *code),
        ("tests.notebooks",),
    ):
        done = run(copy, "-m", *step)
        assert done.returncode == 0, done.stdout + done.stderr
    done = run(copy, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", *STRUCTURE)
    assert done.returncode == 0, done.stdout


def test_a_table_whose_columns_nobody_wrote_is_shown_all_the_same() -> None:
    from pdmlib.report import tables

    shown = tables.table("of_tomorrow", [{"job_name": "x", "count": 3}], ZoneInfo("UTC")).html
    assert "Job name" in shown and ">3<" in shown.replace(" ", "")
