"""The schema of every frame: its grain, its key and its columns with their types.

Types: `time` (datetime64[us, UTC]), `text` (str, missing is NaN), `prose` (text that a stranger wrote, which is
masked), `int` (Int64), `float` (float64, missing is NaN), `bool` (boolean). Missing is never 0, -1 or ""."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Schema:
    """One frame: its grain, its key and its columns with their types."""

    grain: str
    key: tuple[str, ...]
    columns: Mapping[str, str]


def _columns(text: str) -> dict[str, str]:
    return dict(word.split(":") for word in text.split())


SCHEMAS: Mapping[str, Schema] = {
    "probes": Schema(
        "one probe of one target: `uptime_logs`, or a path such as /api/health; status up, degraded or down",
        ("target", "checked_at"),
        _columns("target:text checked_at:time status:text response_ms:float detail:prose"),
    ),
    "health_checks": Schema(
        "one component named by a health endpoint; value is the memory percentage for `memory`",
        ("target", "component", "checked_at"),
        _columns(
            "target:text component:text checked_at:time status:text response_ms:float value:float detail:prose"
        ),
    ),
    "request_counts": Schema(
        "requests of one HTTP status in one interval; route NaN: all routes together",
        ("source", "at", "interval_s", "route", "status"),
        _columns("source:text at:time interval_s:float route:text status:int requests:float sample_rate:float"),
    ),
    "latencies": Schema(
        "one interval, one route (NaN: all): percentiles of the interval's own requests, never averaged; "
        "requests, failures (5xx) and refused (4xx) extrapolated by the vendor, samples as stored, timed: those "
        "with a response time where not all have one; low and high: 95 % order statistics",
        ("source", "start", "end", "route"),
        _columns(
            "source:text start:time end:time route:text p50_ms:float p95_ms:float p99_ms:float avg_ms:float "
            "p50_low_ms:float p50_high_ms:float p95_low_ms:float p95_high_ms:float "
            "p99_low_ms:float p99_high_ms:float "
            "requests:float failures:float refused:float samples:int timed:int sample_rate:float "
            "confidence:text complete:bool"
        ),
    ),
    "same_hours": Schema(
        "one item of one dimension (all, route, region, release) on the whole hours of the week that both the "
        "window and the seven days before the deployment hold; sum_ms: all its response times together",
        ("source", "dimension", "item"),
        _columns(
            "source:text dimension:text item:text hours:int hours_before:int requests:float requests_before:float "
            "failures:float failures_before:float timed:float timed_before:float sum_ms:float sum_ms_before:float "
            "p95_ms:float p95_low_ms:float p95_high_ms:float "
            "p95_ms_before:float p95_low_ms_before:float p95_high_ms_before:float"
        ),
    ),
    "route_hours": Schema(
        "one whole hour of one route, from the week before the deployment on, of the routes with most requests "
        "and with most failures; avg_ms is of the requests with a response time, which timed counts",
        ("source", "route", "at"),
        _columns(
            "source:text route:text at:time requests:float failures:float timed:int avg_ms:float sample_rate:float"
        ),
    ),
    "error_counts": Schema(
        "errors (level error and fatal) of one interval; users and issues are distinct counts",
        ("start", "end"),
        _columns("start:time end:time errors:int users:int issues:int"),
    ),
    "issues": Schema(
        "one issue of the error tracker; events in the window, events_before in the 7 days "
        "before deployment, events_latest in the latest part; release of its newest event",
        ("issue",),
        _columns(
            "issue:text title:prose culprit:prose level:text status:text substatus:text priority:text "
            "first_seen:time last_seen:time events:int events_before:int events_latest:int users:int "
            "unhandled:bool last_release:text assigned_to:prose link:text"
        ),
    ),
    "deployments": Schema(
        "one deployment or release each time that traffic moved to it, once where it never did; state READY, "
        "ERROR ..; target production or preview; live_at: when users' traffic reached it, NaN: it did not, or "
        "nobody knows; move: deployment, promotion, rollback, rolling or aborted; share_pct: of the traffic, "
        "where not all of it moved",
        ("source", "deployment", "live_at"),
        _columns(
            "source:text deployment:text created_at:time ready_at:time live_at:time move:text share_pct:float "
            "state:text target:text sha:text error:prose rollback_candidate:bool"
        ),
    ),
    "build_logs": Schema(
        "one line of the deployment's build log worth keeping: errors and bundle sizes",
        ("deployment", "at", "text"),
        _columns("deployment:text at:time level:text text:prose"),
    ),
    "platform_crons": Schema(
        "one schedule known to the platform", ("path", "schedule"), _columns("path:text schedule:text")
    ),
    "cron_logs": Schema(
        "one row of the application's cron log, as stored (a run writes two)",
        (),
        _columns(
            "job:text started_at:time completed_at:time status:text duration_ms:float error:prose attempts:int"
        ),
    ),
    "cron_settings": Schema("one job's switch", ("job",), _columns("job:text enabled:bool")),
    "feature_counts": Schema(
        "amount of one feature in one quarter of an hour; quarters with nothing have no row; blank: rows in it "
        "whose amount is not understood and left out",
        ("feature", "at"),
        _columns("feature:text at:time amount:float blank:float"),
    ),
    "activity": Schema(
        "distinct visitors and sessions of one interval (a local day, or a whole window: never summed)",
        ("source", "start", "end"),
        _columns(
            "source:text start:time end:time visitors:int sessions:int page_views:int session_s:float bounced:int"
        ),
    ),
    "tickets": Schema(
        "one support ticket; category after the site's mapping of tags",
        ("ticket",),
        _columns(
            "ticket:text created_at:time resolved_at:time category:text priority:text status:text rating:float "
            "summary:prose tags:prose"
        ),
    ),
    "app_alerts": Schema(
        "one alert raised by the application itself",
        (),
        _columns("alert:prose severity:text at:time resolved:bool message:prose"),
    ),
    "integration_checks": Schema(
        "one check of an integration by the application",
        (),
        _columns("integration:text at:time success:bool response_ms:float error:prose"),
    ),
    "payments": Schema(
        "one payment attempt; source stripe or database; outcome is Stripe's outcome type; fault of a failed one: "
        "customer, ours, or NaN where the reason is not understood",
        ("source", "payment"),
        _columns(
            "source:text payment:text created_at:time status:text failure_code:text outcome:text fault:text "
            "amount_minor:float currency:text"
        ),
    ),
    "disputes": Schema(
        "one dispute of a payment as it stands now; status open, under_review or closed; due_at: until when "
        "evidence is taken, NaT where none is",
        ("dispute",),
        _columns("dispute:text created_at:time status:text reason:text due_at:time"),
    ),
    "webhook_events": Schema(
        "one event that a vendor has not delivered to our endpoint",
        ("vendor", "event"),
        _columns("vendor:text event:text type:text created_at:time pending:int"),
    ),
    "messages": Schema(
        "one text message; fault of a lost one: recipient, ours, or NaN where the reason is not understood",
        ("message",),
        _columns("message:text created_at:time status:text direction:text error_code:int fault:text"),
    ),
    "email_counts": Schema(
        "emails of one interval",
        ("at", "interval_s"),
        _columns(
            "at:time interval_s:float sent:int delivered:int bounced:int bounced_permanent:int "
            "bounced_transient:int complained:int failed:int suppressed:int delivery_delayed:int"
        ),
    ),
    "vendor_errors": Schema(
        "one error that a vendor recorded: kind webhook (a call of its to us that failed), call (one of ours that "
        "it refused) or connection (one to the database that was refused); place: endpoint, or host and path",
        ("vendor", "event"),
        _columns("vendor:text event:text at:time kind:text code:text place:prose"),
    ),
    "vendor_states": Schema(
        "a state that a vendor reports now: kind webhook, domain, account, service, quota, log; ok NaN: unsaid",
        ("vendor", "kind", "item"),
        _columns("vendor:text kind:text item:text status:text ok:bool detail:prose"),
    ),
    "deployment_probes": Schema(
        "one thing that a probe with a side effect looked at: a test payment, its webhook, a test message or "
        "e-mail; state worked, failed or not known",
        ("vendor", "what", "really", "at"),
        _columns("vendor:text what:text really:bool at:time state:text evidence:prose"),
    ),
    "host_metrics": Schema(
        "one sample of one host metric: cpu_idle_s and cpu_all_s (counters), memory_pct, disk_used_bytes, "
        "disk_size_bytes, connections, max_connections, pooler_waiting, db_up, queries_total, db_size_bytes",
        ("metric", "at"),
        _columns("metric:text at:time value:float"),
    ),
    "query_timings": Schema(
        "one timed run of a critical query; role monitor or application",
        ("query", "role", "run"),
        _columns("query:text role:text run:int ms:float rows:int plan:text fingerprint:text"),
    ),
    "query_plans": Schema(
        "the plan of one critical query at one moment, as JSON without literals; ms: median of its timed runs; "
        "fingerprint: its node types, relations and indexes; role monitor or application",
        ("query", "role", "at"),
        _columns("query:text role:text at:time ms:float fingerprint:text plan:text"),
    ),
    "statement_plans": Schema(
        "the plan of one of the busiest statements for parameters that nobody knows, as JSON without literals and "
        "figures; planned_as: the role; cost: the planner's own; reason: why there is no plan; index: the "
        "statement of an index that would serve a table it reads whole, index_cost: the planner's cost with it, "
        "NaN: not tested",
        ("at", "role", "queryid"),
        _columns(
            "at:time role:text queryid:text planned_as:text fingerprint:text plan:text cost:float reason:text "
            "index:text index_cost:float"
        ),
    ),
    "waits": Schema(
        "sessions of one statement that were at work at the samples of one round, by what they waited for; wait: "
        "class and event, CPU: for nothing; blocker: the session that holds the lock, and its statement; "
        "samples: sessions seen so, over all samples; taken: samples of the round",
        ("at", "role", "queryid", "query", "wait", "blocker"),
        _columns("at:time role:text queryid:text query:text wait:text blocker:text samples:int taken:int"),
    ),
    "statements": Schema(
        "one entry of pg_stat_statements at one moment; counters are cumulative",
        ("at", "role", "queryid", "toplevel"),
        _columns(
            "at:time role:text queryid:text toplevel:bool query:text calls:float total_ms:float mean_ms:float "
            "stddev_ms:float rows:float hit_blocks:float read_blocks:float temp_blocks:float wal_bytes:float "
            "since:time"
        ),
    ),
    "database_gauges": Schema(
        "one number of the database at one moment",
        ("metric", "object", "at"),
        _columns("metric:text object:text at:time value:float unit:text detail:text"),
    ),
    "database_findings": Schema(
        "result of one database check on one object; severity pass, warn, fail, info or unknown",
        ("check", "object"),
        _columns(
            "check:text object:text severity:text value:float unit:text threshold:text window:text "
            "evidence:text action:text unknown_reason:text"
        ),
    ),
    "visibility": Schema(
        "what the monitoring role can see of one object: full, full_by_policy, filtered, denied or absent; "
        "the connection: session or pooled",
        ("object",),
        _columns("object:text state:text reason:text grant:text"),
    ),
    "costs": Schema(
        "cost of one service in one period; source is the vendor or `site file`",
        (),
        _columns("start:time end:time name:text service:text amount:float currency:text source:text"),
    ),
    "not_understood": Schema(
        "one thing that a source read and did not understand; taken_for: what the report makes of it until then; "
        "mend: the line of the site file that would explain it",
        ("source", "item", "what", "example"),
        _columns("source:text item:text what:text count:int example:text taken_for:text mend:text"),
    ),
    "understood": Schema(
        "one field of the newest object of a kind that a source read, or (kind `use of a word`) a word of a field "
        "and how often it was read; for the doctor alone, no report holds it",
        (),
        _columns(
            "source:text item:text ours:text theirs:text kind:text value:text taken_for:text means:text count:int"
        ),
    ),
    "log_silences": Schema(
        "a stretch of time in which the request log holds none of the requests that count, or (item `lines`) no "
        "line at all; goes_on: a later line is held; others: lines of the hour before it that do not count",
        ("source", "item", "start"),
        _columns("source:text item:text start:time end:time goes_on:bool others:int"),
    ),
    "gaps": Schema(
        "something asked for that could not be read; item NaN: the whole source",
        ("source", "item"),
        _columns("source:text item:text state:text reason:text"),
    ),
}
