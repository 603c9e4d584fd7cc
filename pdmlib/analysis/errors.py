"""Errors & Issues: what the error tracker holds, judged relative to this deployment.

The vendor's own "new" means something else; the classes here are those of `classify`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pdmlib import stats
from pdmlib.analysis.metric import Metric
from pdmlib.analysis.traffic.onset import HOUR, after_deployment, onset_of_counts
from pdmlib.analysis.traffic.populations import population, populations
from pdmlib.analysis.traffic.stretches import ROLLBACK_PCT, last_stretch
from pdmlib.frames.case import Case, once
from pdmlib.frames.readings import FEWEST_EVENTS, Finding, Limit, Measurement, Priority, State, Status, counted
from pdmlib.frames.rows import json_rows
from pdmlib.frames.states import IssueClass
from pdmlib.phases.window import spoken
from pdmlib.site.vendors import Sentry

RELEASED = timedelta(minutes=30)  # a release is often made known a while after the deployment
SECTION = "errors"
INVESTIGATE = "Investigate errors, identify root cause"
WATCH = "Monitor, investigate if persists"
BEFORE = timedelta(days=7)  # as long as the baseline, so that each weekday is in it once
TITLE = 90  # characters of an error's title that a sentence has room for
MOST = 0.5  # of all errors: beyond it their hours are those of one issue
FEW_DROPPED = 0.005  # of all errors: an issue of which so few are lost is listed by its others
SHOWN, LEVEL = 10, 0.01  # issues in the table; level of the test, strict since reports come by the day
ERROR_LEVELS = ("error", "fatal")
_COLUMNS = (
    "issue",
    "title",
    "level",
    "first_seen",
    "last_seen",
    "events",
    "users",
    "new",
    "recurring",
    "security",
    "class",
    "status",
    "assigned_to",
    "link",
)


@once
def classify(case: Case) -> pd.DataFrame:
    """Issues of level error or fatal with `seen` (events in the case's window), `tested` and `class`.

    An issue whose level was not understood is none of them: it is told, and may be any.

    The class is one of:
        STALE_CLIENT: seen in the window, but its newest event is from a release older than this one.
        NEW: first seen at or after the deployment.
        REGRESSED: was resolved, and seen again since the deployment.
        GROWING: its rate ratio against the seven days before the deployment excludes 1, upwards, by
            time and, where requests were counted, by requests; at 1 %, since reports come by the day, and
            adjusted for how many issues are held against it.
        GONE: seen in those seven days, not in the window.
        RECURRING: the rest.
    """
    table = case["issues"]
    table = table[table["level"].isin(ERROR_LEVELS)].reset_index(drop=True)
    latest = case.window == case.scope.latest and case.window != case.scope.window
    seen = (table["events_latest"] if latest else table["events"]).fillna(0).astype(int)
    seen = seen.mask(table["last_seen"] < case.window.start, 0)  # the count is of a longer window than the case's
    old = _older_releases(case)
    deployed = case.scope.deployed_at
    tested = int(((seen > 0) & table["events_before"].notna()).sum())
    there = ((deployed - table["first_seen"]) / BEFORE).clip(0, 1).fillna(1.0)
    rows = zip(
        table["first_seen"] >= deployed,
        (table["substatus"] == "regressed") & (table["last_seen"] >= deployed),
        table["last_release"].isin(old),
        seen,
        table["events_before"],
        there,
        [tested] * len(table),
        strict=True,
    )
    classes = [_class(case, *row) for row in rows]
    return table.assign(seen=seen, tested=tested, there=there, **{"class": pd.Series(classes, dtype="str")})


def _class(
    case: Case, new: bool, regressed: bool, stale: bool, seen: int, before: Any, there: float, tested: int
) -> str:
    """The class of an issue.

    Args:
        there: the part of the week before the deployment in which it was known.
    """
    if stale and seen > 0:
        return IssueClass.STALE_CLIENT
    if new:
        return IssueClass.NEW
    if regressed:
        return IssueClass.REGRESSED
    known = not pd.isna(before)
    if seen == 0:
        return IssueClass.GONE if known and before > 0 else IssueClass.RECURRING
    return (
        IssueClass.GROWING
        if known and _grew(case, seen, int(before), there, tested=tested)
        else IssueClass.RECURRING
    )


def _grew(case: Case, events: int, before: int, there: float, tested: int) -> bool:
    """Whether events became more frequent, and more so than requests: a busy hour alone is no growth."""
    level = stats.level_for_looks(tested * case.scope.phase.looks, LEVEL)
    each = ((now, there * usual) for now, usual in _exposures(case))
    return all(stats.rate_ratio(events, now, before, usual, level=level)[0] > 1 for now, usual in each)


@once
def _exposures(case: Case) -> list[tuple[float, float]]:
    """How much of time, and of requests where they were counted, lies in the window and in the week before."""
    known = [(case.window.seconds, BEFORE.total_seconds())]
    now = next(populations(case), None)
    usual = population(case.at(case.scope.before), now.source) if now else None
    if now and usual and now.requests and usual.requests:
        known.append((now.rate * case.window.seconds, usual.rate * BEFORE.total_seconds()))
    return known


def _older_releases(case: Case) -> set[str]:
    """Releases of the error tracker made before the one that was judged."""
    releases = case["deployments"]
    releases = releases[releases["source"] == "sentry"]
    made = releases["live_at"].fillna(releases["created_at"])
    current = made[made <= case.scope.deployed_at + RELEASED].max()
    return set(releases.loc[made < current, "deployment"])


@once
def unheard(case: Case) -> str | None:
    """Why a tracker that answered tells nothing of the window; None where it was heard of, or silence is usual.

    An application that reports no more looks as one without errors: traces and errors together tell them apart.
    """
    if not case.answered("sentry") or _heard(case):
        return None
    due = _heard(case.at(case.scope.before)) * (case.window.seconds / BEFORE.total_seconds())
    if due > 0 and stats.chance_of_none(due) >= stats.LEVEL:
        return None
    usual = f"where {due:,.0f} were due by" if due else "nor of"
    return f"the error tracker has neither a trace nor an error of this window, {usual} the week before"


def _heard(case: Case) -> float:
    """Traces, errors and further issues of the window that the tracker was sent."""
    traces, window, counts = population(case, "sentry"), case.window, case["error_counts"]
    inside = counts[(counts["start"] >= window.start) & (counts["end"] <= window.end)]
    exact = inside[(inside["start"] == window.start) & (inside["end"] == window.end)]
    last = case["issues"]["last_seen"]
    errors = float((exact if len(exact) else inside)["errors"].fillna(0).sum())
    errors = max(errors, float(last.between(window.start, window.end).sum()))
    return errors + (
        0.0 if traces is None else float(traces.requests if traces.sampled is None else traces.sampled)
    )


def _measured(case: Case, rows: pd.DataFrame, evidence: str | None = None) -> Measurement:
    """How many issues; none of those that were understood is no zero while others were not."""
    if not case.answered("sentry", "issues"):
        return case.missing("sentry", "issues", "the error tracker listed no issues")
    unclear = case.unclear("sentry", "issues") or case.unclear("sentry", "errors")
    if len(rows) == 0 and unclear:
        return Measurement.missing(State.NOT_UNDERSTOOD, unclear, "sentry")
    lost = much_dropped(case)
    if len(rows) == 0 and (silence := unheard(case) or _contradiction(case) or lost):
        return Measurement.missing(State.NO_DATA, silence, "sentry")
    doubt = "; ".join(filter(None, (unclear, lost)))
    reason = f"at least so many; {doubt}" if doubt else None
    return Measurement(
        State.MEASURED, len(rows), reason=reason, source="sentry", window=case.window, evidence=evidence
    )


def _contradiction(case: Case) -> str | None:
    """What a tracker says that counts errors of the window and lists no issue at all; None where it does not."""
    counted = _exact(case)["errors"].sum()
    if len(case["issues"]) or not counted:
        return None
    return f"the error tracker counts {counted:,.0f} errors of this window and lists no issue that they belong to"


def _exact(case: Case) -> pd.DataFrame:
    """The error counts of exactly the case's window."""
    counts = case["error_counts"]
    return counts[(counts["start"] == case.window.start) & (counts["end"] == case.window.end)]


def _titles(rows: pd.DataFrame) -> str | None:
    top = rows.sort_values(["seen", "issue"], ascending=[False, True]).head(3)
    return (
        "; ".join(f"{t} ({counted(n, 'event')})" for t, n in zip(top["title"], top["seen"], strict=True)) or None
    )


@once
def _in_window(case: Case) -> pd.DataFrame:
    table = classify(case)
    table = table.assign(title=table["title"].mask(table["title"].fillna("") == "", "issue " + table["issue"]))
    return table[table["seen"] > 0]


def _open(table: pd.DataFrame) -> pd.Series:
    return table["status"] == "unresolved"


def is_critical(table: pd.DataFrame) -> pd.Series:
    """Which open issues are critical: fatal, or new or regressed, unhandled and of high priority."""
    fresh = table["class"].isin([IssueClass.NEW, IssueClass.REGRESSED])
    urgent = (table["priority"] == "high") & table["unhandled"].fillna(False) & fresh
    return _open(table) & ((table["level"] == "fatal") | urgent)


def is_security(case: Case, table: pd.DataFrame) -> pd.Series:
    """Which issues carry one of the site's security words in their title or culprit."""
    block = case.site.source("sentry")
    words = block.security_words if isinstance(block, Sentry) else ()
    text = (table["title"].fillna("") + " " + table["culprit"].fillna("")).str.lower()
    found = pd.Series(False, index=table.index)
    for word in words:
        found |= text.str.contains(word.lower(), regex=False)
    return found


def issues_new(case: Case) -> Measurement:
    """Issues first seen in the window, at or after the deployment."""
    table = classify(case)
    inside = (table["first_seen"] >= case.window.start) & (table["first_seen"] < case.window.end)
    rows = table[(table["class"] == IssueClass.NEW) & inside]
    return _measured(case, rows, _titles(rows))


def issues_critical(case: Case) -> Measurement:
    """Critical issues (see `is_critical`) with events in the window."""
    table = _in_window(case)
    rows = table[is_critical(table)]
    return _measured(case, rows, _titles(rows))


def issues_recurring(case: Case) -> Measurement:
    """Issues seen in the window that were there before the deployment and grow or go on."""
    table = _in_window(case)
    rows = table[table["class"].isin([IssueClass.RECURRING, IssueClass.GROWING])]
    growing = int((rows["class"] == IssueClass.GROWING).sum())
    return _measured(case, rows, f"{len(rows)} go on from before the deployment, {growing} of them more often")


def issues_security(case: Case) -> Measurement:
    """Issues seen in the window whose title or culprit holds a security word of the site."""
    table = _in_window(case)
    rows = table[is_security(case, table)]
    return _measured(case, rows, _titles(rows))


def issues_resolved(case: Case) -> Measurement:
    """Issues seen in the window that are marked resolved by now."""
    table = _in_window(case)
    return _measured(case, table[table["status"] == "resolved"])


def issues_open(case: Case) -> Measurement:
    """Issues seen in the window that are still unresolved."""
    table = _in_window(case)
    return _measured(case, table[_open(table)])


def errors_total(case: Case) -> Measurement:
    """Events of level error and fatal in the window, counted whole."""
    if silence := unheard(case):
        return Measurement.missing(State.NO_DATA, silence, "sentry")
    exact = _exact(case)
    if len(exact) and not pd.isna(exact["errors"].iloc[0]):
        row = exact.iloc[0]
        told = [counted(row[f"{what}s"], what) for what in ("issue", "user") if not pd.isna(row[f"{what}s"])]
        return Measurement(
            State.MEASURED,
            int(row["errors"]),
            reason=_dropped(case),
            source="sentry",
            window=case.window,
            evidence=", ".join(told) or None,
        )
    if unclear := case.unclear("sentry", "errors"):
        return Measurement.missing(State.NOT_UNDERSTOOD, unclear, "sentry")
    return case.missing("sentry", "error_counts", "the error tracker gave no total for this window")


@once
def much_dropped(case: Case) -> str | None:
    """That the tracker dropped so many errors of the window that it does not list all; None where it did not."""
    quota = _quota(case)
    counts = pd.to_numeric(quota["status"].str.extract(r"^(\d+)")[0])
    lost = float(counts[(quota["ok"] == False).fillna(False).to_numpy(bool)].sum())  # noqa: E712
    sent = lost + float(counts[(quota["item"] == "accepted").to_numpy()].sum())
    if lost <= FEW_DROPPED * sent:
        return None
    return f"{lost:,.0f} of {counted(sent, 'error')} of the window were dropped"


def _quota(case: Case) -> pd.DataFrame:
    states = case["vendor_states"]
    return states[(states["vendor"] == "sentry") & (states["kind"] == "quota")]


def _dropped(case: Case) -> str | None:
    """Why the tracker's counts are too low, when it dropped errors."""
    quota = _quota(case)
    lost = quota[~quota["ok"].fillna(True)]
    words = ", ".join(f"{status} ({item})" for item, status in zip(lost["item"], lost["status"], strict=True))
    return f"the count is too low: dropped were {words}" if words else None


def top_errors(case: Case) -> list[dict[str, Any]]:
    """Rows of `top_errors`: issues with events in the window, most events first, at most twenty."""
    table = _in_window(case)
    table = table.assign(
        new=table["class"] == IssueClass.NEW,
        recurring=table["class"].isin([IssueClass.RECURRING, IssueClass.GROWING]),
        security=is_security(case, table),
        events=table["seen"],
    )
    top = table.sort_values(["events", "issue"], ascending=[False, True]).head(20)
    return json_rows(top[list(_COLUMNS)])


def findings(case: Case) -> list[Finding]:
    """NEW, REGRESSED and GROWING issues that are open: the ten with most events, the others in one line."""
    table = _in_window(case)
    table = table.assign(critical=is_critical(table), security=is_security(case, table))
    table = table[
        _open(table)
        & (table["class"].isin([IssueClass.NEW, IssueClass.REGRESSED, IssueClass.GROWING]) | table["critical"])
    ]
    table = table.sort_values(["critical", "security", "seen", "issue"], ascending=[False, False, False, True])
    found = [_finding(case, row) for row in table.head(SHOWN).to_dict("records")]
    rest = table.iloc[SHOWN:]
    return found + ([_others(case, rest)] if len(rest) else [])


def _finding(case: Case, row: dict[str, Any]) -> Finding:
    grade, seen = IssueClass(row["class"]), int(row["seen"])
    urgent = bool(row["critical"] or row["security"])
    users = "" if pd.isna(row["users"]) else f", {counted(row['users'], 'user')}"
    earlier = row["events_before"]
    before = "" if pd.isna(earlier) else f"; {earlier} in the 7 days before the deployment"
    since = row["first_seen"] if grade == IssueClass.NEW else _more_since(case, seen)
    kind = "security " if row["security"] else "critical " if row["critical"] else ""
    return Finding(
        id=f"issue:{row['issue']}:{grade.lower()}",
        title=f"{_WORDS[grade]} {kind}error: {row['title']}",
        priority=Priority.P1 if urgent else Priority.P2,
        reading=_reading(row),
        evidence=f"{row['issue']}: {counted(seen, 'event')}{users} in the window{before}.",
        action=INVESTIGATE if urgent else WATCH,
        becomes_green=_becomes_green(case, row),
        since=_moment(since),
        active=_active(case, row),
        value=seen,
        size=("requests", seen),
        threshold=f"<= {_allowed(case, row)} events",
        said=_said(kind, grade, row, users),
    )


def _more_since(case: Case, seen: int) -> datetime:
    """Since when what is not new came more often: the deployment, unless requests fail since before it.

    What makes most of the errors came more often when these did, where that was surely later: of one issue alone
    the hours are not told.
    """
    deployed, found = case.scope.deployed_at, last_stretch(case, ROLLBACK_PCT)
    if found and found.start < deployed < (found.end or case.window.end):
        return found.start
    counts = case["error_counts"]
    hours = counts[(counts["end"] - counts["start"]) == HOUR].dropna(subset=["errors"]).sort_values("start")
    inside = hours["start"].between(deployed, case.window.end)
    if seen < MOST * hours.loc[inside, "errors"].sum():
        return deployed
    return after_deployment(case, onset_of_counts(hours["start"], hours["errors"].to_numpy("float64")))


def _said(kind: str, grade: IssueClass, row: dict[str, Any], users: str) -> str:
    hit = f"{users.removeprefix(', ')} met" if users else "users met"
    return f"{hit} a {_WORDS[grade].lower()} {kind}error ({str(row['title'])[:TITLE]})"


_WORDS = {
    IssueClass.NEW: "New",
    IssueClass.REGRESSED: "Returned",
    IssueClass.GROWING: "Growing",
    IssueClass.RECURRING: "Recurring",
    IssueClass.STALE_CLIENT: "Old-client",
}


def _reading(row: dict[str, Any]) -> str:
    if row["critical"]:
        return "issues_critical"
    if row["security"]:
        return "issues_security"
    return "issues_new" if row["class"] == IssueClass.NEW else "issues_recurring"


def _active(case: Case, row: dict[str, Any]) -> bool:
    """Whether it was still seen in the latest part of the window, or comes too rarely to be missed there."""
    if not pd.isna(row["last_seen"]):
        return bool(row["last_seen"] >= case.scope.latest.start) or _may_come_again(case, row)
    return not pd.isna(row["events_latest"]) and row["events_latest"] > 0


def _may_come_again(case: Case, row: dict[str, Any]) -> bool:
    """Whether an issue that came a few times is silent no longer than by chance, at the rate at which it came."""
    start = case.window.start if pd.isna(row["first_seen"]) else max(row["first_seen"], case.window.start)
    came, silent = row["last_seen"] - start, case.window.end - row["last_seen"]
    if row["seen"] < FEWEST_EVENTS or came <= timedelta(0):
        return False
    return stats.chance_of_none(float(row["seen"] * (silent / came))) >= stats.LEVEL


def _becomes_green(case: Case, row: dict[str, Any]) -> str:
    if row["class"] != IssueClass.GROWING:
        return f"the issue is resolved{_silent(case, row['last_seen'])} (now {counted(row['seen'], 'event')})"
    most = _allowed(case, row)
    return f"at most {most} events in a window of this length (now {int(row['seen']):,}), or the issue is resolved"


def _allowed(case: Case, row: dict[str, Any]) -> int:
    """How many events of the window would be no finding."""
    if row["class"] != IssueClass.GROWING:
        return 0
    seen, before, tested = int(row["seen"]), int(row["events_before"]), int(row["tested"])
    there = float(row["there"])
    return next((n for n in range(seen, 0, -1) if not _grew(case, n, before, there, tested=tested)), 0)


def _silent(case: Case, last: Any) -> str:
    """Until when silence clears a window that moves on; one that begins with the deployment keeps its events."""
    moment = _moment(last)
    if moment is None or not case.scope.phase.rolling:
        return ""
    return f", or has no event until {spoken(moment + case.scope.phase.length, case.site.zone)}"


def _others(case: Case, rest: pd.DataFrame) -> Finding:
    words = ", ".join(f"{n} {c}" for c, n in rest["class"].value_counts().sort_index().items())
    return Finding(
        id="issue:others",
        title=f"{len(rest)} more new, returned or growing errors",
        priority=Priority.P2,
        reading="issues_new",
        evidence=f"{len(rest)} further open issues with {counted(rest['seen'].sum(), 'event')} ({words}).",
        action=WATCH,
        becomes_green=f"these {len(rest)} are resolved{_silent(case, rest['last_seen'].max())} "
        f"(now {counted(rest['seen'].sum(), 'event')})",
        threshold="<= 0 events",
        active=any(_active(case, row) for row in rest.to_dict("records")),
        value=len(rest),
    )


def _moment(value: Any) -> datetime | None:
    return None if value is None or pd.isna(value) else pd.Timestamp(value).to_pydatetime()


_SOME = (Limit(">", 0, Status.WARN, priority=Priority.P2, action=WATCH),)
_CRITICAL = (Limit(">", 0, Status.FAIL, priority=Priority.P1, action=INVESTIGATE),)

METRICS: tuple[Metric, ...] = (
    Metric("issues_new", "New issues", "count", adds_up=True, section=SECTION, measure=issues_new, better="lower"),
    Metric(
        "issues_critical",
        "Critical issues",
        "count",
        section=SECTION,
        measure=issues_critical,
        limits=_CRITICAL,
        target="0",
        better="lower",
    ),
    Metric(
        "issues_recurring", "Recurring issues", "count", section=SECTION, measure=issues_recurring, better="lower"
    ),
    Metric(
        "issues_security",
        "Security-related issues",
        "count",
        section=SECTION,
        measure=issues_security,
        limits=_SOME,
        target="0",
        better="lower",
    ),
    Metric("issues_resolved", "Resolved issues", "count", section=SECTION, measure=issues_resolved),
    Metric("issues_open", "Open issues", "count", section=SECTION, measure=issues_open, better="lower"),
    Metric(
        "errors_total",
        "Total errors",
        "count",
        adds_up=True,
        section=SECTION,
        measure=errors_total,
        better="lower",
    ),
)
