"""Verdicts on many worlds: `python -m bench.proof.worlds --hours 8`; every one another site, its truth known.

Zone, moment, cadence of probes, level and rhythm of traffic, how much weeks, days and minutes vary, growth,
holidays, maintenance, other deployments, absent sources, the fault and when it began are drawn at random. Some
faults began before the deployment: of those a rollback mends none.
The frames are made as collectors make them; vocabulary and collectors are the other proof's.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.proof.tally import between, share, table
from bench.proof.trial import cells
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.frame import frame
from pdmlib.frames.readings import Answer, Priority
from pdmlib.frames.states import Recommendation, ReportStatus
from pdmlib.phases.phase import phase_named
from pdmlib.phases.scope import Scope, scope_of
from pdmlib.phases.window import Window
from pdmlib.site.site import SOURCE_NAMES, Site
from pdmlib.verdict.causes import CauseStatus
from pdmlib.verdict.verdict import Verdict, judge

MARKS = ("<!-- what the many worlds printed -->", "<!-- end of the worlds -->")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ZONES = ("America/New_York", "America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata", "Australia/Sydney", "UTC")
COUNTRIES = (None, "US", "DE", "GB", "AU")
OPTIONAL = ("sentry", "supabase", "stripe", "twilio", "resend")
PHASES = ("hour1", "day1", "daily", "week1")
FIRST, DAYS = datetime(2024, 2, 1, tzinfo=UTC), 600  # deployments fall into these days
SLOW_MS = 1200  # a p95 that is surely beyond the second that the guide allows
SURE_EVENTS = 30  # failed requests in the last quarter of an hour that leave no doubt
EARLIER = 29 * DAY
PAID = 0.02  # payments for each request
UNPAID_A_DAY = 240  # failed payments a day that leave no doubt: ten in an hour
A_WEEK = (0, 1, 3, 7)  # other deployments

Floats = np.ndarray[Any, np.dtype[np.float64]]


class Kind(StrEnum):
    """What happens in a world."""

    UNCHANGED = "unchanged"
    RECOVERED = "outage, recovered"
    DOWN = "outage, lasting"
    FAILED = "errors, over"
    FAILING = "errors, lasting"
    SLOW = "slow since the deployment"
    FEWER = "traffic x0.3 to x0.5 since the deployment"
    STOPPED = "cron job stopped"
    IDLE = "feature abandoned"
    UNPAID = "payments fail since the deployment"
    DOWN_BEFORE = "outage from before the deployment, lasting"
    FAILING_BEFORE = "errors from before the deployment, lasting"
    STOPPED_BEFORE = "cron job stopped before the deployment"
    UNPAID_BEFORE = "payments fail as before"


NAMED = {
    Kind.DOWN: ("incident:*",),
    Kind.FAILING: ("issue:*", "error_rate_pct"),
    Kind.SLOW: ("latency_*",),
    Kind.FEWER: ("requests_per_min_avg", "page_views", "unique_users"),
    Kind.STOPPED: ("cron:deliver:*", "cron_runs_missed"),
    Kind.IDLE: ("feature:orders:*", "feature_orders"),
    Kind.UNPAID: ("integration:stripe", "payment_failures"),
}
BEFORE = {
    Kind.DOWN_BEFORE: Kind.DOWN,
    Kind.FAILING_BEFORE: Kind.FAILING,
    Kind.STOPPED_BEFORE: Kind.STOPPED,
    Kind.UNPAID_BEFORE: Kind.UNPAID,
}
CALM = (Kind.UNCHANGED, Kind.RECOVERED, Kind.FAILED)


@dataclass(frozen=True)
class World:
    """One deployment of one site.

    Attributes:
        kind: what happens in it, whenever it began.
        before: it began before the deployment.
        fault: when it holds; `size` is the share of requests or payments that fail, or the factor.
        decidable: there is enough of it for a rule to name it.
    """

    rng: np.random.Generator
    site: Site
    scope: Scope
    kind: Kind
    before: bool
    fault: Window
    size: float
    per_day: float
    probe_minutes: float
    base_ms: float
    decidable: bool


def draw(seed: int) -> World:
    """A world of a seed."""
    rng = np.random.default_rng(seed)
    minutes = float(rng.choice([1, 2, 5, 10]))
    deployed = FIRST + DAY * int(rng.integers(DAYS)) + MINUTE * int(rng.integers(24 * 60))
    site = _site(rng, minutes, deployed)
    others = len(Kind) - 1
    drawn = Kind(str(rng.choice(list(Kind), p=[0.4, *[0.6 / others] * others])))
    before, kind = drawn in BEFORE, BEFORE.get(drawn, drawn)
    phase = phase_named(str(rng.choice(PHASES[:2] if before else PHASES)))
    length = timedelta(days=float(rng.uniform(1.5, 7))) if phase.name == "daily" else phase.length
    as_of = (deployed + length).replace(second=0, microsecond=0)
    scope = scope_of(site.zone, phase, deployed, as_of)
    fault, size = _fault_before(rng, kind, scope) if before else _fault(rng, kind, scope)
    world = World(
        rng,
        site,
        scope,
        kind=kind,
        before=before,
        fault=fault,
        size=size,
        per_day=float(np.exp(rng.uniform(np.log(300), np.log(300_000)))),
        probe_minutes=minutes,
        base_ms=float(rng.uniform(60, 600)),
        decidable=True,
    )
    return replace(world, decidable=_decidable(world))


def _site(rng: np.random.Generator, minutes: float, deployed: datetime) -> Site:
    without = [name for name in OPTIONAL if rng.random() < 0.35]
    sources = {
        "app": {"base_url": "https://site.example"},
        "sentry": {"organization": "site", "project": "web", "trace_sample_rate": 0.1},
        "vercel": {"project": "prj"},
        "supabase": {"metrics_url": "https://site.example/metrics", "project_ref": "ref"},
        "postgres": {},
        "stripe": {},
        "twilio": {"account_sid": "AC1"},
        "resend": {},
    }
    feature = {"kind": "create", "time_column": "created_at"}
    tree: dict[str, Any] = {
        "site": "world",
        "title": "World",
        "time_zone": str(rng.choice(ZONES)),
        "sources": {name: block for name, block in sources.items() if name not in without},
        "unused": without,
        "uptime": {"table": "public.uptime", "interval_s": 60 * minutes},
        "cron": {
            "jobs": [{"name": "deliver", "schedule": "*/30 * * * *"}, {"name": "nightly", "schedule": "0 8 * * *"}]
        },
        "features": [{**feature, "name": "orders", "title": "Orders", "table": "public.orders"}],
        "activity": {"sessions_table": "public.sessions"},
    }
    country = COUNTRIES[int(rng.integers(len(COUNTRIES)))]
    if country:
        tree["holidays"] = {"country": country}
    if rng.random() < 0.3:
        tree["maintenance"] = [{"cron": f"{int(rng.integers(60))} {int(rng.integers(24))} * * 0", "minutes": 20}]
    return Site.model_validate(tree)


def _fault(rng: np.random.Generator, kind: Kind, scope: Scope) -> tuple[Window, float]:
    """When it holds, and its size."""
    end, start = scope.as_of, scope.window.start
    if kind in (Kind.RECOVERED, Kind.FAILED):
        until = start + (end - start) * float(rng.uniform(0.3, 0.6))
        length = min(timedelta(minutes=float(rng.uniform(6, 60))), (until - start) * 0.9)
        size = 1.0 if kind is Kind.RECOVERED else float(rng.uniform(0.08, 0.4))
        return Window(until - length, until), size
    if kind in (Kind.DOWN, Kind.FAILING):
        length = min(timedelta(minutes=float(rng.uniform(16, 180))), (end - start) * 0.8)
        return Window(end - length, end), 1.0 if kind is Kind.DOWN else float(rng.uniform(0.08, 0.4))
    if kind in (Kind.STOPPED, Kind.IDLE):
        return Window(start + (end - start) * float(rng.uniform(0, 0.5)), end), 1.0
    sizes = {Kind.SLOW: (2.5, 6), Kind.FEWER: (0.3, 0.5), Kind.UNPAID: (0.3, 1.0)}
    size = float(rng.uniform(*sizes[kind])) if kind in sizes else 1.0
    return Window(max(start, scope.deployed_at), end), size


def _fault_before(rng: np.random.Generator, kind: Kind, scope: Scope) -> tuple[Window, float]:
    """The same of a fault that began before the deployment: more than an hour, as platforms count by the hour."""
    lasted = timedelta(minutes=float(rng.uniform(75, 300)))
    sizes = {Kind.FAILING: (0.08, 0.4), Kind.UNPAID: (0.05, 0.3)}
    size = float(rng.uniform(*sizes[kind])) if kind in sizes else 1.0
    start = scope.baseline.start if kind is Kind.UNPAID else scope.deployed_at - lasted
    return Window(start, scope.as_of), size


def _decidable(world: World) -> bool:
    scope, kind = world.scope, world.kind
    lasted = (scope.as_of - world.fault.start) / MINUTE
    quarter = world.per_day / 24 / 4 * 0.4  # at the quietest hours
    long = scope.window.seconds >= DAY.total_seconds()
    return {
        Kind.DOWN: lasted >= 4 * world.probe_minutes + 1,
        Kind.FAILING: quarter * world.size >= SURE_EVENTS,
        Kind.SLOW: world.per_day >= 5000 and world.base_ms * world.size >= SLOW_MS,
        Kind.FEWER: long and world.per_day >= 5000,
        Kind.STOPPED: long and lasted >= 3 * 60,
        Kind.IDLE: scope.phase.name == "week1",
        Kind.UNPAID: "stripe" not in world.site.unused and _payments_a_day(world) * world.size >= UNPAID_A_DAY,
    }.get(kind, True)


def case_of(world: World) -> Case:
    """The world as its sources tell it."""
    counts = _counts(world)
    site, scope = world.site, world.scope
    frames = {
        "request_counts": counts,
        "latencies": _latencies(world, counts),
        "probes": _probes(world),
        "cron_logs": _cron(world),
        "feature_counts": _orders(world),
        "activity": _activity(world, counts),
        "deployments": _deployments(world),
        "issues": _issues(world, counts),
        "payments": _payments(world),
        "error_counts": _errors(world, counts),
    }
    coverage = tuple(Coverage(name, Answer.OK, 1, 0.1) for name in SOURCE_NAMES if name not in site.unused)
    collection = Collection({name: frame(name, rows) for name, rows in frames.items()}, coverage)
    return Case(site, scope, collection, scope.window)


def _expected(world: World, at: pd.DatetimeIndex) -> Floats:
    """Requests a minute to expect: rhythm of day and week, growth, weeks and days that differ, holidays."""
    rng, local = world.rng, at.tz_convert(world.site.zone)
    hours = local.hour + local.minute / 60
    day = 1 + rng.uniform(0.2, 0.9) * np.sin((hours - rng.uniform(7, 13)) / 24 * 2 * np.pi)
    weekend = np.where(local.day_of_week >= 5, rng.uniform(0.4, 1.3), 1.0)
    age = (at - world.scope.deployed_at).total_seconds() / DAY.total_seconds()
    growth = np.exp(age / 7 * rng.normal(0, 0.02))
    weeks = np.floor(age / 7).astype(int) - int(np.floor(age[0] / 7))
    days = (age - np.floor(age[0])).astype(int)
    apart = np.exp(rng.normal(0, rng.uniform(0.01, 0.07), weeks.max() + 1))[weeks]
    scatter = np.exp(rng.normal(0, rng.uniform(0.01, 0.1), days.max() + 1))[days]
    off = np.array([0.6 if date in world.site.holidays else 1.0 for date in pd.unique(local.date)])
    holiday = off[pd.factorize(local.date)[0]]
    after = (at >= world.fault.start) & (world.kind is Kind.FEWER)
    return np.asarray(
        world.per_day
        / 1440
        * day
        * weekend
        * growth
        * apart
        * scatter
        * holiday
        * np.where(after, world.size, 1.0)
    )


def _counts(world: World) -> pd.DataFrame:
    """Requests by the hour, and by the minute at the ends of the window, as a platform gives them."""
    scope, rng = world.scope, world.rng
    first = (scope.deployed_at - EARLIER).replace(minute=0)
    at = pd.date_range(first, scope.as_of - MINUTE, freq="min")
    blocks = rng.gamma(50, 1 / 50, len(at) // 20 + 1).repeat(20)[: len(at)]
    asked = rng.poisson(_expected(world, at) * blocks)
    share = np.full(len(at), rng.uniform(0.0002, 0.0015))
    held = (at >= world.fault.start) & (at < world.fault.end)
    if world.kind in (Kind.RECOVERED, Kind.DOWN, Kind.FAILED, Kind.FAILING):
        share[held] = 0.97 if world.size == 1 else world.size
    for span in world.site.maintenance_in(Window(first, scope.as_of)):
        share[(at >= span.start) & (at < span.end)] = 0.97
    failed = rng.binomial(asked, share)
    minutes = pd.DataFrame({"at": at, "200": asked - failed, "500": failed})
    hours = minutes.groupby(minutes["at"].dt.floor("h"))[["200", "500"]].sum().reset_index()
    hours = hours[hours["at"] + HOUR <= scope.as_of]
    edges = (minutes["at"] >= scope.as_of - 2 * HOUR) | (
        (minutes["at"] >= scope.window.start) & (minutes["at"] < scope.window.start + HOUR)
    )
    parts = [hours.assign(interval_s=3600.0), minutes[edges].assign(interval_s=60.0)]
    rows = pd.concat(parts).melt(["at", "interval_s"], var_name="status", value_name="requests")
    rows = rows[(rows["requests"] > 0) | (rows["status"] == "200")]
    return rows.assign(source="vercel", status=rows["status"].astype(int), sample_rate=1.0)


def _latencies(world: World, counts: pd.DataFrame) -> list[dict[str, Any]]:
    """Percentiles of each interval that a report names."""
    rng, rows = world.rng, []
    sampled = "sentry" not in world.site.unused
    source, rate = ("sentry", 0.1) if sampled else ("vercel", 1.0)
    for span in world.scope.spans:
        slow = world.size if world.kind is Kind.SLOW and span.end > world.fault.start else 1.0
        p95 = world.base_ms * slow * float(np.exp(rng.normal(0, 0.04)))
        asked = _within(counts, span)
        if not asked:
            continue
        times = {"p50_ms": p95 / 3, "p95_ms": p95, "p99_ms": p95 * 1.8, "avg_ms": p95 / 2.4}
        row = {"source": source, "start": span.start, "end": span.end, **times, "samples": round(asked * rate)}
        rows.append({**row, "sample_rate": rate, "confidence": "high", "complete": True})
    return rows


def _within(counts: pd.DataFrame, span: Window) -> int:
    hours = counts[counts["interval_s"] == 3600]
    inside = hours[(hours["at"] >= span.start - HOUR / 2) & (hours["at"] < span.end - HOUR / 2)]
    minutes = counts[(counts["interval_s"] == 60) & (counts["at"] >= span.start) & (counts["at"] < span.end)]
    return int(inside["requests"].sum() or minutes["requests"].sum())


def _probes(world: World) -> pd.DataFrame:
    scope = world.scope
    first = min(scope.window.start, scope.before.start)
    at = pd.date_range(first, scope.as_of - timedelta(seconds=1), freq=f"{60 * world.probe_minutes:.0f}s")
    down = np.zeros(len(at), dtype=bool)
    if world.kind in (Kind.RECOVERED, Kind.DOWN):
        down |= np.asarray((at >= world.fault.start) & (at < world.fault.end))
    for span in world.site.maintenance_in(Window(first, scope.as_of)):
        down |= np.asarray((at >= span.start) & (at < span.end))
    lost = ~down & (world.rng.random(len(at)) < 0.0005)  # a probe that the network lost
    return pd.DataFrame({"target": "uptime_logs", "checked_at": at, "status": np.where(down | lost, "down", "up")})


def _cron(world: World) -> list[dict[str, Any]]:
    scope = world.scope
    start = scope.baseline.start.replace(minute=0, second=0)
    slots = [("deliver", m) for m in pd.date_range(start, scope.as_of - 2 * MINUTE, freq="30min")]
    slots += [("nightly", m) for m in pd.date_range(start.replace(hour=8), scope.as_of - 2 * MINUTE, freq="D")]
    stopped = world.fault.start if world.kind is Kind.STOPPED else scope.as_of
    ran = [(job, m + timedelta(seconds=float(world.rng.uniform(0, 40)))) for job, m in slots]
    return [
        {"job": job, "started_at": m, "completed_at": m + MINUTE, "status": "completed", "duration_ms": 6e4}
        for job, m in ran
        if job != "deliver" or m < stopped
    ]


def _orders(world: World) -> list[dict[str, Any]]:
    scope, rng = world.scope, world.rng
    quarters = pd.date_range(scope.baseline.start.replace(minute=0), scope.as_of - 15 * MINUTE, freq="15min")
    amounts = rng.poisson(rng.uniform(4, 40) / 96, len(quarters))
    idle = world.fault.start if world.kind is Kind.IDLE else scope.as_of
    return [
        {"feature": "orders", "at": at, "amount": float(n)}
        for at, n in zip(quarters, amounts, strict=True)
        if n and at < idle
    ]


def _activity(world: World, counts: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for span in world.scope.visits:
        views = world.rng.poisson(0.3 * _within(counts, span))
        sessions = max(1, views // 4)
        row = {"source": "postgres", "start": span.start, "end": span.end, "visitors": max(1, int(sessions * 0.7))}
        rows.append(
            {**row, "sessions": sessions, "page_views": views, "session_s": 120.0, "bounced": sessions // 3}
        )
    return rows


def _payments_a_day(world: World) -> float:
    return min(world.per_day * PAID, 3000.0)


def _payments(world: World) -> pd.DataFrame:
    """Attempts since a week before the deployment; the customers' banks decline one in thirty."""
    scope, rng = world.scope, world.rng
    span = Window(scope.before.start, scope.as_of)
    count = rng.poisson(_payments_a_day(world) * span.seconds / DAY.total_seconds())
    at = pd.Series(span.start + pd.to_timedelta(np.sort(rng.uniform(0, span.seconds, count)), unit="s"))
    unpaid = world.kind is Kind.UNPAID
    ours = (rng.random(count) < world.size) & np.asarray(at >= world.fault.start) & unpaid
    declined = ~ours & (rng.random(count) < 1 / 30)
    fault = pd.Series(None, range(count), "object").mask(declined, "customer").mask(ours, "ours")
    told = {"source": "stripe", "payment": [f"ch_{n}" for n in range(count)], "created_at": at, "fault": fault}
    table = pd.DataFrame(told).assign(status=np.where(ours | declined, "failed", "succeeded"))
    return table if "stripe" not in world.site.unused else table.head(0)


