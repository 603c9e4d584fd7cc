"""Cron jobs: slots of their schedules, not rows of their log.

Every job of the site file is expanded in its own zone, and its runs are matched to its slots one to
one. A job without any row is told apart from one that missed its slots.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from pdmlib.analysis.cron_schedules import TIME, UNCLEAR, matched, ours_of, runs_of
from pdmlib.analysis.metric import Metric
from pdmlib.errors import nearest
from pdmlib.frames.case import Case, once
from pdmlib.frames.readings import Finding, Limit, Measurement, Priority, State, Status, counted
from pdmlib.frames.rows import json_row
from pdmlib.frames.states import Slot
from pdmlib.frames.understanding import LACKING
from pdmlib.phases.phase import Topic
from pdmlib.phases.window import Window, comes_twice, spoken, spoken_day
from pdmlib.site.schedules import Timed, end_of, is_same, names_in, periods_before, slots_of, timed
from pdmlib.site.tables import Cron, Job

SECTION = "cron"
DID = {"failed": "failed in", "missed": "missed"}
RERUN = "Check logs, re-run manually if needed"
STAMP = "Let its runs write when they began"
LIST = "List these jobs in the site file, with their schedules"
INSTRUMENT = "Find out whether the job is scheduled, and let its runs write the log"
UNCONFIGURED = "the site file has no cron block"
EMPTY = "the cron log can be read and holds no row of any job"
SILENT = "nothing was logged in this window by any job"
NOTHING_DUE = "no job was due in this window"
GOOD, BAD = (Slot.OK, Slot.LATE), (Slot.FAILED, Slot.HUNG)
EARLY = timedelta(days=2)  # before the window, of which the log is read whole
SHOWN = 20  # jobs that the site file does not list: more tell nobody more
NAMED = 5  # jobs that a line names
NAME = 60  # characters of a stranger's name that a row can hold
IDLE = (Slot.NOT_DUE, Slot.DISABLED, Slot.DUPLICATE)
COLUMNS = ("job", "expected_at", "state", "started_at", "seconds", "error")


@once
def slots(case: Case) -> pd.DataFrame:
    """Slots of every job in the window: job, expected_at, state, started_at, seconds, error.

    States: ok, late, failed, hung (no end within its timeout), missed, running, pending (may still
    start), not_understood (ended in a word that nobody has declared), duplicate (a further run of a
    slot), disabled, never_logged (a slot of a job that has no row at all), not_due (the job has no
    slot here; `expected_at` is its next one). Empty when the log could not be read.
    """
    cron = case.site.cron
    if cron is None or not cron.expected or unreadable(case):
        return pd.DataFrame({c: pd.Series(dtype=TIME if c.endswith("_at") else "object") for c in COLUMNS})
    runs = runs_known(case)
    off = _disabled(case)
    jobs = cron.expected
    due = _states(case, cron, matched(jobs, cron, runs, case.window), off=off, logged=set(runs["job"].unique()))
    names, busy = [job.name for job in jobs], set(due["job"].unique())
    found = pd.concat([due, _idle(case, [job for job in jobs if job.name not in busy], off)])
    return found.sort_values("job", key=lambda job: job.map(names.index), kind="stable", ignore_index=True)


def runs_known(case: Case) -> pd.DataFrame:
    """Every run of the log, as far back as it was read, the same for every window of a case."""
    return _runs(case.at(case.scope.window))


@once
def _runs(case: Case) -> pd.DataFrame:
    return runs_of(case["cron_logs"], case.site.cron, case.scope.as_of)


def _disabled(case: Case) -> set[str]:
    settings = case["cron_settings"]
    off = settings.loc[settings["enabled"] == False, "job"]  # noqa: E712
    return set(ours_of(off, case.site.cron).values())


def _idle(case: Case, jobs: list[Job], off: set[str]) -> pd.DataFrame:
    """A row for each job without a slot in the window, with its next one."""
    following = [slots_of(job, case.window)[:1] for job in jobs]
    return pd.DataFrame(
        {
            "job": [job.name for job in jobs],
            "expected_at": pd.Series([slots[0] if slots else pd.NaT for slots in following], dtype=TIME),
            "state": [Slot.DISABLED if job.name in off else Slot.NOT_DUE for job in jobs],
            "started_at": pd.Series([pd.NaT] * len(jobs), dtype=TIME),
            "seconds": np.nan,
            "error": None,
        },
        columns=list(COLUMNS),
    )


def _in_doubt(cron: Cron, due: pd.Series) -> pd.Series:
    """At which moments a log whose times have no zone cannot tell a run from one an hour apart."""
    if cron.time_zone is None:
        return pd.Series(False, index=due.index)
    return due.map(partial(comes_twice, zone=ZoneInfo(cron.time_zone))).astype(bool)


def _states(case: Case, cron: Cron, table: pd.DataFrame, off: set[str], logged: set[str]) -> pd.DataFrame:
    """What became of each slot."""
    now, grace = pd.Timestamp(case.scope.as_of), pd.Timedelta(seconds=cron.start_grace_s)
    limit = table["job"].map({job.name: job.timeout_s for job in cron.expected})
    ends = table["started_at"] + pd.to_timedelta(limit, unit="s")
    idle = table["started_at"].isna()
    late = (table["started_at"] > table["expected_at"] + grace) | (table["seconds"] > limit)
    again = table["nth"] > 0
    twice = _in_doubt(cron, table["expected_at"])
    states = {
        UNCLEAR: (twice & (idle | again)) | (~again & (table["outcome"] == UNCLEAR)),
        Slot.DUPLICATE: again,
        Slot.DISABLED: idle & table["job"].isin(off),
        Slot.PENDING: idle & (now < table["expected_at"] + grace),
        Slot.NEVER_LOGGED: idle & ~table["job"].isin(logged),
        Slot.MISSED: idle,
        Slot.FAILED: table["outcome"] == Slot.FAILED,
        Slot.RUNNING: table["outcome"].isna() & (now < ends),
        Slot.HUNG: table["outcome"].isna(),
        Slot.LATE: late,
    }
    table["state"] = np.select(list(states.values()), list(states), Slot.OK)
    hung = limit.map("no end within {:g} s".format)
    return table.assign(error=table["error"].where(table["state"] != Slot.HUNG, hung))[list(COLUMNS)]


def unreadable(case: Case) -> Measurement | None:
    """Why the cron log tells nothing; None when it can be read and holds rows."""
    cron = case.site.cron
    if cron is None:
        return Measurement.missing(State.NOT_CONFIGURED, UNCONFIGURED, "cron")
    source, item = _source(case), "check_ins" if cron.in_sentry else f"table:{cron.table}"
    if not case.answered(source, item):
        return case.missing(source, item, "the cron log was not read")
    if case["cron_logs"].empty:
        return Measurement.missing(State.NO_DATA, EMPTY, source)
    return None


def _source(case: Case) -> str:
    """Where the runs are from: the application's table, or Sentry where it keeps none."""
    return "sentry" if case.site.cron and case.site.cron.in_sentry else "postgres"


