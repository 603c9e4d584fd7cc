"""Jobs that run as they never did: more than once at each of their times, or many times longer."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from pdmlib.analysis import cron
from pdmlib.analysis.cron_schedules import matched
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Finding, Priority, counted, significant
from pdmlib.phases.window import Window, spoken
from pdmlib.site.tables import Job

FEWEST = 3  # times in a row: once or twice somebody may have started it by hand
SKIPPED = 2  # times that a second scheduler may have missed within such a row
# Times the usual length. Jobs whose work varies by half or double are common, by so much each time they are not;
# and a few seconds more harm nobody.
LONGER, MATTERS_S = 5, 10


def findings(case: Case) -> list[Finding]:
    """One finding for each job that is started again though it ended well, and one for each that became longer."""
    if case.site.cron is None or cron.unreadable(case):
        return []
    runs, jobs = cron.runs_known(case), case.site.cron.expected
    runs = runs[runs["outcome"] == "completed"]
    table = matched(jobs, case.site.cron, runs, Window(case.window.start - cron.EARLY, case.window.end))
    due, ran = cron.by_job(table), cron.by_job(runs)
    return [
        finding
        for job in jobs
        for told in (
            _twice(case, job, due.get(job.name, table[:0])),
            _longer(case, job, ran.get(job.name, runs[:0])),
        )
        for finding in told
    ]


def _twice(case: Case, job: Job, mine: pd.DataFrame) -> Iterator[Finding]:
    """A job that two schedulers start: each of its newest times had a second run, though the first ended well."""
    if not mine["nth"].any():
        return
    times = mine.groupby("expected_at")["nth"].max()
    places = pd.Series(range(len(times)), index=times.index)[times > 0]
    gaps = (places.diff() > SKIPPED + 1).cumsum()
    row = places[gaps == gaps.max()]
    if len(row) < FEWEST or row.index[-1] < case.window.start:
        return
    since = row.index[0].to_pydatetime()
    began = spoken(since, case.site.zone)
    due = len(times) - int(row.iloc[0])
    yield Finding(
        id=f"cron:{job.name}:twice",
        title=f"{job.name} runs more than once at a time that it is due",
        priority=Priority.P1,
        reading="cron_runs_expected",
        evidence=f"{len(row)} of {counted(due, 'expected run')} of {job.name} since {began} had a further run, "
        "though the first had ended well.",
        action="Find out what else starts it: a second scheduler, or a caller that tries again",
        becomes_green="it runs once each time that it is due",
        since=since,
        active=len(times) - 1 - int(row.iloc[-1]) <= SKIPPED,
        value=len(row),
        threshold="0",
        said=f"The job {job.name} has run more than once each time since {began}",
    )


def _longer(case: Case, job: Job, mine: pd.DataFrame) -> Iterator[Finding]:
    """A job of which each of the newest runs took many times as long as runs did before them."""
    mine = mine[mine["seconds"].notna() & (mine["started_at"] < case.window.end)].sort_values("started_at")
    seconds = mine["seconds"].reset_index(drop=True)
    if len(seconds) < 2 * FEWEST:
        return
    least = seconds[::-1].cummin()[::-1]  # of this run and all after it
    usual = seconds.expanding().median().shift(1)
    cut = (least >= (LONGER * usual).clip(lower=MATTERS_S)) & (seconds.index >= FEWEST)
    if not cut.any() or len(seconds) - cut.idxmax() < FEWEST:
        return
    first = int(cut.idxmax())
    since = mine["started_at"].iloc[first].to_pydatetime()
    before, now = usual[first], seconds[first:].median()
    yield Finding(
        id=f"cron:{job.name}:longer",
        title=f"{job.name} takes {now / before:,.0f} times as long",
        priority=Priority.P2,
        reading="cron_avg_seconds",
        evidence=f"The last {counted(len(seconds) - first, 'run')} of {job.name} took {significant(now)} s "
        f"in the median; the {first} before them {significant(before)} s.",
        action="Look at what it does for so long: its statements, its calls, or more to do",
        becomes_green="its runs take as long as they did",
        since=since,
        value=float(now),
        threshold=f"< {LONGER} times {significant(before)} s",
        said=f"The job {job.name} takes {now / before:,.0f} times as long since {spoken(since, case.site.zone)}",
    )
