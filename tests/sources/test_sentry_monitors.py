"""Sentry's monitors in place of tables: each run of a job, and each look at the application."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from pdmlib.analysis import cron
from pdmlib.analysis.availability import stability
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.readings import Answer, State
from pdmlib.site.site import Site
from pdmlib.sources import sentry
from tests.builders import at
from tests.sources.loopback import SECRET, VARIABLES, Call, Reply, routed, the_scope, the_site, vendor
from tests.sources.test_sentry import EVENTS, ORG, routes

MONITORS = f"{ORG}/monitors/"
RUNS = f"{ORG}/monitors/send-reminders/checkins/"
JOB = {"name": "send-reminders", "schedule": "0 */6 * * *", "timeout_s": 300}


def run(began: str | None, status: str, took_ms: int | None = 4000, **more: Any) -> dict[str, Any]:
    added = more.pop("added", began)
    return {
        "id": f"{added}",
        "environment": "production",
        "status": status,
        "duration": took_ms,
        "dateAdded": f"{added}:00Z",
        "dateInProgress": None if began is None else f"{began}:00Z",
        "monitorConfig": {"schedule": "0 */6 * * *"},
        **more,
    }


# The window is 2025-03-03 15:00 to 2025-03-04 15:00 UTC: the job is due at 18, 0, 6 and 12.
CHECK_INS = [
    run("2025-03-04T12:00", "timeout", None),
    run("2025-03-04T06:00", "error"),
    run("2025-03-04T06:00", "ok", environment="staging"),
    run(None, "missed", None, added="2025-03-04T00:05"),
    run(None, "ok", 60_000, added="2025-03-03T18:01"),
]
CHECKS = [
    ("2025-03-03T15:00:00", "success"),
    ("2025-03-03T21:00:00", "failure"),
    ("2025-03-03T22:00:00", "success"),
    ("2025-03-03T23:00:00", "missed_window"),
    ("2025-03-04T14:59:00", "success"),
]


def checks(call: Call) -> Any:
    if call.one("dataset") != "uptime_results":
        return routed(routes())(call)
    assert call.one("query") == "request_sequence:0"
    known = {"check_duration_us": 250_000, "status_reason_type": None}
    start, end = call.one("start"), call.one("end")
    rows = [{"timestamp": f"{t}+00:00", "check_status": s, **known} for t, s in CHECKS if start <= t < end]
    return Reply({"data": rows, "meta": {"dataScanned": "full"}})


def judged(**other: Any) -> Case:
    lists = {MONITORS: [{"slug": slug, "status": "active"} for slug in ("send-reminders", "x")], RUNS: CHECK_INS}
    with vendor(routed({**routes(), EVENTS: checks, **lists, **other})) as server:
        site = the_site("sentry", base_url=server.url, organization="shop", project="web")
        blocks = {"uptime": {"in_sentry": True, "interval_s": 3600}, "cron": {"in_sentry": True, "jobs": [JOB]}}
        keys = {"secrets": dict.fromkeys(VARIABLES, SECRET), "sources": {"sentry": site.sources.sentry}}
        plain = {"site": "shop", "title": "Shop", "time_zone": "UTC", "demo": {"clock": "2025-03-10T15:00:00Z"}}
        site = Site.model_validate({**plain, **blocks, **keys})
        found = Collection(sentry.collect(site, the_scope()), (Coverage("sentry", Answer.OK, 1, 0.1),))
    return Case(site, the_scope(), found, the_scope().window)


def test_each_slot_of_a_job_is_judged_by_its_check_ins() -> None:
    """By hand: at 18:00 it ran for a minute, at 0:00 it was missed, at 6:00 it failed, at 12:00 it never ended."""
    slots = cron.slots(judged()).set_index("expected_at")["state"]
    assert {when.strftime("%H"): str(state) for when, state in slots.items()} == {
        "18": "ok",
        "00": "missed",
        "06": "failed",
        "12": "hung",
    }


def test_a_run_that_only_told_its_end_began_as_much_earlier_as_it_took() -> None:
    logs = judged()["cron_logs"].sort_values("started_at")
    assert logs["started_at"].iloc[0] == at("2025-03-03T18:00")
    assert logs["completed_at"].iloc[0] == at("2025-03-03T18:01")
    assert len(logs) == 3


def test_uptime_is_that_of_the_checks_and_what_sentry_left_out_is_unknown() -> None:
    """A failure at 21:00 and the success of 22:00 make an hour of downtime."""
    case = judged()
    assert len(case["probes"]) == 4
    found = next(m for m in stability.METRICS if m.id == "downtime_minutes").measure(case)
    assert found.value == pytest.approx(60)
    assert found.source == "sentry"


def test_a_word_of_the_next_version_is_no_success() -> None:
    case = judged(**{RUNS: [run("2025-03-04T12:00", "skipped")]})
    assert "not_understood" in cron.slots(case)["state"].tolist()
    assert case.unclear("sentry", "cron.") is not None


def test_runs_of_a_monitor_that_is_disabled_are_not_known_and_none_is_missed() -> None:
    """Such a monitor takes no events, while the job goes on; the run of 18:00, which it took before, counts."""
    off = [{"slug": "send-reminders", "status": "disabled"}, {"slug": "x", "status": "active"}]
    case = judged(**{MONITORS: off, RUNS: CHECK_INS[-1:]})
    assert cron.slots(case)["state"].tolist() == ["ok", "disabled", "disabled", "disabled"]
    (gap,) = case["gaps"].query("item == 'check_ins:send-reminders'").to_dict("records")
    assert gap["reason"].startswith("the monitor send-reminders is disabled")


def test_monitors_that_may_not_be_read_are_a_gap_and_the_rest_is_told() -> None:
    case = judged(**{MONITORS: Reply({"detail": "You do not have permission to perform this action."}, 403)})
    lost = cron.unreadable(case)
    assert lost is not None
    assert (lost.state, lost.source) == (State.ERROR, "sentry")
    assert not case["issues"].empty


def test_the_runs_are_read_back_no_further_than_needed() -> None:
    """Each page is a day older; the window begins on the 3rd, and two days before it tell what was late."""
    asked: list[str] = []

    def paged(call: Call) -> Reply:
        number = int(call.one("cursor", "0"))
        asked.append(call.path)
        day = at("2025-03-04T12:00") - timedelta(days=number)
        link = f'<https://x/?cursor={number + 1}>; rel="next"; results="true"; cursor="{number + 1}"'
        return Reply([run(f"{day:%Y-%m-%dT%H:%M}", "ok")], headers={"Link": link})

    judged(**{RUNS: paged})
    assert len(asked) == 4


def test_a_block_that_is_read_from_sentry_needs_sentry() -> None:
    tree = {"site": "x", "title": "X", "time_zone": "UTC", "sources": {}, "cron": {"in_sentry": True}}
    with pytest.raises(ValidationError, match=r"no block sources\.sentry"):
        Site.model_validate(tree)