@once
def _due_slots(case: Case) -> pd.DataFrame:
    return _expected(slots(case))


def _expected(table: pd.DataFrame) -> pd.DataFrame:
    return table[~table["state"].isin(IDLE)]


def _measured(case: Case, value: float, due: pd.DataFrame, evidence: str | None) -> Measurement:
    return Measurement(
        State.MEASURED, value, samples=len(due), source=_source(case), window=case.window, evidence=evidence
    )


def jobs_expected(case: Case) -> Measurement:
    """Jobs of the site file; the evidence says how many of them are not due, disabled or never logged."""
    if lost := unreadable(case):
        return lost
    first = slots(case).drop_duplicates("job")
    counts = first["state"].value_counts()
    asides = [
        f"{counts[s]} {s.replace('_', ' ')}"
        for s in (Slot.NOT_DUE, Slot.DISABLED, Slot.NEVER_LOGGED)
        if s in counts
    ]
    text = f"{len(first)} jobs" + (f": {', '.join(asides)}" if asides else "")
    return _measured(case, len(first), first, text + (f"; {_besides(case)}" if _unlisted(case) else ""))


def runs_expected(case: Case) -> Measurement:
    """Slots of all jobs that are not disabled; the evidence names those of jobs that never logged."""
    if lost := unreadable(case):
        return lost
    due = _due_slots(case)
    never = due[due["state"] == Slot.NEVER_LOGGED]
    names = ", ".join(never["job"].unique())
    text = f"{len(never)} of them of jobs that never logged a run ({names})" if len(never) else None
    return _measured(case, len(due), due, text)


