"""Is it up, and for how much of the time was it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from pdmlib.analysis.availability.stability import (
    METRICS,
    app_up,
    downtime_events,
    downtime_minutes,
    findings,
    health_ok,
    incidents,
    uptime_pct,
    uptime_segments,
)
from pdmlib.frames.case import Case
from pdmlib.frames.readings import State, Status
from pdmlib.frames.understanding import Unclear
from pdmlib.report.card import card_of
from pdmlib.site.site import OPTIONAL, Site
from pdmlib.sources.health import Endpoint, Shot, judged
from pdmlib.verdict.ladder import reading_of
from pdmlib.verdict.verdict import judge
from tests.builders import DEPLOYED, WEEK_LATER, a_case, a_gap, a_site, at, every, the_probes

DAY_LATER = DEPLOYED + timedelta(days=1)
METRIC = {m.id: m for m in METRICS}
EACH_MINUTE = {"table": "public.uptime_logs", "interval_s": 60}


def day1(probes: list[dict[str, object]], site: Site | None = None, **more: object) -> Case:
    return a_case({"probes": probes, **more}, phase="day1", as_of=DAY_LATER, site=site)  # type: ignore[dict-item]


def status(case: Case, name: str) -> Status:
    return reading_of(METRIC[name], METRIC[name].measure(case), case.site, case.scope.phase.name).status


@pytest.mark.parametrize("first_missing", [0, 100, 276])
def test_rule_5_288_slots_one_down_and_12_missing(first_missing: int) -> None:
    moments = every(5, DEPLOYED, DAY_LATER)
    gone = set(moments[first_missing : first_missing + 12])
    probes = [p for p in the_probes(5, DEPLOYED, DAY_LATER, [moments[50]]) if p["checked_at"] not in gone]
    found = uptime_pct(day1(probes))
    assert found.value == pytest.approx(99.64, abs=0.005)
    assert (found.low, found.high) == (pytest.approx(95.49, abs=0.005), pytest.approx(99.65, abs=0.005))
    assert found.coverage_pct == pytest.approx(100 * 276 / 288)


def test_rule_5_time_counts_and_not_probes() -> None:
    hour = DEPLOYED + timedelta(hours=1)
    down = every(1, DEPLOYED, DEPLOYED + timedelta(minutes=30))
    probes = the_probes(1, DEPLOYED, hour, down) + the_probes(5, hour, DAY_LATER)
    assert uptime_pct(day1(probes)).value == pytest.approx(97.9, abs=0.05)


def test_declared_maintenance_is_no_downtime_and_what_is_down_outside_it_is() -> None:
    # From an hour after the deployment at 15:00 UTC, 9:00 in Chicago: half an hour down, five minutes of it later.
    began = DEPLOYED + timedelta(hours=1)
    down = every(5, began, began + timedelta(minutes=30))
    probes = the_probes(5, DEPLOYED, DAY_LATER, down)
    block = {"cron": "0 10 * * *", "minutes": 25}
    plain, declared = day1(probes), day1(probes, site=a_site(maintenance=[block]))
    assert (downtime_minutes(plain).value, downtime_minutes(declared).value) == (30, 5)
    assert uptime_pct(plain).value == pytest.approx(100 * 1410 / 1440)
    assert uptime_pct(declared).value == pytest.approx(100 * 1410 / 1415)


def test_rule_5_without_probes_uptime_is_unknown() -> None:
    found = uptime_pct(day1([]))
    assert (found.state, found.value) == (State.NO_DATA, None)


def test_rule_5_a_week_at_99_9_percent_has_10_08_minutes() -> None:
    case = a_case({"probes": the_probes(5, DEPLOYED, WEEK_LATER)})
    assert "allows 10.08 min" in (downtime_minutes(case).evidence or "")


def test_rule_5_a_probe_missing_now_and_then_is_bridged() -> None:
    probes = [p for i, p in enumerate(the_probes(5, DEPLOYED, DAY_LATER)) if i % 10 != 5]
    assert uptime_pct(day1(probes)).coverage_pct == 100


def test_rule_5_the_interval_is_the_one_that_the_probes_themselves_show() -> None:
    """A probe a minute with three holes of nine minutes: of each, eight minutes have nobody's word."""
    minutely = the_probes(1, DEPLOYED, DAY_LATER)
    held = [p for n, p in enumerate(minutely) if not any(start < n < start + 9 for start in (100, 500, 900))]
    found = uptime_pct(day1(held, site=a_site(uptime={"table": "public.uptime_logs"})))
    assert found.coverage_pct == pytest.approx(100 * (1440 - 3 * 8) / 1440)


