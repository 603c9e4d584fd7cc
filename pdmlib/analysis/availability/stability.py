"""Stability: is the application up now, and for how much of the window was it up."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pdmlib.analysis.availability.uptime import LOG, UNCLEAR, Outage, Uptime, interval_of, outages, pooled, uptime
from pdmlib.analysis.availability.uptime import uptime_segments as uptime_segments
from pdmlib.analysis.limits import target_of
from pdmlib.analysis.metric import Metric
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Finding, Limit, Measurement, Priority, State, Status
from pdmlib.phases.phase import Topic
from pdmlib.phases.window import iso
from pdmlib.site.vendors import App

SECTION = "stability"
SYSTEM_DOWN = "Investigate immediately, consider rollback"
PREVENT = "Document root cause, create prevention action items"
PROBE_MORE = "Find out why nothing probed the application then"
OUTAGE = timedelta(minutes=5)
LEAST_KNOWN = 0.01
RECENT = timedelta(hours=1)
UNCONFIGURED = "the site file has no uptime block, and too few other probes are known to tell"


def app_up(case: Case) -> Measurement:
    """Whether the application answered at the window's end: its page, else any of its endpoints.

    An endpoint that gives an answer which is not understood decides nothing where another one does.
    """
    block = case.site.source("app")
    page = block.page if isinstance(block, App) else "/"
    live = _fresh(case)
    known = live[live["status"].notna() & (live["target"] != LOG)]
    live = live if known.empty else known
    return _state(case, live[live["target"] == page] if (live["target"] == page).any() else live)


def health_ok(case: Case) -> Measurement:
    """Whether no health endpoint said at the window's end that the application is down."""
    live = _fresh(case)
    return _state(case, live[live["target"].isin(_health_targets(case))])


def _fresh(case: Case) -> pd.DataFrame:
    """The newest probe of each target within two intervals of the window's end.

    Probes made for a report are stamped a moment after its as-of time.
    """
    reach = 2 * interval_of(case)
    end = case.window.end
    late = reach if end >= case.scope.seen_at else timedelta(0)
    probes = case["probes"].sort_values("checked_at")
    at = probes["checked_at"]
    own = probes["target"] != LOG
    inside = (at >= end - reach) & ((at < end) | (own & (at <= end + late)))
    return probes[inside].groupby("target").tail(1)


def _health_targets(case: Case) -> tuple[str, ...]:
    block = case.site.source("app")
    named = (block.health, block.detailed) if isinstance(block, App) else ("/api/health", "/api/health/detailed")
    return tuple(path for path in named if path)


def _state(case: Case, live: pd.DataFrame) -> Measurement:
    """What the newest probes say; without live ones, what the application's own log says."""
    live = live[live["target"] != LOG]
    source = "app"
    if live.empty:
        fresh = _fresh(case)
        live, source = fresh[fresh["target"] == LOG], "postgres"
    if live.empty:
        minutes = 2 * interval_of(case).total_seconds() / 60
        return case.missing("app", otherwise=f"no probe within {minutes:g} minutes of the window's end")
    unclear = live[live["status"].isna()]
    if len(unclear) == len(live) or (len(unclear) and source == "app" and not (live["status"] == "down").any()):
        return _unclear(case, unclear, source)
    down = live[live["status"] == "down"]
    said = ", ".join(f"{t} {s} at {m:%H:%M} UTC" for t, s, m in _rows(live))
    details = down["detail"].dropna()
    return Measurement(
        State.MEASURED,
        down.empty,
        samples=len(live),
        source=source,
        window=case.window,
        evidence=said + (f" ({str(details.iloc[0])[:200]})" if len(details) else ""),
    )


def _unclear(case: Case, probes: pd.DataFrame, source: str) -> Measurement:
    """Why what the newest probes say is not known."""
    said = "; ".join(
        f"{t}: {d}" for t, d in zip(probes["target"], probes["detail"], strict=True) if not pd.isna(d)
    )
    why = (
        said
        or case.unclear(source, "uptime." if source == "postgres" else "")
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
        source="postgres" if (pooled(case)["target"] == LOG).any() else "app",
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
    return case.missing("postgres", f"table:{block.table}", "no probe was logged in this window")


def uptime_pct(case: Case) -> Measurement:
    """Uptime of the known time in percent; low and high are what the unknown time could make of it."""
    found = _known(case)
    if found is None:
        return _unknown(case)
    working = found.up + found.degraded
    degraded = f", {_minutes(found.degraded)} of it degraded" if found.degraded else ""
    text = (
        f"Up {_minutes(working)}{degraded}, down {_minutes(found.down)}, unknown {_minutes(found.unknown)}; "
        f"{found.probes} probes, one every {interval_of(case).total_seconds() / 60:g} min"
    )
    if found.maintenance:
        text += f"; {_minutes(found.maintenance)} of maintenance are left out"
    low, high = found.low_pct, found.high_pct
    text += f"; between {low:.2f} and {high:.2f} %"
    value = 100 * working / found.known if found.known else None
    return _certain(case, _measured(case, value, found, text, low, high), found, high < _target(case))


def _certain(case: Case, measured: Measurement, found: Uptime, sure: bool) -> Measurement:
    """A measurement, without its value where words are not understood that could change what it means."""
    if not found.unclear:
        return measured
    why = f"{_minutes(found.unclear)} of probes in words that are not understood"
    if sure and measured.value is not None:
        return replace(measured, evidence=f"{measured.evidence}; of the rest {why}")
    said = case.unclear("postgres", "uptime.")
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
    return _certain(case, _measured(case, found.down / 60, found, text, low, high), found, sure=found.down > 0)


def downtime_events(case: Case) -> Measurement:
    """How many times the application went down."""
    found = _known(case)
    if found is None:
        return _unknown(case)
    events = outages(case)
    longest = max((event.down for event in events), default=timedelta(0))
    text = f"the longest outage took {_minutes(longest.total_seconds())}" if events else "no outage"
    return _certain(case, _measured(case, len(events), found, text), found, sure=bool(events))


def _target(case: Case) -> float:
    return target_of(case, UPTIME) or 0.0


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:,.1f}".removesuffix(".0") + " min"


