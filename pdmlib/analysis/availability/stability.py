"""Stability: is the application up now, and for how much of the window was it up."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from pdmlib.analysis.availability.uptime import (
    BURST,
    LOG,
    UNCLEAR,
    Outage,
    Uptime,
    interval_of,
    log_of,
    name_of,
    outages,
    pooled,
    uptime,
    uptime_segments,
)
from pdmlib.analysis.limits import target_of
from pdmlib.analysis.metric import Metric
from pdmlib.analysis.traffic.onset import newest_run
from pdmlib.analysis.traffic.populations import populations
from pdmlib.analysis.traffic.stretches import ROLLBACK_PCT, Stretch, stretches
from pdmlib.frames.case import Case, once
from pdmlib.frames.readings import Answer, Finding, Limit, Measurement, Priority, State, Status, aside, counted
from pdmlib.frames.states import Probe
from pdmlib.phases.phase import HOUR, Topic
from pdmlib.phases.window import Window, iso, spoken
from pdmlib.site.site import Site
from pdmlib.site.vendors import App

SECTION = "stability"
SYSTEM_DOWN = "Investigate immediately, consider rollback"
NO_REMEDY = "Investigate immediately; it began before the deployment, so that a rollback would not mend it"
LOOK = "Look at the application from elsewhere before deciding anything"
PREVENT = "Document root cause, create prevention action items"
NOT_CONFIRMED = "not confirmed"
NO_PROBE = (
    "no probe was logged in this window; where the table has a row for each change of state, name a view that "
    "repeats the state as often as a probe would be made"
)
WHICH_PART = "Find out which of its instances or regions fails"
PROBE_MORE = "Find out why nothing probed the application then"
MEND_PART = "Find out which of its parts fails, and mend it"
OUTAGE = timedelta(minutes=5)  # the guide rolls back when it is down for longer
GRAIN = timedelta(hours=1)  # platforms count requests by the hour: an outage of minutes fills that hour of theirs
LEAST_KNOWN = 0.01  # share of the window: a percentage over less of it says nothing
HERE = ("postgres", "requests")  # sources that may lie on this side of the way out
# One observation decides nothing: three probes, too far apart for one lost packet or one restart.
ENOUGH_PROBES, LONG_ENOUGH = 3, timedelta(seconds=10)
# Four times down within an hour, or within twelve probes, is no lost probe: of those one in a hundred is many.
FLAPS, FLAP_PROBES = 4, 12
# Requests that were served since the probes fail, at no more failures than would call for a rollback, contradict
# them: then the way from here, or the endpoint, is at fault. What was served before says nothing of now.
SERVED_LATELY, FEWEST_SERVED = timedelta(minutes=5), 20
MINUTE = timedelta(minutes=1)  # requests are counted by the minute at best
UNCONFIGURED = "the site file has no uptime block, and too few other probes are known to tell"


def app_up(case: Case) -> Measurement:
    """Whether the application answered at the window's end: its page, else any of its endpoints.

    An endpoint that gives an answer which is not understood decides nothing where another one does.
    """
    targets = {target: rows for target, rows in _targets(case).items() if target != LOG}
    known = [target for target, rows in targets.items() if rows["status"].notna().any()] or list(targets)
    asked = [_page(case)] if _page(case) in known else known
    others = [t for t in _health_targets(case) if t not in asked]
    return _state(case, asked, _says_up(case, others) or _served(case, _failing_since(case, asked)))


def health_ok(case: Case) -> Measurement:
    """Whether no health endpoint said at the window's end that the application is down."""
    asked = [t for t in _health_targets(case) if t in _targets(case)]
    return _state(case, asked, _served(case, _failing_since(case, asked)))


def _page(case: Case) -> str:
    block = case.site.source("app")
    return (block.page if isinstance(block, App) else None) or "/"


def _health_targets(case: Case) -> tuple[str, ...]:
    block = case.site.source("app")
    named = (block.health, block.detailed) if isinstance(block, App) else ("/api/health", "/api/health/detailed")
    return tuple(path for path in named if path)


