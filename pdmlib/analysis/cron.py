"""Cron jobs: slots of their schedules, not rows of their log.

Every job of the site file is expanded in its own zone, and its runs are matched to its slots one to
one. A job without any row is told apart from one that missed its slots.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from pdmlib.analysis.cron_schedules import TIME, expand, matched, runs_of
from pdmlib.analysis.metric import Metric
from pdmlib.frames.case import Case, once
from pdmlib.frames.readings import Finding, Limit, Measurement, Priority, State, Status
from pdmlib.frames.rows import json_row
from pdmlib.phases.phase import AFTER_HOUR1
from pdmlib.phases.window import iso
from pdmlib.site.tables import Cron, Job

SECTION = "cron"
RERUN = "Check logs, re-run manually if needed"
INSTRUMENT = "Find out whether the job is scheduled, and let its runs write the log"
UNCONFIGURED = "the site file has no cron block"
EMPTY = "the cron log can be read and holds no row of any job"
SILENT = "nothing was logged in this window by any job"
NOTHING_DUE = "no job was due in this window"
GOOD, BAD = ("ok", "late"), ("failed", "hung")
IDLE = ("not_due", "disabled", "duplicate")
COLUMNS = ("job", "expected_at", "state", "started_at", "seconds", "error")


@once
def slots(case: Case) -> pd.DataFrame:
    """Slots of every job in the window: job, expected_at, state, started_at, seconds, error.

    States: ok, late, failed, hung (no end within its timeout), missed, running, pending (may still
    start), duplicate (a further run of a slot), disabled, never_logged (a slot of a job that has
    no row at all), not_due (the job has no slot here; `expected_at` is its next one). Empty when
    the log could not be read.
    """
    cron = case.site.cron
    if cron is None or not cron.jobs or unreadable(case):
        return pd.DataFrame({c: pd.Series(dtype=TIME if c.endswith("_at") else "object") for c in COLUMNS})
    runs = _runs(case)
    off = _disabled(case)
    due = _states(case, cron, matched(cron.jobs, cron, runs, case.window), off, set(runs["job"].unique()))
    names, busy = [job.name for job in cron.jobs], set(due["job"].unique())
    found = pd.concat([due, _idle(case, [job for job in cron.jobs if job.name not in busy], off)])
    return found.sort_values("job", key=lambda job: job.map(names.index), kind="stable", ignore_index=True)


def _runs(case: Case) -> pd.DataFrame:
    jobs = case.site.cron.jobs if case.site.cron else ()
    return runs_of(case["cron_logs"], jobs, case.scope.as_of)


def _disabled(case: Case) -> set[str]:
    settings, jobs = case["cron_settings"], case.site.cron.jobs if case.site.cron else ()
    off = set(settings.loc[settings["enabled"] == False, "job"])  # noqa: E712
    return {job.name for job in jobs if off & {job.name, *job.aliases}}


def _idle(case: Case, jobs: list[Job], off: set[str]) -> pd.DataFrame:
    """A row for each job without a slot in the window, with its next one."""
    following = [expand(job.schedule, job.time_zone, case.window)[:1] for job in jobs]
    return pd.DataFrame(
        {
            "job": [job.name for job in jobs],
            "expected_at": pd.Series([slots[0] if slots else pd.NaT for slots in following], dtype=TIME),
            "state": ["disabled" if job.name in off else "not_due" for job in jobs],
            "started_at": pd.Series([pd.NaT] * len(jobs), dtype=TIME),
            "seconds": np.nan,
            "error": None,
        },
        columns=list(COLUMNS),
    )


def _states(case: Case, cron: Cron, table: pd.DataFrame, off: set[str], logged: set[str]) -> pd.DataFrame:
    """What became of each slot."""
    now, grace = pd.Timestamp(case.scope.as_of), pd.Timedelta(seconds=cron.start_grace_s)
    limit = table["job"].map({job.name: job.timeout_s for job in cron.jobs})
    ends = table["started_at"] + pd.to_timedelta(limit, unit="s")
    idle = table["started_at"].isna()
    late = (table["started_at"] > table["expected_at"] + grace) | (table["seconds"] > limit)
    states = {
        "duplicate": table["nth"] > 0,
        "disabled": idle & table["job"].isin(off),
        "pending": idle & (now < table["expected_at"] + grace),
        "never_logged": idle & ~table["job"].isin(logged),
        "missed": idle,
        "failed": table["outcome"] == "failed",
        "running": table["outcome"].isna() & (now < ends),
        "hung": table["outcome"].isna(),
        "late": late,
    }
    table["state"] = np.select(list(states.values()), list(states), "ok")
    hung = limit.map("no end within {:g} s".format)
    return table.assign(error=table["error"].where(table["state"] != "hung", hung))[list(COLUMNS)]


def unreadable(case: Case) -> Measurement | None:
    """Why the cron log tells nothing; None when it can be read and holds rows."""
    cron = case.site.cron
    if cron is None:
        return Measurement.missing(State.NOT_CONFIGURED, UNCONFIGURED, "postgres")
    item = f"table:{cron.table}"
    if not case.answered("postgres", item):
        return case.missing("postgres", item, "the cron log was not read")
    if case["cron_logs"].empty:
        return Measurement.missing(State.NO_DATA, EMPTY, "postgres")
    return None


def _expected(table: pd.DataFrame) -> pd.DataFrame:
    return table[~table["state"].isin(IDLE)]


def _measured(case: Case, value: float, due: pd.DataFrame, evidence: str | None) -> Measurement:
    return Measurement(
        State.MEASURED, value, samples=len(due), source="postgres", window=case.window, evidence=evidence
    )


def jobs_expected(case: Case) -> Measurement:
    """Jobs of the site file; the evidence says how many of them are not due, disabled or never logged."""
    if lost := unreadable(case):
        return lost
    first = slots(case).drop_duplicates("job")
    counts = first["state"].value_counts()
    asides = [f"{counts[s]} {s.replace('_', ' ')}" for s in ("not_due", "disabled", "never_logged") if s in counts]
    return _measured(case, len(first), first, f"{len(first)} jobs" + (f": {', '.join(asides)}" if asides else ""))


def runs_expected(case: Case) -> Measurement:
    """Slots of all jobs that are not disabled; the evidence names those of jobs that never logged."""
    if lost := unreadable(case):
        return lost
    due = _expected(slots(case))
    never = due[due["state"] == "never_logged"]
    names = ", ".join(never["job"].unique())
    text = f"{len(never)} of them of jobs that never logged a run ({names})" if len(never) else None
    return _measured(case, len(due), due, text)


def runs_in(case: Case, states: tuple[str, ...]) -> Measurement:
    """Slots in one of the states; unknown when nothing was due, or nothing at all was logged meanwhile."""
    found = _due(case, silence_tells="missed" in states)
    if isinstance(found, Measurement):
        return found
    hit = found[found["state"].isin(states)]
    each = ", ".join(f"{job} ({n})" for job, n in hit["job"].value_counts().head(5).items())
    return _measured(case, len(hit), found, f"{len(hit)} of {len(found)} runs: {each}" if len(hit) else None)


def _due(case: Case, silence_tells: bool = False) -> pd.DataFrame | Measurement:
    """Slots that were due, of jobs that log; else why there is nothing to count."""
    if lost := unreadable(case):
        return lost
    due = _expected(slots(case))
    if due.empty:
        return Measurement.missing(State.NOT_DUE, NOTHING_DUE, "postgres")
    heard = due[due["state"] != "never_logged"]
    if heard.empty or (heard["started_at"].isna().all() and not silence_tells):
        return Measurement.missing(State.NO_DATA, SILENT, "postgres")
    return heard


def avg_seconds(case: Case) -> Measurement:
    """Mean length of the runs that ended well."""
    found = _due(case)
    if isinstance(found, Measurement):
        return found
    lengths = found.loc[found["state"].isin(GOOD), "seconds"].dropna()
    if lengths.empty:
        return Measurement.missing(State.NO_DATA, "no run ended well in this window", "postgres")
    return _measured(case, float(lengths.mean()), lengths.to_frame(), f"longest {lengths.max():.0f} s")


@once
def table(case: Case) -> list[dict[str, Any]]:
    """Rows of `cron`, one a job of the site file; counts are None where its log cannot be read."""
    if case.site.cron is None:
        return []
    found, runs = slots(case), None if unreadable(case) else _runs(case)
    return [_row(case, job, found[found["job"] == job.name], runs) for job in case.site.cron.jobs]


def _row(case: Case, job: Job, mine: pd.DataFrame, runs: pd.DataFrame | None) -> dict[str, Any]:
    row: dict[str, Any] = {"job": job.name, "schedule": job.schedule}
    due = _expected(mine)
    if runs is None:
        planned = [slot for slot in expand(job.schedule, job.time_zone, case.window) if slot < case.window.end]
        return {**row, "expected": len(planned), **dict.fromkeys(_COUNTED)}
    row["expected"] = len(due)
    if (due["state"] == "never_logged").any():
        return {**row, **dict.fromkeys(_COUNTED), "last_error": "never logged"}
    ran = runs[(runs["job"] == job.name) & (runs["started_at"] < case.window.end)]["started_at"]
    errors = mine[mine["state"].isin(BAD)].sort_values("started_at")["error"].dropna()
    states = due["state"].value_counts().to_dict()
    row |= {"ok": states.get("ok", 0), "failed": sum(states.get(state, 0) for state in BAD)}
    row |= {state: states.get(state, 0) for state in ("missed", "late", "running")}
    row["avg_seconds"] = due.loc[due["state"].isin(GOOD), "seconds"].mean()
    row["last_run"] = ran.max() if len(ran) else None
    row["last_error"] = str(errors.iloc[-1])[:300] if len(errors) else None
    return json_row(row)


_COUNTED = ("ok", "failed", "missed", "late", "running", "avg_seconds", "last_run", "last_error")


def drift(case: Case) -> list[dict[str, Any]]:
    """Rows of `cron_drift`: jobs whose name or schedule differs between site file, platform and log.

    Columns job, site (schedule), platform (schedule), log (runs), reason; None where it is not there.
    A list that could not be read says nothing.
    """
    cron = case.site.cron
    if cron is None:
        return []
    site = {job.name: job for job in cron.jobs}
    platform = _platform(case)
    logged = None if unreadable(case) else {str(k): int(n) for k, n in _runs(case)["job"].value_counts().items()}
    names = sorted({*site, *(platform or {}), *(logged or {})})
    rows = [_drifted(name, site.get(name), platform, logged) for name in names]
    return [row for row in rows if row["reason"]]


def _platform(case: Case) -> dict[str, str] | None:
    """Schedules of the platform by job name, the last part of their path; None when they were not read."""
    if not case.answered("vercel", "platform_crons"):
        return None
    names = {alias: job.name for job in (case.site.cron.jobs if case.site.cron else ()) for alias in job.aliases}
    crons = case["platform_crons"]
    last = crons["path"].str.rstrip("/").str.rsplit("/", n=1).str[-1].replace(names)
    return dict(zip(last, crons["schedule"], strict=True))


def _drifted(
    name: str, job: Job | None, platform: dict[str, str] | None, logged: dict[str, int] | None
) -> dict[str, Any]:
    there, runs = (platform or {}).get(name), (logged or {}).get(name)
    reasons = []
    if job is None:
        reasons.append("not in the site file")
    if platform is not None and there is None:
        reasons.append("not scheduled on the platform")
    if logged is not None and runs is None:
        reasons.append("no row in the log")
    if job is not None and there is not None and job.schedule != there:
        reasons.append("the schedules differ")
    return {
        "job": name,
        "site": job.schedule if job else None,
        "platform": there,
        "log": f"{runs} runs" if runs is not None else None,
        "reason": "; ".join(reasons),
    }


def findings(case: Case) -> list[Finding]:
    """Jobs that failed or missed slots, and jobs that never logged a run."""
    found = slots(case)
    jobs = list(dict.fromkeys(found["job"]))
    return [
        finding
        for job in jobs
        for finding in (
            _trouble(case, job, found[found["job"] == job], BAD, "failed"),
            _trouble(case, job, found[found["job"] == job], ("missed",), "missed"),
            _never(case, job, found[found["job"] == job]),
        )
        if finding
    ]


def _trouble(case: Case, job: str, mine: pd.DataFrame, states: tuple[str, ...], word: str) -> Finding | None:
    due, hit = _expected(mine), mine[mine["state"].isin(states)]
    if hit.empty:
        return None
    first, last = hit["expected_at"].min().to_pydatetime(), hit["expected_at"].max().to_pydatetime()
    errors = hit["error"].dropna()
    why = f" ({str(errors.iloc[-1])[:200]})" if len(errors) else ""
    over = _good_since(mine, last)
    return Finding(
        id=f"cron:{job}:{word}",
        title=f"{job}: {len(hit)} of {len(due)} runs {word}",
        priority=Priority.P1,
        reading=f"cron_runs_{word}",
        evidence=f"{len(hit)} of {len(due)} expected runs of {job} {word}, first the one of {iso(first)}, "
        f"last that of {iso(last)}{why}.",
        action=RERUN,
        becomes_green=f"its next run succeeds (now {over} of the runs due since {iso(last)} did)",
        since=first,
        active=over == 0,
        value=len(hit),
        threshold="> 0",
    )


def _good_since(mine: pd.DataFrame, last: datetime) -> int:
    """How many later runs ended well: one that succeeded again shows that the job is mended."""
    return int((mine["state"].isin(GOOD) & (mine["expected_at"] > last)).sum())


def _never(case: Case, job: str, mine: pd.DataFrame) -> Finding | None:
    silent = mine[mine["state"] == "never_logged"]
    if silent.empty:
        return None
    platform = _platform(case)
    if platform is None:
        where = "the platform's schedule was not read"
    elif job in platform:
        where = "the platform schedules it, so its route does not write the log or cannot"
    else:
        where = "the platform does not schedule it"
    return Finding(
        id=f"cron:{job}:never_logged",
        title=f"{job} never logged a run",
        priority=Priority.P2,
        reading="cron_runs_expected",
        evidence=f"{len(silent)} runs of {job} were expected and the log holds no row of it, now or before, "
        f"while other jobs have rows; {where}.",
        action=INSTRUMENT,
        becomes_green=f"the log holds a run of {job} (now 0)",
        since=silent["expected_at"].min().to_pydatetime(),
        value=len(silent),
        threshold="> 0",
    )


_ANY = (Limit(">", 0, Status.FAIL, Priority.P1, RERUN),)
FAILED, MISSED = partial(runs_in, states=BAD), partial(runs_in, states=("missed",))
OK, LATE = partial(runs_in, states=("ok",)), partial(runs_in, states=("late",))

METRICS: tuple[Metric, ...] = (
    Metric("cron_jobs_expected", "Cron jobs", "count", SECTION, jobs_expected, phases=AFTER_HOUR1),
    Metric("cron_runs_expected", "Scheduled runs", "count", SECTION, runs_expected, phases=AFTER_HOUR1),
    Metric("cron_runs_ok", "Successful runs", "count", SECTION, OK, better="higher", phases=AFTER_HOUR1),
    Metric("cron_runs_failed", "Failed runs", "count", SECTION, FAILED, _ANY, "0", "lower", phases=AFTER_HOUR1),
    Metric("cron_runs_missed", "Missed runs", "count", SECTION, MISSED, _ANY, "0", "lower", phases=AFTER_HOUR1),
    Metric("cron_runs_late", "Late runs", "count", SECTION, LATE, better="lower", phases=AFTER_HOUR1),
    Metric("cron_avg_seconds", "Average run time", "s", SECTION, avg_seconds, better="lower", phases=AFTER_HOUR1),
)