def test_rule_5_degraded_is_up_and_reported_beside() -> None:
    probes = the_probes(5, DEPLOYED, DAY_LATER)
    probes[10] = {**probes[10], "status": "degraded"}
    found = uptime_pct(day1(probes))
    assert found.value == 100
    assert "5 min of it degraded" in (found.evidence or "")


def test_rule_5_it_passes_only_when_the_lower_bound_meets_the_target() -> None:
    whole = the_probes(5, DEPLOYED, DAY_LATER)
    assert status(day1(whole), "uptime_pct") is Status.PASS
    assert uptime_pct(day1(whole[:200])).value == 100
    assert status(day1(whole[:200]), "uptime_pct") is Status.WARN


@pytest.mark.parametrize(("down", "expected"), [(2, Status.PASS), (6, Status.WARN), (11, Status.FAIL)])
def test_99_9_passes_99_5_is_tolerated_and_less_fails(down: int, expected: Status) -> None:
    probes = the_probes(5, DEPLOYED, WEEK_LATER, every(5, DEPLOYED, WEEK_LATER)[100 : 100 + down])
    assert status(a_case({"probes": probes}), "uptime_pct") is expected


def test_the_sites_own_target_is_held_against_the_lower_bound() -> None:
    site = a_site(targets={"uptime_pct": {"week1": 99.99}})
    probes = the_probes(5, DEPLOYED, WEEK_LATER, every(5, DEPLOYED, WEEK_LATER)[100:101])
    assert status(a_case({"probes": probes}, site=site), "uptime_pct") is Status.WARN


def test_a_table_that_cannot_be_read_gives_its_reason() -> None:
    gap = a_gap("postgres", "hidden by row-level security", "table:public.uptime_logs")
    found = uptime_pct(day1([], gaps=[gap]))
    assert (found.state, found.reason) == (State.ERROR, "hidden by row-level security")


def test_a_site_without_a_probe_log_says_so() -> None:
    found = uptime_pct(a_case(site=a_site(uptime=None)))
    assert found.state is State.NOT_CONFIGURED


def test_our_own_probes_serve_where_the_application_keeps_none() -> None:
    probes = the_probes(10, DEPLOYED, DAY_LATER, target="/api/health")
    found = uptime_pct(a_case({"probes": probes}, phase="day1", as_of=DAY_LATER, site=a_site(uptime=None)))
    assert (found.value, found.coverage_pct, found.source) == (100, 100, "app")


def test_down_time_on_both_sides_of_a_gap_is_one_outage() -> None:
    moments = every(5, DEPLOYED, DAY_LATER)
    probes = the_probes(5, DEPLOYED, DAY_LATER, [moments[10], moments[20]])
    kept = [p for i, p in enumerate(probes) if not 10 < i < 20]
    case = day1(kept)
    assert downtime_events(case).value == 1
    assert downtime_minutes(case).value == 10
    assert downtime_minutes(case).high == pytest.approx(55)


def test_incidents_tell_start_end_and_minutes() -> None:
    down = [at("2025-03-03T20:00"), at("2025-03-03T20:05")]
    rows = incidents(day1(the_probes(5, DEPLOYED, DAY_LATER, down)))
    assert rows == [
        {
            "start": "2025-03-03T20:00:00Z",
            "end": "2025-03-03T20:10:00Z",
            "minutes": 10.0,
            "reading": "app_up",
            "priority": "P0",
            "status": "recovered",
        }
    ]


