"""What a person has to know of a frame before counting in it: where it comes from, its units, what a gap means."""

from __future__ import annotations

from collections.abc import Mapping

from pdmlib.frames.schemas import SCHEMAS

# The frames of a report and which sources fill each. A name in quotes is a block of the site file.
FILLED_BY: Mapping[str, str] = {
    "probes": "app, the site's `uptime` table in postgres, sentry's uptime monitors: the column target",
    "health_checks": "app",
    "request_counts": "`requests` (raw logs), vercel: the column source",
    "latencies": "`requests` (raw logs), sentry, vercel: the column source",
    "same_hours": "`requests` (raw logs)",
    "route_hours": "`requests` (raw logs)",
    "log_silences": "`requests` (raw logs)",
    "error_counts": "sentry",
    "issues": "sentry",
    "deployments": "vercel, sentry, the site file: the column source",
    "build_logs": "vercel",
    "platform_crons": "vercel",
    "cron_logs": "postgres: the site's `cron` table; sentry's cron monitors",
    "cron_settings": "postgres: the site's `cron` table",
    "feature_counts": "postgres: the tables of the site's `features`",
    "activity": "vercel, `requests` (raw logs), the site's `activity` table in postgres: the column source",
    "tickets": "postgres: the site's `tickets` table",
    "app_alerts": "postgres: the site's `tables.app_alerts`",
    "integration_checks": "postgres: the site's `tables.integration_checks`",
    "payments": "stripe, postgres: the column source",
    "disputes": "stripe",
    "webhook_events": "stripe",
    "messages": "twilio",
    "email_counts": "resend",
    "vendor_errors": "twilio, resend, supabase: the column vendor",
    "vendor_states": "every vendor: the column vendor",
    "deployment_probes": "`pdm doctor --probe`: the column vendor",
    "host_metrics": "supabase",
    "query_timings": "postgres",
    "query_plans": "postgres",
    "statements": "postgres: pg_stat_statements",
    "statement_plans": "postgres: EXPLAIN of the busiest of pg_stat_statements",
    "waits": "postgres: pg_stat_activity, sampled by `pdm watch`",
    "database_gauges": "postgres",
    "database_findings": "postgres",
    "visibility": "postgres",
    "costs": "each vendor's bill, the site file: the column source",
    "not_understood": "every source: the column source",
    "gaps": "every source: the column source",
}
# What it means where a row or a value is not there, if it is more than "not known".
NOTHING: Mapping[str, str] = {
    "probes": "no row: nobody looked, which is neither up nor down",
    "request_counts": "route missing: all routes together; status missing: not told; no row: nothing counted",
    "latencies": "route missing: all routes together; a bound missing: the source gives no interval",
    "same_hours": "no rows: the site file has no request log",
    "route_hours": "no row: no request in that hour, or the route is none of those",
    "log_silences": "no rows: a line in every hour, up to the end",
    "statement_plans": "plan missing: the reason says why; index missing: no index was looked for",
    "waits": "no row of a round: nobody sampled; one row without a wait: no session was at work",
    "deployments": "live_at missing: users never reached it, or nobody knows",
    "cron_logs": "completed_at missing: the run has not ended as far as the log knows",
    "feature_counts": "no row: nothing in that quarter of an hour, where the table could be read",
    "tickets": "resolved_at missing: still open; rating missing: not rated",
    "payments": "fault missing: the reason is not understood",
    "messages": "fault missing: the reason is not understood",
    "disputes": "due_at missing: no evidence is taken",
    "vendor_states": "ok missing: the vendor does not say",
    "gaps": "item missing: the whole source could not be read; no rows: everything was",
    "not_understood": "no rows: everything that was read was understood",
}
# Frames with rows of several lengths for the same time, of which a plain sum is a multiple: what is to be taken.
OVERLAPS: Mapping[str, str] = {
    "request_counts": "rows overlap (minutes, hours, the window, the week before), so that a plain sum counts a "
    "request several times: take one source, one interval_s, and route missing or given",
    "latencies": "rows overlap (a minute, hours, the last hour, days, the window, the week before), so that a "
    "plain sum counts a request several times: take one source, one length (end - start), route missing or given, "
    "and of an hour's length those that begin with an hour of the site's clock",
    "error_counts": "rows overlap (hours, days, the window, the week before): take one length (end - start)",
    "email_counts": "rows overlap (hours, days, the window, the week before): take one interval_s",
    "activity": "rows overlap (days, the window, weeks before): take one source and one length (end - start)",
    "same_hours": "each dimension holds the same requests: take one",
}
NOT_KNOWN = "not known, never zero"
# By the end of a column's name, longest first; of the numbers that end in none of these a few are no counts.
_ENDS: Mapping[str, str] = {"_ms": "ms", "_s": "s", "_pct": "%", "_bytes": "bytes", "_blocks": "blocks of 8 kB"}
_NO_COUNTS: Mapping[str, str] = {
    "ms": "ms",
    "sample_rate": "share of all, 0 to 1",
    "cost": "the planner's own",
    "index_cost": "the planner's own",
    "amount_minor": "the currency's smallest unit",
    "rating": "points, 1 to 5",
    "attempts": "tries",
    "error_code": "code of the vendor",
    "status": "HTTP status",
    "run": "number of the run",
}
_OTHERWISE: Mapping[tuple[str, str], str] = {
    ("costs", "amount"): "the column currency",
    ("feature_counts", "amount"): "what the feature counts",
    ("health_checks", "value"): "% for memory",
    ("host_metrics", "value"): "as the metric's name ends, else a count",
    ("database_gauges", "value"): "the column unit",
    ("database_findings", "value"): "the column unit",
}


def unit_of(name: str, column: str) -> str:
    """The unit of a column: `ms`, `UTC`, `count`; empty for words, and for yes or no."""
    kind = SCHEMAS[name].columns[column]
    if kind == "time":
        return "UTC"
    if kind not in ("int", "float"):
        return ""
    known = _OTHERWISE.get((name, column)) or _NO_COUNTS.get(column)
    measured = column.removesuffix("_before")
    return known or next((unit for end, unit in _ENDS.items() if measured.endswith(end)), "count")


def units_of(name: str) -> dict[str, str]:
    """Column -> unit, of the columns of a frame that have one."""
    return {column: unit for column in SCHEMAS[name].columns if (unit := unit_of(name, column))}


def about(name: str) -> dict[str, str]:
    """The grain of a frame, its units, where it is from and what a missing value means, each as one sentence."""
    units: dict[str, list[str]] = {}
    for column, unit in units_of(name).items():
        units.setdefault(unit, []).append(column)
    return {
        "grain": "; ".join(filter(None, (SCHEMAS[name].grain, OVERLAPS.get(name)))),
        "units": "; ".join(f"{unit}: {', '.join(columns)}" for unit, columns in units.items()),
        "source": FILLED_BY[name],
        "missing": NOTHING.get(name, NOT_KNOWN),
    }
