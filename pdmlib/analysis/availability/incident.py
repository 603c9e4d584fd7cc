"""One incident: what happened when, what changed before, whom it hit, and whether it is over.

Source: the guide's "Issue Response".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pdmlib import stats
from pdmlib.analysis.availability.stability import UPTIME, incidents
from pdmlib.analysis.availability.uptime import name_of, pooled
from pdmlib.analysis.limits import rollback_edge, target_of
from pdmlib.analysis.metric import Metric
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Measurement, Reading, State, Status, aside, counted, significant
from pdmlib.frames.states import Probe, Slot
from pdmlib.phases.window import Window, iso, parse_time

Measured = Callable[[str, Window], Measurement]
BEFORE = timedelta(days=1)  # what changed earlier is rarely the cause
WEEK = timedelta(days=7)
AROUND = timedelta(hours=1)  # signs that come just after the end still belong to it
PROCEDURE: tuple[tuple[str, str, timedelta | None], ...] = (
    (
        "Acknowledge: in the monitoring system, in the alerts channel, with a commander",
        "5 min",
        timedelta(minutes=5),
    ),
    ("Assess: severity, impact, fix forward or roll back", "10 min", timedelta(minutes=10)),
    ("Act, and update the stakeholders every 15 minutes", "15 min", timedelta(minutes=15)),
    ("Verify: resolved, metrics back to normal, no side effects", "after the fix", None),
    ("Document: incident report, root cause, prevention", "24 h", timedelta(hours=24)),
)
CRITERIA = (
    ("app_up", "The health check fails"),
    ("error_rate_pct", "The error rate is above {}"),
    ("db_connection_errors", "Connections to the database fail"),
    ("payment_failures", "Payments fail"),
)
NORMAL = 1.1  # times the value before: as it was but for noise
VERIFIED = ("error_rate_pct", "latency_p95_ms", "latency_p50_ms", "uptime_pct")


def timeline(case: Case) -> list[dict[str, Any]]:
    """Events of all sources around the window, by time: at, source, kind (change or sign), what."""
    near = Window(case.window.start - BEFORE, case.window.end + AROUND)
    rows = [*_changes(case, near), *_probes(case), *_issues(case), *_alerts(case), *_jobs(case), *_checks(case)]
    return sorted(rows, key=lambda row: (row["at"], row["source"], row["what"]))


def _event(at: datetime, source: str, kind: str, what: str) -> dict[str, Any]:
    return {"at": iso(at), "source": source, "kind": kind, "what": what}


def _changes(case: Case, near: Window) -> list[dict[str, Any]]:
    found = case.within("deployments", "live_at", near)
    return [
        _event(row.live_at, str(row.source), "change", f"traffic moved to {row.deployment} ({_how(row.move)})")
        for row in found.itertuples()
    ]


def _how(move: object) -> str:
    return "rolling release" if move == "rolling" else str(move) if isinstance(move, str) else "deployment"


def _probes(case: Case) -> list[dict[str, Any]]:
    """The first probe of each run of equal states."""
    rows = []
    for target, probes in case.within("probes", "checked_at").groupby("target"):
        ordered = probes.sort_values("checked_at")
        turned = ordered[ordered["status"] != ordered["status"].shift()]
        rows += [
            _event(row.checked_at, "probes", "sign", _found(case, str(target), str(row.status)))
            for row in turned.itertuples()
            if row.status != Probe.UP or len(turned) > 1
        ]
    return rows


def _found(case: Case, target: str, status: str) -> str:
    return f"the application was found {status.replace('_', ' ')} by {name_of(case, target)}"


def _issues(case: Case) -> list[dict[str, Any]]:
    found = case.within("issues", "first_seen")
    return [
        _event(row.first_seen, "sentry", "sign", f"first seen: {row.title} ({row.level})")
        for row in found.itertuples()
    ]


def _alerts(case: Case) -> list[dict[str, Any]]:
    found = case.within("app_alerts", "at")
    return [_event(row.at, "app", "sign", f"{row.severity}: {row.message}") for row in found.itertuples()]


def _jobs(case: Case) -> list[dict[str, Any]]:
    logs = case.within("cron_logs", "started_at")
    failed = logs[logs["status"] == Slot.FAILED]
    return [
        _event(row.started_at, "cron", "sign", f"{row.job} failed: {row.error}") for row in failed.itertuples()
    ]


def _checks(case: Case) -> list[dict[str, Any]]:
    found = case.within("integration_checks", "at")
    failing = found[~found["success"].fillna(True).astype(bool)]
    return [
        _event(row.at, str(row.integration), "sign", f"check failed: {row.error}") for row in failing.itertuples()
    ][:20]


def impact(case: Case, measured: Measured) -> list[dict[str, Any]]:
    """Whom and what the incident hit: rows what, value."""
    window = case.window
    errors = case["error_counts"]
    row = errors[(errors["start"] == window.start) & (errors["end"] == window.end)]
    users = None if row.empty or pd.isna(row["users"].iloc[0]) else int(row["users"].iloc[0])
    rate, down = measured("error_rate_pct", window), measured("downtime_minutes", window)
    failed = None if rate.value is None or rate.samples is None else round(float(rate.value) * rate.samples / 100)
    tracked = [_impact("Users who met an error", users, "the error tracker does not say")]
    asked = [
        _impact("Requests failed", failed, rate.reason),
        _impact("Requests in the window", rate.samples, rate.reason),
    ]
    return [
        *(tracked if "sentry" not in case.site.unused else ()),
        *(asked if not case.is_without(rate) else ()),
        _impact("Minutes of downtime", down.value, down.reason),
        _impact("Error budget of a week that was used up", _budget(case, down), down.reason),
        *_features(case),
    ]


def _impact(what: str, value: Any, reason: str | None) -> dict[str, Any]:
    return {"what": what, "value": f"not measured{aside(reason) if reason else ''}" if value is None else value}


def _budget(case: Case, down: Measurement) -> str | None:
    """Downtime against what the uptime target leaves of a week: 10.08 minutes at 99.9 %."""
    target = target_of(case, UPTIME)
    left = 0.0 if target is None else (100 - target) / 100 * WEEK / timedelta(minutes=1)
    if down.value is None or left <= 0:
        return None
    used = float(down.value) / left
    return f"{significant(used, 2)} times all of it" if used > 1 else f"{100 * used:.0f} %"


def _features(case: Case) -> list[dict[str, Any]]:
    counts = case.within("feature_counts", "at")
    amounts = counts.groupby("feature")["amount"].sum()
    return [
        {"what": f"{feature.title} in the window", "value": float(amounts.get(feature.name, 0.0))}
        for feature in case.site.features
        if case.answered("postgres", f"feature:{feature.name}")
    ]


def response(case: Case) -> list[dict[str, Any]]:
    """The response procedure with its clocks, counted from the first outage or spike, else from the start."""
    begun = [parse_time(row["start"]) for row in incidents(case)]
    start = min((moment for moment in begun if case.window.contains(moment)), default=case.window.start)
    return [
        {
            "key": f"response:{step.split(':')[0].split(',')[0].lower()}",
            "step": step,
            "within": within,
            "due": None if wait is None else iso(start + wait),
        }
        for step, within, wait in PROCEDURE
    ]


def criteria(case: Case, metrics: Iterable[Metric], readings: Iterable[Reading]) -> list[dict[str, Any]]:
    """The guide's rollback criteria and whether each holds; None: it could not be measured."""
    known = {reading.id: reading for reading in readings}
    edges = {metric.id: rollback_edge(case, metric) for metric in metrics}
    asked = [(name, text) for name, text in CRITERIA if name in edges]
    return [_criterion(known.get(name), text.format(_edge_words(edges[name]))) for name, text in asked]


