"""What the platform does by itself: deployments, cron runs, probes, checks of integrations, alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from pdmlib.demo.scenarios import DEPLOYED
from pdmlib.demo.world.grid import (
    DAY,
    END,
    HOUR,
    MINUTE,
    START,
    Array,
    Bools,
    Ints,
    Story,
    Table,
    draw,
    during,
    minutes,
    ms,
    rates,
    strength,
    table,
)


@dataclass(frozen=True)
class Deployment:
    """One deployment on the platform; `release` is empty for previews and failures."""

    uid: str
    sha: str
    created: datetime
    ready: datetime | None
    release: str = ""
    target: str | None = "production"
    error: str = ""


def _shipped(number: int, days: float, version: str) -> Deployment:
    ready = DEPLOYED - timedelta(days=days)
    release = f"dirt-free-crm@{version}"
    return Deployment(
        f"dpl_{version.replace('.', 'x')}Demo{number:04d}",
        f"{number * 7919:07x}c0ffee",
        ready - timedelta(minutes=6),
        ready=ready,
        release=release,
    )


DEPLOYMENTS: tuple[Deployment, ...] = (
    _shipped(4001, 62, "2.0.0"),
    _shipped(4018, 33, "2.1.0"),
    _shipped(4033, 26, "2.2.0"),
    _shipped(4047, 19, "2.3.0"),
    Deployment(
        "dpl_previewDemo4052",
        "00fe0d5",
        DEPLOYED - timedelta(days=4),
        DEPLOYED - timedelta(days=4, minutes=-5),
        target=None,
    ),
    _shipped(4055, 12, "2.3.1"),
    _shipped(4061, 0, "2.4.0"),
)
FAILED = Deployment(
    "dpl_failedDemo4062",
    "0badc0de",
    DEPLOYED + timedelta(minutes=20),
    None,
    error='Command "next build" exited with 1',
)
RELEASES = tuple(d.release for d in DEPLOYMENTS if d.release)


def deployments(story: Story) -> tuple[Deployment, ...]:
    """Every deployment of a story, oldest first."""
    return (*DEPLOYMENTS, FAILED) if story.plan.failed_deployment else DEPLOYMENTS


def release_at(at: Ints) -> Ints:
    """Position in RELEASES of the release that served each moment."""
    ready = [ms(d.ready) for d in DEPLOYMENTS if d.release and d.ready]
    return np.searchsorted(ready, at, side="right") - 1


@dataclass(frozen=True)
class Job:
    """One cron job: its schedule in UTC and how long it usually runs."""

    name: str
    schedule: str
    timeout_s: int
    typical_ms: int


JOBS: tuple[Job, ...] = (
    Job("process-opportunity-offers", "0 8 * * *", 600, 42_000),
    Job("opportunity-reminders", "0 8 * * *", 300, 14_000),
    Job("process-promotion-deliveries", "*/30 * * * *", 300, 6_500),
    Job("calculate-promotion-analytics", "0 2 * * *", 300, 21_000),
    Job("promotion-triggers", "0 10 * * *", 600, 33_000),
    Job("send-review-requests", "0 */6 * * *", 300, 11_000),
    Job("review-follow-ups", "0 9 * * *", 300, 9_000),
    Job("process-tier-upgrades", "0 3 * * *", 300, 16_000),
    Job("process-achievements", "0 4 * * *", 300, 18_000),
    Job("process-referrals", "0 */4 * * *", 300, 5_200),
    Job("aggregate-portal-analytics", "0 1 * * *", 300, 27_000),
    Job("aggregate-opportunity-analytics", "0 1 * * *", 300, 24_000),
    Job("generate-scheduled-reports", "0 6 * * *", 600, 65_000),
    Job("health-check", "*/5 * * * *", 30, 900),
    Job("cleanup-expired-sessions", "0 0 * * *", 300, 4_000),
    Job("cleanup-old-logs", "0 0 * * 0", 600, 38_000),
    Job("cleanup-old-uptime-logs", "0 0 1 * *", 600, 12_000),
    Job("cleanup-old-alerts", "0 0 1 * *", 600, 3_000),
)
PLATFORM_CRONS: tuple[tuple[str, str], ...] = (
    ("send-reminders", "0 8,12,16,20 * * *"),
    ("alerts", "*/15 * * * *"),
    ("aggregate-portal-analytics", "0 0 * * *"),
    ("send-review-requests", "0 */6 * * *"),
    ("review-reminders", "0 11 * * *"),
    ("review-escalations", "0 9 * * *"),
    ("process-opportunity-offers", "0 8 * * *"),
    ("process-opportunities", "0 */1 * * *"),
    ("opportunity-reminders", "0 8 * * *"),
    ("cleanup-old-jobs", "0 0 * * *"),
    ("process-tier-upgrades", "0 2 * * *"),
    ("process-achievements", "0 3 * * *"),
    ("process-referrals", "0 4 * * *"),
)


def slots(schedule: str) -> Ints:
    """Every moment of the world at which a schedule fires; fields may be `*`, `*/n` and lists."""
    at = minutes()
    days = (at // DAY).astype("datetime64[D]")
    parts = (
        at % HOUR // MINUTE,
        at % DAY // HOUR,
        (days - days.astype("datetime64[M]")).astype(np.int64) + 1,
        days.astype("datetime64[M]").astype(np.int64) % 12 + 1,
        (at // DAY + 4) % 7,
    )
    fires = np.ones(len(at), dtype=bool)
    for field, values in zip(schedule.split(), parts, strict=True):
        fires &= _matches(field, values)
    return at[fires]


def _matches(field: str, values: Ints) -> Bools:
    if field == "*":
        return np.ones(len(values), dtype=bool)
    if field.startswith("*/"):
        return np.asarray(values % int(field[2:]) == 0)
    return np.isin(values, [int(number) for number in field.split(",")])


def cron_runs(story: Story) -> Table:
    """Runs of the 18 jobs: `job` a position in JOBS, `ended` 0 for a run that never ended."""
    parts = [_runs_of(story, number, job) for number, job in enumerate(JOBS)]
    columns = {name: np.concatenate([p[name] for p in parts]) for name in parts[0].columns}
    return table(columns.pop("at"), **columns)


def _runs_of(story: Story, number: int, job: Job) -> Table:
    plan, rng = story.plan, story.rng(f"cron {job.name}")
    due = slots(job.schedule)
    at = due + (500 + 19_000 * rng.beta(1.2, 5, len(due))).astype(np.int64)
    if plan.late_jobs:
        at = at + (MINUTE * strength(due, plan.late_jobs, job.name)).astype(np.int64)
    took = np.minimum(job.typical_ms * rng.lognormal(0, 0.25, len(due)), job.timeout_s * 700).astype(np.int64)
    failed = during(due, plan.failing_jobs, job.name) if plan.failing_jobs else np.zeros(len(due), dtype=bool)
    hung = during(due, plan.hung_jobs, job.name) if plan.hung_jobs else np.zeros(len(due), dtype=bool)
    ran = ~during(due, plan.silent_jobs, job.name)
    columns: dict[str, Array] = {
        "at": at,
        "job": np.full(len(due), number, dtype=np.int8),
        "ended": np.where(hung, 0, at + took),
        "failed": failed,
        "attempts": np.where(failed, 3, 1).astype(np.int8),
    }
    return Table(columns).where(ran)


def probes(story: Story) -> Table:
    """The application's own probes, one every five minutes; `down` during outages."""
    rng = story.rng("probes")
    due = np.arange(ms(START), ms(END), 5 * MINUTE, dtype=np.int64)
    down = during(due, story.plan.outages)
    response = np.where(down, 10_000, 60 + rng.lognormal(4.3, 0.35, len(due)))
    at = due + rng.integers(400, 2_400, len(due))
    kept = ~during(due, story.plan.probe_gaps)
    return Table({"at": at, "down": down, "response_ms": response.astype(np.int64)}).where(kept)


