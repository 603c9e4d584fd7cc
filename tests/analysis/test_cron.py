"""Cron: slots and not rows."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pdmlib.analysis import cron
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Measurement, Priority, State
from pdmlib.phases.window import Window, local_day
from pdmlib.site.schedules import expand
from pdmlib.site.site import Site
from pdmlib.verdict.verdict import judge
from tests.builders import DEPLOYED, a_case, a_gap, a_site, at, every, slowly

NEW_YORK = ZoneInfo("America/New_York")
DAY_LATER = DEPLOYED + timedelta(days=1)
MEASURES = {m.id: m.measure for m in cron.METRICS}


def day_in(zone: str, text: str) -> Window:
    return local_day(datetime.fromisoformat(text).date(), ZoneInfo(zone)).window


@pytest.mark.parametrize(
    ("schedule", "zone", "day", "slots"),
    [
        ("*/30 * * * *", "America/New_York", "2025-03-09", 46),
        ("*/30 * * * *", "America/New_York", "2025-11-02", 50),
        ("30 1 * * *", "America/New_York", "2025-11-02", 1),
        ("30 2 * * *", "America/New_York", "2025-03-09", 1),
        ("*/30 * * * *", "UTC", "2025-03-09", 48),
        ("*/30 * * * *", "UTC", "2025-11-02", 48),
    ],
)
def test_rule_6_slots_on_days_of_a_clock_change(schedule: str, zone: str, day: str, slots: int) -> None:
    window = day_in(zone, day)
    assert len([slot for slot in expand(schedule, zone, window) if slot < window.end]) == slots


def test_rule_6_a_window_that_starts_in_the_repeated_hour_does_not_run_the_job_again() -> None:
    window = Window(at("2025-11-02T05:45"), at("2025-11-02T09:00"))
    assert expand("30 1 * * *", "America/New_York", window)[0] == at("2025-11-03T06:30")


def one_job(schedule: str = "0 * * * *", **more: Any) -> Site:
    return a_site(cron={"jobs": [{"name": "job", "schedule": schedule, "timeout_s": 300, **more}]})


def rows_of(
    job: str, started: datetime, seconds: float | None = 10, status: str = "completed", **more: Any
) -> list[dict[str, Any]]:
    """The row of a start and, unless it never ended, the row of its end."""
    start = {"job": job, "started_at": started, "status": "started"}
    if seconds is None:
        return [start]
    end = {
        **start,
        "status": status,
        "completed_at": started + timedelta(seconds=seconds),
        "duration_ms": 1000 * seconds,
    }
    return [start, {**end, **more}]


def a_day(*parts: list[dict[str, Any]], site: Site | None = None, **frames: Any) -> Case:
    rows = [row for part in parts for row in part]
    return a_case({"cron_logs": rows, **frames}, "day1", as_of=DAY_LATER, site=site or one_job())


def hourly(*, but: dict[int, list[dict[str, Any]]] | None = None, job: str = "job") -> list[dict[str, Any]]:
    """A day of hourly runs, some of them replaced."""
    replaced = but or {}
    return [
        row
        for i, moment in enumerate(every(60, DEPLOYED, DAY_LATER))
        for row in (replaced[i] if i in replaced else rows_of(job, moment))
    ]


def states(case: Case) -> dict[str, int]:
    return {str(k): int(n) for k, n in cron.slots(case)["state"].value_counts().items()}


def value(case: Case, name: str) -> Any:
    return MEASURES[name](case).value


def moment(hour: int, **later: float) -> datetime:
    return DEPLOYED + timedelta(hours=hour, **later)


def test_rule_6_ten_runs_stored_as_twenty_rows_are_ten_runs() -> None:
    case = a_day([row for i in range(10) for row in rows_of("job", moment(i))])
    assert len(case["cron_logs"]) == 20
    assert (value(case, "cron_runs_ok"), value(case, "cron_runs_expected")) == (10, 24)


def test_rule_6_a_run_one_second_early_is_on_time() -> None:
    case = a_day(hourly(but={3: rows_of("job", moment(3, seconds=-1))}))
    assert states(case) == {"ok": 24}


def test_a_run_too_early_belongs_to_the_slot_before() -> None:
    case = a_day(hourly(but={3: rows_of("job", moment(3, seconds=-61))}))
    assert states(case) == {"ok": 23, "duplicate": 1, "missed": 1}


def test_rule_6_five_minutes_of_grace_and_then_it_is_late() -> None:
    assert states(a_day(hourly(but={3: rows_of("job", moment(3, minutes=5))}))) == {"ok": 24}
    assert states(a_day(hourly(but={3: rows_of("job", moment(3, minutes=6))}))) == {"ok": 23, "late": 1}


def test_a_run_that_ends_after_its_timeout_is_late() -> None:
    assert states(a_day(hourly(but={3: rows_of("job", moment(3), 301)}))) == {"ok": 23, "late": 1}


def test_rule_6_a_start_without_an_end_is_a_run_that_was_killed_and_counts_as_failed() -> None:
    case = a_day(hourly(but={3: rows_of("job", moment(3), None)}))
    assert states(case) == {"ok": 23, "hung": 1}
    assert value(case, "cron_runs_failed") == 1
    assert cron.table(case)[0]["last_error"] == "no end within 300 s"


def test_within_its_timeout_it_is_running_and_within_its_grace_pending() -> None:
    site = one_job("58 * * * *")
    due = [m + timedelta(minutes=58) for m in every(60, DEPLOYED, DAY_LATER)]
    runs = [row for m in due[:-1] for row in rows_of("job", m)]
    assert states(a_day(runs, site=site)) == {"ok": 23, "pending": 1}
    assert states(a_day(runs, rows_of("job", due[-1], None), site=site)) == {"ok": 23, "running": 1}
    assert cron.table(a_day(runs, rows_of("job", due[-1], None), site=site))[0]["running"] == 1


def test_a_report_of_the_past_knows_nothing_of_what_came_later() -> None:
    late = rows_of("job", DAY_LATER - timedelta(minutes=2), 180) + rows_of("job", DAY_LATER + timedelta(minutes=1))
    case = a_day(hourly(but={23: late}), site=one_job())
    assert states(case) == {"ok": 23, "running": 1}


def test_rule_6_two_runs_of_one_slot_match_it_once() -> None:
    case = a_day(hourly(), rows_of("job", moment(3, minutes=1)))
    assert states(case) == {"ok": 24, "duplicate": 1}
    assert value(case, "cron_runs_expected") == 24


def test_failures_carry_their_error_and_name_the_job() -> None:
    failed = rows_of("job", moment(3), 5, "failed", error="timeout of upstream", attempts=3)
    case = a_day(hourly(but={3: failed}))
    found = MEASURES["cron_runs_failed"](case)
    assert (found.value, found.evidence) == (1, "1 of 24 runs, all of job")
    row = cron.table(case)[0]
    assert (row["ok"], row["failed"], row["missed"], row["last_error"]) == (23, 1, 0, "timeout of upstream")
    (finding,) = cron.findings(case)
    assert (finding.id, finding.priority, finding.active) == ("cron:job:failed", Priority.P1, False)
    assert "timeout of upstream" in finding.evidence
    assert finding.action == "Check logs, re-run manually if needed"


def test_rule_16_a_job_is_mended_when_a_later_run_succeeds_and_not_before() -> None:
    (finding,) = cron.findings(a_day(hourly(but={23: []})))
    assert (finding.id, finding.active) == ("cron:job:missed", True)
    (finding,) = cron.findings(a_day(hourly(but={12: []})))
    assert (finding.id, finding.active) == ("cron:job:missed", False)
    assert "its next run succeeds (now 11 of those due since" in finding.becomes_green
    assert finding.said == "The job job missed 1 of its 24 runs"
    assert "job: 1 of 24 runs missed: due " in finding.evidence
    (finding,) = cron.findings(
        a_day(hourly(but={hour: rows_of("job", moment(hour), 5, "failed") for hour in range(24)}))
    )
    assert finding.said == "The job job failed in all of its 24 runs"
    assert "(now none of those due since" in finding.becomes_green


def two_jobs() -> Site:
    return a_site(
        cron={
            "settings_table": "public.cron_job_config",
            "jobs": [
                {"name": "job", "schedule": "0 * * * *", "aliases": ["old-name"]},
                {"name": "other", "schedule": "30 * * * *"},
                {"name": "monthly", "schedule": "0 0 1 * *"},
            ],
        }
    )


def test_rule_6_a_job_without_any_row_is_never_logged_and_not_missed() -> None:
    case = a_day(hourly(), site=two_jobs())
    assert states(case) == {"ok": 24, "never_logged": 24, "not_due": 1}
    assert value(case, "cron_runs_missed") == 0
    assert "24 of them of jobs that never logged a run (other)" in str(
        MEASURES["cron_runs_expected"](case).evidence
    )
    (finding,) = cron.findings(case)
    assert (finding.id, finding.priority, finding.active) == ("cron:other:never_logged", Priority.P2, True)
    row = next(r for r in cron.table(case) if r["job"] == "other")
    assert (row["expected"], row["ok"], row["missed"]) == (24, None, None)


def test_rule_6_monthly_jobs_are_not_due_on_most_days() -> None:
    slots = cron.slots(a_day(hourly(), site=two_jobs()))
    monthly = slots[slots["job"] == "monthly"]
    assert list(monthly["state"]) == ["not_due"]
    assert monthly["expected_at"].iloc[0] == at("2025-04-01T00:00")


def test_rule_6_a_disabled_job_is_not_missed() -> None:
    off = [{"job": "other", "enabled": False}]
    case = a_day(hourly(), site=two_jobs(), cron_settings=off)
    assert states(case) == {"ok": 24, "disabled": 24, "not_due": 1}
    assert value(case, "cron_runs_expected") == 24
    assert cron.findings(case) == []


def test_runs_under_an_old_name_are_the_jobs() -> None:
    case = a_day(hourly(job="old-name"), hourly(job="other"), site=two_jobs())
    assert cron.table(case)[0]["ok"] == 24


@pytest.mark.parametrize("name", MEASURES)
def test_rule_1_a_log_that_cannot_be_read_makes_every_reading_unknown(name: str) -> None:
    gap = a_gap("postgres", "hidden by row-level security", "table:public.cron_job_logs")
    case = a_day(hourly(), gaps=[gap])
    found = MEASURES[name](case)
    assert (found.state, found.value, found.reason) == (State.ERROR, None, "hidden by row-level security")
    assert cron.slots(case).empty and cron.findings(case) == []
    assert cron.table(case)[0] | {"schedule": ""} == {
        "job": "job",
        "schedule": "",
        "expected": 24,
    } | dict.fromkeys(("ok", "failed", "missed", "late", "running", "avg_seconds", "last_run", "last_error"))


@pytest.mark.parametrize("name", MEASURES)
def test_rule_1_an_empty_log_is_no_data_and_a_site_without_jobs_not_configured(name: str) -> None:
    assert MEASURES[name](a_day([])).state is State.NO_DATA
    assert MEASURES[name](a_case(site=a_site(cron=None))).state is State.NOT_CONFIGURED


def test_rule_1_no_failure_is_counted_where_nothing_was_logged() -> None:
    case = a_day(rows_of("job", DEPLOYED - timedelta(hours=1)))
    assert MEASURES["cron_runs_failed"](case).state is State.NO_DATA
    assert value(case, "cron_runs_missed") == 24


def test_rule_1_nothing_due_is_not_due() -> None:
    case = a_day(rows_of("job", at("2025-03-01T00:00")), site=one_job("0 0 1 * *"))
    found: Measurement = MEASURES["cron_runs_missed"](case)
    assert found.state is State.NOT_DUE


def test_average_length_is_that_of_runs_that_ended_well() -> None:
    failed = rows_of("job", moment(3), 299, "failed")
    longer = rows_of("job", moment(4), 34)
    assert value(a_day(hourly(but={3: failed, 4: longer})), "cron_avg_seconds") == pytest.approx(
        (22 * 10 + 34) / 23
    )


def test_drift_tells_what_is_in_which_list() -> None:
    platform = [
        {"path": "/api/cron/job", "schedule": "0 2 * * *"},
        {"path": "/api/cron/other/", "schedule": "30 * * * *"},
        {"path": "/api/cron/alerts", "schedule": "*/15 * * * *"},
    ]
    case = a_day(hourly(), hourly(job="stray"), site=two_jobs(), platform_crons=platform)
    rows = {row["job"]: row for row in cron.drift(case)}
    assert {name: row["reason"] for name, row in rows.items()} == {
        "alerts": "not in the site file; no row in the log",
        "job": "the schedules differ",
        "monthly": "not scheduled on the platform; no row in the log",
        "other": "no row in the log",
        "stray": "not in the site file; not scheduled on the platform",
    }
    assert (rows["job"]["site"], rows["job"]["platform"], rows["job"]["log"]) == (
        "0 * * * *",
        "0 2 * * *",
        "24 runs",
    )


def test_a_platform_that_was_not_read_says_nothing_of_drift() -> None:
    gap = a_gap("vercel", "403", "platform_crons")
    case = a_day(hourly(), hourly(job="other"), site=two_jobs(), gaps=[gap])
    assert [row["job"] for row in cron.drift(case)] == ["monthly"]


def test_a_job_that_stopped_before_the_window_is_missed_and_not_never_logged() -> None:
    before = [{"job": "other", "started_at": DEPLOYED - timedelta(days=5), "status": "started"}]
    case = a_day(hourly(), before, site=two_jobs())
    assert states(case) == {"ok": 24, "missed": 24, "not_due": 1}
    assert next(r for r in cron.table(case) if r["job"] == "other")["last_run"] == "2025-02-26T15:00:00Z"


@pytest.mark.parametrize(
    ("site", "zone", "platform", "same"),
    [
        ("0 */1 * * *", "UTC", "0 * * * *", True),
        ("0 8 * * MON", "UTC", "0 8 * * 1", True),
        ("0 0 * * 7", "UTC", "0 0 * * SUN", True),
        ("*/30 * * * *", "UTC", "0,30 * * * *", True),
        ("30 13 * * *", "Asia/Kolkata", "0 8 * * *", True),
        ("0 9 * * *", "America/Chicago", "0 15 * * *", False),  # the same in winter, an hour off in summer
        ("0 8 * * *", "UTC", "0 9 * * *", False),
        ("0 0 1 * *", "UTC", "0 0 2 * *", False),
        ("0 0 1 1 *", "UTC", "0 0 1 7 *", False),
    ],
)
def test_schedules_are_compared_by_the_slots_that_they_make(
    site: str, zone: str, platform: str, same: bool
) -> None:
    job = one_job(site, time_zone=zone)
    case = a_day(hourly(), site=job, platform_crons=[{"path": "/api/cron/job", "schedule": platform}])
    assert [row["reason"] for row in cron.drift(case)] == ([] if same else ["the schedules differ"])


def test_a_job_is_found_by_its_path_by_its_query_and_by_the_end_of_a_path() -> None:
    jobs = [
        {"name": "mail", "schedule": "0 * * * *", "path": "/api/cron/send?kind=mail"},
        {"name": "digest", "schedule": ["0 8 * * *", "0 18 * * *"]},
        {"name": "purge", "schedule": "0 3 * * *"},
    ]
    platform = [
        {"path": "/api/cron/send?kind=mail", "schedule": "0 */1 * * *"},
        {"path": "/api/cron?job=digest", "schedule": "0 8 * * *"},
        {"path": "/api/cron?job=digest", "schedule": "0 18 * * *"},
        {"path": "/api/cron/purge", "schedule": "0 3 * * *"},
        {"path": "/api/cron/a/run", "schedule": "0 1 * * *"},
        {"path": "/api/cron/b/run", "schedule": "0 2 * * *"},
        {"path": "/api/cron?job=stray", "schedule": "0 4 * * *"},
    ]
    runs = [*hourly(job="mail"), *rows_of("digest", moment(3)), *rows_of("purge", moment(12))]
    case = a_day(runs, site=a_site(cron={"jobs": jobs}), platform_crons=platform)
    assert {row["job"]: row["platform"] for row in cron.drift(case)} == {
        "/api/cron/a/run": "0 1 * * *",
        "/api/cron/b/run": "0 2 * * *",
        "cron?job=stray": "0 4 * * *",
    }


def test_one_path_with_one_schedule_more_than_the_site_file_differs() -> None:
    platform = [{"path": "/api/cron/job", "schedule": text} for text in ("0 * * * *", "30 2 * * *")]
    case = a_day(hourly(), site=one_job(), platform_crons=platform)
    (row,) = cron.drift(case)
    assert (row["reason"], row["platform"]) == ("the schedules differ", "0 * * * *; 30 2 * * *")


def test_a_job_with_two_schedules_is_one_job_whose_slots_are_those_of_both() -> None:
    """From 15:00 to 15:00 it is due at 18:00 by the first and at 18:00 and 8:00 by the second: two slots."""
    site = a_site(cron={"jobs": [{"name": "job", "schedule": ["0 18 * * *", "0 8,18 * * *"]}]})
    case = a_day(rows_of("job", moment(3)), site=site)
    assert states(case) == {"ok": 1, "missed": 1}
    (row,) = cron.table(case)
    assert (row["expected"], row["ok"], row["missed"], row["schedule"]) == (2, 1, 1, "0 18 * * *; 0 8,18 * * *")


def unclear_runs(*hours: int) -> dict[int, list[dict[str, Any]]]:
    return {h: rows_of("job", moment(h), status=None) for h in hours}  # type: ignore[arg-type]


def test_rule_14_a_run_that_ended_in_an_unknown_word_is_neither_failed_nor_missed_nor_well() -> None:
    case = a_day(hourly(but=unclear_runs(3, 4)))
    assert states(case) == {"ok": 22, "not_understood": 2}
    failed, missed, ok = (MEASURES[f"cron_runs_{name}"](case) for name in ("failed", "missed", "ok"))
    assert (failed.state, failed.value, failed.low, failed.high) == (State.NOT_UNDERSTOOD, None, 0, 2)
    assert (missed.state, missed.value) == (State.MEASURED, 0)
    assert (ok.value, ok.low, ok.high) == (22, 22, 24)
    assert cron.findings(case) == []
    (row,) = cron.table(case)
    assert (row["ok"], row["failed"]) == (22, None)


def test_rule_14_what_is_known_to_have_failed_stays_failed_beside_unknown_words() -> None:
    case = a_day(hourly(but={**unclear_runs(3), 5: rows_of("job", moment(5), status="failed")}))
    found = MEASURES["cron_runs_failed"](case)
    assert (found.value, found.low, found.high) == (1, 1, 2)
    assert "1 more ended in a word that is not understood" in str(found.evidence)


def test_rule_14_without_one_word_that_is_understood_every_count_of_ends_is_unknown() -> None:
    case = a_day(hourly(but=unclear_runs(*range(24))))
    for name in ("cron_runs_ok", "cron_runs_failed", "cron_runs_late"):
        assert MEASURES[name](case).state is State.NOT_UNDERSTOOD
    assert MEASURES["cron_runs_expected"](case).value == 24
    assert MEASURES["cron_avg_seconds"](case).value is None


def test_rule_19_a_monthly_job_that_ran_in_october_and_not_in_november_is_missed() -> None:
    site = a_site(
        cron={"jobs": [{"name": "bills", "schedule": "0 2 1 * *"}, {"name": "job", "schedule": "0 * * * *"}]}
    )
    deployed, week_later = at("2025-10-30T15:00"), at("2025-11-06T15:00")
    runs = rows_of("bills", at("2025-10-01T02:00"))
    runs += [row for m in every(60, deployed, week_later) for row in rows_of("job", m)]
    case = a_case({"cron_logs": runs}, deployed_at=deployed, as_of=week_later, site=site)
    (finding,) = cron.findings(case)
    assert (finding.id, finding.priority) == ("cron:bills:missed", Priority.P1)
    assert MEASURES["cron_runs_missed"](case).value == 1


def test_rule_19_never_is_said_only_of_a_log_that_reaches_back_two_periods() -> None:
    site = a_site(
        cron={"jobs": [{"name": "bills", "schedule": "0 2 1 * *"}, {"name": "job", "schedule": "0 * * * *"}]}
    )
    deployed, week_later = at("2025-10-30T15:00"), at("2025-11-06T15:00")
    runs = [row for m in every(60, deployed, week_later) for row in rows_of("job", m)]
    for oldest, title in (("2025-07-01", "bills never logged a run"), ("2025-10-10", "no run since Fri 10 Oct")):
        log = [*rows_of("job", at(f"{oldest}T00:00")), *runs]
        case = a_case({"cron_logs": log}, deployed_at=deployed, as_of=week_later, site=site)
        (finding,) = cron.findings(case)
        assert (finding.id, finding.priority) == ("cron:bills:never_logged", Priority.P2)
        assert title in finding.title


def test_names_of_jobs_are_compared_without_case_and_space() -> None:
    """24 hourly runs under `JOB `, which another job of the log is not."""
    case = a_day(hourly(job="JOB "), hourly(job="jobs"))
    states = cron.slots(case)["state"]
    assert list(states) == ["ok"] * 24
    off = a_day(site=one_job(), cron_settings=[{"job": " Job", "enabled": False}])
    assert cron._disabled(off) == {"job"}


def test_a_job_that_never_logged_is_told_beside_the_name_that_is_most_like_its_own() -> None:
    case = a_day(
        hourly(job="sync_order"), site=a_site(cron={"jobs": [{"name": "sync-orders", "schedule": "0 * * * *"}]})
    )
    (finding,) = cron.findings(case)
    assert "does not list: did you mean sync_order?" in finding.evidence


def test_rows_of_a_job_without_a_start_are_said_and_not_that_the_log_holds_none() -> None:
    lacking = {
        "source": "postgres",
        "item": "cron.started_at",
        "what": "empty",
        "count": 19,
        "example": "Job ",
        "taken_for": "not read",
        "mend": "",
    }
    case = a_day(hourly(job="other"), not_understood=[lacking])
    (finding,) = cron.findings(case)
    assert finding.title == "job has 19 rows without a start"
    assert "holds no row" not in finding.evidence
    assert cron.table(case)[0]["last_error"] == "19 rows without a start"


def test_a_job_of_the_log_that_the_site_file_does_not_list_has_a_row_and_its_failures_a_finding() -> None:
    """Of 24 runs of `ghost` all failed, and of the 24 of `calm` none."""
    ghost = [
        row
        for moment in every(60, DEPLOYED, DAY_LATER)
        for row in rows_of("ghost", moment, status="failed", error="no space left")
    ]
    case = a_day(hourly(), hourly(job="calm"), ghost)
    rows = {row["job"]: (row["ok"], row["failed"], row["last_error"]) for row in cron.table(case)}
    assert rows == {"job": (24, 0, None), "ghost": (0, 24, "no space left"), "calm": (24, 0, None)}
    (finding,) = cron.findings(case)
    assert (finding.id, finding.priority, finding.value) == ("cron:unlisted", Priority.P2, 24)
    assert "ghost (24 runs, 24 failed), calm (24 runs, 0 failed)" in finding.evidence
    assert MEASURES["cron_runs_failed"](case).value == 0
    assert "ghost (24 runs, 24 failed)" in str(MEASURES["cron_jobs_expected"](case).evidence)


def test_rule_16_a_job_that_failed_before_the_deployment_as_well_failed_since_then() -> None:
    """Hourly from 30 hours before the deployment: 12 runs went well, then 18 and 24 failed."""
    begin = DEPLOYED - timedelta(hours=30)
    rows = [
        row
        for n, moment in enumerate(every(60, begin, DAY_LATER))
        for row in rows_of("job", moment, status="completed" if n < 12 else "failed")
    ]
    (found,) = [f for f in cron.findings(a_day(rows)) if f.id == "cron:job:failed"]
    assert (found.value, found.since) == (24, DEPLOYED - timedelta(hours=18))
    (fresh,) = cron.findings(a_day(hourly(but={0: rows_of("job", DEPLOYED, status="failed")})))
    assert fresh.since == DEPLOYED, "nothing is known of before, and the first run failed"


@pytest.mark.parametrize("hours", [40, *slowly(5, 200)])
def test_rule_16_a_job_that_stopped_before_the_deployment_missed_its_runs_since_then(hours: int) -> None:
    """Hourly at half past; its newest run was so many hours and a half before the deployment."""
    last = DEPLOYED - timedelta(hours=hours + 0.5)
    case = a_day(hourly(), rows_of("other", last), site=two_jobs())
    (found,) = [f for f in cron.findings(case) if f.id == "cron:other:missed"]
    assert (found.value, found.since) == (24, last + timedelta(hours=1))
    assert [c.status for c in judge(case).causes if "cron:other:missed" in c.chain] == ["standing"]


def test_rule_16_a_job_that_stopped_after_the_deployment_is_its_own() -> None:
    ran = [row for n in range(-3, 6) for row in rows_of("other", moment(n, minutes=30))]
    case = a_day(hourly(), ran, site=two_jobs())
    (found,) = [f for f in cron.findings(case) if f.id == "cron:other:missed"]
    assert found.since == DEPLOYED + timedelta(hours=6.5)
    assert [c.status for c in judge(case).causes if "cron:other:missed" in c.chain] == ["new"]


@pytest.mark.parametrize(
    ("failed", "began", "status"),
    [
        (range(-8, 24), -8, "standing"),
        (range(3, 24), 3, "new"),
        *slowly((range(24), 0, "new"), ((-30, *range(24)), 0, "new")),
    ],
)
def test_rule_16_a_job_that_is_not_listed_fails_since_its_own_first_failure(
    failed: Sequence[int], began: int, status: str
) -> None:
    """`ghost` runs hourly from two days before the deployment."""
    ghost = [
        row
        for n in range(-48, 24)
        for row in rows_of("ghost", moment(n), status="failed" if n in failed else "completed")
    ]
    case = a_day(hourly(), ghost)
    (found,) = [f for f in cron.findings(case) if f.id == "cron:unlisted"]
    assert found.since == DEPLOYED + timedelta(hours=began)
    assert [c.status for c in judge(case).causes if "cron:unlisted" in c.chain] == [status]


def test_a_job_that_is_not_listed_and_runs_again_has_recovered() -> None:
    ghost = [
        row for n in range(24) for row in rows_of("ghost", moment(n), status="failed" if n < 3 else "completed")
    ]
    (found,) = [f for f in cron.findings(a_day(hourly(), ghost)) if f.id == "cron:unlisted"]
    assert not found.active