@once
def _targets(case: Case) -> dict[str, pd.DataFrame]:
    """The newest probes of each target up to the window's end, oldest first: a burst, or the last three.

    Probes made for a report are stamped a moment after its as-of time. The newest lies within two intervals of the
    window's end, or tells nothing of it.
    """
    interval, end = interval_of(case), case.window.end
    reach = 2 * interval
    late = reach if end >= case.scope.seen_at else timedelta(0)
    probes = case["probes"].sort_values("checked_at")
    at, own = probes["checked_at"], probes["target"] != LOG
    probes = probes[(at >= end - reach - ENOUGH_PROBES * interval) & ((at < end) | (own & (at <= end + late)))]
    found = {str(target): rows for target, rows in probes.groupby("target")}
    return {t: _last_few(rows) for t, rows in found.items() if rows["checked_at"].iloc[-1] >= end - reach}


def _last_few(rows: pd.DataFrame) -> pd.DataFrame:
    burst = rows[rows["checked_at"] >= rows["checked_at"].iloc[-1] - BURST]
    return burst if len(burst) >= ENOUGH_PROBES else rows.tail(ENOUGH_PROBES)


def _said(probes: pd.DataFrame) -> bool | None:
    """Whether a target is up, by the majority of its newest probes; None where too few or too quick ones say no.

    Of probes that are minutes apart the newest that found it up is enough, and one that did not is a doubt.
    """
    probes = probes[probes["status"].notna()]
    if probes.empty:
        return True
    at, down = probes["checked_at"], probes["status"] == Probe.DOWN
    long = at.iloc[-1] - at.iloc[0]
    mostly_up = bool(2 * down.sum() <= len(probes))
    if long > BURST and (mostly_up or not down.iloc[-1]):
        return None if down.iloc[-1] else True
    if mostly_up:
        return True
    return False if len(probes) >= ENOUGH_PROBES and long >= LONG_ENOUGH else None


def _says_up(case: Case, others: list[str]) -> str | None:
    """Another endpoint that found the application up."""
    targets = _targets(case)
    heard = [t for t in others if t in targets and targets[t]["status"].notna().any()]
    up = next((t for t in heard if _said(targets[t])), None)
    return f"{up} answers" if up else None


def _failing_since(case: Case, asked: list[str]) -> datetime | None:
    """The first of the newest probes, of those that were asked or else of the log, that found it down."""
    targets = _targets(case)
    found = [targets[t] for t in asked or [LOG] if t in targets]
    down = [rows.loc[rows["status"] == Probe.DOWN, "checked_at"].min() for rows in found]
    return min((moment.to_pydatetime() for moment in down if not pd.isna(moment)), default=None)


def _served(case: Case, since: datetime | None) -> str | None:
    """That requests were served in the minutes since a moment, the last at most; None when that is not known."""
    if since is None:
        return None
    end = case.window.end
    start = max(end - SERVED_LATELY, min(since.replace(second=0, microsecond=0), end - MINUTE))
    found = next(populations(case.at(Window(start, end))), None)
    if found is None or found.failures is None or found.requests < FEWEST_SERVED:
        return None
    share = 100 * found.failures / found.requests
    if share > ROLLBACK_PCT:
        return None
    failed = f"{share:.1f} % failed" if found.failures else "none failed"
    return f"{counted(round(found.requests), 'request')} were served, {failed}"


def _state(case: Case, asked: list[str], otherwise: str | None) -> Measurement:
    """What the newest probes say; without live ones, what the application's own log says.

    It is down when most of at least three probes over at least ten seconds say so and no independent look says
    otherwise; what is not confirmed is unknown. So is all where nothing at all could be reached from here.
    """
    targets, source = _targets(case), "app"
    if not asked and _cut_off(case):
        return case.missing("app")
    if not asked and LOG in targets:
        asked, source = [LOG], log_of(case)[0]
    if not asked:
        return _silent(case)
    probes = pd.concat([targets[t] for t in asked])
    dark = [t for t in asked if targets[t]["status"].isna().all() or pd.isna(targets[t]["status"].iloc[-1])]
    if len(dark) == len(asked) or (dark and source == "app" and not (probes["status"] == Probe.DOWN).any()):
        newest = pd.concat([targets[t].tail(1) for t in dark])
        return _unclear(case, newest, source)
    probes = probes[probes["status"].notna()]
    states = [_said(targets[t]) for t in asked]
    doubt = _doubt(case, probes, otherwise) if None in states or (False in states and otherwise) else None
    if doubt and not (False in states and not otherwise):
        return Measurement.missing(State.NO_DATA, doubt, source)
    return Measurement(
        State.MEASURED,
        False not in states,
        samples=len(probes),
        source=source,
        window=case.window,
        evidence=_evidence(case, probes),
    )


