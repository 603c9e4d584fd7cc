"""A request log that ends, or that has a hole, is never health; a night that is usually quiet is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection
from pdmlib.frames.frame import frame, merge
from pdmlib.frames.readings import Priority
from pdmlib.frames.states import ReportStatus
from pdmlib.phases.phase import phase_named
from pdmlib.phases.scope import scope_of
from pdmlib.site.site import SOURCE_NAMES, Site
from pdmlib.storage.request_logs.ingest import ingest
from pdmlib.verdict.verdict import Verdict, judge
from pdmlib.workbook.gather import requests_folder, with_requests

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
END = datetime(2026, 11, 30, 11, tzinfo=UTC)  # a Monday
DEPLOYED = END - 3 * DAY
SITE = Site.model_validate(
    {
        "site": "shop",
        "title": "Shop",
        "time_zone": "UTC",
        "deployed_at": DEPLOYED.isoformat(),
        "unused": [*SOURCE_NAMES, "cron", "tickets"],
        "sources": {},
        "requests": {
            "log_format": '$remote_addr [$time_local] "$request" $status $body_bytes_sent $request_time',
            "health_paths": ["/healthz"],
        },
    }
)


def lines(times: Iterable[datetime], path: str = "/portal") -> list[tuple[datetime, str]]:
    return [(t, f'10.0.0.1 [{t:%d/%b/%Y:%H:%M:%S} +0000] "GET {path} HTTP/1.1" 200 9 0.100') for t in times]


def every(step: timedelta, start: datetime, end: datetime) -> list[datetime]:
    return [start + n * step for n in range(int((end - start) / step))]


def loud(start: datetime = END - 14 * DAY, end: datetime = END) -> list[tuple[datetime, str]]:
    """Two requests a minute."""
    return lines(every(MINUTE / 2, start, end))


def the_case(
    tmp_path: Path,
    *logs: list[tuple[datetime, str]],
    phase: str = "daily",
    as_of: datetime,
    deployed: datetime = DEPLOYED,
    frames: dict[str, pd.DataFrame] | None = None,
) -> Case:
    file = tmp_path / "access.log"
    file.write_text("".join(f"{line}\n" for _, line in sorted(row for log in logs for row in log)))
    ingest(SITE, [file], requests_folder(SITE, tmp_path))
    scope = scope_of(SITE.zone, phase_named(phase), deployed, as_of)
    found = with_requests(Collection(), SITE, scope, tmp_path)
    return Case(SITE, scope, Collection(merge((found.frames, frames or {})), found.coverage), scope.window)


def ended(verdict: Verdict) -> str | None:
    return next((one.title for one in verdict.findings if one.id == "requests:ended"), None)


@pytest.mark.parametrize("phase", ["week1", "daily", "dashboard"])
def test_a_log_that_ends_twenty_minutes_ago_is_either_of_two_things(tmp_path: Path, phase: str) -> None:
    """Forty requests were due, and none came; nothing else tells whether users or the log stay away."""
    verdict = judge(the_case(tmp_path, loud(), phase=phase, as_of=END + 20 * MINUTE))
    assert verdict.status is ReportStatus.YELLOW
    assert [a.priority for a in verdict.alerts if a.id == "requests:ended"] == [Priority.P1]
    assert ended(verdict) == (
        "No request since Mon 30 Nov 10:59 UTC: users stay away, or the request log is not delivered any more"
    )
    assert [len(cause.chain) for cause in verdict.causes] == [2]


def test_an_hour_of_which_the_second_half_has_no_request_is_not_well(tmp_path: Path) -> None:
    deployed = END - HOUR / 2
    case = the_case(tmp_path, loud(), phase="hour1", as_of=END + HOUR / 2, deployed=deployed)
    assert judge(case).status is ReportStatus.YELLOW


def test_a_report_of_days_ago_is_of_what_was_held_then(tmp_path: Path) -> None:
    """The log goes on for two days; with a hole of three hours then, it ended 90 minutes ago."""
    assert judge(the_case(tmp_path, loud(), as_of=END - 2 * DAY)).status is ReportStatus.GREEN
    (tmp_path / "b").mkdir()
    logs = loud(end=END - 2 * DAY), loud(END - 2 * DAY + 3 * HOUR, END)
    case = the_case(tmp_path / "b", *logs, as_of=END - 2 * DAY + 1.5 * HOUR)
    assert judge(case).status is ReportStatus.YELLOW
    found = judge(case).reading("error_rate_pct")
    assert found is not None
    assert found.measurement.coverage_pct == pytest.approx(100 * 22.5 / 24, abs=0.1)


def test_a_log_that_came_to_its_end_is_well(tmp_path: Path) -> None:
    """Ten minutes are what a delivery may take."""
    verdict = judge(the_case(tmp_path, loud(), as_of=END + 10 * MINUTE))
    assert (verdict.status, ended(verdict)) == (ReportStatus.GREEN, None)


@pytest.mark.parametrize("late", [timedelta(0), 3 * MINUTE])
def test_users_of_whom_under_a_tenth_still_come_stay_away(tmp_path: Path, late: timedelta) -> None:
    """Ten a minute, then one in 90 seconds: of the 150 that a quarter of an hour has, 10 at most."""
    usual = lines(every(MINUTE / 10, END - 14 * DAY, END))
    few = lines(every(MINUTE * 1.5, END, END + 20 * MINUTE - late))
    verdict = judge(the_case(tmp_path, usual, few, as_of=END + 20 * MINUTE))
    assert [(a.id, a.priority) for a in verdict.alerts] == [("requests_per_min_avg", Priority.P1)]
    assert verdict.status is ReportStatus.YELLOW


def test_a_log_that_is_some_minutes_late_is_no_users_who_stay_away(tmp_path: Path) -> None:
    """Ten a minute until three minutes ago, or one a minute until fourteen ago: no end yet."""
    for name, step, late in (("a", MINUTE / 10, 3), ("b", MINUTE, 13)):
        (tmp_path / name).mkdir()
        log = lines(every(step, END - 14 * DAY, END))
        case = the_case(tmp_path / name, log, as_of=END + late * MINUTE)
        assert judge(case).status is ReportStatus.GREEN


def test_users_stay_away_where_the_lines_of_health_checks_go_on(tmp_path: Path) -> None:
    """20 minutes of health checks without a user, where 40 requests were due."""
    checks = lines(every(MINUTE, END - 14 * DAY, END + 20 * MINUTE), "/healthz")
    verdict = judge(the_case(tmp_path, loud(), checks, as_of=END + 20 * MINUTE))
    assert verdict.status is ReportStatus.YELLOW
    assert ended(verdict) == "Users stay away: the last request is of Mon 30 Nov 10:59 UTC"
    assert (verdict.reading("sources_read") or pytest.fail("none")).value == 1


def test_a_log_is_not_delivered_where_another_source_still_sees_requests(tmp_path: Path) -> None:
    """The platform counts 30 in ten minutes after the log's end."""
    row = {"source": "vercel", "at": END + 5 * MINUTE, "interval_s": 600, "status": 200, "sample_rate": 1.0}
    counts = {"request_counts": frame("request_counts", [{**row, "requests": 30}])}
    verdict = judge(the_case(tmp_path, loud(), as_of=END + 20 * MINUTE, frames=counts))
    assert (
        ended(verdict) == "The request log is not delivered any more: its last request is of Mon 30 Nov 10:59 UTC"
    )
    assert verdict.status is ReportStatus.YELLOW


