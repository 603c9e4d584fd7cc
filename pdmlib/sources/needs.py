"""What each vendor asks of a key or a plan, by the parts of a source, and what is lost without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

REFUSALS = ("401", "402", "403", "404")  # no key, not paid for, no permission; some hide what may not be seen


@dataclass(frozen=True)
class Need:
    """One row of the documentation's tables.

    Attributes:
        items: the parts of the source that rest on it.
        says: what stands in the reason of a plan that keeps too little, which no vendor answers as a refusal.
    """

    items: str
    need: str
    lost: str
    says: str = ""


NEEDS: Mapping[str, tuple[Need, ...]] = {
    "sentry": (
        Need(
            "latencies routes error_counts uptime",
            "`org:read`: events, time series",
            "no response times, no error counts",
        ),
        Need(
            "check_ins",
            "`org:read` and `project:read`, or `alerts:read`: cron monitors",
            "no run of a job, where the application keeps no table",
        ),
        Need("issues", "`event:read`: issues", "no issue"),
        Need("deployments releases", "`project:read` or `project:releases`: releases", "no releases"),
        Need(
            "quota",
            "`org:read` for quotas, and a release that tells the project's number",
            "not whether errors were dropped, so that counts are too low",
        ),
        Need(
            "",
            "spans kept for the window (Developer 7 days, Team 14, Business 30)",
            "the weeks before are not compared",
            says="Invalid date range",
        ),
    ),
    "vercel": (
        Need("deployments platform_crons build_logs", "a token that may read the project", "no deployments"),
        Need(
            "request_counts routes latencies memory observability",
            "Observability Plus and a role that may query it",
            "no requests, errors, response times or memory of the platform",
        ),
        Need("activity web_analytics", "Web Analytics", "no visits"),
        Need("costs billing", "a role that may read bills", "no costs"),
        Need(
            "moves",
            "a token that may read events of the team",
            "of promotions and rollbacks only the last is known",
        ),
    ),
    "supabase": (
        Need(
            "host_metrics",
            "a secret key for the metrics endpoint",
            "no load, memory or connections of the host",
        ),
        Need(
            "project services",
            "a management token with `projects_read`",
            "no state of the project and its services",
        ),
        Need("disk", "`infra_disk_config_read`", "no disk where the host's metrics tell no `/data`"),
        Need(
            "refusals",
            "`analytics_logs_read`, and days that the plan keeps (Free 1, Pro 7, Team 28)",
            "not how many connections were refused",
            says="no longer kept",
        ),
    ),
    "stripe": (
        Need(
            "payments",
            "a restricted live key (`rk_live_..`) with *read* for Charges",
            "no payment failures, no share of declines",
        ),
        Need(
            "", "a key of the live mode", "payments of the test mode are read, and no others", says="in test mode"
        ),
        Need("costs", "*read* for Balance transactions", "no cost"),
        Need("webhook_events", "*read* for Events (kept for 30 days)", "no webhooks that are not delivered"),
        Need(
            "account webhooks",
            "*read* for Balance, Webhook endpoints",
            "not whether the key is of the live mode, nor whether an endpoint is switched off",
        ),
        Need("disputes", "*read* for Disputes", "no disputes to answer"),
        Need("payouts", "*read* for Payouts", "no payouts that the bank refused"),
    ),
    "twilio": (
        Need("messages", "a standard or restricted key (`SK..`) with *read* for Messages", "no text messages"),
        Need("costs", "*read* for Usage", "no cost"),
        Need("alerts", "*read* for Monitor alerts (kept for 30 days)", "not whether our webhooks answer"),
        Need(
            "account balance",
            "a Main key, which may do everything: do not give one",
            "the account's state and balance are not readable",
        ),
    ),
    "resend": (
        Need(
            "email_counts logs domains webhooks",
            "a full-access key",
            "nothing is read: a sending key is refused every call",
        ),
    ),
}


def need_of(source: str, item: str, reason: str) -> Need | None:
    """What a part of a source rests on, or, where there is no part, all of it.

    None where nothing is known, or where the reason for which it was not read is neither a key nor a plan.
    """
    needs, part = NEEDS.get(source, ()), item.partition(":")[0]
    kept = next((need for need in needs if need.says and need.says in reason), None)
    if kept is not None or not reason.startswith(REFUSALS):
        return kept
    return next((need for need in needs if not part or part in need.items.split()), None)