def _silent(case: Case) -> Measurement:
    """Why nothing is known of the window's end: no look of ours, and none in the application's own log."""
    minutes = 2 * interval_of(case).total_seconds() / 60
    seen = case["probes"].loc[case["probes"]["checked_at"] < case.window.end, "checked_at"].max()
    newest = "" if pd.isna(seen) else f"; the newest is of {spoken(seen, case.site.zone)}"
    why = f"no probe within {minutes:g} minutes of the window's end{newest}"
    ours = case.missing("app", "live", otherwise=why)
    if case.site.uptime is None:
        return ours
    log = case.missing(*log_of(case), otherwise=why)
    return ours if ours.state is State.ERROR and log.state is State.NO_DATA else log


def _cut_off(case: Case) -> bool:
    """Whether nothing on the web could be reached: the way out from here may be at fault, whatever a log says."""
    answers = [
        c.status
        for c in case.collection.coverage
        if c.source not in HERE and c.status is not Answer.NOT_CONFIGURED
    ]
    return len(answers) > 1 and set(answers) == {Answer.FAILED}


def _evidence(case: Case, probes: pd.DataFrame) -> str:
    newest = probes.groupby("target", sort=False).tail(1)
    said = ", ".join(
        f"found {s} at {spoken(m, case.site.zone)} by {name_of(case, t)}" for t, s, m in _rows(newest)
    )
    down = probes[probes["status"] == Probe.DOWN]
    told = down if len(down) else probes[probes["status"] == Probe.DEGRADED]
    details = told["detail"].dropna()
    more = f"; {len(down)} of {len(probes)} probes found it down" if len(down) else ""
    return said + more + (f" ({str(details.iloc[-1])[:200]})" if len(details) else "")


def _doubt(case: Case, probes: pd.DataFrame, otherwise: str | None) -> str:
    why = f"while {otherwise}" if otherwise else "which are too few or too close together to decide"
    return f"{NOT_CONFIRMED}, investigate: {_evidence(case, probes)}, {why}"


def down_since(case: Case) -> datetime | None:
    """The first probe of the present run that found the application down; None when the newest ones did not."""
    events = outages(case.at(Window(case.scope.window.start, case.scope.present.end)))
    if events and events[-1].end is None:
        return events[-1].start
    known = case["probes"]
    down = known[(known["status"] == Probe.DOWN) & (known["checked_at"] >= case.scope.present.start)]
    return None if down.empty else down["checked_at"].min().to_pydatetime()


def _unclear(case: Case, probes: pd.DataFrame, source: str) -> Measurement:
    """Why what the newest probes say is not known."""
    said = "; ".join(
        f"{name_of(case, t)}: {d}"
        for t, d in zip(probes["target"], probes["detail"], strict=True)
        if not pd.isna(d)
    )
    why = (
        said
        or case.unclear(source, "" if source == "app" else "uptime.")
        or "what the newest probes say is not understood"
    )
    return Measurement.missing(State.NOT_UNDERSTOOD, why[:300], source)


def _rows(probes: pd.DataFrame) -> list[tuple[str, str, datetime]]:
    return list(zip(probes["target"], probes["status"], probes["checked_at"], strict=True))


def _measured(
    case: Case,
    value: float | None,
    found: Uptime,
    evidence: str,
    low: float | None = None,
    high: float | None = None,
) -> Measurement:
    return Measurement(
        State.MEASURED,
        value,
        samples=found.probes,
        low=low,
        high=high,
        source=log_of(case)[0] if (pooled(case)["target"] == LOG).any() else "app",
        window=case.window,
        coverage_pct=100 * found.known / found.total,
        evidence=evidence,
    )


