"""The notebooks are plain ones: papermill and nbconvert alone make the same report as the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import DEMO, ROOT, Reports

pytestmark = pytest.mark.slow

WEEK1 = ROOT / "notebooks/week1.ipynb"
TOOLS = Path(sys.executable).parent


def parameters(reports: Reports, folder: Path) -> list[str]:
    """What the command gave the notebook, and where its files shall lie this time."""
    content = reports.content("week1")
    given = {
        "site": DEMO,
        "as_of": content["as_of"],
        "deployed_at": content["deployed_at"],
        "collection": (reports.folder("week1") / "collection").resolve(),
        "out": reports.out,
        "write_to": folder,
    }
    return [word for name, value in given.items() for word in ("-p", name, str(value))]


def run(reports: Reports, *call: str | Path) -> None:
    """A tool, with the secrets of the site: the questions at a notebook's end open reports of their own."""
    subprocess.run([TOOLS / call[0], *call[1:]], check=True, timeout=600, env={**os.environ, **reports.environ})


def written(path: Path) -> dict[str, Any]:
    """A report, but for the time at which it was written."""
    return {**json.loads(path.read_text(encoding="utf-8")), "generated_at": None}


def test_papermill_alone_makes_the_same_report(reports: Reports, tmp_path: Path) -> None:
    run(reports, "papermill", "--no-progress-bar", WEEK1, tmp_path / "out.ipynb", *parameters(reports, tmp_path))
    assert written(tmp_path / "report.json") == written(reports.folder("week1") / "report.json")
    assert (tmp_path / "report.md").read_text() == reports.read("week1", "report.md")


def test_nbconvert_alone_makes_the_same_report(reports: Reports, tmp_path: Path) -> None:
    run(reports, "papermill", "--prepare-only", WEEK1, tmp_path / "week1.ipynb", *parameters(reports, tmp_path))
    run(
        reports, "jupyter-nbconvert", "--execute", "--to", "html", "--log-level", "ERROR", tmp_path / "week1.ipynb"
    )
    assert written(tmp_path / "report.json") == written(reports.folder("week1") / "report.json")
    assert "missed_opportunities_status_idx" in (tmp_path / "week1.html").read_text(encoding="utf-8")