def incidents(case: Case) -> list[dict[str, Any]]:
    """Rows of `incidents`: start, end, minutes, reading, priority, status recovered or open."""
    return [
        {
            "start": iso(event.start),
            "end": iso(event.end) if event.end else None,
            "minutes": round(event.down.total_seconds() / 60, 1),
            "reading": "app_up",
            "priority": Priority.P0.value,
            "status": "recovered" if event.end else "open",
        }
        for event in outages(case)
    ]


def findings(case: Case) -> list[Finding]:
    """Outages of more than five minutes in the last hour, and time without probes that hides the uptime.

    One that has recovered earlier is an incident of the window, and no reason for a rollback any more.
    """
    lately = [event for event in outages(case) if _lately(case, event) > OUTAGE]
    return [_outage(case, event) for event in lately] + _unprobed(case)


def _lately(case: Case, event: Outage) -> timedelta:
    """The down time of an outage in the last hour of the window."""
    inside = (event.end or case.window.end) - max(event.start, case.scope.latest.last(RECENT).start)
    return min(event.down, inside)


def _outage(case: Case, event: Outage) -> Finding:
    minutes = event.down.total_seconds() / 60
    until = f"until {iso(event.end)}" if event.end else "and has not been seen up since"
    clear = (event.end or case.window.end) + RECENT
    return Finding(
        id=f"incident:{iso(event.start)}",
        title=f"Outage of {minutes:.0f} minutes",
        priority=Priority.P0,
        reading="app_up",
        evidence=f"Probes found the application down for {minutes:.1f} minutes from {iso(event.start)} {until}.",
        action=SYSTEM_DOWN,
        becomes_green=f"no outage of more than 5 minutes in the last hour: at the earliest {iso(clear)}",
        since=event.start,
        value=round(minutes, 1),
        threshold="> 5 min",
        rollback=True,
    )


def _unprobed(case: Case) -> list[Finding]:
    found, target = _known(case), _target(case)
    if found is None or found.unclear >= found.unknown or found.low_pct >= target or found.high_pct < target:
        return []
    gaps = uptime_segments(case)
    gaps = gaps[gaps["state"].isin(("unknown", UNCLEAR))].reset_index(drop=True)
    longest = gaps.loc[(gaps["end"] - gaps["start"]).idxmax()]
    allowed = max(0.0, found.total * (100 - target) / 100 - found.down)
    unseen, most = _minutes(found.unknown), _minutes(allowed)
    return [
        Finding(
            id="uptime:unprobed",
            title=f"{unseen} without a probe",
            priority=Priority.P2,
            reading="uptime_pct",
            evidence=f"Nothing probed the application for {unseen} in {len(gaps)} gaps, the longest from "
            f"{iso(longest['start'])} to {iso(longest['end'])}; whether {target:g} % were met is not known.",
            action=PROBE_MORE,
            becomes_green=f"at most {most} without a probe in the window (now {unseen})",
            since=longest["start"].to_pydatetime(),
            active=bool((gaps["end"] > case.scope.latest.start).any()),
            value=round(found.unknown / 60, 1),
            threshold=f"<= {allowed / 60:.1f} min",
        )
    ]


_DOWN = (Limit("==", False, Status.FAIL, Priority.P0, SYSTEM_DOWN, critical=True, rollback=True),)
_UPTIME = (
    Limit("<", 99.5, Status.FAIL, action=PREVENT),
    Limit("<", 99.9, Status.WARN, action=PREVENT, of="low"),
)

UPTIME = Metric("uptime_pct", "Uptime", "%", SECTION, uptime_pct, _UPTIME, ">= 99.9", "higher", topic=Topic.DAYS)

METRICS: tuple[Metric, ...] = (
    Metric("app_up", "Application up", "bool", SECTION, app_up, _DOWN, "true", "higher"),
    Metric("health_ok", "Health check", "bool", SECTION, health_ok, _DOWN, "true", "higher"),
    UPTIME,
    Metric(
        "downtime_minutes",
        "Downtime",
        "min",
        SECTION,
        downtime_minutes,
        target="what the uptime target allows",
        better="lower",
        topic=Topic.DAYS,
    ),
    Metric(
        "downtime_events", "Downtime events", "count", SECTION, downtime_events, better="lower", topic=Topic.DAYS
    ),
)