def _known(case: Case) -> Uptime | None:
    """Uptime, None when next to nothing is known: the few probes of a report say nothing of a week."""
    found = uptime(case)
    enough = found is not None and found.total > 0 and found.known + found.unclear >= LEAST_KNOWN * found.total
    return found if enough else None


def _unknown(case: Case) -> Measurement:
    block = case.site.uptime
    if block is None:
        return Measurement.missing(State.NOT_CONFIGURED, UNCONFIGURED, "app")
    return case.missing(*log_of(case), otherwise=NO_PROBE)


def uptime_pct(case: Case) -> Measurement:
    """Uptime of the known time in percent; low and high are what the unknown time could make of it."""
    found = _known(case)
    if found is None:
        return _unknown(case)
    working = found.up + found.degraded
    degraded = f", {_minutes(found.degraded)} of it degraded" if found.degraded else ""
    text = (
        f"Up {_minutes(working)}{degraded}, down {_minutes(found.down)}, unknown {_minutes(found.unknown)}; "
        f"{found.probes:,} probes, one every {interval_of(case).total_seconds() / 60:g} min"
    )
    if found.maintenance:
        text += f"; {_minutes(found.maintenance)} of maintenance are left out"
    low, high = found.low_pct, found.high_pct
    text += f"; between {low:.2f} and {high:.2f} %" if round(low, 2) != round(high, 2) else ""
    value = 100 * working / found.known if found.known else None
    return _certain(
        case, _measured(case, value, found, evidence=text, low=low, high=high), found, high < _target(case)
    )


def _certain(case: Case, measured: Measurement, found: Uptime, sure: bool) -> Measurement:
    """A measurement, without its value where words are not understood that could change what it means."""
    if not found.unclear:
        return measured
    why = f"{_minutes(found.unclear)} of probes in words that are not understood"
    if sure and measured.value is not None:
        return replace(measured, evidence=f"{measured.evidence}; of the rest {why}")
    said = case.unclear(log_of(case)[0], "uptime.")
    reason = f"{why}; {measured.evidence}" + (f"; {said}" if said else "")
    return replace(measured, state=State.NOT_UNDERSTOOD, value=None, reason=reason)


def downtime_minutes(case: Case) -> Measurement:
    """Minutes known to be down; high is what it would be were the unknown time down, too."""
    found = _known(case)
    if found is None:
        return _unknown(case)
    allowed = case.window.minutes * (100 - _target(case)) / 100
    text = (
        f"{_minutes(found.down)} down; the target of {_target(case):g} % allows {allowed:.2f} min in this window"
    )
    low, high = found.down / 60, (found.down + found.unknown) / 60
    return _certain(
        case,
        _measured(case, found.down / 60, found, evidence=text, low=low, high=high),
        found,
        sure=found.down > 0,
    )


def downtime_events(case: Case) -> Measurement:
    """How many times the application went down."""
    found = _known(case)
    if found is None:
        return _unknown(case)
    events = outages(case)
    longest = max((event.down for event in events), default=timedelta(0))
    text = f"the longest outage took {_minutes(longest.total_seconds())}" if events else "no outage"
    if found.unknown:
        text += f" in the {_minutes(found.known)} that are known"
    return _certain(case, _measured(case, len(events), found, text), found, sure=bool(events))


def _target(case: Case) -> float:
    return target_of(case, UPTIME) or 0.0


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:,.1f}".removesuffix(".0") + " min"


def incidents(case: Case) -> list[dict[str, Any]]:
    """Rows of `incidents`: start, end, minutes, reading, priority, status recovered or open; oldest first."""
    rows = [
        _incident(case, e.start, e.end, minutes=e.down.total_seconds() / 60, reading="app_up")
        for e in outages(case)
    ]
    for found in _failing(case):
        minutes = ((found.end or case.window.end) - found.start).total_seconds() / 60
        rows.append(_incident(case, found.start, found.end, minutes=minutes, reading="error_rate_pct"))
    return sorted(rows, key=lambda row: (row["start"], row["reading"]))


