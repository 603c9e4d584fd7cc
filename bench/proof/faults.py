"""The faults that are drawn: what happens, in which sizes, when, and what a right verdict names."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pdmlib.analysis.compare.baseline import PRACTICAL_PCT
from pdmlib.analysis.traffic.routes import PRACTICAL_RISE, SURE
from pdmlib.demo.scenarios import DEPLOYED, END, VENDORS, Plan, Spell
from pdmlib.frames.readings import FEWEST_EVENTS
from pdmlib.stats import LEVEL, chance_of_none, level_for_looks, normal, wilson

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WEEK = (7 * DAY,)
BY_DAY = tuple(n * DAY for n in (1, 2, 3, 5, 7))
HOURLY, DAILY, WEEKLY = 1700, 12_000, 115_000
TRACED, MAILS_A_DAY, MESSAGES_A_DAY, PAYMENTS_A_DAY = 0.05, 100, 55, 12
PROBE_MINUTES, PEAK = 5, 0.8
_SPREAD, _REDEEMED_A_DAY = 0.7, 5
LATE_IN_WEEK = (6 * DAY + HOUR, 6 * DAY - 6 * HOUR)
SILENT_SOURCE = ("unknown:*",)

Change = Callable[[datetime], Plan]


@dataclass(frozen=True)
class Fault:
    """One fault of one size.

    Attributes:
        plan: the facts, from the start of the fault.
        starts: after the deployment; draws take them in turn.
        looks: after the deployment; the last one is judged, the others tell the time to detection.
        named: patterns of names (see `trial.names`), one of which a right verdict holds.
        also: patterns of findings that follow from the fault and are no false alarms.
        decidable: whether the rule that names it would do so at its sample in 99 of 100 draws; see `_decides`.
        red: the limits call for RED at the last look: P0 in the latest part of the window.
        dead: a key source tells nothing, so that GREEN is never right.
        afresh: the database's own counters matter.
    """

    name: str
    size: str
    plan: Change
    named: tuple[str, ...]
    starts: tuple[timedelta, ...] = (timedelta(0),)
    phase: str = "week1"
    looks: tuple[timedelta, ...] = WEEK
    also: tuple[str, ...] = ()
    decidable: bool = True
    red: bool = False
    dead: bool = False
    afresh: bool = False


def _decides(share: float, limit: float, trials: float, level: float = LEVEL) -> bool:
    """Whether a rate is surely beyond a limit (rule 2) in 99 of 100 draws."""
    fewest = share * trials - normal(0.02) * math.sqrt(share * (1 - share) * trials)
    return fewest >= FEWEST_EVENTS and wilson(fewest, trials, level)[0] > limit


def _outlasts(factor: float, samples: float) -> bool:
    """Whether a p95 that rose so much is beyond 30 % and four standard errors in 99 of 100 draws."""
    error = math.sqrt(2 * 0.95 * 0.05 / samples) * _SPREAD / 0.1031
    return math.log(factor) > max(math.log(PRACTICAL_RISE) + normal(0.02) * error, (SURE + normal(0.02)) * error)


def _since(field: str, amount: float = 1.0, item: str = "") -> Change:
    spell = partial(Spell, end=END, amount=amount, item=item)
    return lambda start: _with(field, spell(start))


def _for(field: str, length: timedelta, amount: float = 1.0) -> Change:
    return lambda start: _with(field, Spell(start, start + length, amount))


def _with(field: str, spell: Spell) -> Plan:
    changes: Mapping[str, Any] = {field: (spell,)}
    return replace(Plan(), **changes)


def _always(plan: Plan) -> Change:
    return lambda start: plan


ERRORS = ("error_rate_pct",)
BURST = ("issue:*", "error_rate_pct", "daily:error_rate_pct")


def _errors() -> Iterator[Fault]:
    named = (*ERRORS, "issue:DIRT-FREE-CRM-402:*")
    for share, red in ((0.004, False), (0.015, False), (0.03, False), (0.06, True)):
        yield Fault(
            "error rate",
            f"{100 * share:g} % for a day",
            _since("error_bursts", share),
            named=named,
            starts=LATE_IN_WEEK,
            also=BURST,
            red=red,
            decidable=_decides(share, 0.005, DAILY),
        )
    for share in (0.03, 0.1):
        looks = tuple(timedelta(minutes=m) for m in (5, 10, 15, 20, 30, 45, 60))
        yield Fault(
            "error rate",
            f"{100 * share:g} % in hour 1",
            _since("error_bursts", share),
            named=named,
            starts=(timedelta(0), timedelta(minutes=10)),
            phase="hour1",
            looks=looks,
            also=BURST,
            decidable=_decides(share * 5 / 6, 0.005, HOURLY, level_for_looks(12)),
        )


def _slowness() -> Iterator[Fault]:
    named = ("route:*:slower", "latency_p95_ms")
    for factor in (1.15, 1.5, 2.5, 4.0):
        yield Fault(
            "p95 of all routes",
            f"x {factor:g}",
            _since("slowdowns", factor),
            named,
            looks=BY_DAY,
            also=("route:*", "latency_*"),
            decidable=_outlasts(factor, 0.1 * TRACED * WEEKLY),
        )
    for factor in (1.5, 2.5, 4.0):
        yield Fault(
            "p95 of one route",
            f"x {factor:g}",
            _since("slowdowns", factor, "/api/opportunities"),
            named=("route:GET /api/opportunities:slower",),
            starts=(timedelta(0), 2 * HOUR),
            looks=BY_DAY,
            also=("latency_*",),
            decidable=_outlasts(factor, 0.1 * TRACED * WEEKLY),
        )
    looks = tuple(timedelta(minutes=m) for m in (10, 20, 30, 45, 60))
    yield Fault(
        "p95 of all routes",
        "x 5 in hour 1",
        _since("slowdowns", 5),
        named=named,
        starts=(timedelta(0),),
        phase="hour1",
        looks=looks,
        also=("route:*", "latency_*"),
    )


def _traffic() -> Iterator[Fault]:
    for factor in (0.9, 0.7, 0.4, 0.1):
        yield Fault(
            "traffic drop",
            f"x {factor:g} since",
            _since("surges", factor),
            named=("requests_per_min_avg", "arrow:requests_total:down", "day:requests:down"),
            starts=(timedelta(0), DAY),
            looks=BY_DAY,
            decidable=1 - factor >= 2 * PRACTICAL_PCT / 100,
            also=("feature:*",),
        )
    for factor in (3.0, 12.0):
        yield Fault(
            "traffic spike",
            f"x {factor:g} for a day",
            _since("surges", factor),
            named=("requests_per_min_avg", "arrow:requests_total:up", "day:requests:up"),
            starts=LATE_IN_WEEK,
            also=("issue:*:growing", "database:*", "db_*", "host:*"),
        )


def _cron() -> Iterator[Fault]:
    starts = (timedelta(hours=5), 3 * DAY)
    for job in ("health-check", "process-referrals", "promotion-triggers"):
        also = (f"cron:{job}:*", "cron_*")
        yield Fault(
            "cron stopped",
            job,
            _since("silent_jobs", 1, job),
            named=(f"cron:{job}:missed",),
            starts=starts,
            looks=BY_DAY,
            also=also,
        )
    for job in ("process-referrals", "promotion-triggers"):
        also = (f"cron:{job}:*", "cron_*")
        yield Fault(
            "cron failing",
            job,
            _since("failing_jobs", 1, job),
            named=(f"cron:{job}:failed",),
            starts=starts,
            looks=BY_DAY,
            also=also,
        )
        yield Fault(
            "cron hung",
            job,
            _since("hung_jobs", 1, job),
            named=(f"cron:{job}:failed",),
            starts=starts,
            looks=BY_DAY,
            also=also,
        )
        yield Fault(
            "cron late",
            f"{job}, 20 min",
            _since("late_jobs", 20, job),
            named=("value:cron_runs_late",),
            starts=starts,
            looks=BY_DAY,
            also=("cron_*",),
        )
    yield Fault(
        "cron stopped",
        "health-check, day 1",
        _since("silent_jobs", 1, "health-check"),
        named=("cron:health-check:missed",),
        starts=(HOUR, 5 * HOUR),
        phase="day1",
        looks=tuple(timedelta(hours=h) for h in (1.2, 1.5, 2, 5.2, 5.5, 6, 24)),
        also=("cron:health-check:*", "cron_*"),
    )


def _features() -> Iterator[Fault]:
    for days in (2, 4):
        yield Fault(
            "feature abandoned",
            f"{days} days",
            _since("idle_features", 1, "loyalty_redemptions"),
            named=("feature:loyalty_redemptions:abandoned",),
            starts=((7 - days) * DAY - 9 * HOUR,),
            decidable=chance_of_none(_REDEEMED_A_DAY * days) < LEVEL / 10,
            also=("feature*loyalty_redemptions*",),
        )
    for days in (3, 7):
        yield Fault(
            "feature broken",
            f"{days} days",
            _since("idle_features", 1, "opportunity_conversions"),
            named=("feature:opportunity_conversions:broken", "feature:opportunity_conversions:abandoned"),
            starts=(max((7 - days) * DAY - 9 * HOUR, timedelta(0)),),
            also=("feature*opportunity_conversions*",),
        )


def _integrations() -> Iterator[Fault]:
    stripe = ("payment_failures", "integration:stripe", "integration_stripe")
    for share in (0.05, 0.2, 0.45):
        yield Fault(
            "payment failures",
            f"{100 * share:g} % for a day",
            _since("failed_payments", share),
            named=stripe,
            starts=LATE_IN_WEEK,
            also=("integration*", "issue:*"),
            decidable=chance_of_none(share * PAYMENTS_A_DAY) < 0.01,
        )
    twilio = ("sms_failed_pct", "integration:twilio", "integration_twilio")
    for share in (0.03, 0.08, 0.15, 0.4):
        yield Fault(
            "SMS failures",
            f"{100 * share:g} % for three days",
            _since("undelivered_sms", share),
            named=twilio,
            starts=(4 * DAY, 4 * DAY + 5 * HOUR),
            looks=(5 * DAY, 6 * DAY, 7 * DAY),
            also=("integration*",),
            decidable=_decides(share, 0.02, MESSAGES_A_DAY),
        )
    yield Fault(
        "email bounces",
        "12 % for two days",
        _since("bounced_emails", 0.12),
        named=("email_bounce_pct", "integration:resend"),
        starts=(5 * DAY,),
        looks=(6 * DAY, 7 * DAY),
        also=("integration*",),
        decidable=_decides(0.12, 0.02, MAILS_A_DAY),
    )


def _operations() -> Iterator[Fault]:
    for minutes in (2, 5, 12, 23, 60):
        starts = (2 * DAY + timedelta(hours=1, minutes=3), 6 * DAY + timedelta(hours=4, minutes=1))
        yield Fault(
            "outage",
            f"{minutes} min",
            _for("outages", timedelta(minutes=minutes)),
            named=("incident:*",),
            starts=starts,
            looks=(3 * DAY, 7 * DAY),
            also=("incident:*", "issue:*", *ERRORS, "daily:*", "uptime*"),
            decidable=minutes >= PROBE_MINUTES,
        )
    for load, hours in ((0.75, 36), (0.9, 36), (0.9, 6)):
        yield Fault(
            "CPU",
            f"{100 * load:g} % for {hours} h",
            _since("busy_host", load),
            named=("db_cpu*",),
            starts=(7 * DAY - timedelta(hours=hours),),
            also=("database:*", "host:*", "db_*"),
            decidable=load > PEAK,
        )
    yield Fault(
        "query regression",
        "index lost",
        _always(replace(Plan(), index_dropped=True)),
        ("query:*:regressed", "query:*"),
        also=("query:*", "database:*", "query_*"),
        afresh=True,
    )
    yield Fault(
        "stale client",
        "40 errors a day",
        _always(replace(Plan(), stale_client=True)),
        ("class:DIRT-FREE-CRM-404:STALE_CLIENT",),
        also=("issue:*404*",),
    )


def _dead() -> Iterator[Fault]:
    quiet = {
        "sentry": ("down", "unauthorized", "empty"),
        "vercel": ("down", "forbidden"),
        "supabase": ("down", "garbage"),
        "stripe": ("down", "limited"),
    }
    yield Fault(
        "dead source",
        "app down",
        _always(replace(Plan(), behaviours={"app": "down"})),
        ("app_up", *SILENT_SOURCE),
        dead=True,
        also=("integration*", "incident:*", "app_up", "health_ok"),
    )
    for vendor in VENDORS[1:]:
        for how in quiet.get(vendor, ("down",)):
            yield Fault(
                "dead source",
                f"{vendor} {how}",
                _always(replace(Plan(), behaviours={vendor: how})),
                SILENT_SOURCE,
                dead=True,
                also=("integration*",),
            )
    yield Fault(
        "dead source",
        "postgres unreachable",
        _always(replace(Plan(), database_listens=False)),
        SILENT_SOURCE,
        dead=True,
        also=("integration*", "db_connection_errors"),
    )
    yield Fault(
        "silent source",
        "probes stop",
        _since("probe_gaps"),
        named=("uptime:unprobed",),
        starts=(DAY, 5 * DAY),
        dead=True,
        also=("uptime*",),
    )
    yield Fault(
        "silent source",
        "cron log stops",
        _since("silent_jobs"),
        named=("cron:*:missed", "unknown:cron*"),
        starts=(3 * DAY, 6 * DAY),
        dead=True,
        also=("cron*",),
    )
    yield Fault(
        "silent source",
        "RLS hides the cron log",
        _always(replace(Plan(), monitor_bypasses_rls=False)),
        ("unknown:cron_runs_missed",),
        dead=True,
        also=("database:*",),
    )


FAULTS: tuple[Fault, ...] = (
    *_errors(),
    *_slowness(),
    *_traffic(),
    *_cron(),
    *_features(),
    *_integrations(),
    *_operations(),
    *_dead(),
)


def _gap(start: datetime) -> Plan:
    """Everyday failures, and ten minutes without probes now and then: what an unchanged deployment has."""
    return replace(Plan(), everyday_failures=True, probe_gaps=(Spell(start, start + 2 * timedelta(minutes=5)),))


_AT = (30 * HOUR, 100 * HOUR, 160 * HOUR)
UNCHANGED: tuple[Fault, ...] = (
    Fault("unchanged", "week 1", _always(Plan()), named=(), starts=_AT),
    Fault("unchanged", "week 1, everyday failures, gaps", _gap, named=(), starts=_AT),
    Fault(
        "unchanged",
        "hour 1",
        _gap,
        named=(),
        starts=_AT,
        phase="hour1",
        looks=tuple(timedelta(minutes=m) for m in (10, 30, 60)),
    ),
    Fault("unchanged", "day 1", _gap, named=(), starts=_AT, phase="day1", looks=(6 * HOUR, DAY)),
    Fault("unchanged", "daily", _gap, named=(), starts=_AT, phase="daily", looks=(9 * DAY, 12 * DAY)),
)


def moment(offset: timedelta) -> datetime:
    """So long after the deployment."""
    return DEPLOYED + offset