def _deployments(world: World) -> list[dict[str, Any]]:
    """The judged one, and others before and after it."""
    scope, rng = world.scope, world.rng
    days = (scope.as_of - scope.deployed_at) / DAY
    count = rng.poisson(float(rng.choice(A_WEEK)) * (28 + days) / 7)
    others = [float(d) for d in rng.uniform(-28, days, count) if abs(d) > 0.02]  # not within half an hour of it
    moments = [scope.deployed_at, *(scope.deployed_at + d * DAY for d in others)]
    shared = {"source": "vercel", "state": "READY", "target": "production", "move": "deployment"}
    return [
        {**shared, "deployment": f"d{n}", "created_at": m - 5 * MINUTE, "ready_at": m, "live_at": m}
        for n, m in enumerate(moments)
    ]


def _issues(world: World, counts: pd.DataFrame) -> list[dict[str, Any]]:
    """Old errors that go on as before, and a new one where requests fail."""
    scope, rng = world.scope, world.rng
    if "sentry" in world.site.unused:
        return []
    base = {
        "level": "error",
        "status": "unresolved",
        "substatus": "ongoing",
        "unhandled": True,
        "culprit": "GET /a",
    }
    rows = []
    for n in range(int(rng.integers(0, 6))):
        rate = float(rng.uniform(1, 20))
        seen = {
            "events": int(rng.poisson(rate * scope.window.seconds / DAY.total_seconds())),
            "events_before": int(rng.poisson(7 * rate)),
            "events_latest": int(rng.poisson(rate * scope.latest.seconds / DAY.total_seconds())),
        }
        first = scope.deployed_at - float(rng.uniform(40, 300)) * DAY
        rows.append(
            {**base, **seen, "issue": f"W-{n}", "title": "Old", "first_seen": first, "last_seen": scope.as_of}
        )
    if world.kind in (Kind.FAILING, Kind.FAILED):
        minutes = counts[(counts["status"] == 500) & (counts["at"] >= world.fault.start.replace(minute=0))]
        failed = int(minutes[minutes["interval_s"] == 60]["requests"].sum()) or 50
        latest = failed if world.kind is Kind.FAILING else 0
        after = max(scope.as_of - scope.deployed_at, MINUTE)
        before = max(timedelta(0), scope.deployed_at - world.fault.start) / after
        seen = {
            "events": failed,
            "events_before": round(failed * before),
            "events_latest": latest,
            "users": failed,
        }
        ends = {"first_seen": world.fault.start, "last_seen": world.fault.end - MINUTE}
        rows.append(
            {**base, **seen, **ends, "issue": "W-9", "title": "TypeError: x is undefined", "culprit": "GET /b"}
        )
    return rows