def _failing(case: Case) -> list[Stretch]:
    """Stretches of failing requests that are not those of an outage."""
    return [
        found
        for found in stretches(case.at(case.scope.known), ROLLBACK_PCT)
        if not any(_within(found, event, case.window.end) for event in outages(case))
    ]


def _within(found: Stretch, event: Outage, end: datetime) -> bool:
    """Whether failing requests are those of an outage, as far as figures by the hour can tell."""
    before, after = event.start - GRAIN, (event.end or end) + GRAIN
    return before < found.start and (found.end or end) < after


def _incident(case: Case, start: datetime, end: datetime | None, minutes: float, reading: str) -> dict[str, Any]:
    return {
        "start": iso(start),
        "end": iso(end) if end else None,
        "minutes": round(minutes, 1),
        "reading": reading,
        "priority": Priority.P0.value,
        "status": "recovered" if end else "open",
    }


def findings(case: Case) -> list[Finding]:
    """Outages of over five minutes, failures that are over, doubts, what works in part, time without probes."""
    long = [_outage(case, event) for event in outages(case) if event.down > OUTAGE]
    over = [_burst(case, found, found.end) for found in _failing(case) if found.end]
    return [*long, *over, *_flapping(case), *_doubtful(case), *_degraded(case), *_unprobed(case)]


def _outage(case: Case, event: Outage) -> Finding:
    """An outage; one that is over is past tense, and one that few probes saw is not confirmed."""
    minutes, zone = event.down.total_seconds() / 60, case.site.zone
    lasts = event.end is None
    sure = event.probes >= ENOUGH_PROBES and not (lasts and _contradicted(case.present(), event.start))
    until = ", and it has not been seen up since" if event.end is None else f" until {_clock(event.end, zone)}"
    ours = not case.scope.precedes(event.start)
    verb = "has been" if lasts and sure else "may have been" if lasts else "was"
    title = f"Down for {minutes:.0f} minutes" if lasts else f"Was down for {minutes:.0f} minutes, recovered"
    return Finding(
        id=f"incident:{iso(event.start)}",
        title=title if sure or not lasts else f"May be down for {minutes:.0f} minutes",
        priority=Priority.P0 if sure else Priority.P1,
        reading="app_up",
        evidence=f"{event.probes} probes found the application down for {round(minutes, 1):g} minutes "
        f"from {spoken(event.start, zone)}{until}.",
        action=PREVENT if not lasts else LOOK if not sure else SYSTEM_DOWN if ours else NO_REMEDY,
        becomes_green=f"recovered{until}"
        if not lasts
        else f"a probe finds it up (now down for {minutes:.0f} min)",
        since=event.start,
        active=lasts,
        value=round(minutes, 1),
        threshold="> 5 min",
        rollback=lasts and sure and ours,
        said=f"The application {verb} down for {minutes:.0f} minutes",
    )


def _burst(case: Case, found: Stretch, end: datetime) -> Finding:
    """Failing requests that are over; while they last an alert tells of them."""
    zone, lasted = case.site.zone, f"{(end - found.start).total_seconds() / 60:.0f} minutes"
    until = f"until {_clock(end, zone)}"
    return Finding(
        id=f"incident:{iso(found.start)}",
        title=f"Too many requests failed for {lasted}, recovered",
        priority=Priority.P0,
        reading="error_rate_pct",
        evidence=f"{found.failures:,.0f} of {found.requests:,.0f} requests failed from "
        f"{spoken(found.start, zone)} {until}.",
        action=PREVENT,
        becomes_green=f"recovered {until}",
        since=found.start,
        active=False,
        value=round(found.share_pct, 1),
        threshold=f"> {ROLLBACK_PCT:g} %",
        said=f"Too many requests failed for {lasted}",
    )