def test_a_log_is_not_delivered_where_probes_pass_and_no_line_of_a_health_check_is_there(tmp_path: Path) -> None:
    checks = lines(every(MINUTE, END - 14 * DAY, END), "/healthz")
    up = [{"target": "/", "checked_at": END + 19 * MINUTE, "status": "up"}]
    probes = {"probes": frame("probes", up)}
    verdict = judge(the_case(tmp_path, loud(), checks, as_of=END + 20 * MINUTE, frames=probes))
    assert (
        ended(verdict) == "The request log is not delivered any more: its last request is of Mon 30 Nov 10:59 UTC"
    )


def test_a_night_that_is_quiet_each_day_stays_well(tmp_path: Path) -> None:
    """Two a minute from 8 to 20 o'clock and none by night: nothing is due at four in the morning."""
    days = [loud(END.replace(hour=8) - n * DAY, END.replace(hour=20) - n * DAY) for n in range(1, 15)]
    verdict = judge(the_case(tmp_path, *days, as_of=END.replace(hour=4)))
    assert (verdict.status, ended(verdict)) == (ReportStatus.GREEN, None)
    morning = judge(the_case(tmp_path / "b", *days, as_of=END)) if (tmp_path / "b").mkdir() is None else None
    assert morning is not None
    assert morning.status is ReportStatus.YELLOW


def test_a_log_of_two_of_a_days_hours_is_no_log_of_the_day(tmp_path: Path) -> None:
    """Deployed at 11, the log ends at 13: of 24 hours it vouches for 2 (8.33 %), at 2 requests a minute."""
    deployed = END - DAY
    log = loud(end=deployed + 2 * HOUR)
    verdict = judge(the_case(tmp_path, log, phase="day1", as_of=END, deployed=deployed))
    assert verdict.status is not ReportStatus.GREEN
    for name in ("latency_p95_ms", "error_rate_pct", "requests_total", "requests_per_min_avg"):
        found = verdict.reading(name)
        assert found is not None
        assert found.measurement.coverage_pct == pytest.approx(8.33, abs=0.1)
    rate = verdict.reading("requests_per_min_avg")
    assert rate is not None
    assert rate.value == pytest.approx(2.0, abs=0.02)
    read = verdict.reading("sources_read")
    assert read is not None
    assert read.value is None


def test_a_hole_in_the_middle_of_a_day_counts_as_not_read(tmp_path: Path) -> None:
    """Six of 24 hours lack, in which 720 were due: 75 % of the day is held."""
    deployed = END - DAY
    logs = loud(end=END - 12 * HOUR), loud(END - 6 * HOUR, END)
    verdict = judge(the_case(tmp_path, *logs, phase="day1", as_of=END, deployed=deployed))
    rate = verdict.reading("error_rate_pct")
    assert rate is not None
    assert rate.measurement.coverage_pct == pytest.approx(75, abs=0.1)
    assert verdict.status is ReportStatus.UNKNOWN
