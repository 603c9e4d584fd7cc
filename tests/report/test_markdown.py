"""The guide's templates filled in: what stands beside a value, and how much of a sentence."""

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pandas as pd
import pytest

from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection
from pdmlib.frames.readings import Answer
from pdmlib.phases.phase import PHASES, Phase
from pdmlib.phases.scope import incident_scope
from pdmlib.phases.window import Window
from pdmlib.report.text import report_markdown
from pdmlib.site.notes import Notes
from pdmlib.site.site import GUIDE_SOURCES
from pdmlib.verdict.verdict import judge
from tests.builders import DEPLOYED, WEEK_LATER, a_case, a_gap, a_site, every, slowly, the_probes

OVER = DEPLOYED + timedelta(days=5, hours=3)


def filled(case: Case, notes: Notes | None = None) -> list[str]:
    return report_markdown(judge(case), notes or Notes()).splitlines()


@pytest.mark.parametrize("phase", ["daily", *slowly("hour1", "day1", "weekly-review", "ongoing")])
def test_a_box_is_ticked_or_empty(phase: str) -> None:
    boxes = [line for line in filled(a_case(phase=phase)) if line.startswith("- [")]
    assert boxes
    assert {line[:6] for line in boxes} <= {"- [x] ", "- [ ] "}


def test_yesterday_is_the_last_whole_day() -> None:
    """Each hour of the day before yesterday had 100 requests, of yesterday 200, of today 7."""
    begun = DEPLOYED - timedelta(days=1)
    rows = [
        {"source": "vercel", "at": at, "interval_s": 3600.0, "requests": float(requests)}
        for at in every(60, begun, OVER)
        for requests in [{OVER.date(): 7, (OVER - timedelta(days=1)).date(): 200}.get(_local(at), 100)]
    ]
    lines = filled(a_case({"request_counts": rows}, "daily", as_of=OVER))
    assert [line for line in lines if line.startswith("| Requests |")] == [
        "| Requests | 4,800 | 2,400 (+100 %) | ? |"
    ]


def _local(moment: datetime) -> object:
    return pd.Timestamp(moment).tz_convert("America/Chicago").date()


def test_what_a_person_notes_is_not_cut_short() -> None:
    said = "The week was quiet but for one outage. " * 20
    assert said.strip() in "\n".join(filled(a_case(), Notes(summary=said)))


def test_the_amounts_of_an_incident_are_readable_and_its_last_seconds_are_no_relapse() -> None:
    """Down from 12:00:01 to 12:15:01, reported as 12:00 to 12:15."""
    lines = filled(a_quarter(down=3))
    assert "- Minutes of downtime: 15" in lines
    assert [line for line in lines if line.startswith("| Uptime |") and "✓ yes" in line] == [
        "| Uptime | 0.11 % | 99.89 % | ✓ yes | 0 of 3 probes since found it down |"
    ]


def test_a_window_in_which_nothing_happened_has_no_response_to_be_late_with() -> None:
    said = "No outage and no spike of errors was found in this window; the times count from its start."
    assert [said in filled(a_quarter(down)) for down in (0, 3)] == [True, False]


def test_of_what_was_not_understood_the_most_frequent_is_told_and_the_rest_counted() -> None:
    row = {"source": "sentry", "what": "not a number", "example": "x", "taken_for": "unknown"}
    rows = [row | {"item": f"events.{n}", "count": n} for n in range(1, 21)]
    lines = filled(a_case({"not_understood": rows}))
    told = [line for line in lines if line.startswith("| sentry | events.")]
    assert told[0].startswith("| sentry | events.20 | ") and len(told) == 12
    assert "And 8 more in report.json." in lines


def test_a_criterion_is_asked_and_answered() -> None:
    """Nobody takes the words of a box that is not ticked for what is so (rule 22)."""
    lines = [line for line in filled(a_quarter(down=0)) if line.startswith("- [ ] The health check fails")]
    assert [line.partition(" by ")[0] for line in lines] == [
        "- [ ] The health check fails? No: found up at Tue 4 Mar 09:10 CST"
    ]