def test_an_outage_that_lasts_is_open_and_a_rollback_criterion() -> None:
    case = day1(the_probes(5, DEPLOYED, DAY_LATER, every(5, DAY_LATER - timedelta(minutes=40), DAY_LATER)))
    assert [(r["end"], r["minutes"], r["status"]) for r in incidents(case)] == [(None, 40.0, "open")]
    (found,) = findings(case)
    assert (found.id, found.rollback, found.active) == ("incident:2025-03-04T14:20:00Z", True, True)
    assert "now down for 40 min" in found.becomes_green


def test_rule_16_an_outage_that_ended_is_past_tense_and_calls_for_nothing_now() -> None:
    case = a_case(
        {"probes": the_probes(5, DEPLOYED, WEEK_LATER, every(5, at("2025-03-05T10:00"), at("2025-03-05T10:20")))}
    )
    assert [(row["minutes"], row["status"]) for row in incidents(case)] == [(20.0, "recovered")]
    (found,) = findings(case)
    assert (found.active, found.rollback, found.since) == (False, False, at("2025-03-05T10:00"))
    assert found.title == "Was down for 20 minutes, recovered"
    assert "from Wed 5 Mar 04:00 CST until 04:20 CST" in found.evidence, "Chicago is six hours behind in March"


def test_a_short_outage_in_the_latest_part_is_no_rollback() -> None:
    case = day1(the_probes(5, DEPLOYED, DAY_LATER, [DAY_LATER - timedelta(minutes=30)]))
    assert findings(case) == []


def test_time_without_probes_that_hides_the_uptime_is_found() -> None:
    probes = [
        p
        for p in the_probes(5, DEPLOYED, WEEK_LATER)
        if not at("2025-03-08T08:00") <= p["checked_at"] < at("2025-03-08T10:00")
    ]
    (found,) = findings(a_case({"probes": probes}))
    assert (found.id, found.value, found.active) == ("uptime:unprobed", 120.0, False)
    assert "10.1 min" in found.becomes_green


def test_segments_cover_the_window_once() -> None:
    probes = the_probes(5, DEPLOYED, DAY_LATER, [DEPLOYED + timedelta(hours=2)])[6:200]
    table = uptime_segments(day1(probes))
    assert list(table["state"]) == ["unknown", "up", "down", "up", "unknown"]
    assert table["start"].iloc[0] == DEPLOYED and table["end"].iloc[-1] == DAY_LATER
    assert list(table["start"].iloc[1:]) == list(table["end"].iloc[:-1])


def probe(target: str, text: str, said: str = "up", **more: str) -> dict[str, object]:
    return {"target": target, "checked_at": at(text), "status": said, **more}


def test_the_newest_probe_of_the_page_says_whether_it_is_up() -> None:
    case = day1([probe("/", "2025-03-04T14:59", "down"), probe("/", "2025-03-04T14:59:30")])
    assert app_up(case).value is True


def test_a_health_endpoint_that_is_down_fails_the_check_and_calls_for_a_rollback() -> None:
    sick = [probe("/api/health", f"2025-03-04T14:59:{s}", "down", detail="503") for s in ("40", "45", "50")]
    case = day1([probe("/", "2025-03-04T14:59"), *sick])
    assert (app_up(case).value, health_ok(case).value) == (True, False)
    assert "503" in (health_ok(case).evidence or "")
    reading = reading_of(METRIC["health_ok"], health_ok(case), case.site, "day1")
    assert (reading.status, reading.critical, reading.rollback) == (Status.FAIL, True, True)


def test_degraded_is_healthy_enough() -> None:
    assert health_ok(day1([probe("/api/health/detailed", "2025-03-04T14:59", "degraded")])).value is True


def test_a_report_of_the_past_asks_the_applications_own_log_and_says_so() -> None:
    case = day1([*the_probes(5, DEPLOYED, DAY_LATER), probe("/", "2025-06-01T10:00", "down")])
    found = app_up(case)
    assert (found.value, found.source) == (True, "postgres")
    assert "found up at Tue 4 Mar 08:55 CST by uptime_logs" in (found.evidence or "")


def test_old_probes_do_not_say_that_it_is_up_now() -> None:
    found = app_up(day1(the_probes(5, DEPLOYED, DAY_LATER - timedelta(hours=1))))
    assert (found.state, found.value) == (State.NO_DATA, None)
    assert "within 10 minutes" in (found.reason or "")


