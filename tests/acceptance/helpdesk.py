"""A second site of another shape: a helpdesk in Kolkata, with its own names and words, and no vendors.

Its database keeps local times without a zone, one row a run of its jobs, and words of its own
everywhere. What is in it is written out here, so that a reader can count it by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from tests.servers import MONITOR

ZONE = "Asia/Kolkata"
DEPLOYED, AS_OF = "2025-11-03T09:30:00+05:30", "2025-11-10T09:30:00+05:30"

TABLES = f"""
CREATE SCHEMA desk;
-- One look a minute. On 5 November 48 minutes are lost from 14:10 on; on the 7th every tenth minute
-- from 9:00 to 19:00.
CREATE TABLE desk.pulse AS
SELECT at AS seen, CASE
    WHEN at >= '2025-11-05 14:10' AND at < '2025-11-05 14:58' THEN 'error'
    WHEN at >= '2025-11-07 09:00' AND at < '2025-11-07 19:00' AND extract(minute FROM at)::int % 10 = 4
      THEN 'timeout'
    WHEN extract(hour FROM at) = 13 AND extract(minute FROM at) < 5 THEN 'slow'
    ELSE 'alive' END AS state,
  (90 + extract(minute FROM at))::real AS took, NULL::text AS trouble
FROM generate_series('2025-10-20 00:00'::timestamp, '2025-11-10 09:29', interval '1 minute') AS at;
-- One row a run, with a boolean. The mail of the 6th, 3:15, failed; the digest of the 8th, 9:00, did not run.
CREATE TABLE desk.chores AS
SELECT 'fetch mail' AS chore, at + interval '2 seconds' AS began, at <> '2025-11-06 03:15' AS fine,
  4000 AS took_ms,
  CASE WHEN at = '2025-11-06 03:15' THEN 'mailbox is locked' END AS note
FROM generate_series('2025-10-06 00:00'::timestamp, '2025-11-10 09:15', interval '15 minutes') AS at
UNION ALL
SELECT 'digest', at + interval '1 second', true, 60000, NULL
FROM generate_series('2025-10-06 09:00'::timestamp, '2025-11-10 09:00', interval '1 day') AS at
WHERE at <> '2025-11-08 09:00'
UNION ALL
SELECT 'digest', at + interval '1 second', true, 60000, NULL
FROM generate_series('2025-10-06 18:00'::timestamp, '2025-11-09 18:00', interval '1 day') AS at
WHERE extract(isodow FROM at) < 6
UNION ALL
SELECT 'invoices', '2025-10-01 02:30:01', true, 1000, NULL;
-- A question an hour of the working day: every fifth is a fault, every tenth is open.
CREATE TABLE desk.questions AS
SELECT row_number() OVER (ORDER BY at) AS no, at AS asked,
  CASE WHEN n % 10 < 9 THEN at + interval '3 hours' END AS answered,
  CASE WHEN n % 10 < 9 THEN 'erledigt' ELSE 'neu' END AS lage,
  (ARRAY['P4', 'P3', 'P2', 'P1'])[1 + n % 4] AS urgency,
  CASE WHEN n % 5 = 0 THEN 'Bug Report' ELSE 'How To' END AS topic,
  4 + n % 2 AS stars
FROM generate_series('2025-10-06 00:00'::timestamp, '2025-11-10 09:00', interval '1 hour') AS at,
  LATERAL (SELECT extract(epoch FROM at)::bigint / 3600 AS n) AS hours
WHERE extract(hour FROM at) BETWEEN 9 AND 17;
CREATE TABLE desk.replies AS
SELECT asked + interval '20 minutes' AS written, no AS question FROM desk.questions;
CREATE TABLE desk.visits AS
SELECT at AS came, at + interval '4 minutes' AS went, 'v' || extract(hour FROM at) AS who, 1 + n % 3 AS seen_pages
FROM generate_series('2025-10-06 00:00'::timestamp, '2025-11-10 09:20', interval '20 minutes') AS at,
  LATERAL (SELECT extract(epoch FROM at)::bigint / 1200 AS n) AS thirds;