def _edge_words(edge: float | None) -> str:
    return "a limit for a rollback, of which there is none" if edge is None else f"{edge:g} %"


def _criterion(reading: Reading | None, text: str) -> dict[str, Any]:
    if reading is None or reading.status is Status.UNKNOWN:
        return {
            "criterion": text,
            "holds": None,
            "evidence": reading.why if reading else "not part of this report",
        }
    evidence = reading.reason or reading.measurement.evidence or f"{reading.value} {reading.unit}"
    past = not reading.rollback and reading.status is Status.FAIL
    told = f"not at present; over the window: {evidence}" if past else evidence
    return {"criterion": text, "holds": reading.rollback, "evidence": told}


def verification(case: Case, measured: Measured, known: Mapping[str, Metric]) -> list[dict[str, Any]]:
    """Whether each metric is back to what it was before: rows metric, unit, during, after, normal, test."""
    after, before = case.scope.after, case.scope.before
    if not after.seconds:
        return [
            {
                "metric": "all",
                "unit": "",
                "during": None,
                "after": None,
                "normal": None,
                "test": "nothing has passed since",
            }
        ]
    return [
        _verified(case.at(after), known[name], *(measured(name, w) for w in (before, case.window, after)))
        for name in VERIFIED
        if name in known
    ]


def _verified(
    since: Case, metric: Metric, before: Measurement, during: Measurement, after: Measurement
) -> dict[str, Any]:
    row = {
        "metric": metric.title,
        "unit": metric.unit,
        "during": during.value,
        "after": after.value,
        "normal": None,
    }
    if metric.id == "uptime_pct":
        return row | _up_again(since)
    if after.state is not State.MEASURED or before.state is not State.MEASURED:
        return row | {"test": f"cannot be tested: {after.reason or before.reason}"}
    if metric.id == "error_rate_pct" and before.samples and after.samples:
        counts = [(float(m.value or 0) * m.samples / 100, float(m.samples)) for m in (after, before) if m.samples]
        low, high = stats.rate_ratio(*counts[0], *counts[1])
        return row | {
            "normal": low <= 1,
            "test": f"between {low:.2f} and {high:.2f} times the rate before, by its 95 % interval",
        }
    usual, now = float(before.value or 0), float(after.value or 0)
    of = f" of {counted(after.samples, 'request')}" if after.samples else ""
    whole = after.low is not None and after.high is not None
    between = f" ({after.low:,.0f} to {after.high:,.0f}, 95 % interval)" if whole else ""
    return row | {
        "normal": (now if after.low is None else after.low) <= usual * NORMAL,
        "test": f"{now:,.0f} ms{between}{of}; normal is up to {usual * NORMAL:,.0f} ms, "
        f"10 % above {usual:,.0f} ms before",
    }


def _up_again(since: Case) -> dict[str, Any]:
    """Uptime is back when no probe since found the application down: how the outage ended does not count."""
    probes = pooled(since)
    probes = probes[probes["checked_at"].between(since.window.start, since.window.end, inclusive="left")]
    if probes.empty:
        return {"test": "cannot be tested: no probe since"}
    down = int((probes["status"] == Probe.DOWN).sum())
    return {"normal": down == 0, "test": f"{down} of {len(probes)} probes since found it down"}
