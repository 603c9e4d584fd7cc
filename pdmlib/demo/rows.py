"""Rows of the demo database, as text for COPY: what had been stored when the clock stood still."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from pdmlib.demo.scenarios import Plan
from pdmlib.demo.world import World
from pdmlib.demo.world.business import CUSTOMERS, PAGES, SUBJECTS, TAGS
from pdmlib.demo.world.grid import DAY, START, Array, Table, ms
from pdmlib.demo.world.money import BROKEN, SUCCEEDED
from pdmlib.demo.world.operations import ALERTS, INTEGRATIONS, JOBS

Columns = Mapping[str, Array]
_NULL = r"\N"
_TIERS = np.array(["bronze", "silver", "gold", "platinum"])


def lines(columns: Columns) -> list[str]:
    """Columns of text as lines of COPY's text format."""
    return ["\t".join(row) for row in zip(*(c.tolist() for c in columns.values()), strict=True)]


def _stamp(at: Array, clock: int) -> Array:
    """Times as text; NULL for those that never come or have not come yet."""
    text = np.datetime_as_string(at.astype("datetime64[ms]"))
    return np.where((at == 0) | (at > clock), _NULL, text)


def _ids(prefix: int, numbers: Array) -> Array:
    return np.array([f"{prefix:08x}-0000-4000-8000-{n:012x}" for n in numbers.tolist()])


def _numbered(prefix: int, table: Table) -> Array:
    return _ids(prefix, np.arange(len(table)))


def _customer(numbers: Array) -> Array:
    return _ids(0xC0000000, numbers)


def _text(numbers: Array) -> Array:
    return numbers.astype(str)


def _customers(world: World, clock: int) -> Columns:
    number = np.arange(CUSTOMERS)
    registered = np.concatenate([world["registrations"]["at"], np.full(CUSTOMERS, ms(START))])[:CUSTOMERS]
    return {
        "id": _customer(number),
        "name": np.array([f"Customer {n}" for n in number]),
        "email": np.array([f"customer{n}@example.com" for n in number]),
        "phone": np.array([f"+1555{n:07d}" for n in number]),
        "loyalty_tier": _TIERS[(number * 7) % 4],
        "created_at": _stamp(np.minimum(registered, clock) - 90 * DAY, clock),
    }


def _opportunities(world: World, clock: int) -> Columns:
    t = world["opportunities"].until(clock)
    age = clock - t["at"]
    converted = (t["converted"] > 0) & (t["converted"] <= clock)
    waiting = np.select([age < 3 * DAY, age < 12 * DAY], ["pending", "offered"], "expired")
    value = _text(t["value"])
    return {
        "id": _numbered(0xA0000000, t),
        "customer_id": _customer(t["customer"]),
        "status": np.where(converted, "converted", waiting),
        "estimated_value": value,
        "converted": np.where(converted, "t", "f"),
        "conversion_date": _stamp(t["converted"], clock),
        "conversion_value": np.where(converted, value, _NULL),
        "created_at": _stamp(t["at"], clock),
    }


def _promotion_deliveries(world: World, clock: int) -> Columns:
    t = world["promotions"].until(clock)
    return {
        "id": _numbered(0xA1000000, t),
        "customer_id": _customer(t["customer"]),
        "delivered_at": _stamp(t["at"], clock),
        "claimed_at": _stamp(t["claimed"], clock),
        "redeemed_at": _stamp(t["redeemed"], clock),
    }


def _promotion_queue(world: World, clock: int) -> Columns:
    t = world["promotions"].until(clock + 120_000)
    return {
        "id": _numbered(0xA2000000, t),
        "customer_id": _customer(t["customer"]),
        "status": np.where(t["at"] <= clock, "delivered", "pending"),
        "attempts": np.where(t["at"] <= clock, "1", "0"),
        "error_message": np.full(len(t), _NULL),
        "created_at": _stamp(t["at"] - 120_000, clock),
    }


def _review_requests(world: World, clock: int) -> Columns:
    t = world["review_requests"].until(clock)
    portal, google = _stamp(t["portal"], clock), _stamp(t["google"], clock)
    return {
        "id": _numbered(0xA3000000, t),
        "customer_id": _customer(t["customer"]),
        "status": np.where((portal != _NULL) | (google != _NULL), "received", "sent"),
        "requested_at": _stamp(t["at"], clock),
        "portal_review_submitted_at": portal,
        "google_review_completed_at": google,
    }