def _errors(world: World, counts: pd.DataFrame) -> list[dict[str, Any]]:
    """What the tracker counted of each interval: an error for each request that failed."""
    if "sentry" in world.site.unused:
        return []
    failed = counts[counts["status"] == 500]
    spans = [(span, _within(failed, span)) for span in world.scope.spans]
    return [{"start": s.start, "end": s.end, "errors": n, "users": n, "issues": min(n, 7)} for s, n in spans]


@dataclass(frozen=True)
class Seen:
    """What a verdict said of a world.

    Attributes:
        urgent: alerts P0 or P1 of which nothing in the world is the reason.
        first: whether its first cause is the fault, or of one from before the deployment whether it is told as
            standing; None where the world has none.
        off: minutes by which the `since` of that cause is off; None where it tells none or none is known.
        allowed: minutes that it may be off: a probe, or a bucket.
    """

    seed: int
    kind: Kind
    before: bool
    phase: str
    decidable: bool
    red: bool
    rollback: bool
    urgent: tuple[str, ...]
    first: bool | None
    cause: str
    off: float | None
    allowed: float
    arrows: dict[str, tuple[int, int]]

    @property
    def drawn(self) -> Kind:
        """What was drawn: the kind, or the same from before the deployment."""
        return next((one for one, kind in BEFORE.items() if self.before and kind is self.kind), self.kind)


