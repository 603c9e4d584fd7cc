"""What a table or a picture comes to, in one line with its number: the title of a slide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from pdmlib.analysis.product.features import underused
from pdmlib.frames.readings import Priority, Reading, Status, counted, counted_title
from pdmlib.frames.states import Usage
from pdmlib.phases.window import spoken_day
from pdmlib.report import words
from pdmlib.verdict.causes import CauseStatus
from pdmlib.verdict.verdict import Verdict


def of_readings(verdict: Verdict, *names: str) -> str:
    """Readings with their values and targets."""
    found = [r for r in (verdict.reading(name) for name in names) if r]
    return " · ".join(_reading(r) for r in found)


def _reading(r: Reading) -> str:
    if r.target == "0" and isinstance(r.value, int):
        return counted_title(r.value, r.title)
    return f"{r.title}{':' * isinstance(r.value, bool)} {words.shown(r)}{_beside(r)}"


def _beside(r: Reading) -> str:
    """What a value is held against: its target, else what is usual."""
    if r.target.startswith(("<", ">")):
        return f" (target {words.target(r)})"
    base = r.measurement.baseline
    return f" (usual {words.number(round(base), r.unit)})" if base else ""


def _health(verdict: Verdict) -> str:
    """Whether it is up now, and how long it was not."""
    up, down, times = (verdict.reading(name) for name in ("app_up", "downtime_minutes", "downtime_events"))
    now = (
        words.as_word(up, "Up now", "Down now")
        if up and up.value is not None
        else "Not known whether it is up now"
    )
    if down is None or down.value is None:
        return f"{now}; how long it was down is not known"
    if not down.value:
        return f"{now}, and never down in this window"
    outages = f" in {counted(float(times.value), 'outage')}" if times and times.value else ""
    return f"{now}; down for {words.shown(down)}{outages}"


def _causes(verdict: Verdict) -> str:
    counts = Counter(cause.priority for cause in verdict.causes if cause.status is not CauseStatus.RECOVERED)
    over = len(verdict.causes) - counts.total()
    parts = [f"{counts[p]} {p.value}" for p in Priority if counts[p]]
    told = f"{counted(counts.total(), 'cause')} to mend: {', '.join(parts)}" if parts else "Nothing to mend"
    return f"{told}; {over} over" if over else told


def _adoption(verdict: Verdict) -> str:
    rows = verdict.tables["feature_adoption"]
    unknown = sum(row["state"] == Usage.UNKNOWN for row in rows)
    if rows and unknown == len(rows):
        return f"Not known whether {counted(unknown, 'feature')} are used"
    idle = [str(row["title"]) for row in rows if row["state"] in (Usage.ABANDONED, Usage.BROKEN)]
    used = f"{sum(row['state'] == Usage.USED for row in rows)} of {counted(len(rows), 'feature')} used as expected"
    told = f"{used}, {', '.join(idle[:2])} not" if idle else used
    return f"{told}, {unknown} not known" if unknown else told


def _underused(verdict: Verdict) -> str:
    rows = underused(verdict.tables["feature_adoption"])
    named = ", ".join(str(row["title"]) for row in rows[:2])
    return f"{counted(len(rows), 'feature')} to promote, mend or remove: {named}" if rows else ""


def _database(verdict: Verdict) -> str:
    """What is beyond a limit, else what a database runs out of first."""
    bad = [r.id for r in verdict.section("database") if r.status in (Status.FAIL, Status.WARN)]
    return of_readings(verdict, *(bad[:2] or ("db_cpu_peak_pct", "db_connections_pct")))


def _routes(verdict: Verdict) -> str:
    return _slower(verdict.tables["routes"], "route", "route", ("before_p95", "p95"))


def _queries(verdict: Verdict) -> str:
    return _slower(verdict.tables["queries"], "statement", "query", ("before_mean_ms", "mean_ms"))


def _slower(rows: Sequence[Mapping[str, Any]], what: str, name: str, times: tuple[str, str]) -> str:
    worse = [row for row in rows if row["regressed"]]
    if not worse:
        return _none_slower(rows, what, times)
    first, (before, now) = worse[0], (worse[0].get(key) for key in times)
    became = f", {words.number(before, 'ms')} before, {words.number(now, 'ms')} now" if before and now else ""
    return f"{len(worse)} of {counted(len(rows), what)} slower: {words.one_line(first[name], 60)}{became}"


def _none_slower(rows: Sequence[Mapping[str, Any]], what: str, times: tuple[str, str]) -> str:
    """That none became slower, of those that have a time before and now."""
    compared = sum(all(row.get(key) is not None for key in times) for row in rows)
    left = f", {len(rows) - compared} cannot be compared" if compared < len(rows) else ""
    if rows and not compared:
        return f"Not known whether one of {counted(len(rows), what)} became slower"
    return f"None of {counted(compared, what)} became slower{left}" if rows else ""


def _costs(verdict: Verdict) -> str:
    known = [r for r in verdict.section("costs") if isinstance(r.value, int | float) and r.value]
    most = max(known, key=lambda r: float(r.value or 0), default=None)
    return f"{most.title} cost most: {most.measurement.evidence}" if most else ""


def _actions(verdict: Verdict) -> str:
    rows = verdict.tables["action_items"]
    due = min((str(row["due"]) for row in rows if row["due"]), default="")
    first = f", the first due {spoken_day(date.fromisoformat(due))}" if due else ""
    return f"{counted(len(rows), 'action item')}{first}" if rows else ""


def _changes(verdict: Verdict) -> str:
    counts = Counter(str(row["change"]) for row in verdict.tables.get("changes", ()))
    return f"Since the last review: {', '.join(f'{n} {word}' for word, n in counts.items())}" if counts else ""


def _assessment(verdict: Verdict) -> str:
    return f"{words.STABILITY[verdict.status].capitalize()}: {verdict.recommendation_text.lower()}"


MESSAGES: Mapping[str, Callable[[Verdict], str]] = {
    "health": _health,
    "causes": _causes,
    "feature_adoption": _adoption,
    "underused": _underused,
    "database": _database,
    "routes": _routes,
    "queries": _queries,
    "costs": _costs,
    "action_items": _actions,
    "changes": _changes,
    "assessment": _assessment,
}


def message(verdict: Verdict, *names: str) -> str:
    """The line of a topic, else of readings by their ids."""
    return MESSAGES[names[0]](verdict) if names[0] in MESSAGES else of_readings(verdict, *names)