def _flapping(case: Case) -> list[Finding]:
    """Outages too short for an incident that come again and again, up to now."""
    now, apart = case.scope.present.end, max(HOUR, FLAP_PROBES * interval_of(case))
    events = [event for event in outages(case) if event.start < now]
    recent = [event for event in events if event.start >= now - apart]
    if len(recent) < FLAPS or any(event.down > OUTAGE for event in recent):
        return []
    within = f"within {counted(round(apart / HOUR), 'hour')}"
    many = f"{len(recent)} times {within}"
    return [
        Finding(
            id="app:flapping",
            title=f"Was down {many}, for minutes each time",
            priority=Priority.P1,
            reading="app_up",
            evidence=f"Probes found the application down {many}, the last time at "
            f"{spoken(recent[-1].start, case.site.zone)}.",
            action=LOOK if _contradicted(case.present(), recent[-1].start) else WHICH_PART,
            becomes_green=f"probes find it down less than {FLAPS} times {within}",
            since=newest_run(pd.Series([event.start for event in events]), apart),
            value=len(recent),
            threshold=f"< {FLAPS}",
            said=f"The application was down {many}",
        )
    ]


def _contradicted(now: Case, since: datetime) -> bool:
    """Whether an independent look finds the application up while probes do not, since a moment."""
    return app_up(now).value is True or _served(now, since) is not None


def _clock(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%H:%M %Z}"


def _doubtful(case: Case) -> list[Finding]:
    """A sight of the application down that nothing confirms: to be looked into, and no reason for a rollback."""
    now = case.present()
    looks = (
        ("app_up", app_up(now), "app:unconfirmed", "The application may be down"),
        ("health_ok", health_ok(now), "health:unconfirmed", "The health check may fail"),
    )
    doubts = [look for look in looks if str(look[1].reason).startswith(NOT_CONFIRMED)]
    if case.maintained or not doubts or False in (look[1].value for look in looks):
        return []
    reading, seen, name, title = doubts[0]
    return [
        Finding(
            id=name,
            title=title,
            priority=Priority.P1,
            reading=reading,
            evidence=f"{seen.reason}.",
            action=LOOK,
            becomes_green=f"most of at least {ENOUGH_PROBES} probes find it up",
            since=down_since(case),
            value=None,
            threshold=f"most of {ENOUGH_PROBES} probes",
        )
    ]


def _degraded(case: Case) -> list[Finding]:
    """That the newest probes found the application working in part: it answers, and no report of it is GREEN."""
    now = case.present()
    targets = {target: rows for target, rows in _targets(now).items() if _is_degraded(rows)}
    if case.maintained or False in (app_up(now).value, health_ok(now).value):
        return []
    if not targets:
        return _was_degraded(case)
    known = case["probes"].sort_values("checked_at")
    probes = pd.concat(list(targets.values()))
    details = probes.loc[probes["status"] == Probe.DEGRADED, "detail"].dropna()
    begun = [_degraded_since(known[known["target"] == target], now.window.end) for target in targets]
    return [
        Finding(
            id="health:degraded",
            title="The application is degraded",
            priority=Priority.P2,
            reading="health_ok" if _health_targets(case) else "app_up",
            evidence=f"Most of the newest probes {_evidence(now, probes)}.",
            action=MEND_PART,
            becomes_green="most of the newest probes find it up",
            since=min((moment for moment in begun if moment), default=None),
            absolute=True,
            value=Probe.DEGRADED.value,
            threshold=Probe.UP.value,
            said=f"The application is degraded{aside(str(details.iloc[-1])[:200]) if len(details) else ''}",
        )
    ]


def _was_degraded(case: Case) -> list[Finding]:
    """Time of the window in which the application worked in part, where that is over."""
    found = uptime(case)
    if found is None or found.degraded <= OUTAGE.total_seconds():
        return []
    segments = uptime_segments(case)
    parts = segments[segments["state"] == Probe.DEGRADED]
    start, end = parts["start"].min().to_pydatetime(), parts["end"].max().to_pydatetime()
    until, lasted = spoken(end, case.site.zone), _minutes(found.degraded)
    return [
        Finding(
            id="health:was-degraded",
            title=f"Was degraded for {lasted}, recovered",
            priority=Priority.P2,
            reading="health_ok" if _health_targets(case) else "app_up",
            evidence=f"Probes found the application degraded for {lasted} from {spoken(start, case.site.zone)} "
            f"until {until}.",
            action=PREVENT,
            becomes_green=f"recovered until {until}",
            since=start,
            active=False,
            value=round(found.degraded / 60, 1),
            threshold=f"<= {OUTAGE.total_seconds() / 60:g} min",
            said=f"The application was degraded for {lasted}",
        )
    ]