def a_quarter(down: int) -> Case:
    """A quarter of an hour of which the first probes found the application down, looked at days later."""
    start, whole = DEPLOYED + timedelta(days=1), a_case(as_of=OVER)
    moments = [start + timedelta(seconds=1, minutes=5 * i) for i in range(down)]
    probes = the_probes(5, DEPLOYED - timedelta(days=8, seconds=-1), OVER, moments)
    window = Window(start, start + timedelta(minutes=15))
    scope = incident_scope(a_site().zone, DEPLOYED, window, OVER)
    frames = a_case({"probes": probes}).collection.frames
    return replace(whole, scope=scope, collection=Collection(frames, whole.collection.coverage), window=window)


def test_the_title_says_how_many_of_the_days_have_come() -> None:
    fourth = DEPLOYED + timedelta(days=3)
    assert any("(4 of 7 days, the last not over)" in line for line in filled(a_case(as_of=fourth)))
    assert a_case(as_of=fourth).scope.days_done == 3


UNREAD = dict.fromkeys(GUIDE_SOURCES, "failed")
REFUSED = "503: Service Unavailable"


@pytest.mark.slow
@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
def test_where_no_source_was_read_nothing_is_said_to_be_well_or_down(phase: Phase) -> None:
    """Nobody looked: that there is no fault is as unknown as that there is one."""
    gaps = [a_gap(name, REFUSED) for name in GUIDE_SOURCES]
    site = a_site(
        costs=[{"name": "a_plan", "title": "A plan", "amount": 25}]
    )  # known, where those of vendors are not
    text = "\n".join(filled(a_case({"gaps": gaps}, phase.name, coverage=UNREAD, site=site)))
    assert re.search(r"No source could be read at \w{3} \d+ Mar \d\d:\d\d C[SD]T\b", text)
    assert "- None\n" not in text.partition("Issues")[2].partition("Action Items")[0]
    assert not re.search(r"✓|\bDOWN\b|is down|OPERATIONAL|✗|recovered|No limit was", text)


def test_what_a_silent_source_left_unmeasured_is_one_line() -> None:
    gaps = [a_gap("stripe", REFUSED)]
    lines = filled(a_case({"gaps": gaps}, coverage={"stripe": "failed"}))
    told = [line for line in lines if line.startswith("- Stripe could not be read (")]
    assert len(told) == 1
    assert f"({REFUSED}): " in told[0]
    assert {"Payment failures", "Webhooks not delivered"} <= set(told[0].partition("): ")[2].split(", "))


@pytest.mark.slow
def test_no_fault_is_none_where_all_was_read_and_says_so_where_not() -> None:
    lines = filled(a_case({"gaps": [a_gap("stripe", REFUSED)]}, coverage={"stripe": "failed"}))
    assert lines[lines.index("### Critical (P0)") + 1] == "- None in what could be read"
    assert (whole := filled(a_case()))[whole.index("### Critical (P0)") + 1] == "- None"


def test_a_target_of_yes_is_a_word() -> None:
    probes = the_probes(5, DEPLOYED - timedelta(days=8), WEEK_LATER)
    lines = filled(a_case({"probes": probes}, "weekly-review"))
    assert "- Application up: yes (target yes, ✓ PASS)" in lines
    assert not any("· info)" in line for line in lines), "what is not judged has no target"


def test_a_doubtful_outage_is_not_told_as_downtime() -> None:
    """The last probe finds it down, and 200 requests of the last minutes were served."""
    last = WEEK_LATER - timedelta(minutes=5)
    probes = the_probes(5, DEPLOYED - timedelta(days=8), WEEK_LATER, [last])
    served = {"source": "vercel", "interval_s": 60.0, "status": 200, "requests": 40.0}
    counts = [{**served, "at": at} for at in every(1, DEPLOYED, WEEK_LATER)]
    lines = filled(a_case({"probes": probes, "request_counts": counts}))
    assert [line for line in lines if "of downtime" in line] == []
    (told,) = [line for line in lines if line.startswith("- The application may be down. Still the case.")]
    assert told


def test_when_a_source_was_silent_is_told_and_not_that_it_still_is() -> None:
    """A report of the first day, written a week later: what is asked then says nothing of the day's end."""
    gaps = [a_gap("stripe", REFUSED)]
    lines = filled(a_case({"gaps": gaps}, "day1", as_of=WEEK_LATER, coverage={"stripe": "failed"}))
    (told,) = [line for line in lines if line.startswith("- Stripe could not be read at ")]
    assert told.startswith(
        "- Stripe could not be read at Mon 10 Mar 10:00 CDT. Run pdm doctor: it says why Stripe "
    )


