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

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parents[1]
PLACE = r"(\(new\)|after: .*?|before: .*?|at the end)"
HEAD = rf"(?:#|--|\{{#) (\S+?),? {PLACE}(?: #\}})?"  # the first line of a block, as a comment of its language
BLOCK = re.compile(rf"^```(?:python|sql|jinja)\n{HEAD}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FINISHED = "2025-03-10T03:00:00Z"  # twelve hours before the demo's clock


def follow(recipes: str, copy: Path) -> list[str]:
    """Does in a copy of the project what each block says; the files that were touched."""
    touched = []
    for name, place, text in BLOCK.findall(recipes):
        path = copy / name
        touched.append(name)
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
            self.send_response(200)
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
    for name in ("pdmlib", "notebooks", "params", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(copy: Path, *call: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(copy)}
    return subprocess.run(
        [sys.executable, *call], cwd=copy, env=environ, capture_output=True, text=True, timeout=600
    )


def test_what_the_recipes_add_is_in_the_report_and_touches_nothing_else(copy: Path, backup_service: str) -> None:
    touched = follow((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), copy)
    assert {"pdmlib/sources/backups.py", "pdmlib/phases/phase.py", "notebooks/evening.ipynb"} <= set(touched)
    site = yaml.safe_load((copy / "params/demo.yaml").read_text(encoding="utf-8"))
    site["sources"]["backups"] = {"base_url": backup_service}
    (copy / "params/demo.yaml").write_text(yaml.safe_dump(site), encoding="utf-8")
    done = run(
        copy, "-c", "from pdmlib.cli.main import main; main()", "report", "evening", "--out", str(copy / "out")
    )
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
    assert "Can everybody go home?" in page and "Backups. backups: 2025-03-10" in page
    assert "backups: 2025-03-10T03:00:00" in (folder / "report.md").read_text(encoding="utf-8")


def test_a_table_whose_columns_nobody_wrote_is_shown_all_the_same() -> None:
    from pdmlib.report import tables

    shown = tables.table("of_tomorrow", [{"job_name": "x", "count": 3}]).html
    assert "Job name" in shown and ">3<" in shown.replace(" ", "")