def seen(seed: int) -> Seen:
    """Draws a world and judges it."""
    world = draw(seed)
    verdict = judge(case_of(world))
    causes = [cause for cause in verdict.causes if cause.status is CauseStatus.NEW]
    wanted = NAMED.get(world.kind, ())
    named = [c for c in verdict.causes if any(fnmatchcase(n, p) for n in c.chain for p in wanted)]
    first = bool(causes) and any(fnmatchcase(n, p) for n in causes[0].chain[:1] for p in wanted)
    if world.before:
        first = any(cause.status is CauseStatus.STANDING for cause in named)
    since = causes[0].since if causes and first and not world.before else None
    dated = since is not None and world.kind in (Kind.DOWN, Kind.FAILING)
    return Seen(
        seed,
        world.kind,
        world.before,
        world.scope.phase.name,
        decidable=world.decidable,
        red=verdict.status is ReportStatus.RED,
        rollback=verdict.recommendation is Recommendation.ROLLBACK,
        urgent=_false(verdict, world),
        first=first if wanted else None,
        cause=causes[0].id if causes else "none",
        off=abs((since - world.fault.start) / MINUTE) if dated and since else None,
        allowed=world.probe_minutes if world.kind is Kind.DOWN else 60.0,
        arrows=cells(verdict) if world.kind is Kind.UNCHANGED else {},
    )