def test_a_failed_source_is_the_reason() -> None:
    found = app_up(a_case({"gaps": [a_gap("app", "connection refused")]}, coverage={"app": "failed"}))
    assert (found.state, found.reason) == (State.ERROR, "connection refused")


def test_the_three_probes_of_a_report_are_no_uptime_of_a_week() -> None:
    """Three seconds of 10,080 minutes seen up are not 100 %, and not `nothing probed the application` either."""
    seconds = [WEEK_LATER - timedelta(seconds=n) for n in (3, 2, 1)]
    probes = [{"target": "/api/health", "checked_at": moment, "status": "up"} for moment in seconds]
    case = a_case({"probes": probes}, site=a_site(uptime=None))
    assert uptime_pct(case).value is None
    assert downtime_minutes(case).value is None
    assert findings(case) == []


def shots(target: str, seconds: list[int], down: int) -> list[dict[str, object]]:
    """Probes at so many seconds after 14:59, the last ones down."""
    words = ["up"] * (len(seconds) - down) + ["down"] * down
    return [probe(target, f"2025-03-04T14:59:{s:02}", word) for s, word in zip(seconds, words, strict=True)]


THREE = [10, 15, 20]


def served(requests: float, failed: float) -> list[dict[str, object]]:
    """Requests of the last five minutes of the day, by the minute."""
    row = {"source": "vercel", "interval_s": 60, "sample_rate": 1.0}
    minutes = every(1, DAY_LATER - timedelta(minutes=5), DAY_LATER)
    parts = [{"status": 200, "requests": (requests - failed) / 5}, {"status": 500, "requests": failed / 5}]
    return [row | part | {"at": m} for m in minutes for part in parts]


@pytest.mark.parametrize(
    ("page", "health", "up"),
    [
        pytest.param(shots("/", THREE, 1), shots("/api/health", THREE, 0), True, id="one of six lost"),
        pytest.param(shots("/", THREE, 3), shots("/api/health", THREE, 3), False, id="both down for ten seconds"),
        pytest.param(shots("/", THREE, 2), shots("/api/health", THREE, 2), False, id="two of three are most"),
        pytest.param(shots("/", [10, 11, 12], 3), [], None, id="over two seconds only"),
        pytest.param(shots("/", [10, 20], 2), [], None, id="two probes are too few"),
        pytest.param(shots("/", THREE, 3), shots("/api/health", THREE, 0), None, id="health says otherwise"),
    ],
)
def test_rule_15_it_is_down_when_three_probes_over_ten_seconds_say_so_and_nothing_says_otherwise(
    page: list[dict[str, object]], health: list[dict[str, object]], up: bool | None
) -> None:
    case = day1([*page, *health])
    assert app_up(case).value is up
    (*_, doubt) = findings(case) or [None]
    if up is None:
        assert doubt is not None and (doubt.priority, doubt.rollback) == ("P1", False)
        assert "not confirmed, investigate" in doubt.evidence
    else:
        assert doubt is None


@pytest.mark.parametrize(("failed", "up"), [(2, None), (80, False)])
def test_rule_15_requests_that_are_served_contradict_probes(failed: float, up: bool | None) -> None:
    """2 of 100 requests of the last five minutes failed: it serves; 80 of 100: it does not."""
    case = day1(shots("/", THREE, 3), request_counts=served(100, failed))
    assert app_up(case).value is up


def test_requests_that_were_served_before_the_probes_failed_say_nothing_of_now() -> None:
    """A hundred requests from 14:54 to 14:59, where the log ends, none failed; down at 14:59:10 and since."""
    earlier = [row | {"at": row["at"] - timedelta(minutes=1)} for row in served(100, 0)]  # type: ignore[operator]
    case = day1(shots("/api/health", THREE, 3), request_counts=earlier)
    assert health_ok(case).value is False
    assert health_ok(day1(shots("/api/health", THREE, 3), request_counts=served(100, 0))).value is None