INTEGRATIONS = ("stripe", "twilio", "resend")


def integration_checks(story: Story) -> Table:
    """The application's checks of its integrations, one each every half hour."""
    rng = story.rng("integrations")
    due = np.arange(ms(START), ms(END), 30 * MINUTE, dtype=np.int64).repeat(3)
    kind = np.tile(np.arange(3, dtype=np.int8), len(due) // 3)
    at = due + 2_000 + kind.astype(np.int64) * 400 + rng.integers(0, 300, len(due))
    response = 110 + rng.lognormal(4.6, 0.4, len(due))
    failed = during(due, story.plan.failed_payments) & (kind == 0)
    return table(at, integration=kind, response_ms=response.astype(np.int64), failed=failed)


ALERTS = (
    ("slow-query", "info", "A report query took longer than a second"),
    ("cache-miss-rate", "info", "Cache hit rate fell below 90 %"),
    ("application-down", "critical", "Health check failed three times in a row"),
    ("sms-failure-rate", "warning", "More than 5 % of text messages were not delivered"),
)


def alerts(story: Story) -> Table:
    """Alerts that the application raised about itself: informative ones, and one for each outage."""
    rng = story.rng("alerts")
    routine = draw(rng, rates(0.5, 0.2))
    outages = [ms(spell.start) + 11 * MINUTE for spell in story.plan.outages]
    sms = [ms(spell.start) + 20 * HOUR for spell in story.plan.undelivered_sms]
    at = np.array([*routine, *outages, *sms], dtype=np.int64)
    kind = np.array([*rng.integers(0, 2, len(routine)), *[2] * len(outages), *[3] * len(sms)], dtype=np.int8)
    return table(at, kind=kind)