GRANT USAGE ON SCHEMA desk TO {MONITOR};
GRANT SELECT ON ALL TABLES IN SCHEMA desk TO {MONITOR};
"""

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
WATCHER = "desk-watch/2"  # only its path says that it looks at the health


def access_log() -> Iterator[str]:
    """Lines in nginx's combined format with Kolkata's offset, from two weeks before the deployment on.

    Each five minutes a look at the health and a question of a person, each half an hour a crawler. Of the
    people's, those of minute 35 are refused with 404. After the deployment those of 11:00 to 11:55 fail with
    502; so do the looks at the health and the crawler of each midnight. No line tells how long it
    took: the number after the status is of bytes.
    """
    at, end = datetime.fromisoformat("2025-10-20T00:00:00+05:30"), datetime.fromisoformat(AS_OF)
    deployed = datetime.fromisoformat(DEPLOYED)
    while at < end + timedelta(hours=1):
        night = at.hour == 0 and at.minute == 0
        status = 502 if at >= deployed and at.hour == 11 else 404 if at.minute == 35 else 200
        yield _line(at, "/healthz", 502 if night else 200, agent=WATCHER)
        yield _line(at, f"/questions/{at.day * 1000 + at.hour}?from=mail", status, agent=BROWSER)
        if at.minute % 30 == 0:
            yield _line(at, "/questions", 502 if night else 200, agent=CRAWLER)
        at += timedelta(minutes=5)


def _line(at: datetime, path: str, status: int, agent: str) -> str:
    stamp = at.strftime("%d/%b/%Y:%H:%M:%S %z")
    return f'203.0.113.9 - - [{stamp}] "GET {path} HTTP/1.1" {status} 5120 "-" "{agent}"'


JOBS = [
    {"name": "fetch mail", "schedule": "*/15 * * * *", "time_zone": ZONE, "timeout_s": 120},
    {"name": "digest", "schedule": ["0 9 * * *", "0 18 * * MON-FRI"], "time_zone": ZONE},
    {"name": "invoices", "schedule": "30 2 1 * *", "time_zone": ZONE},
]


def undeclared(base_url: str) -> dict[str, Any]:
    """The site file of someone who names the tables and columns and declares nothing of what they mean."""
    return {
        "site": "helpdesk",
        "title": "Helpdesk",
        "time_zone": ZONE,
        "deployed_at": DEPLOYED,
        "unused": ["sentry", "vercel", "supabase", "stripe", "twilio", "resend"],
        "sources": {
            "app": {"base_url": base_url, "health": "/healthz", "detailed": None, "probes": 1},
            "postgres": {"url_env": "BENCH_URL", "sslmode": "disable"},
        },
        "uptime": {
            "table": "desk.pulse",
            "interval_s": 60,
            "columns": {"checked_at": "seen", "status": "state", "response_ms": "took", "errors": "trouble"},
        },
        "cron": {
            "table": "desk.chores",
            "columns": {
                "job": "chore",
                "started_at": "began",
                "completed_at": None,
                "status": "fine",
                "error": "note",
                "duration_ms": "took_ms",
                "attempts": None,
            },
            "jobs": JOBS,
        },
        "tickets": {
            "table": "desk.questions",
            "columns": {
                "ticket": "no",
                "created_at": "asked",
                "resolved_at": "answered",
                "status": "lage",
                "priority": "urgency",
                "category": "topic",
                "tags": None,
                "rating": "stars",
                "summary": None,
            },
        },
        "activity": {
            "sessions_table": "desk.visits",
            "columns": {
                "session": None,
                "visitor": "who",
                "started_at": "came",
                "ended_at": "went",
                "pages": "seen_pages",
                "duration_s": None,
            },
        },
        "features": [
            {
                "name": "replies",
                "title": "Replies",
                "kind": "create",
                "table": "desk.replies",
                "time_column": "written",
            },
            {
                "name": "faults",
                "title": "Faults",
                "kind": "create",
                "sql": "SELECT asked AS at, 1 AS amount FROM desk.questions WHERE topic = 'Bug Report'",
            },
        ],
    }


def declared(base_url: str) -> dict[str, Any]:
    """The same site file with what its words and times mean."""
    site = undeclared(base_url)
    site["sources"]["app"]["expect"] = {"/": {"status": [404]}}
    site["uptime"]["words"] = {"up": ["Alive"], "degraded": ["slow"], "down": ["error", "timeout"]}
    site["cron"]["words"] = {"completed": [True], "failed": [False]}
    site["tickets"]["words"] = {
        "open": ["neu"],
        "closed": ["erledigt"],
        "low": ["P4"],
        "normal": ["P3"],
        "high": ["P2"],
        "urgent": ["P1"],
    }
    site["tickets"]["categories"] = {"bug": ["bug report"], "question": ["how to"]}
    for block in (site["uptime"], site["cron"], site["tickets"], site["activity"], *site["features"]):
        block["time_zone"] = ZONE
    return site