def _false(verdict: Verdict, world: World) -> tuple[str, ...]:
    urgent = [a.id for a in verdict.alerts if a.priority in (Priority.P0, Priority.P1)]
    return tuple(sorted(urgent)) if world.kind is Kind.UNCHANGED else ()


def report(found: Sequence[Seen]) -> str:
    """The tables as Markdown."""
    groups: dict[Kind, list[Seen]] = defaultdict(list)
    for one in found:
        groups[one.drawn].append(one)
    old = [one for one in found if one.before]
    known = [one for one in old if one.decidable]
    calm = [one for one in found if one.kind in CALM]
    sure = [one for one in found if one.first is not None and one.decidable and not one.before]
    dated = [one for one in sure if one.off is not None]
    plain = groups[Kind.UNCHANGED]
    rows = [
        ("rollback where nothing is wrong now", "none", share(sum(s.rollback for s in calm), len(calm))),
        ("RED where nothing is wrong now", "<= 0.4 %", share(sum(s.red for s in calm), len(calm))),
        ("P0 or P1 on an unchanged deployment", "few", share(sum(bool(s.urgent) for s in plain), len(plain))),
        ("rollback for a fault from before the deployment", "none", share(sum(s.rollback for s in old), len(old))),
        (
            "told as standing, decidable faults from before",
            ">= 95 %",
            share(sum(bool(s.first) for s in known), len(known)),
        ),
        ("first cause right, decidable faults", ">= 95 %", share(sum(bool(s.first) for s in sure), len(sure))),
        (
            "`since` within a probe or a bucket",
            "all",
            share(sum((s.off or 0) <= s.allowed for s in dated), len(dated)),
        ),
    ]
    for kind in ("readings", "days"):
        arrows = [s.arrows[kind] for s in plain]
        rows.append(
            (f"arrows on unchanged {kind}", "<= 5 %", share(sum(a for a, _ in arrows), sum(n for _, n in arrows)))
        )
    parts = [table(("what", "wanted", "reached"), rows), table(KINDS, list(_by_kind(groups)))]
    return "\n\n".join([*parts, table(("wrong first cause", "of", "worlds"), list(_wrong([*sure, *known])))])


