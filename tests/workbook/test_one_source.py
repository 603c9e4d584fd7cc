"""Every notebook's cells on a site that has one source only: nothing in them needs a source that is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pdmlib.phases.phase import PHASES
from pdmlib.site.site import OPTIONAL
from pdmlib.workbook.execute import NOTEBOOKS
from pdmlib.workbook.report import Report
from tests.sources.loopback import Reply, routed, vendor


def cells(phase: str) -> list[str]:
    tree = json.loads((NOTEBOOKS / f"{phase}.ipynb").read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in tree["cells"] if cell["cell_type"] == "code"]


@pytest.mark.slow
@pytest.mark.parametrize("phase", [phase.name for phase in PHASES])
def test_the_notebook_runs_on_a_health_check_alone(phase: str, tmp_path: Path) -> None:
    with vendor(routed({"/": Reply("hello"), "/health": Reply("OK")})) as running:
        site = {
            "site": "small",
            "title": "Small",
            "time_zone": "UTC",
            "deployed_at": "2025-03-03T10:00:00Z",
            "unused": [name for name in OPTIONAL if name != "app"],
            "sources": {"app": {"base_url": running.url, "health": "/health", "detailed": None, "probes": 1}},
        }
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump(site))
        names: dict[str, Any] = {}
        for number, cell in enumerate(cells(phase)):
            exec(cell, names)
            if not number:
                names |= {"site": str(path), "out": str(tmp_path)}
        report = next(value for value in names.values() if isinstance(value, Report))
        without = ("cron block", "table of tickets")
        assert not [r.id for r in report.verdict.readings if any(text in (r.reason or "") for text in without)]