@pytest.mark.parametrize("phase", ["hour1", "day1"])
def test_a_health_check_that_fails_while_requests_are_served_is_a_cause_and_not_recovered(phase: str) -> None:
    end = DAY_LATER if phase == "day1" else DEPLOYED + timedelta(minutes=55)
    seconds = [end - timedelta(seconds=n) for n in (50, 45, 40)]
    rows = [
        {"target": "/api/health", "checked_at": m, "status": "down", "detail": "HTTP 503, DOWN"} for m in seconds
    ]
    counts = [row | {"at": row["at"] - (DAY_LATER - end)} for row in served(100, 0)]  # type: ignore[operator]
    page = {"target": "/", "checked_at": seconds[-1], "status": "up"}
    verdict = judge(a_case({"probes": [page, *rows], "request_counts": counts}, phase=phase, as_of=end))
    assert verdict.status == "YELLOW"
    (cause,) = [cause for cause in verdict.causes if "health:unconfirmed" in cause.chain]
    assert (cause.priority, cause.decides) == ("P1", True)
    assert "HTTP 503, DOWN" in cause.evidence and "20 requests were served, none failed" in cause.evidence
    assert [row["status"] for row in verdict.incidents] == ["open"]
    assert card_of(verdict).sentence.startswith("YELLOW. The health check may fail")


def test_rule_15_one_probe_of_the_log_that_found_it_down_at_the_end_decides_nothing() -> None:
    case = day1(the_probes(5, DEPLOYED, DAY_LATER, [DAY_LATER - timedelta(minutes=5)]))
    assert app_up(case).value is None
    down = every(5, DAY_LATER - timedelta(minutes=10), DAY_LATER)
    assert app_up(day1(the_probes(5, DEPLOYED, DAY_LATER, down))).value is False, "two of the last three"


def test_rule_15_nothing_on_the_web_answers_so_the_application_is_unknown_whatever_the_log_says() -> None:
    web = dict.fromkeys(("app", "sentry", "vercel", "supabase", "stripe", "twilio", "resend"), "failed")
    gap = a_gap("app", "the fault may lie on this side")
    probes = the_probes(5, DEPLOYED, DAY_LATER)
    case = a_case({"probes": probes, "gaps": [gap]}, phase="day1", as_of=DAY_LATER, coverage=web)
    assert (app_up(case).value, app_up(case).reason) == (None, "the fault may lie on this side")


def test_rule_16_a_later_probe_decides_whether_an_outage_at_the_windows_end_is_open() -> None:
    """Down from 40 minutes before the end of the window; one probe five minutes after it found it up."""
    down = every(5, DAY_LATER - timedelta(minutes=40), DAY_LATER)
    probes = the_probes(5, DEPLOYED, DAY_LATER + timedelta(minutes=10), down)
    late = a_case({"probes": probes}, phase="day1", as_of=DAY_LATER + timedelta(minutes=30))
    assert [row["status"] for row in incidents(late)] == ["recovered"]


@pytest.mark.parametrize("phase", ["hour1", "day1", "daily", "week1"])
@pytest.mark.parametrize("silent", [31, 56])  # minutes: it fell silent after the deployment, and before it
def test_a_log_that_falls_silent_leaves_its_readings_unknown_and_the_report_unknown(
    phase: str, silent: int
) -> None:
    """A site that knows its state by its own log alone, a probe a minute; nobody tells of the last half hour."""
    without: dict[str, Any] = dict.fromkeys(("cron", "tickets", "activity")) | {"features": []}
    unused = [name for name in OPTIONAL if name != "postgres"]
    site = a_site(sources={"postgres": {}}, unused=unused, uptime=EACH_MINUTE, **without)
    end = DEPLOYED + timedelta(minutes=55)
    probes = the_probes(1, DEPLOYED - timedelta(days=8), end - timedelta(minutes=silent))
    verdict = judge(a_case({"probes": probes}, phase=phase, as_of=end, site=site))
    for name in ("app_up", "health_ok"):
        reading = verdict.reading(name)
        assert reading is not None and reading.key, name
        assert (reading.status, reading.value) == (Status.UNKNOWN, None)
        # Chicago is six hours behind in winter; the last probe was a minute before the silence.
        assert "Mon 3 Mar 09:23" in str(reading.reason) if silent == 31 else "08:58" in str(reading.reason)
    assert verdict.status in (("UNKNOWN",) if phase == "hour1" else ("UNKNOWN", "YELLOW"))


