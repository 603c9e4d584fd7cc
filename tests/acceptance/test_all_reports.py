"""Every report of one moment from one call: each as it is alone, and one that fails costs the others nothing."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import PHASES, ROOT, command, pdm

pytestmark = pytest.mark.slow

SITE = "site: shop\ntitle: Shop\ntime_zone: UTC\ndeployed_at: 2025-03-03T00:00:00Z\nsources: {}\n"
AS_OF = "2025-03-10T00:00:00Z"


def reports_in(out: Path, site: str) -> dict[str, dict[str, Any]]:
    """The newest report of each phase."""
    paths = (out / site).glob("*/latest/report.json")
    return {path.parts[-3]: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def judged(report: dict[str, Any]) -> dict[str, Any]:
    """What a report says, but for the values of a server that runs: those are others each time."""
    kept = [row for row in report["readings"] if row["source"] not in ("postgres", "supabase")]
    return {
        **{name: report.get(name) for name in ("status", "recommendation", "outcome", "window", "as_of")},
        "causes": [(cause["id"], cause["status"], cause["priority"]) for cause in report["causes"]],
        "statuses": {row["id"]: row["status"] for row in report["readings"]},
        "values": {row["id"]: (row["value"], row["samples"]) for row in kept},
    }


def test_all_ten_reports_come_from_one_look_and_say_what_each_alone_says(tmp_path: Path) -> None:
    done = pdm("report", "all", "--json", "--out", tmp_path / "all")
    assert done.code == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["phase"] for row in rows] == list(PHASES)
    found = reports_in(tmp_path / "all", "demo")
    assert {report["as_of"] for report in found.values()} == {"2025-03-10T15:00:00Z"}
    # The demo's present of week 1 and of month 1 is the same, and its queries were timed once.
    assert found["week1"]["tables"]["plans"] == found["month1"]["tables"]["plans"] != []
    for phase in ("hour1", "week1"):
        assert pdm("report", phase, "--out", tmp_path / "one").code == 0
        assert judged(found[phase]) == judged(reports_in(tmp_path / "one", "demo")[phase])


def test_one_report_that_fails_costs_the_others_nothing_and_decides_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SITE)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/shop-day1.yaml").write_text("higlights: [Nice day]\n")
    done = pdm(
        *("report", "all", "--json", "--site", tmp_path / "shop.yaml", "--as-of", AS_OF, "--out", tmp_path / "out")
    )
    # No source could be read, which alone would be 3; a report that could not be written is worse.
    assert done.code == 1
    (failed,) = (row for row in json.loads(done.stdout) if "error" in row)
    assert failed["phase"] == "day1" and "higlights" in failed["error"]
    assert set(reports_in(tmp_path / "out", "shop")) == set(PHASES) - {"day1", "incident"}


def test_ctrl_c_keeps_the_reports_that_were_written(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SITE)
    asked = ("report", "all", "--site", tmp_path / "shop.yaml", "--as-of", AS_OF, "--out", tmp_path / "out")
    process = subprocess.Popen(command(*asked), stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stderr
    assert process.stderr.readline().split()[1] == "hour1"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert "hour1" in reports_in(tmp_path / "out", "shop")
    assert list((tmp_path / "out").rglob("*.part")) == []
