"""Jobs that two schedulers start, and jobs that take many times as long; times and lengths counted by hand."""

from datetime import timedelta
from typing import Any

import pytest

from pdmlib.analysis import cron_habits
from pdmlib.frames.readings import Finding
from pdmlib.verdict.verdict import judge
from tests.analysis.test_cron import DAY_LATER, one_job, rows_of
from tests.builders import DEPLOYED, a_case, every, slowly

DAYS_EARLIER = DEPLOYED - timedelta(days=2)
SECOND = timedelta(seconds=40)


def judged(rows: list[list[dict[str, Any]]]) -> list[Finding]:
    logs = [row for part in rows for row in part]
    return cron_habits.findings(a_case({"cron_logs": logs}, "day1", as_of=DAY_LATER, site=one_job()))


BEFORE = [rows_of("job", moment) for moment in every(60, DAYS_EARLIER, DEPLOYED)]
AFTER = every(60, DEPLOYED, DAY_LATER)


def test_a_job_that_a_second_scheduler_starts_since_the_deployment_is_told() -> None:
    """Of 24 hourly times each had a run, and 40 s later another."""
    (found,) = judged([*BEFORE, *(rows_of("job", m + d) for m in AFTER for d in (SECOND * 0, SECOND))])
    assert (found.id, found.priority, found.since, found.active) == ("cron:job:twice", "P1", DEPLOYED, True)
    assert found.evidence.startswith("24 of 24 expected runs of job since")


@pytest.mark.parametrize(
    ("first", "second", "hours"),
    [
        pytest.param("completed", "completed", (3, 9), id="started by hand twice"),
        pytest.param("failed", "completed", range(24), id="tried again where it failed"),
        pytest.param("completed", None, (), id="once each time"),
    ],
)
def test_a_second_run_by_hand_or_after_a_failure_is_no_second_scheduler(
    first: str, second: str, hours: Any
) -> None:
    rows = [rows_of("job", m, status=first if n in hours else "completed") for n, m in enumerate(AFTER)]
    rows += [rows_of("job", m + SECOND, status=second) for n, m in enumerate(AFTER) if n in hours]
    assert judged([*BEFORE, *rows]) == []


def test_a_second_scheduler_that_was_stopped_is_over() -> None:
    """Hours 0 to 9 had two runs, the 14 since then one."""
    rows = [rows_of("job", m + d) for m in AFTER[:10] for d in (SECOND * 0, SECOND)]
    (found,) = judged([*BEFORE, *rows, *(rows_of("job", m) for m in AFTER[10:])])
    assert (found.value, found.active) == (10, False)
    assert found.evidence.startswith("10 of 24 expected runs")


@pytest.mark.parametrize(
    ("seconds", "from_hour", "told"),
    [
        pytest.param(
            200, 0, "The last 24 runs of job took 200 s in the median; the 48 before them 10 s.", id="all"
        ),
        pytest.param(
            200, 20, "The last 4 runs of job took 200 s in the median; the 68 before them 10 s.", id="four"
        ),
        pytest.param(200, 22, None, id="the last two may be chance"),
        pytest.param(30, 0, None, id="three times as long"),
    ],
)
def test_a_job_that_takes_twenty_times_as_long_is_told_with_its_first_long_run(
    seconds: float, from_hour: int, told: str | None
) -> None:
    rows = [rows_of("job", m, seconds=seconds if n >= from_hour else 10) for n, m in enumerate(AFTER)]
    found = judged([*BEFORE, *rows])
    assert [one.evidence for one in found] == ([told] if told else [])
    assert [one.since for one in found] == ([AFTER[from_hour]] if told else [])


def test_a_quick_job_that_takes_some_seconds_harms_nobody() -> None:
    rows = [rows_of("job", m, seconds=0.1) for m in every(60, DAYS_EARLIER, DEPLOYED)]
    assert judged([*rows, *(rows_of("job", m, seconds=5) for m in AFTER)]) == []


@pytest.mark.parametrize("phase", ["day1", *slowly("week1", "daily")])
def test_both_are_causes_with_their_moment(phase: str) -> None:
    rows = [rows_of("job", m + d, seconds=200) for m in AFTER for d in (SECOND * 0, SECOND * 6)]
    logs = [row for part in [*BEFORE, *rows] for row in part]
    verdict = judge(a_case({"cron_logs": logs}, phase, as_of=DAY_LATER, site=one_job()))
    causes = {cause.id: cause.status for cause in verdict.causes if cause.id.startswith("cron:")}
    assert causes == {"cron:job:twice": "new", "cron:job:longer": "new"}
