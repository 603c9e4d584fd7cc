"""Rules 15 and 16 in every report: no decision without a confirmation, the present alone, and since when."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest

from pdmlib.frames.readings import Priority
from pdmlib.phases.phase import EXTRAS, PHASES, Phase
from pdmlib.verdict.verdict import Verdict, judge
from tests.builders import a_case, a_site, at, every, the_probes

pytestmark = pytest.mark.slow
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
END = at("2025-04-07T08:00")
WHOLE = [phase for phase in (*PHASES, *EXTRAS) if not phase.named_window]
named = pytest.mark.parametrize("phase", WHOLE, ids=[phase.name for phase in WHOLE])
PROBED = 1  # minutes


def requests(failing: tuple[datetime, datetime], first: datetime) -> list[dict[str, Any]]:
    """A thousand an hour by the hour, and by the minute in the last two; nine of ten fail in a stretch."""
    rows: list[dict[str, Any]] = []
    for minutes, start, end in ((60, first, END - 2 * HOUR), (1, END - 2 * HOUR, END)):
        for moment in every(minutes, start, end):
            stop = moment + timedelta(minutes=minutes)
            held = max(timedelta(0), min(stop, failing[1]) - max(moment, failing[0])) / timedelta(minutes=minutes)
            count = 1000 * minutes / 60
            row = {"source": "vercel", "at": moment, "interval_s": 60.0 * minutes, "sample_rate": 1.0}
            rows += [
                row | {"status": status, "requests": count * share}
                for status, share in ((200, 1 - 0.9 * held), (500, 0.9 * held))
            ]
    return rows


def reported(phase: Phase, down: Iterable[datetime], failing: tuple[datetime, datetime] = (END, END)) -> Verdict:
    """The report of a phase as it ends, of a site that is probed each minute."""
    deployed = END - 10 * DAY if phase.rolling else END - phase.length
    probes = the_probes(PROBED, min(END - 2 * DAY, deployed), END, down)
    frames = {"probes": probes, "request_counts": requests(failing, deployed - 8 * DAY)}
    site = a_site(uptime={"table": "public.uptime_logs", "interval_s": 60 * PROBED})
    return judge(a_case(frames, phase.name, deployed, END, site=site))


@named
def test_rule_15_one_lost_probe_decides_nothing_in_any_report(phase: Phase) -> None:
    for lost in (END - MINUTE, END - 7 * MINUTE):
        verdict = reported(phase, [lost])
        assert [alert.id for alert in verdict.alerts if alert.priority is Priority.P0 or alert.rollback] == []
        assert (verdict.status == "RED", verdict.recommendation == "rollback") == (False, False)


@named
def test_rule_16_what_ended_half_an_hour_ago_is_no_alert_in_any_report(phase: Phase) -> None:
    """Down for twelve minutes, with the requests of that time."""
    start, end = END - 42 * MINUTE, END - 30 * MINUTE
    verdict = reported(phase, every(PROBED, start, end), (start, end))
    assert [alert.id for alert in verdict.alerts if alert.priority is not Priority.P2] == []
    assert verdict.recommendation != "rollback" and verdict.status != "RED"
    assert [(row["reading"], row["status"]) for row in verdict.incidents] == [("app_up", "recovered")]


@named
@pytest.mark.parametrize("minutes", [14, 50])
def test_rule_16_every_urgent_alert_of_what_lasts_says_since_when_in_any_report(
    phase: Phase, minutes: int
) -> None:
    start = END - minutes * MINUTE
    verdict = reported(phase, every(PROBED, start, END), (start, END))
    urgent = [alert for alert in verdict.alerts if alert.priority is Priority.P0]
    assert {alert.reading for alert in urgent} >= {"app_up", "error_rate_pct"}
    for alert in urgent:
        assert alert.since is not None and abs(alert.since - start) <= PROBED * MINUTE, alert.id
    assert verdict.recommendation == "rollback"
