"""The guide's templates filled in: what stands beside a value, and how much of a sentence."""

from dataclasses import replace
from datetime import datetime, timedelta

import pandas as pd
import pytest

from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection
from pdmlib.phases.scope import incident_scope
from pdmlib.phases.window import Window
from pdmlib.report.text import report_markdown
from pdmlib.site.notes import Notes
from pdmlib.verdict.verdict import judge
from tests.builders import DEPLOYED, a_case, a_site, every, the_probes

OVER = DEPLOYED + timedelta(days=5, hours=3)


def filled(case: Case, notes: Notes | None = None) -> list[str]:
    return report_markdown(judge(case), notes or Notes()).splitlines()


@pytest.mark.parametrize("phase", ["hour1", "day1", "daily", "weekly-review", "ongoing"])
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
    start, whole = DEPLOYED + timedelta(days=1), a_case(as_of=OVER)
    moments = [start + timedelta(seconds=1, minutes=5 * i) for i in range(3)]
    probes = the_probes(5, DEPLOYED - timedelta(days=8, seconds=-1), OVER, moments)
    window = Window(start, start + timedelta(minutes=15))
    scope = incident_scope(a_site().zone, DEPLOYED, window, OVER)
    frames = a_case({"probes": probes}).collection.frames
    case = replace(whole, scope=scope, collection=Collection(frames, whole.collection.coverage), window=window)
    lines = filled(case)
    assert "- Minutes of downtime: 15" in lines
    assert any(
        line.startswith("| Uptime |") and "✓ yes | 0 of 3 probes since found it down" in line for line in lines
    )


def test_the_title_says_how_many_of_the_days_have_come() -> None:
    fourth = DEPLOYED + timedelta(days=3)
    assert any("(4 of 7 days, the last not over)" in line for line in filled(a_case(as_of=fourth)))
    assert a_case(as_of=fourth).scope.days_done == 3