def test_what_is_worst_is_told_first() -> None:
    """Down for two minutes on the second day, for half an hour at the end."""
    down = [DEPLOYED + timedelta(days=1), *every(5, WEEK_LATER - timedelta(minutes=30), WEEK_LATER)]
    lines = filled(a_case({"probes": the_probes(5, DEPLOYED - timedelta(days=8), WEEK_LATER, down)}))
    first, *_ = [line for line in lines if line.startswith("- ⚠️")]
    assert first == "- ⚠️ The application has been down for 30 minutes"


def test_a_limit_inside_a_sentence_is_in_words() -> None:
    """2,500 ms against the guide's target of under 2,000 ms."""
    times = {"p50_ms": 100.0, "p95_ms": 900.0, "p99_ms": 2500.0, "avg_ms": 200.0}
    row = {
        "source": "sentry",
        "start": DEPLOYED,
        "end": WEEK_LATER,
        "requests": 10_000.0,
        "failures": 0.0,
        **times,
    }
    lines = filled(a_case({"latencies": [{**row, "samples": 500, "sample_rate": 0.05}]}))
    assert any("Response time p99 is 2,500 ms, and the target is under 2,000 ms" in line for line in lines)
    assert "(target under 1,000 ms)" in judge(a_case({"latencies": [{**row, "samples": 500}]})).summary


@pytest.mark.parametrize("phase", ["day1", *slowly("weekly-review")])
def test_a_limit_and_a_status_are_written_alike_in_every_table(phase: str) -> None:
    lines = filled(a_case(phase=phase))
    assert "| Response time p95 |" in "".join(line[:22] for line in lines)
    assert any(
        line.startswith("| Response time p95 |") and line.endswith("| < 1,000 | ? UNKNOWN |") for line in lines
    )


def test_what_a_ticked_box_rests_on_stands_behind_it() -> None:
    """The guide's box has a colon of its own: `Error rate: <0.5%`."""
    counts = [
        {"source": "vercel", "interval_s": 60.0, "status": 200, "requests": 40.0, "at": at, "sample_rate": 1.0}
        for at in every(1, DEPLOYED, OVER)
    ]
    lines = filled(a_case({"request_counts": counts}, "daily", as_of=OVER))
    assert "- [x] Error rate: <0.5% · 0 % of requests" in lines


def test_no_trend_stands_beside_what_was_not_measured() -> None:
    lines = filled(
        a_case({"gaps": [a_gap("postgres", REFUSED)]}, "weekly-review", coverage={"postgres": "failed"})
    )
    told = [line for line in lines if line.startswith("- Support tickets: not measured")]
    assert told
    assert all(line.endswith(")") for line in told)


def test_a_table_that_is_hidden_is_one_reason_of_the_confidence() -> None:
    hidden = "row-level security hides public.cron_job_logs from role monitor"
    case = a_case({"gaps": [a_gap("postgres", hidden, "table:public.cron_job_logs")]})
    rows = [
        replace(row, status=Answer.PARTIAL, detail=f"table public.cron_job_logs: {hidden}")
        if row.source == "postgres"
        else row
        for row in case.collection.coverage
    ]
    lines = filled(replace(case, collection=replace(case.collection, coverage=tuple(rows))))
    assert len([line for line in lines if line.startswith("- ") and f"cron_job_logs: {hidden}" in line]) == 2, (
        "as a reason of the confidence, and as what was not measured"
    )


def test_integrations_are_not_ticked_where_the_database_among_them_has_issues() -> None:
    well = {"vendor": "supabase", "kind": "service", "item": "rest", "status": "ACTIVE_HEALTHY", "ok": True}
    looks = [{"metric": "db_up", "value": 0.0, "at": DEPLOYED + timedelta(minutes=50)}]
    site = a_site(unused=["stripe", "twilio", "resend", "sentry"])
    frames = {"vendor_states": [well], "host_metrics": looks}
    lines = filled(a_case(frames, "hour1", as_of=DEPLOYED + timedelta(hours=1), site=site))
    assert [line for line in lines if line.startswith("- Supabase: OPERATIONAL")]
    assert [line for line in lines if line.startswith("- Database: ISSUES")]
    assert "## Integrations ✗" in lines
