"""The replay: which reports fall due in five weeks, and that each sees its own time and nothing later."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pdmlib.cli import replay
from pdmlib.phases.phase import EXTRAS, PHASES, Due
from pdmlib.phases.window import Window
from pdmlib.site.load import load_site
from pdmlib.site.site import Site
from pdmlib.storage import history, sampled
from tests.acceptance.conftest import command
from tests.builders import DEPLOYED, at

DEMO = Path("params/demo.yaml")


def the_demo() -> Site:
    return load_site(DEMO, offline=True)


def test_five_weeks_bring_every_report_of_the_guides_timeline() -> None:
    """Deployed on Monday 3 March; on the 9th the clocks of Chicago change: 8 o'clock is 14:00, then 13:00 UTC."""
    due = list(replay.reports(the_demo(), DEPLOYED, DEPLOYED + replay.LENGTH))
    assert Counter(name for name, _ in due) == {
        "hour1": 1,
        "day1": 1,
        "daily": 7,
        "week1": 1,
        "weekly-review": 5,
        "month1": 1,
        "ongoing": 5,
        "database": 1,
        "dashboard": 1,
    }
    mornings = [moment for name, moment in due if name == "daily"]
    assert mornings == [at(f"2025-03-{day:02}T{14 if day < 9 else 13}:00") for day in range(4, 11)]
    assert [m.day for name, m in due if name == "weekly-review"] == [10, 17, 24, 31, 7]
    dated = {phase.name for phase in (*PHASES, *EXTRAS) if phase.due is not Due.NEVER or phase.beside}
    assert {name for name, _ in due} == dated


def test_collections_are_each_five_minutes_in_the_first_hour_then_hourly() -> None:
    found = [step.at for step in replay.steps(the_demo(), DEPLOYED, timedelta(days=2))]
    first = [moment for moment in found if moment < DEPLOYED + timedelta(hours=1)]
    assert len(first) == 11
    assert len(found) == 11 + 48
    assert found == sorted(set(found))


def test_every_report_has_a_step_and_a_day_without_one_is_looked_at_all_the_same() -> None:
    found = replay.steps(the_demo(), DEPLOYED)
    assert sum(len(step.reports) for step in found) == 23
    assert sum(step.daily for step in found) == 35


def test_the_month_has_its_own_clock_and_history(tmp_path: Path) -> None:
    site = load_site(replay.month_site(DEMO, tmp_path, at("2025-04-07T15:00")), offline=True)
    assert site.demo and site.demo.clock == at("2025-04-07T15:00")
    assert site.history == str(tmp_path / "demo" / "history")


def of(out: Path, phase: str, stamp: str) -> dict[str, Any]:
    return json.loads((out / "demo" / phase / stamp / "report.json").read_text(encoding="utf-8"))


def value(report: dict[str, Any], reading: str) -> Any:
    return next(r["value"] for r in report["readings"] if r["id"] == reading)