def _loyalty(world: World, clock: int) -> Columns:
    t = world["loyalty"].until(clock)
    return {
        "id": _numbered(0xA4000000, t),
        "customer_id": _customer(t["customer"]),
        "points_earned": _text(t["earned"]),
        "points_redeemed": _text(t["redeemed"]),
        "processed_at": _stamp(t["at"], clock),
    }


def _portal_sessions(world: World, clock: int) -> Columns:
    first, later = world["registrations"].until(clock), world["logins"].until(clock)
    at = np.concatenate([first["at"], later["at"]])
    return {
        "id": _ids(0xA5000000, np.arange(len(at))),
        "customer_id": _customer(np.concatenate([first["customer"], later["customer"]])),
        "created_at": _stamp(at, clock),
        "expires_at": np.datetime_as_string((at + DAY).astype("datetime64[ms]")),
    }


def _portal_analytics(world: World, clock: int) -> Columns:
    t = world["logins"].until(clock)
    times = 1 + t["pages"].astype(np.int64)
    nth = np.arange(times.sum()) - (np.cumsum(times) - times).repeat(times)
    at = t["at"].repeat(times) + 20_000 * nth
    seen = at <= clock
    return {
        "id": _ids(0xA6000000, np.flatnonzero(seen)),
        "customer_id": _customer(t["customer"].repeat(times)[seen]),
        "event_type": np.where(nth[seen] == 0, "login", "page_view"),
        "created_at": _stamp(at[seen], clock),
    }


def _website_sessions(world: World, clock: int) -> Columns:
    t = world["sessions"].until(clock)
    return {
        "session_id": _numbered(0xA7000000, t),
        "visitor_id": np.array([f"v{n}" for n in t["visitor"].tolist()]),
        "pages_visited": _text(t["pages"]),
        "duration_seconds": _text(t["duration_s"]),
        "started_at": _stamp(t["at"], clock),
        "ended_at": _stamp(t["at"] + 1000 * t["duration_s"], clock),
    }


def _website_analytics(world: World, clock: int) -> Columns:
    t = world["page_views"].until(clock)
    return {
        "id": _numbered(0xA8000000, t),
        "event_type": np.full(len(t), "pageview"),
        "page_path": np.array(PAGES)[t["page"]],
        "session_id": _ids(0xA7000000, t["session"]),
        "visitor_id": np.array([f"v{n}" for n in t["visitor"].tolist()]),
        "created_at": _stamp(t["at"], clock),
    }


def _tickets(world: World, clock: int) -> Columns:
    t = world["tickets"].until(clock)
    resolved = t["resolved"] <= clock
    return {
        "id": _numbered(0xA9000000, t),
        "ticket_number": np.array([f"TKT-{1001 + n}" for n in range(len(t))]),
        "escalation_reason": np.array(SUBJECTS)[t["tag"]],
        "priority": np.array(["low", "medium", "high"])[t["priority"]],
        "status": np.where(resolved, "closed", "open"),
        "customer_rating": np.where(resolved & (t["rating"] > 0), _text(t["rating"]), _NULL),
        "tags": np.array([f'["{tag}"]' for tag in TAGS])[t["tag"]],
        "created_at": _stamp(t["at"], clock),
        "resolved_at": _stamp(t["resolved"], clock),
    }


def _payments(world: World, clock: int) -> Columns:
    t = world["charges"].until(clock)
    code = np.where(t["result"] == BROKEN, "processing_error", "card_declined")
    return {
        "id": _numbered(0xAA000000, t),
        "customer_id": _customer(t["customer"]),
        "stripe_payment_intent_id": np.array([f"pi_demo{n:08d}" for n in range(len(t))]),
        "amount": np.array([f"{a // 100}.{a % 100:02d}" for a in t["amount"].tolist()]),
        "currency": np.full(len(t), "usd"),
        "status": np.where(t["result"] == SUCCEEDED, "succeeded", "failed"),
        "failure_code": np.where(t["result"] == SUCCEEDED, _NULL, code),
        "created_at": _stamp(t["at"], clock),
    }