def degraded(target: str, start: datetime, end: datetime, minutes: float = 5, said: str = "degraded") -> list[Any]:
    return [row | {"status": said} for row in the_probes(minutes, start, end, target=target)]


@pytest.mark.parametrize("phase", ["hour1", "day1", "daily"])
def test_a_health_check_that_says_degraded_at_every_probe_is_a_cause_and_no_report_is_green(phase: str) -> None:
    """Spring Boot's DEGRADED at the four probes of the report, while the application's own log finds it up."""
    end = DEPLOYED + timedelta(minutes=55)
    log = the_probes(5, DEPLOYED - timedelta(days=8), end)
    own = [
        row | {"detail": "HTTP 200, DEGRADED"}
        for row in degraded("/api/health", end - timedelta(seconds=4), end, 1 / 60)
    ]
    verdict = judge(a_case({"probes": [*log, *own]}, phase=phase, as_of=end))
    assert verdict.status == "YELLOW"
    (cause,) = [cause for cause in verdict.causes if "health:degraded" in cause.chain]
    assert (cause.priority, cause.status, cause.decides) == ("P2", "new", True)
    assert "degraded" in cause.said and "/api/health (HTTP 200, DEGRADED)" in cause.evidence
    boxes = {row["box"]: row["state"] for row in verdict.tables["checklist"]}
    for box in ("Health endpoint returning 200 OK", "Health endpoint: OK"):
        assert boxes.get(box, "failed") == "failed"
    assert phase == "day1" or {"Health endpoint returning 200 OK", "Health endpoint: OK"} & set(boxes)


@pytest.mark.parametrize(("since", "told"), [(DEPLOYED, "new"), (DEPLOYED - timedelta(days=3), "standing")])
def test_a_log_that_says_degraded_since_a_moment_tells_since_when_and_is_yellow(
    since: datetime, told: str
) -> None:
    start, end = DEPLOYED - timedelta(days=8), DEPLOYED + timedelta(days=1)
    log = [*the_probes(5, start, since), *degraded("uptime_logs", since, end)]
    verdict = judge(day1(log))
    assert verdict.status == "YELLOW"
    (cause,) = [cause for cause in verdict.causes if "health:degraded" in cause.chain]
    assert (cause.since, cause.status, cause.decides) == (since, told, True)
    assert uptime_pct(day1(log)).value == 100, "degraded is up"


def test_one_degraded_probe_is_not_now_and_a_stretch_of_them_that_is_over_is_told_as_over() -> None:
    start = DAY_LATER - timedelta(hours=9)
    log = [*the_probes(5, DEPLOYED, start), *degraded("uptime_logs", start, start + timedelta(hours=8))]
    log += the_probes(5, start + timedelta(hours=8), DAY_LATER)
    for probes in (log, [*log[:-1], log[-1] | {"status": "degraded"}]):
        (found,) = findings(day1(probes))
        assert (found.id, found.active, found.since) == ("health:was-degraded", False, start)
    assert findings(day1(log))[0].said == "The application was degraded for 480 min"
    once = the_probes(5, DEPLOYED, DAY_LATER)
    assert findings(day1([*once[:-1], once[-1] | {"status": "degraded"}])) == []


def test_a_part_that_is_down_while_the_whole_is_said_to_be_up_is_named() -> None:
    """Spring Boot's whole is UP and its `db` is DOWN."""
    body = b'{"status": "UP", "components": {"db": {"status": "DOWN"}, "ping": {"status": "UP"}}}'
    said, detail = judged(Endpoint("/api/health", health=True), Shot(200, body, 1.0), Unclear("app"))
    rows = [row | {"status": said, "detail": detail} for row in shots("/api/health", THREE, 0)]
    (found,) = findings(day1([*the_probes(5, DEPLOYED, DAY_LATER), *rows]))
    assert (found.id, found.reading) == ("health:degraded", "health_ok")
    assert "components.db" in found.evidence and "components.db" in found.said