KINDS = (
    "world",
    "verdicts",
    "RED",
    "rollback",
    "first cause right, or standing",
    "not decidable, named all the same",
)


def _by_kind(groups: dict[Kind, list[Seen]]) -> Iterator[Sequence[object]]:
    for kind in Kind:
        mine = groups[kind]
        sure = [s for s in mine if s.decidable and s.first is not None]
        rest = [s for s in mine if not s.decidable]
        red, back = (share(sum(getattr(s, name) for s in mine), len(mine)) for name in ("red", "rollback"))
        named = share(sum(bool(s.first) for s in sure), len(sure)) if {kind, BEFORE.get(kind)} & {*NAMED} else "-"
        yield kind.value, len(mine), red, back, named, f"{sum(bool(s.first) for s in rest)} of {len(rest)}"


def _wrong(sure: Sequence[Seen]) -> Iterator[Sequence[object]]:
    wrong: dict[tuple[str, str], list[int]] = defaultdict(list)
    for one in sure:
        if not one.first:
            wrong[one.cause.split(":")[0], one.drawn.value].append(one.seed)
    for (cause, kind), seeds in sorted(wrong.items(), key=lambda item: -len(item[1])):
        yield f"`{cause}`", kind, f"{len(seeds)} ({', '.join(map(str, seeds[:3]))})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws worlds until the time is up and prints the tables; progress goes to standard error."""
    parser = argparse.ArgumentParser(prog="python -m bench.proof.worlds", description=__doc__)
    parser.add_argument("--hours", type=float, default=0.1, help="begin no world after so many")
    parser.add_argument("--most", type=int, default=100_000, help="worlds at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", type=Path, help="a Markdown file between whose marks the tables are put")
    given = parser.parse_args(arguments)
    began, found = time.monotonic(), []
    with get_context("spawn").Pool(given.processes) as pool:
        for one in pool.imap_unordered(seen, range(given.seed, given.seed + given.most)):
            found.append(one)
            sys.stderr.write(f"\r{len(found)} worlds")
            if time.monotonic() - began > 3600 * given.hours:
                break
        pool.terminate()
    hours = (time.monotonic() - began) / 3600
    text = (
        f"{len(found)} worlds from seed {given.seed} on, {hours:.2f} hours with {given.processes} processes.\n\n"
    )
    text += report(found)
    print(text)
    if given.write:
        given.write.write_text(between(given.write.read_text(encoding="utf-8"), text, MARKS), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