def _is_degraded(probes: pd.DataFrame) -> bool:
    """Whether the newest probe of a target, and most of the newest, found it working in part."""
    said = probes["status"].dropna()
    degraded = said == Probe.DEGRADED
    return bool(len(said) and degraded.iloc[-1] and 2 * degraded.sum() > len(said))


def _degraded_since(probes: pd.DataFrame, end: datetime) -> datetime | None:
    """The first probe of a target's present run of degraded ones; None where one look is all that is known."""
    probes = probes[probes["status"].notna() & (probes["checked_at"] < end + BURST)]
    other = probes.loc[probes["status"] != Probe.DEGRADED, "checked_at"].max()
    run = probes["checked_at"] if pd.isna(other) else probes.loc[probes["checked_at"] > other, "checked_at"]
    if run.empty or (pd.isna(other) and run.max() - run.min() <= BURST):
        return None
    moment: datetime = run.min().to_pydatetime()
    return moment


def _unprobed(case: Case) -> list[Finding]:
    found, target = _known(case), _target(case)
    if found is None or found.unclear >= found.unknown or found.low_pct >= target or found.high_pct < target:
        return []
    gaps = uptime_segments(case)
    gaps = gaps[gaps["state"].isin((Probe.UNKNOWN, UNCLEAR))].reset_index(drop=True)
    longest = gaps.loc[(gaps["end"] - gaps["start"]).idxmax()]
    allowed = max(0.0, found.total * (100 - target) / 100 - found.down)
    unseen, most = _minutes(found.unknown), _minutes(allowed)
    start, end = (spoken(longest[edge], case.site.zone) for edge in ("start", "end"))
    return [
        Finding(
            id="uptime:unprobed",
            title=f"{unseen} without a probe",
            priority=Priority.P2,
            reading="uptime_pct",
            evidence=f"Nothing probed the application for {unseen} in {len(gaps)} gaps, the longest from "
            f"{start} to {end}; whether {target:g} % were met is not known.",
            action=PROBE_MORE,
            becomes_green=f"at most {most} without a probe in the window (now {unseen})",
            since=longest["start"].to_pydatetime(),
            active=bool((gaps["end"] > case.scope.latest.start).any()),
            value=round(found.unknown / 60, 1),
            threshold=f"<= {allowed / 60:.1f} min",
        )
    ]


_DOWN = (Limit("==", False, Status.FAIL, priority=Priority.P0, action=SYSTEM_DOWN, critical=True, rollback=True),)
_UPTIME = (
    Limit("<", 99.5, Status.FAIL, action=PREVENT),
    Limit("<", 99.9, Status.WARN, action=PREVENT, of="low"),
)

UPTIME = Metric(
    "uptime_pct",
    "Uptime",
    "%",
    section=SECTION,
    measure=uptime_pct,
    limits=_UPTIME,
    target=">= 99.9",
    better="higher",
    topic=Topic.DAYS,
)


def metrics(site: Site) -> tuple[Metric, ...]:
    """The metrics of stability; a health check that the site does not have has none."""
    app = site.source("app")
    asked = not isinstance(app, App) or app.health or app.detailed
    return tuple(metric for metric in METRICS if asked or metric.id != "health_ok")


METRICS: tuple[Metric, ...] = (
    Metric(
        "app_up",
        "Application up",
        "bool",
        section=SECTION,
        measure=app_up,
        limits=_DOWN,
        target="true",
        better="higher",
    ),
    Metric(
        "health_ok",
        "Health check",
        "bool",
        section=SECTION,
        measure=health_ok,
        limits=_DOWN,
        target="true",
        better="higher",
    ),
    UPTIME,
    Metric(
        "downtime_minutes",
        "Downtime",
        "min",
        adds_up=True,
        section=SECTION,
        measure=downtime_minutes,
        target="what the uptime target allows",
        better="lower",
        topic=Topic.DAYS,
    ),
    Metric(
        "downtime_events",
        "Downtime events",
        "count",
        adds_up=True,
        section=SECTION,
        measure=downtime_events,
        better="lower",
        topic=Topic.DAYS,
    ),
)