def runs_in(case: Case, states: tuple[str, ...]) -> Measurement:
    """Slots in one of the states; unknown when nothing was due, or nothing at all was logged meanwhile."""
    found = _due(case, silence_tells=Slot.MISSED in states)
    if isinstance(found, Measurement):
        return found
    hit = found[found["state"].isin(states)]
    unclear = 0 if Slot.MISSED in states else int((found["state"] == UNCLEAR).sum())
    if unclear:
        return _at_least(case, len(hit), unclear, found)
    text = f"{len(hit):,} of {counted(len(found), 'run')}, {_by_job(hit)}" if len(hit) else None
    return _measured(case, len(hit), found, text)


def _by_job(runs: pd.DataFrame) -> str:
    """Which jobs runs are of, most first."""
    counts = runs["job"].value_counts()
    if len(counts) == 1:
        return f"all of {counts.index[0]}"
    more = f" and {len(counts) - NAMED} more jobs" if len(counts) > NAMED else ""
    return ", ".join(f"{n:,} of {job}" for job, n in counts.head(NAMED).items()) + more


def _at_least(case: Case, hit: int, unclear: int, found: pd.DataFrame) -> Measurement:
    """What is known where the end of some runs is not understood: so many at least, and nothing instead of 0."""
    why = case.unclear(_source(case), "cron.") or "the ends of runs are not understood"
    text = f"{hit} of {len(found)} runs for certain, {unclear} more ended in a word that is not understood"
    known = _measured(case, hit, found, text)
    known = replace(known, low=float(hit), high=float(hit + unclear), reason=f"{text}; {why}")
    return known if hit else replace(known, state=State.NOT_UNDERSTOOD, value=None)


def _due(case: Case, silence_tells: bool = False) -> pd.DataFrame | Measurement:
    """Slots that were due, of jobs that log; else why there is nothing to count."""
    if lost := unreadable(case):
        return lost
    due = _due_slots(case)
    if due.empty:
        return Measurement.missing(State.NOT_DUE, NOTHING_DUE, _source(case))
    heard = due[due["state"] != Slot.NEVER_LOGGED]
    if heard.empty or (heard["started_at"].isna().all() and not silence_tells):
        return Measurement.missing(State.NO_DATA, SILENT, _source(case))
    return heard


def avg_seconds(case: Case) -> Measurement:
    """Mean length of the runs that ended well."""
    found = _due(case)
    if isinstance(found, Measurement):
        return found
    lengths = found.loc[found["state"].isin(GOOD), "seconds"]
    odd = case.unclear("postgres", "cron.duration_ms") or case.unclear("postgres", "cron.completed_at")
    if odd and lengths.isna().any():
        return Measurement.missing(
            State.NOT_UNDERSTOOD, f"{lengths.isna().sum()} lengths are not known; {odd}", "postgres"
        )
    lengths = lengths.dropna()
    if lengths.empty:
        return Measurement.missing(State.NO_DATA, "no run ended well in this window", _source(case))
    return _measured(case, float(lengths.mean()), lengths.to_frame(), f"longest {lengths.max():.0f} s")


@once
def table(case: Case) -> list[dict[str, Any]]:
    """Rows of `cron`, one a job of the site file; counts are None where its log cannot be read."""
    if case.site.cron is None:
        return []
    found, last = by_job(slots(case)), None if unreadable(case) else _last_runs(case)
    listed = [_row(case, job, found.get(job.name), last) for job in case.site.cron.expected]
    return [*listed, *map(_unlisted_row, _unlisted(case).items())]