@pytest.mark.slow
def test_two_replayed_days_are_stopped_go_on_and_each_report_sees_its_own_time(tmp_path: Path) -> None:
    call = command("demo", "--replay", "--days", 2, "--out", tmp_path)
    with subprocess.Popen(
        call, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}
    ) as stopped:
        assert stopped.stderr is not None
        for line in stopped.stderr:
            if "hour1" in line:
                break
        stopped.send_signal(signal.SIGINT)
        assert "the same call goes on from there" in stopped.communicate(timeout=300)[1]
    assert stopped.returncode == 130
    first = (tmp_path / "demo/hour1/20250303T160000Z/report.json").read_bytes()
    assert subprocess.run(call, timeout=900, capture_output=True).returncode == 0
    assert (tmp_path / "demo/hour1/20250303T160000Z/report.json").read_bytes() == first

    written = sorted(
        str(path.parent.relative_to(tmp_path / "demo")) for path in tmp_path.glob("demo/*/2*/report.json")
    )
    assert written == [
        "daily/20250304T140000Z",
        "daily/20250305T140000Z",
        "day1/20250304T150000Z",
        "hour1/20250303T160000Z",
        "incident/20250305T140000Z",
    ]
    hour, day = of(tmp_path, "hour1", "20250303T160000Z"), of(tmp_path, "day1", "20250304T150000Z")
    assert value(hour, "db_storage_gb") < value(day, "db_storage_gb")
    assert value(hour, "db_cpu_pct") is not None and value(hour, "issues_critical") == 0
    calm, outage = of(tmp_path, "daily", "20250304T140000Z"), of(tmp_path, "daily", "20250305T140000Z")
    assert (calm["tables"]["incidents"], len(outage["tables"]["incidents"])) == ([], 1)
    assert value(calm, "requests_total") != value(outage, "requests_total")
    assert {row["change"] for row in outage["tables"]["changes"]} >= {"new", "still open"}
    host = history.recall(tmp_path / "demo/history", Window(DEPLOYED, DEPLOYED + replay.LENGTH))["host_metrics"]
    counter = host[host["metric"] == "cpu_all_s"].sort_values("at")["value"]
    assert counter.is_monotonic_increasing
    incident = of(tmp_path, "incident", "20250305T140000Z")
    assert [row["after"] for row in incident["tables"]["verification"] if row["metric"] == "Uptime"] != [None]
    assert incident["window"]["start"] == outage["tables"]["incidents"][0]["start"]


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A replay of one day, with the reports of its first hour and of the day."""
    out = tmp_path_factory.mktemp("replay")
    subprocess.run(command("demo", "--replay", "--days", 1, "--out", out), timeout=900, check=True)
    return out


@pytest.mark.slow
def test_the_history_of_a_replay_ends_where_it_stands(first_day: Path) -> None:
    """A report of the first day, from a history whose database was moved to each look."""
    folder = first_day / "demo" / "history"
    assert sampled.newest(folder) == DEPLOYED + timedelta(days=1)
    kept = history.recall(folder, Window(DEPLOYED, DEPLOYED + replay.LENGTH))
    assert kept["host_metrics"]["at"].max() < DEPLOYED + timedelta(days=1)
    assert kept["host_metrics"]["at"].nunique() == 12 + 23
    looks = sorted(kept["database_gauges"]["at"].unique())
    assert looks == [DEPLOYED + timedelta(hours=1), DEPLOYED + timedelta(hours=23), DEPLOYED + timedelta(days=1)]


# What a look at the database tells of its own moment, in the time and the counters of whoever runs it.
LOOKED_AT = ("database", "queries", "sources")
TABLES_OF_THEN = (
    "incidents",
    "daily",
    "cron",
    "feature_adoption",
    "top_errors",
    "routes",
    "tickets",
    "integrations",
    "checklist",
)


def of_then(report: dict[str, Any]) -> dict[str, Any]:
    """What a report says of its moment, without what the database measures anew at each look."""
    readings = [r for r in report["readings"] if r["section"] not in LOOKED_AT]
    alerts = [a for a in report["alerts"] if not a["id"].startswith(("query:", "database:"))]
    whole = {name: report[name] for name in ("status", "recommendation", "confidence", "window", "deployed_at")}
    causes = [(cause["id"], cause["status"], cause["priority"], cause["since"]) for cause in report["causes"]]
    tables = {name: report["tables"][name] for name in TABLES_OF_THEN if name in report["tables"]}
    return whole | {"readings": readings, "alerts": alerts, "causes": causes, "tables": tables}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phase", "moment"), [("hour1", "2025-03-03T16:00:00Z"), ("day1", "2025-03-04T15:00:00Z")]
)
def test_a_report_of_a_past_moment_of_the_replay_equals_the_one_made_then(
    first_day: Path, tmp_path: Path, phase: str, moment: str
) -> None:
    """The month's production stands five weeks later, and holds all that came since."""
    call = command("report", phase, "--site", first_day / "demo.yaml", "--as-of", moment, "--out", tmp_path)
    subprocess.run(call, timeout=900, check=True, capture_output=True)
    stamp = moment.replace("-", "").replace(":", "")
    made_then, made_later = of(first_day, phase, stamp), of(tmp_path, phase, stamp)
    assert of_then(made_later) == of_then(made_then)