def _cron_logs(world: World, clock: int) -> Columns:
    t = world["cron_runs"].until(clock)
    ended = t.where((t["ended"] > 0) & (t["ended"] <= clock))
    names = np.array([job.name for job in JOBS])
    last = np.where(ended["failed"], "failed", "completed")
    error = np.where(ended["failed"], "Review provider answered 401: invalid client", _NULL)
    none = np.full(len(t), _NULL)
    return {
        "id": _ids(0xAB000000, np.arange(len(t) + len(ended))),
        "job_name": names[np.concatenate([t["job"], ended["job"]])],
        "status": np.concatenate([np.full(len(t), "started"), last]),
        "started_at": _stamp(np.concatenate([t["at"], ended["at"]]), clock),
        "completed_at": np.concatenate([none, _stamp(ended["ended"], clock)]),
        "duration_ms": np.concatenate([none, _text(ended["ended"] - ended["at"])]),
        "error_message": np.concatenate([none, error]),
        "attempts": np.concatenate([np.full(len(t), "1"), _text(ended["attempts"])]),
        "created_at": _stamp(np.concatenate([t["at"], ended["ended"]]), clock),
    }


def _cron_config(world: World, clock: int) -> Columns:
    return {
        "job_name": np.array([job.name for job in JOBS]),
        "enabled": np.full(len(JOBS), "t"),
        "schedule": np.array([job.schedule for job in JOBS]),
        "timeout_seconds": np.array([str(job.timeout_s) for job in JOBS]),
        "updated_at": _stamp(np.full(len(JOBS), ms(START) - 30 * DAY), clock),
    }


def _uptime(world: World, clock: int) -> Columns:
    t = world["probes"].until(clock)
    healthy, broken = '{"database": "healthy", "auth": "healthy"}', '{"database": "unknown", "auth": "unknown"}'
    return {
        "id": _numbered(0xAC000000, t),
        "status": np.where(t["down"], "down", "up"),
        "response_time": np.where(t["down"], _NULL, _text(t["response_ms"])),
        "errors": np.where(t["down"], '{"fetch failed: timeout after 10 s"}', "{}"),
        "checks": np.where(t["down"], broken, healthy),
        "checked_at": _stamp(t["at"], clock),
    }


def _alerts(world: World, clock: int) -> Columns:
    t = world["alerts"].until(clock)
    name, severity, message = (np.array(column)[t["kind"]] for column in zip(*ALERTS, strict=True))
    old = np.where(clock - t["at"] > DAY // 4, "t", "f")
    return {
        "id": _numbered(0xAD000000, t),
        "alert_name": name,
        "severity": severity,
        "message": message,
        "triggered_at": _stamp(t["at"], clock),
        "acknowledged": old,
        "resolved": old,
    }


def _integrations(world: World, clock: int) -> Columns:
    t = world["integration_checks"].until(clock)
    return {
        "id": _numbered(0xAE000000, t),
        "integration_name": np.array(INTEGRATIONS)[t["integration"]],
        "check_time": _stamp(t["at"], clock),
        "status": np.where(t["failed"], "unhealthy", "healthy"),
        "response_time_ms": _text(t["response_ms"]),
        "success": np.where(t["failed"], "f", "t"),
        "error_message": np.where(t["failed"], "Stripe API error: an error occurred with our connection", _NULL),
    }


ROWS: Mapping[str, Callable[[World, int], Columns]] = {
    "customers": _customers,
    "missed_opportunities": _opportunities,
    "promotion_deliveries": _promotion_deliveries,
    "promotion_delivery_queue": _promotion_queue,
    "review_requests": _review_requests,
    "loyalty_transactions": _loyalty,
    "portal_sessions": _portal_sessions,
    "portal_analytics": _portal_analytics,
    "website_sessions": _website_sessions,
    "website_analytics": _website_analytics,
    "support_tickets": _tickets,
    "payments": _payments,
    "cron_job_logs": _cron_logs,
    "cron_job_config": _cron_config,
    "uptime_logs": _uptime,
    "alert_history": _alerts,
    "integration_health_log": _integrations,
}


def visibility(plan: Plan) -> str:
    """SQL that decides what the monitoring role sees: everything, or all but the cron log."""
    if plan.monitor_bypasses_rls:
        return "ALTER ROLE pdm_monitor BYPASSRLS"
    tables = [name for name in ROWS if name != "cron_job_logs"]
    return ";".join(
        f"CREATE POLICY monitor_reads ON public.{name} FOR SELECT TO pdm_monitor USING (true)" for name in tables
    )