def by_job(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows of each job that has any, in the order of their first."""
    return {str(job): mine for job, mine in rows.groupby("job", sort=False)}


def _last_runs(case: Case) -> dict[Any, pd.Timestamp]:
    """When the newest run of each job began, up to the end of the window."""
    runs = runs_known(case)
    begun = runs[runs["started_at"] < case.window.end].groupby("job")["started_at"].max()
    return dict(begun.items())


@once
def _unlisted(case: Case) -> dict[str, pd.DataFrame]:
    """Runs of the window of jobs that the site file does not list, by job; those that failed most often first."""
    cron, runs = case.site.cron, runs_known(case)
    inside = (runs["started_at"] >= case.window.start) & (runs["started_at"] < case.window.end)
    found = {str(job): mine for job, mine in runs[inside].groupby("job") if cron and not cron.job_of(str(job))}
    return dict(sorted(found.items(), key=lambda one: (-_failed(one[1]), -len(one[1]), one[0]))[:SHOWN])


def _failed(runs: pd.DataFrame) -> int:
    return int((runs["outcome"] == Slot.FAILED).sum())


def _unlisted_row(found: tuple[str, pd.DataFrame]) -> dict[str, Any]:
    name, runs = found
    errors, ended = runs["error"].dropna(), runs["outcome"] == "completed"
    return json_row(
        {
            "job": name[:NAME],
            "schedule": "not in the site file",
            "expected": None,
            **dict.fromkeys(_COUNTED),
            "ok": int(ended.sum()),
            "failed": _failed(runs),
            "avg_seconds": runs.loc[ended, "seconds"].mean(),
            "last_run": runs["started_at"].max(),
            "last_error": str(errors.iloc[-1])[:300] if len(errors) else None,
        }
    )


def _besides(case: Case) -> str:
    """The jobs of the log that the site file does not list, with their runs and failures."""
    each = (f"{job[:NAME]} ({len(runs)} runs, {_failed(runs)} failed)" for job, runs in _unlisted(case).items())
    return f"in the log and not in the site file: {', '.join(each)}"


def _row(
    case: Case, job: Job, mine: pd.DataFrame | None, last: Mapping[Any, pd.Timestamp] | None
) -> dict[str, Any]:
    row: dict[str, Any] = {"job": job.name, "schedule": _schedule(timed(job))}
    if last is None or mine is None:
        planned = [slot for slot in slots_of(job, case.window) if slot < case.window.end]
        return {**row, "expected": len(planned), **dict.fromkeys(_COUNTED)}
    due = _expected(mine)
    row["expected"] = len(due)
    if (due["state"] == Slot.NEVER_LOGGED).any():
        startless = _startless(case, job.name)
        why = f"{startless} rows without a start" if startless else "never logged"
        return {**row, **dict.fromkeys(_COUNTED), "last_error": why}
    errors = mine[mine["state"].isin(BAD)].sort_values("started_at")["error"].dropna()
    states = due["state"].value_counts().to_dict()
    counted = {"ok": states.get("ok", 0), "failed": sum(states.get(state, 0) for state in BAD)}
    unclear = states.get(UNCLEAR, 0)
    row |= {key: count or None for key, count in counted.items()} if unclear else counted
    row |= {state: states.get(state, 0) for state in ("missed", "late", "running")}
    row["avg_seconds"] = due.loc[due["state"].isin(GOOD), "seconds"].mean()
    row["last_run"] = last.get(job.name)
    row["last_error"] = str(errors.iloc[-1])[:300] if len(errors) else None
    if unclear:
        row["last_error"] = f"{unclear} runs ended in a word that is not understood"
    return json_row(row)


_COUNTED = ("ok", "failed", "missed", "late", "running", "avg_seconds", "last_run", "last_error")


def drift(case: Case) -> list[dict[str, Any]]:
    """Rows of `cron_drift`: jobs whose name or schedule differs between site file, platform and log.

    Columns job, site (schedule), platform (schedule), log (runs), reason; None where it is not there.
    A list that could not be read says nothing. Schedules are held against each other by their slots.
    """
    cron = case.site.cron
    if cron is None:
        return []
    site = {job.name: timed(job) for job in cron.expected}
    platform = _platform(case)
    logged = (
        None if unreadable(case) else {str(k): int(n) for k, n in runs_known(case)["job"].value_counts().items()}
    )
    names = sorted({*site, *(platform or {}), *(logged or {})})
    rows = [_drifted(case, name, site.get(name), platform=platform, logged=logged) for name in names]
    return [row for row in rows if row["reason"]]


def _schedule(schedules: Sequence[Timed]) -> str:
    """Schedules as a table shows them, with the zone of those that are not in UTC."""
    return "; ".join(dict.fromkeys(text if zone == "UTC" else f"{text} ({zone})" for text, zone in schedules))


def _platform(case: Case) -> dict[str, list[Timed]] | None:
    """Schedules of the platform by job name; None when they were not read. A platform fires in UTC."""
    if not case.answered("vercel", "platform_crons"):
        return None
    crons = case["platform_crons"]
    found: dict[str, list[Timed]] = {}
    names = _names_of(crons["path"].unique(), case.site.cron.jobs if case.site.cron else ())
    for path, schedule in zip(crons["path"], crons["schedule"], strict=True):
        found.setdefault(names[path], []).append((schedule, "UTC"))
    return found


def _names_of(paths: Iterable[str], jobs: Sequence[Job]) -> dict[str, str]:
    """The job of each path: the one whose path it is, else the one that its last part or its query names.

    A path of no job goes by its end, and as a whole where several end alike.
    """
    declared = {job.path: job.name for job in jobs if job.path}
    known = {name: job.name for job in jobs for name in (*job.aliases, job.name)}
    found = {p: declared.get(p) or next((known[n] for n in names_in(p) if n in known), None) for p in paths}
    ends = Counter(end_of(path) for path, name in found.items() if name is None)
    return {path: name or (end_of(path) if ends[end_of(path)] == 1 else path) for path, name in found.items()}


def _drifted(
    case: Case,
    name: str,
    site: list[Timed] | None,
    platform: Mapping[str, list[Timed]] | None,
    logged: Mapping[str, int] | None,
) -> dict[str, Any]:
    there, runs = (platform or {}).get(name), (logged or {}).get(name)
    reasons = []
    if site is None:
        reasons.append("not in the site file")
    if platform is not None and there is None:
        reasons.append("not scheduled on the platform")
    if logged is not None and runs is None:
        reasons.append("no row in the log")
    if site is not None and there is not None and not is_same(site, there, case.window.start):
        reasons.append("the schedules differ")
    return {
        "job": name,
        "site": _schedule(site) if site else None,
        "platform": _schedule(there) if there else None,
        "log": counted(runs, "run") if runs is not None else None,
        "reason": "; ".join(reasons),
    }


def findings(case: Case) -> list[Finding]:
    """Jobs that failed or missed slots, and jobs that never logged a run."""
    return [*_unlisted_failures(case), *_of_jobs(case, by_job(slots(case)))]


def _unlisted_failures(case: Case) -> Iterator[Finding]:
    """One finding for all jobs that fail and that the site file does not list."""
    failing = {job: runs for job, runs in ({} if unreadable(case) else _unlisted(case)).items() if _failed(runs)}
    if failing:
        names = ", ".join(job[:NAME] for job in failing)
        yield Finding(
            id="cron:unlisted",
            title=f"Jobs that the site file does not list fail: {names}",
            priority=Priority.P2,
            reading="cron_jobs_expected",
            evidence=f"{_besides(case)}.".capitalize(),
            action=LIST,
            becomes_green="the site file lists them, or none of their runs fails",
            since=_failing_since(case, failing),
            active=any(runs["outcome"].dropna().iloc[-1] == Slot.FAILED for runs in failing.values()),
            value=sum(map(_failed, failing.values())),
            threshold="0 failed",
        )


def _failing_since(case: Case, failing: Mapping[str, pd.DataFrame]) -> datetime:
    """When the first of these jobs began to fail; of those that did so since the deployment, if there are any.

    Runs of before the window tell of a job whose first run in it failed.
    """
    runs, early = runs_known(case), case.window.start - EARLY
    moments: list[datetime] = []
    for job, mine in failing.items():
        first = mine.loc[mine["outcome"] == Slot.FAILED, "started_at"].min()
        known = runs[(runs["job"] == job) & (runs["started_at"] >= early) & (runs["started_at"] <= first)]
        well = known.loc[known["outcome"] != Slot.FAILED, "started_at"].max()
        moments.append(known.loc[~(known["started_at"] <= well), "started_at"].min().to_pydatetime())
    return min([m for m in moments if not case.scope.precedes(m)] or moments)


def _of_jobs(case: Case, found: Mapping[str, pd.DataFrame]) -> list[Finding]:
    return [
        finding
        for job, mine in found.items()
        for finding in (
            _trouble(case, job, mine, states=BAD, word="failed"),
            _trouble(case, job, mine, states=(Slot.MISSED,), word="missed"),
            _never(case, job, mine),
        )
        if finding
    ]


def _trouble(case: Case, job: str, mine: pd.DataFrame, states: tuple[str, ...], word: str) -> Finding | None:
    hit = mine[mine["state"].isin(states)]
    if hit.empty:
        return None
    due = _expected(mine)
    first, last = hit["expected_at"].min().to_pydatetime(), hit["expected_at"].max().to_pydatetime()
    errors = hit["error"].dropna()
    why = f" ({str(errors.iloc[-1])[:200]})" if len(errors) else ""
    over, zone = _good_since(mine, last), case.site.zone
    title = f"{job}: {len(hit)} of {len(due)} runs {word}"
    begun = _before(case, job, states, first) if due["state"].iloc[0] in states else None
    return Finding(
        id=f"cron:{job}:{word}",
        title=title,
        priority=Priority.P1,
        reading=f"cron_runs_{word}",
        evidence=f"{title}: {_when(first, last, zone)}{why}.",
        action=RERUN,
        becomes_green=f"its next run succeeds (now {over or 'none'} of those due since {spoken(last, zone)} did)",
        since=begun or first,
        active=over == 0,
        value=len(hit),
        said=f"The job {job} {_did(word, hit)} {_of_its(len(hit), len(due))}",
        threshold="> 0",
    )


def _did(word: str, hit: pd.DataFrame) -> str:
    """What became of the runs; one that began and never ended has told nobody that it failed."""
    return "did not end in" if hit["state"].eq(Slot.HUNG).all() else DID[word]


def _of_its(hit: int, due: int) -> str:
    """How many of a job's runs: `3 of its 7 runs`, `all of its 6 runs`, `its only run`."""
    if due == 1:
        return "its only run"
    return f"{'all' if hit == due else f'{hit:,}'} of its {due:,} runs"


def _when(first: datetime, last: datetime, zone: ZoneInfo) -> str:
    """When the runs were due, of which the first and the last are given."""
    if first == last:
        return f"due {spoken(first, zone)}"
    return f"the first due {spoken(first, zone)}, the last {spoken(last, zone)}"


def _before(case: Case, job: str, states: tuple[str, ...], first: datetime) -> datetime | None:
    """When the runs began to come out so that did just before the window, as far back as the log is read.

    Of runs that did not start, the newest one that did tells more: it is known however long ago it was.

    Args:
        first: the first slot of the window of which the run came out so.
    """
    if states != BAD:
        return _stopped(case, job, first)
    early = _due_slots(case.at(Window(case.window.start - EARLY, case.window.start)))
    mine = early[early["job"] == job].sort_values("expected_at")
    others = mine.loc[~mine["state"].isin(states), "expected_at"]
    run = mine[mine["expected_at"] > others.max()] if len(others) else mine
    return None if run.empty else run["expected_at"].min().to_pydatetime()


def _stopped(case: Case, job: str, first: datetime) -> datetime | None:
    """The first slot after a job's newest run before another slot; None where no run is known."""
    cron, runs = case.site.cron, runs_known(case)
    ran = runs.loc[(runs["job"] == job) & (runs["started_at"] < first), "started_at"].max()
    mine = next((one for one in (cron.expected if cron else ()) if one.name == job), None)
    if cron is None or mine is None or pd.isna(ran):
        return None
    after = ran.to_pydatetime() + timedelta(seconds=cron.early_s + 1)
    return next(iter(slots_of(mine, Window(after, after))), None) if after < first else None


def _good_since(mine: pd.DataFrame, last: datetime) -> int:
    """How many later runs ended well: one that succeeded again shows that the job is mended."""
    return int((mine["state"].isin(GOOD) & (mine["expected_at"] > last)).sum())


def _never(case: Case, job: str, mine: pd.DataFrame) -> Finding | None:
    silent = mine[mine["state"] == Slot.NEVER_LOGGED]
    if silent.empty:
        return None
    platform = _platform(case)
    if platform is None:
        where = "the platform's schedule was not read"
    elif job in platform:
        where = "the platform schedules it, so its route does not write the log or cannot"
    else:
        where = "the platform does not schedule it"
    startless, near = _startless(case, job), nearest(job, _unlisted(case))
    if startless:
        return replace(
            _silence(job, silent, f"has {startless} rows without a start"),
            evidence=f"The log holds {startless} rows of {job}, none of which says when the run began, so that "
            f"none can be held against the {len(silent)} runs expected.",
            action=STAMP,
        )
    reach = _reach(case, job)
    never = "never logged a run" if reach is None else f"logged no run since {spoken_day(reach.date())}"
    too_short = "and does not reach back over two of its periods"
    holds = "now or before" if reach is None else f"{too_short} (to {spoken(reach, case.site.zone)})"
    named = f"; of the log's jobs that the site file does not list: {near.strip()}" if near else ""
    text = f"{len(silent)} runs of {job} were expected and the log holds no row of it, {holds}, "
    return replace(_silence(job, silent, never), evidence=f"{text}while other jobs have rows; {where}{named}.")


def _silence(job: str, silent: pd.DataFrame, what: str) -> Finding:
    """The finding of a job of which no run is known."""
    return Finding(
        id=f"cron:{job}:never_logged",
        title=f"{job} {what}",
        priority=Priority.P2,
        reading="cron_runs_expected",
        evidence="",
        action=INSTRUMENT,
        becomes_green=f"the log holds a run of {job} (now 0)",
        since=silent["expected_at"].min().to_pydatetime(),
        value=len(silent),
        threshold="> 0",
    )


def _startless(case: Case, job: str) -> int:
    """Rows of the log that are of a job and do not say when the run began."""
    cron, empty = case.site.cron, ("postgres", "cron.started_at", LACKING)
    rows = (row for row in case.collection.not_understood if (row["source"], row["item"], row["what"]) == empty)
    return sum(int(row["count"]) for row in rows if cron and cron.job_of(str(row["example"])) == job)


def _reach(case: Case, job: str) -> datetime | None:
    """Where the log begins, when that is too late to say of a job that it never ran; else None."""
    mine = next((one for one in (case.site.cron.expected if case.site.cron else ()) if one.name == job), None)
    first = case["cron_logs"]["started_at"].min()
    if mine is None or pd.isna(first) or first <= periods_before(mine, case.scope.window.start):
        return None
    return cast(datetime, first.to_pydatetime())


_ANY = (Limit(">", 0, Status.FAIL, priority=Priority.P1, action=RERUN),)
FAILED, MISSED = partial(runs_in, states=BAD), partial(runs_in, states=(Slot.MISSED,))
OK, LATE = partial(runs_in, states=(Slot.OK,)), partial(runs_in, states=(Slot.LATE,))

METRICS: tuple[Metric, ...] = (
    Metric("cron_jobs_expected", "Cron jobs", "count", section=SECTION, measure=jobs_expected, topic=Topic.DAYS),
    Metric(
        "cron_runs_expected",
        "Scheduled runs",
        "count",
        adds_up=True,
        section=SECTION,
        measure=runs_expected,
        topic=Topic.DAYS,
    ),
    Metric(
        "cron_runs_ok",
        "Successful runs",
        "count",
        adds_up=True,
        section=SECTION,
        measure=OK,
        better="higher",
        topic=Topic.DAYS,
    ),
    Metric(
        "cron_runs_failed",
        "Failed runs",
        "count",
        adds_up=True,
        section=SECTION,
        measure=FAILED,
        limits=_ANY,
        target="0",
        better="lower",
        topic=Topic.DAYS,
    ),
    Metric(
        "cron_runs_missed",
        "Missed runs",
        "count",
        adds_up=True,
        section=SECTION,
        measure=MISSED,
        limits=_ANY,
        target="0",
        better="lower",
        topic=Topic.DAYS,
    ),
    Metric(
        "cron_runs_late",
        "Late runs",
        "count",
        adds_up=True,
        section=SECTION,
        measure=LATE,
        better="lower",
        topic=Topic.DAYS,
    ),
    Metric(
        "cron_avg_seconds",
        "Average run time",
        "s",
        section=SECTION,
        measure=avg_seconds,
        better="lower",
        topic=Topic.DAYS,
    ),
)
